"""Streams, in every pair of dialects: nothing held back, nothing passed off as complete, nothing left running."""

import asyncio
import itertools
import json
import math
import time
from pathlib import Path

import httpx2
import pytest

from headgate.core.events import Failed, Finished
from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.dialects.registry import DIALECTS as TABLE
from headgate.transport.fake import CutAfter, Drip, StallAfter
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import DIALECTS, PROVIDERS, UPSTREAM_ONLY, bench, call

PAIRS = [(client, upstream) for client in DIALECTS for upstream in DIALECTS]
GAP_S = 0.1


def parsed(dialect: str, body: bytes):
    parser = TABLE[dialect].stream_parser()
    return parser.feed(body) + parser.close()


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_tells_the_upstreams_words(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway, gateway.stream(client, f"a_{upstream}/m") as response:
            body = await response.aread()
            answer = fold(parsed(client, body))
            assert response.status_code == 200
            assert response.headers["content-type"].startswith(TABLE[client].stream_type.partition(";")[0])
            assert (answer.text, answer.reason, answer.problem) == (TEXT, "stop", None)
            record = await gateway.record(response)
            assert record.attempts[0].lane == ("verbatim" if client == upstream else "translated")
            assert record.usage is not None
            assert record.usage_source == "provider_reported"

    asyncio.run(run())


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_each_event_is_passed_on_before_the_next_is_sent(tmp_path: Path, client: str, upstream: str):
    """How many milliseconds it takes is measured by `bench/streaming.py`."""

    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=GAP_S))
            seen: list[float] = []
            members = {"stream_options": {"include_usage": True}} if client == "openai_chat" else {}
            async with gateway.stream(client, f"a_{upstream}/m", **members) as response:
                async for _ in response.aiter_bytes():
                    seen.append(time.monotonic())
            sent = [at for at, _ in gateway.upstreams["a"].log[0].sent]
            events = [
                at for at, following in zip(sent, [*sent[1:], math.inf], strict=True) if following - at > GAP_S / 2
            ]
            assert len(events) >= len(TEXT.split())
            held = [at for at in events if at + GAP_S / 2 < seen[0]]
            assert len(held) <= 4  # until it says something, the call could still go elsewhere
            for at, following in itertools.pairwise(events[len(held) :]):
                assert any(at <= one < following for one in seen), (at, sent, seen)

    asyncio.run(run())


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_stream_that_is_cut_ends_with_an_error_and_never_cleanly(tmp_path: Path, client: str, upstream: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            whole = 0
            async with gateway.stream(upstream, f"a_{upstream}/m") as response:
                whole = len(await response.aread())
            gateway.upstreams["a"].fail(CutAfter(bytes=whole * 6 // 10))
            async with gateway.stream(client, f"a_{upstream}/m") as response:
                body = await response.aread()
            events = parsed(client, body)
            assert isinstance(events[-1], Failed)
            assert not any(isinstance(event, Finished) for event in events)
            assert b"[DONE]" not in body
            assert b"message_stop" not in body
            record = await gateway.record(response)
            assert record.outcome is Outcome.CUT
            assert record.usage is not None

    asyncio.run(run())


@pytest.mark.parametrize("client", DIALECTS)
def test_a_client_that_leaves_closes_the_upstream(tmp_path: Path, client: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.05))
            async with gateway.stream(client, "a_openai_chat/m") as response:
                async for _ in response.aiter_bytes():
                    break
                left_s = time.monotonic()
            for _ in range(100):
                attempt = gateway.upstreams["a"].log[0]
                if attempt.closed_s is not None:
                    break
                await asyncio.sleep(0.01)
            assert attempt.closed_early
            assert attempt.closed_s is not None
            assert attempt.closed_s - left_s < 1.0
            await asyncio.sleep(0.05)
            record = await gateway.record(response)
            assert record.outcome is Outcome.CLIENT_GONE
            assert record.usage is not None
            assert record.usage.is_estimated

    asyncio.run(run())


def test_a_client_that_leaves_before_the_first_event_closes_the_upstream(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            gateway.upstreams["a"].fail(StallAfter(bytes=0))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await gateway.post("openai_chat", "a_openai_chat/m")
            await asyncio.sleep(0.2)
            assert gateway.upstreams["a"].log[0].closed_early

    asyncio.run(run())


def test_usage_that_was_not_asked_for_is_withheld_and_nothing_else_changes(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            chunk = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%b]%b}\n\n'
            usage = b',"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
            kept = [
                chunk % (b'{"index":0,"delta":{"role":"assistant","content":"p"},"finish_reason":null}', b""),
                chunk % (b'{"index":0,"delta":{},"finish_reason":"stop"}', b""),
            ]
            gateway.upstreams["a"].stream([*kept, chunk % (b"", usage), b"data: [DONE]\n\n"])
            async with gateway.stream("openai_chat", "a_openai_chat/m") as response:
                assert await response.aread() == b"".join(kept) + b"data: [DONE]\n\n"
            record = await gateway.record(response)
            assert record.usage is not None
            assert (record.usage.input_tokens, record.usage.output_tokens) == (3, 2)
            sent = json.loads(gateway.upstreams["a"].log[0].body)
            assert sent["stream_options"] == {"include_usage": True}
            options = {"stream_options": {"include_usage": True}}
            async with gateway.stream("openai_chat", "a_openai_chat/m", **options) as response:
                assert b'"usage"' in await response.aread()

    asyncio.run(run())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_verbatim_lane_changes_no_byte(tmp_path: Path, dialect: str):
    async def run() -> None:
        async with bench(tmp_path, "a") as gateway:
            members = {"stream_options": {"include_usage": True}} if dialect == "openai_chat" else {}
            async with gateway.stream(dialect, f"a_{dialect}/m", **members) as response:
                streamed = await response.aread()
            answer = await gateway.post(dialect, f"a_{dialect}/m")
            path, body = call(dialect, "m", is_stream=True)
            url = gateway.upstreams["a"].url
            async with httpx2.AsyncClient(base_url=url) as direct:
                assert (await direct.post(path, json={**body, **members})).content == streamed
                path, body = call(dialect, "m", is_stream=False)
                assert (await direct.post(path, json=body)).content == answer.content

    asyncio.run(run())


def test_every_dialect_has_a_provider():
    assert set(DIALECTS) == set(TABLE) - UPSTREAM_ONLY == set(PROVIDERS)
