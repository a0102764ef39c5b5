"""Errors beside talking that come with a good status: what they are taken for, and what they have cost."""

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.core.problems import Outcome
from headgate.transport.fake import Send
from tests.engine.harness import bench
from tests.engine.sending import looped, send, sendings

OVERLOADED = {"message": "overloaded", "code": 503}


def good(body: dict[str, Any]) -> Send:
    """An answer with status 200."""
    data = json.dumps(body).encode()
    return Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(data), data)
    )


@pytest.mark.parametrize("name", [name for name in sendings("") if name != "moderations"])
@looped
async def test_what_an_error_in_place_of_an_answer_has_used_is_booked(tmp_path: Path, name: str):
    usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].script([good({"error": OVERLOADED, "usage": usage})])
        record = await on.record(await send(on, sendings("r_openai_chat")[name]))

        first, second = record.attempts
        assert first.usage is not None
        assert (first.usage.input_tokens, first.usage_source) == (7, "provider_reported")
        assert (first.outcome, second.outcome) == (Outcome.OVERLOAD, Outcome.OK)
        assert record.cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd
        assert record.extra_nano_usd == first.cost_nano_usd > 0


@pytest.mark.parametrize("body", [{"error": OVERLOADED}, {"error": OVERLOADED, "usage": "7"}])
@looped
async def test_an_error_that_tells_no_usage_costs_nothing(tmp_path: Path, body: dict[str, Any]):
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].script([good(body)])
        record = await on.record(await send(on, sendings("r_openai_chat")["embeddings"]))

        assert [(each.outcome, each.usage is None) for each in record.attempts] == [
            (Outcome.OVERLOAD, True),
            (Outcome.OK, False),
        ]


@looped
async def test_what_is_neither_answer_nor_error_is_a_fault_of_the_protocol(tmp_path: Path):
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].script([good({"hello": "there"})])
        record = await on.record(await send(on, sendings("r_openai_chat")["embeddings"]))

        assert [each.outcome for each in record.attempts] == [Outcome.PROTOCOL, Outcome.OK]
        assert "has no data" in record.attempts[0].message
