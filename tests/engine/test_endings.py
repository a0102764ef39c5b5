"""How calls end that nobody wanted to end so: deadlines in the midst of an answer, and a gateway that is stopped."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.core.problems import Outcome
from headgate.server.incoming import Incoming, RequestHead
from headgate.store.queries.calls import CallFilter
from headgate.transport.fake import Drip, HeadersThenSilence, LacksLast, Repeat, Send, StallAfter
from tests.engine.harness import DIALECTS, bench, call

STALL = StallAfter(bytes=900)
LATER = {"openai_responses": StallAfter(bytes=2500)}
"""Where an answer begins with more words before it says anything."""
ENDS = {
    "openai_chat": b"data: [DONE]",
    "openai_responses": b"response.completed",
    "anthropic": b"message_stop",
    "gemini": b"finishReason",
    "cohere": b"data: [DONE]",
    "ollama": b'"done":true',
}


SOURCES = {"gemini": "provider_reported"}
"""Gemini reports what was used so far with every event."""


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the log of an upstream has nobody to tell
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_the_deadline_ends_a_stream_that_stalls(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a", timeout_s=0.4) as gateway:
            gateway.upstreams["a"].fail(LATER.get(upstream, STALL))
            async with gateway.stream(client, f"r_{upstream}") as response:
                body = await response.aread()
            assert response.status_code == 200
            assert b"error" in body
            assert ENDS[client] not in body
            record = await gateway.record(response)
            assert (record.outcome, record.usage_source) == (Outcome.SLOW, SOURCES.get(upstream, "counted"))
            await until(lambda: gateway.upstreams["a"].log[0].closed_early)

    asyncio.run(run())


LACKING = {"openai_chat": 3, "openai_responses": 1, "anthropic": 2, "gemini": 1, "cohere": 2, "ollama": 1}
"""Without so many of its last chunks an answer is not whole, though the stream ends in order."""


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_stream_that_ends_in_order_without_its_end_is_an_error(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(LacksLast(chunks=LACKING[upstream]))
            async with gateway.stream(client, f"r_{upstream}") as response:
                body = await response.aread()
            assert response.status_code == 200
            assert b'error"' in body.lower()
            assert ENDS[client] not in body
            assert (await gateway.record(response)).outcome is Outcome.CUT

    asyncio.run(run())


def test_the_callers_own_deadline_holds_in_a_stream(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(STALL)
            gateway.client.headers["x-headgate-timeout-ms"] = "300"
            async with asyncio.timeout(5), gateway.stream("openai_chat", "r_openai_chat") as response:
                body = await response.aread()
            assert b'"error"' in body

    asyncio.run(run())


def drip(body: bytes, status: bytes) -> list[Send | Repeat]:
    """A whole answer that comes byte by byte, and never as a whole."""
    head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n" % status
    return [Send(head), Repeat(body, 0.05)]


@pytest.mark.parametrize("status", [b"200 OK", b"500 Internal Server Error"])
def test_the_deadline_ends_an_answer_that_drips(tmp_path: Path, status: bytes):
    async def run() -> None:
        async with bench(tmp_path, "a", timeout_s=0.4) as gateway:
            gateway.upstreams["a"].script(drip(b" ", status))
            async with asyncio.timeout(5):
                response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.status_code == 504
            assert (await gateway.record(response)).outcome is Outcome.SLOW

    asyncio.run(run())


def test_an_answer_that_drips_leaves_time_for_the_next(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "ab", timeout_s=2) as gateway:
            gateway.upstreams["a"].script(drip(b" ", b"200 OK"))
            response = await gateway.post("openai_chat", "r_openai_chat")
            assert response.headers["x-headgate-provider"] == "b_openai_chat"

    asyncio.run(run())


def test_an_upstream_that_cannot_stop_after_its_end_is_left(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            upstream = gateway.upstreams["a"]
            async with gateway.stream("anthropic", "r_anthropic") as response:
                said = await response.aread()
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            upstream.script([Send(head), Send(chunk(said)), Repeat(chunk(b": more\n\n"), 0.1)])
            async with asyncio.timeout(5), gateway.stream("anthropic", "r_anthropic") as response:
                again = await response.aread()
            assert again.startswith(said)
            assert (await gateway.record(response)).outcome is Outcome.OK
            await until(lambda: upstream.log[1].closed_early)

    asyncio.run(run())


def test_what_an_error_in_place_of_an_answer_has_used_is_booked(tmp_path: Path):
    told = {"error": {"message": "overloaded", "code": 503}, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}

    async def run() -> None:
        async with bench(tmp_path, "ab") as gateway:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            event = b"data: %b\n\n" % json.dumps(told).encode()
            gateway.upstreams["a"].script([Send(head), Send(chunk(event))])
            async with gateway.stream("openai_chat", "r_openai_chat") as response:
                await response.aread()
            first, second = (await gateway.record(response)).attempts
            assert first.usage is not None
            assert (first.usage.input_tokens, first.usage.output_tokens) == (7, 3)
            assert (first.usage_source, second.outcome) == ("provider_reported", Outcome.OK)
            assert (await gateway.record(response)).cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd

    asyncio.run(run())


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


# A gateway that is stopped


@pytest.mark.parametrize("dialect", DIALECTS)
def test_closing_the_connections_is_told_to_a_stream_under_way(tmp_path: Path, dialect: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(STALL)
            async with gateway.stream(dialect, f"r_{dialect}") as response:
                pieces = response.aiter_raw()
                body = await anext(pieces)
                await gateway.engine.transports["http"].aclose()
                async for piece in pieces:
                    body += piece
            assert b"error" in body
            assert b"stopping" in body
            assert ENDS[dialect] not in body
            record = await gateway.record(response)
            assert (record.outcome, record.usage_source) == (Outcome.LOCAL, SOURCES.get(dialect, "counted"))

    asyncio.run(run())


class Caller:
    """One request to the listener, as the server makes it, that never leaves."""

    is_congested = False

    def __init__(self, path: str, body: object) -> None:
        self.incoming = Incoming(RequestHead("POST", path, b"", {b"authorization": b"Bearer anything"}))
        self.incoming.body = json.dumps(body).encode()
        self.told: list[object] = []

    def start(self, status: int, fields: bytes) -> None:
        self.told.append(status)

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def end(self, data: bytes = b"") -> None:
        self.told.append(data)

    async def drained(self) -> None:
        return None

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        return None


@pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])
def test_a_call_whose_task_is_cancelled_is_no_success(tmp_path: Path, is_stream: bool):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            upstream = gateway.upstreams["a"]
            upstream.fail(STALL if is_stream else HeadersThenSilence())
            path, body = call("openai_chat", "r_openai_chat", is_stream=is_stream)
            caller = Caller(path, body)
            async with asyncio.TaskGroup() as group:
                assert gateway.listener.greet(caller.incoming) is None
                task = group.create_task(gateway.listener.serve(caller.incoming, caller))
                await until(lambda: upstream.log and len(caller.told) >= (2 if is_stream else 0))
                task.cancel()
            (record,) = (await gateway.core.calls.recent(CallFilter())).records
            assert record.outcome is Outcome.LOCAL
            assert [(attempt.outcome, attempt.usage_source) for attempt in record.attempts] == [("local", "counted")]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["x-stainless-timeout", "x-stainless-read-timeout"])
def test_the_timeout_of_an_sdk_bounds_the_first_byte_and_not_the_stream(tmp_path: Path, name: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            a = gateway.upstreams["a"]
            gateway.client.headers[name] = "0.4"
            a.fail(Drip(gap_s=0.1))
            async with gateway.stream("openai_chat", "r_openai_chat") as response:
                body = await response.aread()
            assert b"[DONE]" in body
            a.heal()
            a.fail(HeadersThenSilence())
            async with asyncio.timeout(5):
                late = await gateway.post("openai_chat", "r_openai_chat")
            assert late.status_code == 504
            gateway.client.headers[name] = "whatever"
            a.heal()
            assert (await gateway.post("openai_chat", "r_openai_chat")).status_code == 200

    asyncio.run(run())
