"""The straight way does what the long one does: the same answer, the same record, the same requests upstream."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from headgate.core.record import CallRecord
from headgate.server.http1 import Connections
from headgate.store.queries.calls import CallFilter
from headgate.transport.fake import (
    BlackHole,
    CutAfter,
    CutAt,
    Drip,
    Empty200,
    Fault,
    HeadersThenSilence,
    HtmlBody,
    InBandError,
    NotHttp,
    Quota,
    Refuse,
    Reset,
    SlowFirstByte,
    Status,
)
from tests.engine.harness import Bench, bench, call
from tests.engine.test_hedging import known, until

FAULTS: list[Fault | None] = [
    None,
    Refuse(),
    Reset(),
    Reset(after_bytes=200),
    BlackHole(),
    HeadersThenSilence(),
    SlowFirstByte(s=0.2),
    Drip(gap_s=0.002),
    *(Status(status=status) for status in (400, 401, 404, 429, 500, 503, 529)),
    InBandError(),
    HtmlBody(),
    Empty200(),
    NotHttp(),
    CutAfter(bytes=0),
    CutAt(share=0.5),
]
NAMES = ["well" if fault is None else f"{fault.name}-{getattr(fault, 'status', '')}" for fault in FAULTS]
OWN = ("id", "started_us", "duration_ms", "overhead_ms", "ttft_ms", "attempts", "weighed")


class Served:
    """A gateway on a socket, how many of its calls took the long way, and how many have ended."""

    def __init__(self, gateway: Bench, client: httpx2.AsyncClient) -> None:
        self.gateway = gateway
        self.client = client
        self.long = 0
        self.ended = 0

    async def post(self, dialect: str, **members: Any) -> httpx2.Response:
        path, body = call(dialect, f"r_{dialect}", is_stream=False)
        return await self.client.post(path, json=body | members)


@asynccontextmanager
async def served(folder: Path, names: str, *, is_straight: bool, **route: Any) -> AsyncIterator[Served]:
    async with bench(folder, names, **route) as gateway:
        connections = Connections(gateway.listener, gateway.spawn)
        server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": "Bearer x"}, timeout=30) as client:
            found = Served(gateway, client)
            conducted, plain = gateway.engine._talk, gateway.engine.plain
            carry_on = gateway.engine._take_over

            async def talk(*given: Any) -> None:
                found.long += 1
                await conducted(*given)

            async def take_over(*given: Any) -> None:
                found.long += 1
                await carry_on(*given)

            call_ended = gateway.engine.metering.call_ended

            def ended(record: CallRecord) -> None:
                call_ended(record)
                found.ended += 1

            gateway.engine.metering.call_ended = ended  # type: ignore[method-assign]
            gateway.engine._talk, gateway.engine._take_over = talk, take_over  # type: ignore[method-assign]
            if not is_straight:
                plain.find = lambda *given: None  # type: ignore[method-assign]
            try:
                yield found
            finally:
                server.close()
                connections.abort()
                await connections.close()


def told(response: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """What a client sees, without what differs from call to call."""
    own = ("x-request-id", "request-id", "x-headgate-request-id", "x-headgate-overhead-ms", "content-length")
    body = response.text.replace(response.headers["x-headgate-request-id"], "ID")
    body = re.sub(r"127\.0\.0\.1:\d+", "HOST", re.sub(r'("duration_ms": ?)[\d.]+', r"\1", body))
    return response.status_code, body, {name: text for name, text in response.headers.items() if name not in own}


def written(record: CallRecord) -> dict[str, Any]:
    """What is known of a call, without what differs from call to call."""
    members = msgspec.json.decode(msgspec.json.encode(record))
    for minted in members.get("minted", ()):
        del minted["created_us"]
    own = ("started_ms", "ttft_ms", "duration_ms", "message")
    attempts = [
        {name: value for name, value in attempt.items() if name not in own} for attempt in members.get("attempts", ())
    ]
    rest = {name: value for name, value in members.items() if name not in OWN and name != "error"}
    return {**rest, "attempts": attempts, "has": sorted(members), "error": "error" in members}


async def seen(folder: Path, fault: Fault | None, names: str, dialect: str, *, is_straight: bool) -> tuple[Any, int]:
    """What becomes of one call, after another that went well."""
    timeout_s = 4 if isinstance(fault, BlackHole | HeadersThenSilence) else 600
    async with served(folder, names, is_straight=is_straight, timeout_s=timeout_s) as found:
        assert (await found.post(dialect)).status_code == 200
        before = found.long
        if fault is not None:
            found.gateway.upstreams["a"].fail(fault, times=1)
        response = await found.post(dialect)
        record = await found.gateway.record(response)
        asked = {name: len(upstream.log) for name, upstream in found.gateway.upstreams.items()}
        after = await found.post(dialect)
        member = next(iter(found.gateway.engine.fleet.members()))
        things = (told(response), written(record), asked, after.status_code, member.in_flight, member.health.state)
        return things, found.long - before


@pytest.mark.parametrize("names", ["a", "ab"])
@pytest.mark.parametrize("fault", FAULTS, ids=NAMES)
def test_whatever_happens_comes_to_the_same(tmp_path: Path, fault: Fault | None, names: str):
    long, _ = asyncio.run(seen(tmp_path / "long", fault, names, "openai_chat", is_straight=False))
    straight, _ = asyncio.run(seen(tmp_path / "straight", fault, names, "openai_chat", is_straight=True))
    assert straight == long


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "gemini", "openai_responses", "cohere", "ollama"])
def test_it_is_the_same_in_every_dialect(tmp_path: Path, dialect: str):
    long, _ = asyncio.run(seen(tmp_path / "long", None, "ab", dialect, is_straight=False))
    straight, _ = asyncio.run(seen(tmp_path / "straight", None, "ab", dialect, is_straight=True))
    assert straight == long


def test_a_plain_call_starts_no_task(tmp_path: Path):
    _, long = asyncio.run(seen(tmp_path, None, "ab", "openai_chat", is_straight=True))
    assert long == 0


async def left(folder: Path, names: str, *, is_straight: bool) -> Any:
    """What becomes of a call whose client does not wait for its answer."""
    async with served(folder, names, is_straight=is_straight) as found:
        assert (await found.post("openai_chat")).status_code == 200
        upstream = found.gateway.upstreams["a"]
        upstream.fail(HeadersThenSilence(), times=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await found.post("openai_chat")
        await until(lambda: upstream.log[-1].closed_early and found.ended == 2)
        record = (await found.gateway.core.calls.recent(CallFilter())).records[0]
        return written(record), next(iter(found.gateway.engine.fleet.members())).in_flight


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_client_who_leaves_ends_it_upstream(tmp_path: Path, names: str):
    long = asyncio.run(left(tmp_path / "long", names, is_straight=False))
    assert asyncio.run(left(tmp_path / "straight", names, is_straight=True)) == long
    assert (long[0]["outcome"], long[1]) == ("client_gone", 0)


def test_a_second_deployment_is_asked_beside_a_slow_one(tmp_path: Path):
    async def scene() -> tuple[str, str, int]:
        async with served(tmp_path, "ab", is_straight=True) as found:
            await known(found.gateway)
            await found.post("openai_chat")
            before = found.long
            found.gateway.upstreams["a"].fail(BlackHole(), times=1)
            response = await found.post("openai_chat")
            return response.headers["x-headgate-provider"], response.headers["x-headgate-hedged"], found.long - before

    assert asyncio.run(scene()) == ("b_openai_chat", "true", 1)


def test_a_quota_that_is_told_is_kept_to(tmp_path: Path):
    async def scene() -> list[tuple[str, int]]:
        async with served(tmp_path, "ab", is_straight=True) as found:
            found.gateway.upstreams["a"].fail(Quota(requests=4, window_s=60))
            seen: list[tuple[str, int]] = []
            for _ in range(6):
                before = found.long
                response = await found.post("openai_chat")
                seen.append((response.headers["x-headgate-provider"], found.long - before))
                for member in found.gateway.engine.fleet.members():
                    member.told_s = -1.0  # what each answer tells is read
            assert [attempt.status for attempt in found.gateway.upstreams["a"].log] == [200] * 3
            return seen

    first, *rest = asyncio.run(scene())
    assert first == ("a_openai_chat", 1)
    assert rest[:2] == [("a_openai_chat", 0)] * 2  # with enough left it goes straight
    assert rest[2:] == [("b_openai_chat", 1)] * 3  # the last is left to others who share the account


@pytest.mark.parametrize("where", ["send", "answer"])
def test_a_bug_of_ours_is_told_and_written_down(tmp_path: Path, where: str):
    async def scene() -> tuple[int, str, int, int]:
        async with served(tmp_path, "a", is_straight=True) as found:
            assert (await found.post("openai_chat")).status_code == 200
            engine, ended = found.gateway.engine, found.ended

            def broken(*given: Any) -> None:
                raise KeyError("a bug")

            if where == "send":
                engine.fleet.sent = broken  # type: ignore[method-assign]
            else:
                engine.metering.settle = broken  # type: ignore[method-assign]
            response = await found.post("openai_chat")
            record = await found.gateway.record(response)
            assert next(iter(engine.fleet.members())).in_flight == 0
            return response.status_code, record.outcome, len(record.attempts), found.ended - ended

    assert asyncio.run(scene()) == (500, "local", 1, 1)
