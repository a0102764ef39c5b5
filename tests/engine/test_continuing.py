"""Streams that break off in the midst of their words, on a route that lets another deployment finish them."""

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from headgate.core.problems import Outcome
from headgate.core.record import CallRecord
from headgate.transport.fake import CutAfter, FakeUpstream, LacksLast, StallAfter
from tests.engine.harness import DIALECTS, Bench, bench

CHAT = "openai_chat"
WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
"""What a begins to say; in the same pieces that b goes on in."""
CUTS = {"openai_chat": 900, "anthropic": 900, "gemini": 900, "openai_responses": 1500, "cohere": 900, "ollama": 500}
ENDS = {
    "openai_chat": "[DONE]",
    "anthropic": "message_stop",
    "gemini": "STOP",
    "ollama": '"done":true',
    "cohere": "message-end",
}


PIECES: dict[str, Callable[[Any], list[Any]]] = {
    "openai_chat": lambda event: [choice["delta"].get("content") for choice in event.get("choices", ())],
    "anthropic": lambda event: [event.get("delta", {}).get("text")],
    "gemini": lambda event: [part.get("text") for part in event["candidates"][0].get("content", {}).get("parts", ())],
    "cohere": lambda event: [event["delta"]["message"]["content"]["text"]] if event["type"] == "content-delta" else [],
    "ollama": lambda event: [event["message"]["content"]],
}


def said(dialect: str, body: str) -> str:
    """The words of a stream, in order."""
    lines = (line.removeprefix("data: ").strip() for line in body.splitlines())
    events = (json.loads(line) for line in lines if line.startswith("{"))
    return "".join(piece for event in events for piece in PIECES[dialect](event) if piece)


def says(upstream: FakeUpstream, text: str) -> None:
    upstream.settings = structs.replace(upstream.settings, text=text)


def last_words(upstream: FakeUpstream) -> str:
    return json.dumps(json.loads(upstream.log[-1].body))[-700:]


async def run(gateway: Bench, client: str, upstream: str, **members: Any) -> tuple[str, CallRecord]:
    async with asyncio.timeout(10), gateway.stream(client, f"r_{upstream}", **members) as response:
        body = (await response.aread()).decode()
    return body, await gateway.record(response)


@pytest.mark.anyio
@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", PIECES)
async def test_another_deployment_of_the_model_finishes_the_answer(tmp_path: Path, client: str, upstream: str):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        a, b = gateway.upstreams["a"], gateway.upstreams["b"]
        says(a, WORDS)
        says(b, " and so it ends.")
        a.fail(CutAfter(bytes=CUTS[upstream]))
        body, record = await run(gateway, client, upstream)
    words = said(client, body)
    begun = words.removesuffix(" and so it ends.")
    assert 0 < len(begun) < len(WORDS)
    assert WORDS.startswith(begun)
    assert words != begun
    assert "error" not in body.lower()
    assert ENDS[client] in body
    assert begun in last_words(b)
    assert "cut off" in last_words(b)
    first, second = record.attempts
    assert (first.outcome, second.outcome, second.why) == (Outcome.CUT, Outcome.OK, "continue")
    assert (record.outcome, record.error, record.status) == (Outcome.OK, "", 200)
    assert first.usage is not None
    assert second.usage is not None
    assert record.usage is not None
    assert record.usage.input_tokens == first.usage.input_tokens
    assert record.usage.output_tokens == first.usage.output_tokens + second.usage.output_tokens
    assert record.cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd
    assert record.charge_nano_usd == record.cost_nano_usd - record.extra_nano_usd
    assert 0 <= record.extra_nano_usd <= second.cost_nano_usd


@pytest.mark.anyio
async def test_the_client_reads_one_answer(tmp_path: Path):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        says(gateway.upstreams["a"], WORDS)
        says(gateway.upstreams["b"], " the rest")
        gateway.upstreams["a"].fail(CutAfter(bytes=900))
        body, _ = await run(gateway, CHAT, CHAT)
    assert len(set(re.findall(r'"id":"([^"]+)"', body))) == 1
    assert body.count("headgate-continued b_openai_chat/m") == 1
    assert body.count('"finish_reason":"stop"') == 1
    assert body.count("[DONE]") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("settings", [{"on_cut": "end"}, {}, {"on_cut": "continue", "hedge_share": 0}])
async def test_nobody_goes_on_unasked_or_unpaid(tmp_path: Path, settings: dict[str, Any]):
    async with bench(tmp_path, "ab", **settings) as gateway:
        says(gateway.upstreams["a"], WORDS)
        gateway.upstreams["a"].fail(CutAfter(bytes=900))
        body, record = await run(gateway, CHAT, CHAT)
        assert not gateway.upstreams["b"].log
    assert '"error"' in body
    assert "[DONE]" not in body
    assert (record.outcome, len(record.attempts)) == (Outcome.CUT, 1)


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


MORE: list[dict[str, Any]] = [
    {"tools": [TOOL]},
    {"response_format": {"type": "json_object"}},
    {"n": 2},
    {"logprobs": True},
    {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    {"max_tokens": 2},
]


@pytest.mark.anyio
@pytest.mark.parametrize("members", MORE)
async def test_what_is_more_than_words_ends_where_it_broke(tmp_path: Path, members: dict[str, Any]):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        says(gateway.upstreams["a"], WORDS)
        gateway.upstreams["a"].fail(CutAfter(bytes=1500))
        body, record = await run(gateway, CHAT, CHAT, **members)
        assert not gateway.upstreams["b"].log
    assert '"error"' in body
    assert "[DONE]" not in body
    assert record.outcome is Outcome.CUT


@pytest.mark.anyio
async def test_another_model_goes_on_only_where_that_is_said(tmp_path: Path):
    for number, (word, count) in enumerate((("continue", 0), ("continue_anywhere", 1))):
        routes = {"two": {"targets": ["a_openai_chat/m", "b_openai_chat/other"], "on_cut": word}}
        async with bench(tmp_path / str(number), "ab", routes=routes) as gateway:
            says(gateway.upstreams["a"], WORDS)
            gateway.upstreams["a"].fail(CutAfter(bytes=900))
            async with gateway.stream(CHAT, "two") as response:
                body = (await response.aread()).decode()
            assert ("[DONE]" in body, '"error"' in body) == (bool(count), not count)
            assert len(gateway.upstreams["b"].log) == count


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["prefill", "none"])
async def test_a_target_says_how_it_is_asked(tmp_path: Path, how: str):
    second = {"model": "b_anthropic/m", "continuation": how}
    routes = {"two": {"targets": ["a_anthropic/m", second], "on_cut": "continue"}}
    async with bench(tmp_path, "ab", routes=routes) as gateway:
        says(gateway.upstreams["a"], WORDS)
        says(gateway.upstreams["b"], " the rest")
        gateway.upstreams["a"].fail(CutAfter(bytes=900))
        async with gateway.stream("anthropic", "two") as response:
            body = (await response.aread()).decode()
        log = gateway.upstreams["b"].log
    if how == "none":
        assert not log
        assert "message_stop" not in body
        return
    messages = json.loads(log[0].body)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert "message_stop" in body


@pytest.mark.anyio
async def test_who_goes_on_may_break_off_too(tmp_path: Path):
    async with bench(tmp_path, "abc", on_cut="continue") as gateway:
        for name, text in (("a", WORDS), ("b", WORDS[40:])):
            says(gateway.upstreams[name], text)
            gateway.upstreams[name].fail(CutAfter(bytes=900))
        body, record = await run(gateway, CHAT, CHAT)
        assert not gateway.upstreams["c"].log
    assert body.count('"error"') == 1
    assert "[DONE]" not in body
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.CUT, Outcome.CUT]
    assert record.outcome is Outcome.CUT
    assert record.usage is not None
    assert record.usage.output_tokens > (record.attempts[1].usage or record.usage).output_tokens


@pytest.mark.anyio
@pytest.mark.parametrize("status", [500, 429])
async def test_who_cannot_go_on_changes_nothing_of_the_end(tmp_path: Path, status: int):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        says(gateway.upstreams["a"], WORDS)
        gateway.upstreams["a"].fail(CutAfter(bytes=900))
        gateway.upstreams["b"].reply(b'{"error":{"message":"no"}}', status=status)
        body, record = await run(gateway, CHAT, CHAT)
    assert body.count('"error"') == 1
    assert "[DONE]" not in body
    assert record.outcome is Outcome.CUT
    assert len(record.attempts) == 2


@pytest.mark.anyio
async def test_a_stall_is_made_good_like_a_cut(tmp_path: Path):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        says(gateway.upstreams["a"], WORDS)
        says(gateway.upstreams["b"], " the rest")
        gateway.upstreams["a"].fail(StallAfter(bytes=900))
        async with gateway.stream(CHAT, f"r_{CHAT}") as response:
            chunks = response.aiter_bytes()
            body = await anext(chunks)
            for flow in list(gateway.engine.flows):
                flow.abort(Outcome.STALL)
            async for chunk in chunks:
                body += chunk
        record = await gateway.record(response)
    assert b"[DONE]" in body
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.STALL, Outcome.OK]


@pytest.mark.anyio
async def test_an_end_in_order_that_is_none_is_held_back_and_made_good(tmp_path: Path):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        says(gateway.upstreams["a"], WORDS)
        says(gateway.upstreams["b"], " the rest")
        gateway.upstreams["a"].fail(LacksLast(chunks=3))
        body, record = await run(gateway, CHAT, CHAT)
    assert said(CHAT, body).endswith(" the rest")
    assert '"error"' not in body
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.CUT, Outcome.OK]


@pytest.mark.anyio
@pytest.mark.parametrize("upstream", ["openai_responses", "openai_chat", "anthropic"])
async def test_a_response_that_nobody_keeps_is_finished_too(tmp_path: Path, upstream: str):
    async with bench(tmp_path, "ab", on_cut="continue") as gateway:
        a, b = gateway.upstreams["a"], gateway.upstreams["b"]
        says(a, WORDS)
        says(b, " and so it ends.")
        a.fail(CutAfter(bytes=CUTS[upstream]))
        body, record = await run(gateway, "openai_responses", upstream, store=False)
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    words = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    begun = words.removesuffix(" and so it ends.")
    assert 0 < len(begun) < len(words)
    assert WORDS.startswith(begun)
    assert begun in last_words(b)
    assert ([each.why for each in record.attempts], record.outcome) == (["first", "continue"], Outcome.OK)
    end = events[-1]
    assert (end["type"], end["response"]["output"][-1]["content"][0]["text"]) == ("response.completed", words)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert len({event["response"]["id"] for event in events if "response" in event}) == 1
