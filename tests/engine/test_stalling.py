"""Streams that stop in their midst, though something keeps their connections alive."""

import time
from pathlib import Path

import pytest

from headgate.core.problems import Outcome
from headgate.engine.stalling import look
from headgate.transport.fake import Drip, Repeat, Send, Wait
from tests.engine.harness import Bench, bench

CHAT = "openai_chat"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
WORDS = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"po"}}]}\n\n'
)
THOUGHT = WORDS.replace(b'"content"', b'"reasoning_content"')


async def learned(gateway: Bench, streams: int = 40) -> None:
    """As many streams as it takes to know how long their pauses are."""
    async with gateway.stream(CHAT, f"a_{CHAT}/m") as response:
        await response.aread()
    member = next(iter(gateway.engine.fleet.members()))
    assert member.gaps.stall_s > 1000
    for _ in range(streams):
        member.gaps.ended(0.02)


@pytest.mark.anyio
async def test_pings_do_not_keep_a_stream_alive_that_has_stopped_talking(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        await learned(gateway)
        a = gateway.upstreams["a"]
        a.script([Send(HEAD + WORDS), Repeat(b": ping\n\n", 0.1)])
        began_s = time.monotonic()
        async with gateway.stream(CHAT, f"r_{CHAT}") as response:
            body = await response.aread()
        taken_s = time.monotonic() - began_s
        record = await gateway.record(response)
    assert 4.5 < taken_s < 15.0
    assert b'"error"' in body
    assert b"[DONE]" not in body
    assert (record.outcome, record.attempts[0].outcome) == (Outcome.STALL, Outcome.STALL)
    assert a.log[-1].closed_early


@pytest.mark.anyio
async def test_who_thinks_may_pause_longer(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        await learned(gateway)
        member = next(iter(gateway.engine.fleet.members()))
        member.gaps.stall_s = 0.5
        whole = THOUGHT + b": ping\n\n" * 3
        end = WORDS.replace(b'"delta":{"content":"po"}', b'"delta":{},"finish_reason":"stop"') + b"data: [DONE]\n\n"
        gateway.upstreams["a"].script([Send(HEAD + whole), Wait(1.5), Send(WORDS + end)])
        async with gateway.stream(CHAT, f"r_{CHAT}") as response:
            body = await response.aread()
        record = await gateway.record(response)
    assert b"[DONE]" in body
    assert record.outcome is Outcome.OK


def test_a_slow_reader_is_not_the_upstreams_fault():
    class Flow:
        said_s, is_congested, stall_s = 0.0, True, 1.0
        ended: Outcome | None = None

        def abort(self, outcome: Outcome) -> None:
            self.ended = outcome

    flow = Flow()
    look([flow], 100.0)
    assert (flow.said_s, flow.ended) == (100.0, None)
    flow.is_congested = False
    look([flow], 100.9)
    assert flow.ended is None
    look([flow], 101.1)
    assert flow.ended is Outcome.STALL


@pytest.mark.anyio
async def test_whole_streams_teach_how_long_their_pauses_are(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        gateway.upstreams["a"].fail(Drip(gap_s=0.01))
        for _ in range(32):
            async with gateway.stream(CHAT, f"r_{CHAT}") as response:
                await response.aread()
        member = next(iter(gateway.engine.fleet.members()))
        assert member.gaps.stall_s == 5.0
        assert gateway.engine.flows == set()
