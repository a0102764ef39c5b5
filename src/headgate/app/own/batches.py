"""The gateway's own batches: a file of calls run over any route, a few at a time, and its results as files.

A batch is a row in the store and a file of results beside it. A process that was killed leaves both; the next one goes
on where it was, and no call that has a result is made again.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct, structs

from headgate.app.own.calling import call_line
from headgate.app.own.files import Naming, OwnFiles, find_own
from headgate.app.own.lines import Line, Lines, read_lines
from headgate.app.own.ordering import Order
from headgate.app.own.results import Result, Results, RunsElsewhere, output_line
from headgate.app.own.wholesale import Buyer, Wholesale
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest
from headgate.engine.own import BATCH_PREFIX, FILE_PREFIX
from headgate.server.listener import ClientListener
from headgate.server.listening import Spawn
from headgate.store.base import Store
from headgate.store.queries import own
from headgate.store.queries.own import OwnThing

CONCURRENCY: Final = 4
CONCURRENCY_MAX: Final = 64
RUNNING_MAX: Final = 4
"""How many batches run at a time; others wait."""
UNFINISHED: Final = ("validating", "in_progress", "finalizing", "cancelling")
Tier = Literal["default", "batch"]
"""At what price: the usual one, or that of the provider's batches where it has one."""
_ENCODE: Final = msgspec.json.Encoder().encode
_log = logging.getLogger("headgate")


class Counts(Struct, frozen=True, kw_only=True):
    """How many calls a batch has, and how they ended."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Ordered(Struct, frozen=True, kw_only=True):
    """A provider's batch that stands for lines of one of ours."""

    provider: str
    id: str
    lines: int


class How(Struct, frozen=True, kw_only=True):
    """How the lines were run; no member of OpenAI's."""

    tier: Tier = "default"
    """At what price was asked for."""
    batched: int = 0
    """How many lines providers' own batches have answered, at batch price."""
    called: int = 0
    """How many were calls of their own, at the usual price."""
    provider_batches: tuple[Ordered, ...] = ()


class BatchObject(Struct, frozen=True, kw_only=True):
    """A batch as OpenAI's API tells of one: https://platform.openai.com/docs/api-reference/batch/object (2026-11)."""

    id: str
    object: str = "batch"
    endpoint: str
    errors: dict[str, Any] | None = None
    input_file_id: str
    completion_window: str = "24h"
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: Counts = Counts()
    headgate: How = How()
    metadata: dict[str, str] | None = None


class Batch(Struct, frozen=True, kw_only=True):
    """A batch as it is kept."""

    shown: BatchObject
    caller: Principal
    route: str = ""
    """The model or route to ask in place of what the lines say; empty: theirs."""
    concurrency: int = CONCURRENCY
    orders: tuple[Order, ...] = ()
    """What is, or was, run by providers."""

    def has_ordered(self, line: Line) -> bool:
        """Whether a provider was asked to run a line."""
        return any(order.has(line.number) for order in self.orders)


class Wanted(NamedTuple):
    """A batch to be."""

    input_file_id: str
    endpoint: str
    route: str = ""
    concurrency: int = CONCURRENCY
    tier: Tier = "default"
    metadata: dict[str, str] | None = None
    id: str = ""


_DECODE: Final = msgspec.json.Decoder(Batch).decode


class House(NamedTuple):
    """What batches need of the gateway around them."""

    store: Store
    folder: Path
    listener: ClientListener
    spawn: Spawn
    has_ended: Callable[[str], bool]
    """Whether the key of that id is good no more."""
    wholesale: Wholesale
    tier: Tier
    """What is meant where a batch does not say."""
    find_batch: Callable[[Order], Awaitable[str]]
    """The id of the provider's batch that was made for an order, if the books know of one."""


class Batches:
    """All of them; those of this process are run."""

    def __init__(self, house: House, files: OwnFiles) -> None:
        self._house = house
        self._files = files
        self._running: dict[str, Results] = {}
        self._cancelled: set[str] = set()
        self._turns = asyncio.Semaphore(RUNNING_MAX)

    async def make(self, caller: Principal, wanted: Wanted) -> Batch:
        """A new batch, which begins at once. Raises `UnknownId` for a file that is not the caller's."""
        await self._files.find(caller.owner, wanted.input_file_id)
        if not 1 <= wanted.concurrency <= CONCURRENCY_MAX:
            raise InvalidRequest(f"concurrency is from 1 to {CONCURRENCY_MAX}", param="concurrency")
        now_us = time.time_ns() // 1000
        shown = BatchObject(
            id=wanted.id or f"{BATCH_PREFIX}{secrets.token_hex(12)}",
            endpoint=wanted.endpoint,
            input_file_id=wanted.input_file_id,
            created_at=now_us // 1_000_000,
            headgate=How(tier=wanted.tier),
            metadata=wanted.metadata,
        )
        batch = Batch(shown=shown, caller=caller, route=wanted.route, concurrency=wanted.concurrency)
        await asyncio.to_thread(self._add, batch, now_us)
        return batch

    def start(self, batch: Batch) -> None:
        """Runs a batch, when its turn comes."""
        self._house.spawn(self._run_safely(batch))

    async def resume(self) -> None:
        """Starts what other processes have left."""
        for thing in await asyncio.to_thread(self._unfinished):
            self.start(_DECODE(thing.document))

    async def find(self, owner: str, id: str) -> BatchObject:
        """A batch as it stands."""
        return self._now(await self.kept(owner, id))

    async def kept(self, owner: str, id: str) -> Batch:
        """A batch as it was written down last. Raises `UnknownId` unless it is this owner's."""
        return _DECODE((await asyncio.to_thread(find_own, self._house.store, owner, id)).document)

    async def cancel(self, owner: str, id: str) -> BatchObject:
        """Makes no more calls of a batch; those under way end."""
        batch = await self.kept(owner, id)
        if batch.shown.status not in UNFINISHED:
            raise InvalidRequest(f"Batch {id} is {batch.shown.status} and cannot be cancelled any more.")
        self._cancelled.add(id)
        return (await self._change(batch, status="cancelling", cancelling_at=_now_s())).shown

    async def run(self, batch: Batch) -> Batch:
        """Makes every call that has no result yet, and the files of results. Raises `RunsElsewhere`."""
        with await asyncio.to_thread(Results, self._results_path(batch.shown.id)) as results:
            self._running[batch.shown.id] = results
            try:
                lines = await asyncio.to_thread(self._lines, batch)
                if lines.faults:
                    return await self._fail(batch, lines)
                total = Counts(total=len(lines.calls))
                if batch.shown.status != "cancelling":
                    batch = await self._change(
                        batch, status="in_progress", in_progress_at=_now_s(), request_counts=total
                    )
                batch = await self._order(batch, lines.calls, results)
                left = [line for line in lines.calls if not batch.has_ordered(line)]
                del lines  # a provider takes its time
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._call_all(batch, left, results))
                    for order in batch.orders:
                        group.create_task(self._buy(batch, order, results))
                if batch.orders:
                    await self._call_all(batch, (await asyncio.to_thread(self._lines, batch)).calls, results)
                return await self._finish(batch, results)
            finally:
                del self._running[batch.shown.id]

    # Running

    async def _run_safely(self, batch: Batch) -> None:
        try:
            await self.run(batch)
        except RunsElsewhere:
            _log.info("event=batch_runs_elsewhere batch=%s", batch.shown.id)
        except Exception:  # of this batch alone; it is taken up again at the next start
            _log.exception("event=batch_stopped batch=%s", batch.shown.id)

    async def _order(self, batch: Batch, calls: list[Line], results: Results) -> Batch:
        """Has providers run what they can, where that is asked for. An order is written down before it is sent; one
        that a kill has left without an answer is looked for in the books, and made anew if they know of none."""
        known: list[Order] = []
        for order in batch.orders:
            id = order.id or ("" if order.is_refused else await self._house.find_batch(order))
            if id or order.is_refused:
                known.append(structs.replace(order, id=id))
        batch = await self._with_orders(batch, known)
        buyer = self._buyer(batch)
        if batch.shown.headgate.tier != "batch" or buyer.is_cancelled():
            return batch
        left = [line for line in calls if line.number not in results.done and not batch.has_ordered(line)]
        for order, bodies in await self._house.wholesale.plan(buyer, left):
            batch = await self._with_orders(batch, [*batch.orders, order])
            placed = await self._house.wholesale.place(buyer, order, bodies)
            batch = await self._with_orders(batch, [*batch.orders[:-1], placed])
        return batch

    async def _buy(self, batch: Batch, order: Order, results: Results) -> None:
        """Waits for an order and keeps what came of it."""
        buyer, wholesale = self._buyer(batch), self._house.wholesale
        if order.id and await wholesale.wait(buyer, order):
            lines = (await asyncio.to_thread(self._lines, batch)).calls
            await wholesale.fetch(
                buyer, order, {each.number: each for each in lines if order.has(each.number)}, results
            )

    def _buyer(self, batch: Batch) -> Buyer:
        id, key_id = batch.shown.id, batch.caller.key_id

        def is_cancelled() -> bool:
            return id in self._cancelled or batch.shown.status == "cancelling" or self._house.has_ended(key_id)

        return Buyer(batch.caller, id, is_cancelled)

    async def _with_orders(self, batch: Batch, orders: list[Order]) -> Batch:
        if list(batch.orders) != orders:
            batch = structs.replace(batch, orders=tuple(orders))
            await asyncio.to_thread(self._put, batch)
        return batch

    async def _call_all(self, batch: Batch, calls: list[Line], results: Results) -> None:
        if batch.shown.status == "cancelling":
            return
        todo = iter([line for line in calls if line.number not in results.done])
        async with self._turns, asyncio.TaskGroup() as group:
            for _ in range(batch.concurrency):
                group.create_task(self._work(batch, todo, results))

    async def _work(self, batch: Batch, todo: Iterator[Line], results: Results) -> None:
        for line in todo:
            if batch.shown.id in self._cancelled:
                return
            if self._house.has_ended(batch.caller.key_id):
                results.add(_key_ended(line))
                continue
            await call_line(self._house.listener, batch.caller, line, batch.shown.id, results.add)

    async def _finish(self, batch: Batch, results: Results) -> Batch:
        """The files of results, then the row: until that is written, all of it can be done again."""
        id, owner = batch.shown.id, batch.caller.owner
        counts = Counts(
            total=batch.shown.request_counts.total or len(results.done), completed=results.good, failed=results.bad
        )
        is_cancelled = id in self._cancelled or batch.shown.status == "cancelling"
        batch = await self._change(
            batch, status="cancelling" if is_cancelled else "finalizing", finalizing_at=_now_s(), request_counts=counts
        )
        how = batch.shown.headgate
        ordered = (Ordered(provider=each.provider, id=each.id, lines=each.lines) for each in batch.orders if each.id)
        how = How(
            tier=how.tier,
            batched=results.batched,
            called=len(results.done) - results.batched,
            provider_batches=tuple(ordered),
        )
        made: dict[str, Any] = {"headgate": how}
        for member, wants_good, count in (("output", True, results.good), ("error", False, results.bad)):
            if count:
                naming = Naming(f"{id}_{member}.jsonl", "batch_output", _file_id(id, member))
                chosen = (output_line(each) for each in results if each.is_good is wants_good)
                file = await asyncio.to_thread(self._files.write, owner, naming, chosen)
                made[f"{member}_file_id"] = file.id
        status, at = ("cancelled", "cancelled_at") if is_cancelled else ("completed", "completed_at")
        batch = await self._change(batch, status=status, **{at: _now_s()}, **made)
        self._results_path(id).unlink(missing_ok=True)
        self._cancelled.discard(id)
        return batch

    async def _fail(self, batch: Batch, lines: Lines) -> Batch:
        data = [
            {"code": fault.code, "line": fault.number, "message": fault.message, "param": None}
            for fault in lines.faults
        ]
        errors = {"object": "list", "data": data}
        return await self._change(batch, status="failed", failed_at=_now_s(), errors=errors)

    # What is kept

    def _now(self, batch: Batch) -> BatchObject:
        results = self._running.get(batch.shown.id)
        if results is None:
            return batch.shown
        counts = structs.replace(batch.shown.request_counts, completed=results.good, failed=results.bad)
        return structs.replace(batch.shown, request_counts=counts)

    async def _change(self, batch: Batch, **members: Any) -> Batch:
        batch = structs.replace(batch, shown=structs.replace(batch.shown, **members))
        await asyncio.to_thread(self._put, batch)
        return batch

    def _lines(self, batch: Batch) -> Lines:
        with self._files.path(batch.shown.input_file_id).open("rb") as content:
            return read_lines(content, endpoint=batch.shown.endpoint, route=batch.route)

    def _add(self, batch: Batch, now_us: int) -> None:
        thing = OwnThing(
            id=batch.shown.id,
            owner=batch.caller.owner,
            kind="batch",
            status=batch.shown.status,
            created_us=now_us,
            document=Raw(_ENCODE(batch)),
        )
        with self._house.store.write() as connection:
            own.add(connection, thing)

    def _put(self, batch: Batch) -> None:
        with self._house.store.write() as connection:
            own.change(connection, batch.shown.id, batch.shown.status, _ENCODE(batch))

    def _unfinished(self) -> list[OwnThing]:
        with self._house.store.read() as connection:
            return own.with_status(connection, "batch", UNFINISHED)

    def _results_path(self, id: str) -> Path:
        return self._house.folder / f"{id}.jsonl"


def shown_batch(thing: OwnThing) -> BatchObject:
    """A batch in a list."""
    return _DECODE(thing.document).shown


def _file_id(batch_id: str, member: str) -> str:
    """The id of a batch's output or error file: the same whenever it is made again."""
    return FILE_PREFIX + hashlib.blake2b(f"{batch_id} {member}".encode(), digest_size=12).hexdigest()


def _key_ended(line: Line) -> Result:
    told = "The key that made this batch has been revoked or has expired."
    error = {"error": {"message": told, "type": "authentication_error", "code": "invalid_api_key", "param": None}}
    return Result(number=line.number, custom_id=line.custom_id, status=401, request_id="", body=Raw(_ENCODE(error)))


def _now_s() -> int:
    return int(time.time())
