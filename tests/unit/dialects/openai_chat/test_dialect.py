"""The dialect's table of verbs."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from headgate.core.events import Finished
from headgate.dialects.base import Target
from headgate.dialects.openai_chat import DIALECT, parse_response


def test_where_it_lives_and_what_it_sends() -> None:
    target = Target(model="m")
    assert (DIALECT.name, DIALECT.address(target)) == ("openai_chat", "/chat/completions")
    assert list(DIALECT.headers(target, {"x": "y"})) == []


def test_every_quirk_has_its_source() -> None:
    assert all("https://" in quirk.source and "2026" in quirk.source for quirk in DIALECT.quirks.values())


CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [CHOICE], "usage": USAGE},
        {"choices": [CHOICE], "usage": {**USAGE, "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 1}}},
        {"choices": [CHOICE], "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}},
        {"choices": [CHOICE], "usage": {**USAGE, "total_tokens": 19}},
        {"choices": [{**CHOICE, "message": {"refusal": "no"}}], "usage": USAGE},
        {"choices": [{**CHOICE, "finish_reason": "error"}], "usage": USAGE},
        {"choices": [CHOICE, {**CHOICE, "index": 1}], "usage": USAGE},
        {"choices": [CHOICE], "usage": USAGE, "error": {"message": "no"}},
        {"choices": [CHOICE]},
        {"error": "no"},
    ],
    ids=str,
)
def test_the_tap_sees_the_same_end_as_the_parser(body: dict[str, Any]) -> None:
    assert DIALECT.tap is not None
    wire = json.dumps(body).encode()
    seen, parsed = DIALECT.tap(wire), parse_response(wire)[-1]
    if isinstance(seen, Finished) and isinstance(parsed, Finished):
        seen, parsed = (
            replace(event, extras={}, usage=event.usage and replace(event.usage, extras={})) for event in (seen, parsed)
        )
    assert seen == parsed
