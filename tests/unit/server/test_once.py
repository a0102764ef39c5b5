"""Idempotency keys: one call however often it is sent, its answer for everybody who asks, and no other's."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from headgate.core.principal import Principal
from headgate.core.problems import Outcome, Problem
from headgate.core.record import CallRecord
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange
from headgate.server import once
from headgate.server.once import Once

REPLAYED = b"idempotent-replayed: true\r\n"


class Client:
    """An exchange that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.leave: Callable[[], None] = lambda: None
        self.is_congested = False
        self.waits = 0

    def start(self, status: int, fields: bytes) -> None:
        self.told.append((status, fields))

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def end(self, data: bytes = b"") -> None:
        self.told += [data, "end"] if data else ["end"]

    async def drained(self) -> None:
        self.waits += 1
        self.is_congested = False

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self.leave = callback


def call(body: bytes = b"{}", key_id: str = "k", path: str = "/v1/chat/completions") -> Call:
    record = CallRecord(
        id="req_1",
        started_us=1,
        key_id=key_id,
        surface="openai_chat",
        operation="generate",
        model="m",
        is_stream=False,
    )
    return Call(
        id="req_1",
        dialect=DIALECTS["openai_chat"],
        envelope=Envelope(),
        body=body,
        principal=Principal(key_id=key_id, name=""),
        record=record,
        started_s=0.0,
        path=path,
    )


class Upstream:
    """Makes calls; `steps` lets them go on."""

    def __init__(
        self, outcome: Outcome = Outcome.OK, status: int = 200, parts: tuple[bytes, ...] = (b"a", b"b")
    ) -> None:
        self.made = 0
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.outcome, self.status, self.parts = outcome, status, parts

    async def __call__(self, made: Call, exchange: Exchange) -> None:
        self.made += 1
        exchange.start(self.status, b"x: y\r\n")
        exchange.write(self.parts[0])
        if exchange.is_congested:
            await exchange.drained()
        self.begun.set()
        await self.go.wait()
        made.record.status, made.record.outcome = self.status, self.outcome
        exchange.end(self.parts[1])


async def ask(keys: Once, upstream: Upstream, client: Client, made: Call, key: bytes = b"k1") -> Problem | None:
    return await keys.serve(made, key, client, upstream)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())


FIRST = [(200, b"x: y\r\n"), b"a", b"b", "end"]
AGAIN = [(200, b"x: y\r\n" + REPLAYED), b"a", b"b", "end"]


def test_a_call_that_is_sent_again_is_made_once() -> None:
    async def work() -> None:
        keys, upstream = Once(), Upstream()
        upstream.go.set()
        clients = [Client() for _ in range(3)]
        for client in clients:
            assert await ask(keys, upstream, client, call()) is None
        assert upstream.made == 1
        assert [client.told for client in clients] == [FIRST, AGAIN, AGAIN]

    run(work)


def test_others_read_along_and_a_client_that_leaves_does_not_end_it() -> None:
    async def work() -> None:
        keys, upstream = Once(), Upstream()
        first, second, third = Client(), Client(), Client()
        first.is_congested = True
        async with asyncio.TaskGroup() as group:
            group.create_task(ask(keys, upstream, first, call()))
            await upstream.begun.wait()
            assert first.waits == 1
            group.create_task(ask(keys, upstream, second, call()))
            group.create_task(ask(keys, upstream, third, call()))
            await asyncio.sleep(0)
            first.leave()
            third.leave()
            upstream.go.set()
        assert (first.told, second.told, third.told) == (FIRST[:2], AGAIN, AGAIN[:2])
        again = Client()
        await ask(keys, upstream, again, call())
        assert (upstream.made, again.told) == (1, AGAIN)

    run(work)


@pytest.mark.parametrize(("outcome", "status"), [(Outcome.SERVER, 502), (Outcome.CUT, 200), (Outcome.RATE, 429)])
def test_after_a_failure_it_is_tried_again(outcome: Outcome, status: int) -> None:
    async def work() -> None:
        keys, upstream = Once(), Upstream(outcome, status)
        upstream.go.set()
        for _ in range(2):
            client = Client()
            assert await ask(keys, upstream, client, call()) is None
            assert client.told[0] == (status, b"x: y\r\n")
        assert upstream.made == 2

    run(work)


def test_a_call_that_breaks_leaves_nothing_behind() -> None:
    async def work() -> None:
        keys = Once()

        async def broken(made: Call, exchange: Exchange) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            await keys.serve(call(), b"k", Client(), broken)
        upstream = Upstream()
        upstream.go.set()
        await ask(keys, upstream, Client(), call(), b"k")
        assert upstream.made == 1

    run(work)


def test_a_key_is_for_one_request_of_one_tenant() -> None:
    async def work() -> None:
        keys, upstream = Once(), Upstream()
        upstream.go.set()
        await ask(keys, upstream, Client(), call())
        for other in (call(b"{ }"), call(path="/v1/else")):
            client = Client()
            problem = await ask(keys, upstream, client, other)
            assert (problem.status, problem.code, client.told) == (422, "idempotency_key_reused", [])
        await ask(keys, upstream, Client(), call(key_id="other"))
        await ask(keys, upstream, Client(), call(), b"k2")
        assert upstream.made == 3
        for wrong in (b"", b"x" * 256, b"\xff"):
            problem = await ask(keys, upstream, Client(), call(), wrong)
            assert "1 to 255 characters" in problem.message

    run(work)


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "READERS_MAX", 2)

    async def work() -> None:
        keys, upstream = Once(), Upstream()
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(ask(keys, upstream, Client(), call()))
            await upstream.begun.wait()
            await asyncio.sleep(0)
            problem = await ask(keys, upstream, Client(), call())
            upstream.go.set()
        assert (problem.status, problem.code) == (409, "idempotency_key_in_use")

    run(work)


def test_a_long_answer_is_not_kept_nor_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "ANSWER_BYTES_MAX", 3)

    async def work() -> None:
        keys, upstream, first = Once(), Upstream(parts=(b"aa", b"bb")), Client()
        upstream.go.set()
        await ask(keys, upstream, first, call())
        problem = await ask(keys, upstream, Client(), call())
        assert (first.told[1:], upstream.made) == ([b"aa", b"bb", "end"], 1)
        assert (problem.status, problem.code) == (409, "idempotency_answer_not_kept")
        assert "req_1" in problem.message

    run(work)


@pytest.mark.parametrize("bound", ["KEPT_BYTES_MAX", "KEPT_MAX", "KEPT_S"])
def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(once, bound, {"KEPT_BYTES_MAX": 5, "KEPT_MAX": 2, "KEPT_S": 2.5}[bound])

    async def work() -> None:
        now = [0.0]
        keys, upstream = Once(lambda: now[0]), Upstream()
        upstream.go.set()
        for key in (b"1", b"2", b"3"):
            await ask(keys, upstream, Client(), call(), key)
            now[0] += 1
        for key in (b"2", b"3"):
            await ask(keys, upstream, Client(), call(), key)
        assert upstream.made == 3
        await ask(keys, upstream, Client(), call(), b"1")
        assert upstream.made == 4

    run(work)
