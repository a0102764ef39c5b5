"""Answers that outlive the process: after a new start, beside another process, after a crash in the midst of a call."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.server.test_once import REPLAYED, Client, call

from headgate.app.answers import LEASE_S, StoredAnswers
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.core.problems import Outcome
from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange
from headgate.server.once import ANSWER_BYTES_MAX, Once
from headgate.store.base import StoreError
from headgate.store.queries import replays

made: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_made() -> None:
    made.clear()


async def make(call: Call, exchange: Exchange) -> None:
    """A provider that counts."""
    made.append(call.id)
    call.record.status = 200
    exchange.start(200, b"a: b\r\n")
    exchange.write(b"one ")
    exchange.end(b"two")


async def ask(once: Once, body: bytes = b"{}", key: bytes = b"key", making: Callable = make) -> object:
    """What a client is told: a code, or status, fields and body."""
    client = Client()
    problem = await once.serve(call(body), key, client, making)
    if problem is not None:
        assert client.told == []
        return problem.http_status, problem.code
    [(status, fields), *rest] = client.told
    return status, fields, b"".join(part for part in rest if isinstance(part, bytes))


def run(folder: Path, work: Callable[[Core], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with open_core(build({"data_dir": str(folder)}, environ={})) as core:
            await work(core)

    asyncio.run(inside())


NEW = (200, b"a: b\r\n", b"one two")
AGAIN = (200, b"a: b\r\n" + REPLAYED, b"one two")


def test_after_a_new_start_the_answer_is_still_there(tmp_path: Path):
    async def first(core: Core) -> None:
        once = Once(memory=StoredAnswers(core))
        assert [await ask(once), await ask(once)] == [NEW, AGAIN]
        assert await ask(once, key=b"other") == NEW

    async def second(core: Core) -> None:
        once = Once(memory=StoredAnswers(core))
        assert await ask(once) == AGAIN
        assert await ask(once, b'{"x":1}') == (422, "idempotency_key_reused")
        assert len(made) == 2

        later = core.now_us() + 86_401_000_000
        core.now_us = lambda: later
        memory = StoredAnswers(core)
        assert await ask(Once(memory=memory)) == NEW

    run(tmp_path, first)
    run(tmp_path, second)


def test_two_processes_make_a_call_once(tmp_path: Path):
    async def work(core: Core) -> None:
        one, other = Once(memory=StoredAnswers(core)), Once(memory=StoredAnswers(core))
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slowly(call: Call, exchange: Exchange) -> None:
            begun.set()
            await may_end.wait()
            await make(call, exchange)

        first = asyncio.get_running_loop().create_task(ask(one, making=slowly))
        await begun.wait()
        assert await ask(other) == (409, "idempotency_key_in_use")
        may_end.set()
        assert await first == NEW
        # several who wait at once get it too
        assert await asyncio.gather(ask(other), ask(other)) == [AGAIN, AGAIN]
        assert await ask(other, b"[]") == (422, "idempotency_key_reused")
        assert made == ["req_1"]

    run(tmp_path, work)


def test_after_a_failure_the_key_is_free_everywhere_and_at_once(tmp_path: Path):
    async def work(core: Core) -> None:
        one, other = Once(memory=StoredAnswers(core)), Once(memory=StoredAnswers(core))

        async def fail(call: Call, exchange: Exchange) -> None:
            call.record.status, call.record.outcome = 500, Outcome.SERVER
            exchange.start(500, b"")
            exchange.end(b"no")

        async def break_down(call: Call, exchange: Exchange) -> None:
            raise RuntimeError("a bug")

        assert await ask(one, making=fail) == (500, b"", b"no")
        with pytest.raises(RuntimeError):
            await ask(other, making=break_down)
        assert [await ask(other), await ask(one)] == [NEW, AGAIN]

    run(tmp_path, work)


def test_a_long_answer_is_known_and_not_kept(tmp_path: Path):
    async def work(core: Core) -> None:
        async def at_length(call: Call, exchange: Exchange) -> None:
            call.record.status = 200
            exchange.start(200, b"")
            exchange.end(b"x" * (ANSWER_BYTES_MAX + 1))

        await ask(Once(memory=StoredAnswers(core)), making=at_length)
        assert await ask(Once(memory=StoredAnswers(core))) == (409, "idempotency_answer_not_kept")

    run(tmp_path, work)


def kept(core: Core, status: int) -> None:
    """That the books have the call."""
    usage = Usage(input_tokens=1, output_tokens=1)
    words = {"surface": "s", "operation": "generate", "model": "m", "is_stream": False, "key_id": "k"}
    core.journal.call_ended(CallRecord(id="req_1", started_us=1, status=status, usage=usage, **words))


class Crash(Exception):
    pass


@pytest.mark.parametrize(("status", "told"), [(200, (409, "idempotency_answer_not_kept")), (500, NEW), (None, NEW)])
@pytest.mark.parametrize("is_same_process", [True, False])
def test_a_crash_in_the_midst_makes_no_answered_call_twice(
    tmp_path: Path, status: int | None, told: object, is_same_process: bool
):
    async def work(core: Core) -> None:
        memory = StoredAnswers(core)
        lost = Once(memory=memory)
        memory.keep = memory.release = crash

        async def begun(call: Call, exchange: Exchange) -> None:
            if status is not None:
                kept(core, status)
            raise Crash

        with pytest.raises(Crash):
            await ask(lost, making=begun)
        after = StoredAnswers(core)
        assert await ask(Once(memory=after)) == (409, "idempotency_key_in_use")
        if is_same_process:
            after.recover()
        else:
            core.applier.drain()
            later = core.now_us() + (LEASE_S + 1) * 1_000_000
            core.now_us = lambda: later
        assert await ask(Once(memory=after)) == told

    async def crash(*_: object) -> None:
        raise Crash

    run(tmp_path, work)


def test_a_process_says_that_it_is_alive_and_forgets_what_is_old(tmp_path: Path):
    async def work(core: Core) -> None:
        memory = StoredAnswers(core)
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slowly(call: Call, exchange: Exchange) -> None:
            begun.set()
            await may_end.wait()
            await make(call, exchange)

        first = asyncio.get_running_loop().create_task(ask(Once(memory=memory), making=slowly))
        await begun.wait()
        now_us = core.now_us()
        for minutes in (1, 2, 3):
            core.now_us = lambda minutes=minutes: now_us + minutes * 60_000_000
            memory._renew()
        assert await ask(Once(memory=StoredAnswers(core))) == (409, "idempotency_key_in_use")
        may_end.set()
        await first
        core.now_us = lambda: now_us + 90_000 * 1_000_000
        memory._renew()
        with core.store.read() as connection:
            assert replays.find(connection, call().principal.owner, "key") is None

    run(tmp_path, work)


def test_without_the_store_a_key_holds_within_the_process(tmp_path: Path):
    async def work(core: Core) -> None:
        class Away:
            def write(self) -> None:
                raise StoreError("away")

        memory = StoredAnswers(core)
        core.store, there = Away(), core.store
        once = Once(memory=memory)
        assert [await ask(once), await ask(once)] == [NEW, AGAIN]
        core.store = there

    run(tmp_path, work)
