"""Books what providers do when nobody looks: batches, and answers that go on in the background. Must not know prices.

What is owed stands in the store. It is looked at ever more rarely until the provider is done with it, then asked for in
the way of a client's own question, so that there is one way into the books, and one mark that it was taken.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from headgate.core.minted import Unbilled, billed_mark
from headgate.core.principal import Principal
from headgate.core.problems import HeadgateError, Outcome, UpstreamError
from headgate.core.record import CallRecord
from headgate.dialects.base import Envelope
from headgate.dialects.batched import has_answers, is_over, results_of
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import Members, Place, members_of, place_of
from headgate.engine.call import Call
from headgate.engine.exchange import Unattended
from headgate.engine.fetching import fetch
from headgate.engine.keepers import PENDING
from headgate.engine.keeping import Ask, address_of, door_of, keep, own_fields
from headgate.ledger.unbilled import UnbilledThings

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

ROUTE: Final = "billing"
"""What stands in the record's `route` of a question that the gateway asked on its own."""
_GONE: Final = frozenset({404, 410})
_log = logging.getLogger("headgate")


class Rhythm(Struct, frozen=True, kw_only=True):
    """How often is looked."""

    round_s: float = 10.0
    """Between two looks into the store."""
    wait_s: float = 60.0
    """Between a thing's first look and its second; every further wait is twice as long."""
    wait_s_max: float = 3600.0
    age_s_max: float = 8 * 24 * 3600.0
    """When a thing is given up: no provider takes longer than seven days for a batch."""
    round_max: int = 100
    """How many are looked at in one round."""
    concurrency: int = 4

    def after(self, looks: int) -> float:
        """How long to wait after so many looks, in seconds."""
        return min(self.wait_s * 2.0 ** min(looks, 30), self.wait_s_max)


class Biller:
    """Looks at what is owed."""

    def __init__(
        self, engine: "Engine", owed: UnbilledThings, new_id: Callable[[int], str], rhythm: Rhythm | None = None
    ) -> None:
        self._engine = engine
        self._owed = owed
        self._new_id = new_id
        self._rhythm = rhythm or Rhythm()

    async def keep_billing(self) -> None:
        """Round after round until it is cancelled."""
        while True:
            try:
                await self.round()
            except Exception:  # of this round alone: the next one finds what it has left
                _log.exception("event=billing_round_failed")
            await asyncio.sleep(self._rhythm.round_s)

    async def round(self) -> None:
        """Looks once at everything that is due."""
        due = iter(await self._owed.due(self._rhythm.round_max))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._rhythm.concurrency):
                group.create_task(self._work(due))

    async def _work(self, due: Iterator[Unbilled]) -> None:
        for thing in due:
            look: _Look | None = None
            try:
                look = _Look(self._engine, thing, self._new_id)
                is_over = await look.is_over()
            except (HeadgateError, ValueError) as fault:
                _log.info("event=billing_look_failed id=%s provider=%s error=%r", thing.id, thing.provider, str(fault))
                is_over = False
            if not is_over and time.time() - thing.since_us / 1e6 > self._rhythm.age_s_max:
                if look is not None:
                    look.give_up("its provider has not ended it")
                is_over = True
            if is_over:
                await self._owed.forget(thing)
            else:
                await self._owed.put_off(thing, self._rhythm.after(thing.looks))


class _Look:
    """One look at one thing."""

    def __init__(self, engine: "Engine", thing: Unbilled, new_id: Callable[[int], str]) -> None:
        self._engine = engine
        self._thing = thing
        self._new_id = new_id
        self._principal = Principal.of(thing.owner, thing.key_id)
        place = place_of(thing.path)
        if place is None:  # only another version of the gateway can have written that
            raise ValueError(f"{thing.path} names nothing that is kept")
        self._place = place

    async def is_over(self) -> bool:
        """Looks. True: there is nothing more to be looked at. Raises what keeps it from looking."""
        if await self._is_billed(self._place):
            return True
        try:
            told = await told_of(self._engine, self._thing.provider, self._place)
        except UpstreamError as error:
            if error.problem.status not in _GONE:
                raise
            self.give_up("its provider does not know it any more")
            return True
        if goes_on(self._place, told):
            return False
        results = results_of(self._place, told)
        for place in (self._place, *results):
            if not await self._is_billed(self._place, *results) and not await self._ask(place):
                return False
        if (self._place.collection.kind != "batch" or has_answers(told)) and not await self._is_billed(
            self._place, *results
        ):
            self.give_up("its provider does not tell what it used")
        return True

    def give_up(self, why: str) -> None:
        """Says in the books that there was something, and that nobody can tell what it came to."""
        call = self._call(self._place)
        call.record.outcome, call.record.error, call.record.is_priced = Outcome.LOCAL, f"Not booked: {why}.", False
        call.record.path = f"GET {self._place.path}"
        _log.warning("event=not_booked id=%s provider=%s reason=%r", self._thing.id, self._thing.provider, why)
        self._engine.metering.call_ended(call.record)

    async def _ask(self, place: Place) -> bool:
        """Asks as its owner would, which books it. False: there was no whole answer."""
        silence = Silence()
        await keep(self._engine, self._call(place), Ask(place=place, method="GET", query="", headers={}), silence)
        return silence.is_good

    def _call(self, place: Place) -> Call:
        now_ns = time.time_ns()
        dialect = place.collection.dialect
        record = CallRecord(
            id=self._new_id(now_ns),
            started_us=now_ns // 1000,
            key_id=self._thing.key_id,
            surface=dialect,
            operation=place.collection.path[1:],
            model="",
            is_stream=False,
            route=ROUTE,
        )
        return Call(
            id=record.id,
            dialect=DIALECTS[dialect],
            envelope=Envelope(),
            body=b"",
            principal=self._principal,
            record=record,
            started_s=time.monotonic(),
        )

    async def _is_billed(self, *places: Place) -> bool:
        """Whether what one of these cost is in the books."""
        marks = [billed_mark(place.id) for place in places]
        return bool(await self._engine.metering.minted.find_all(self._thing.owner, marks))


async def told_of(engine: "Engine", provider: str, place: Place) -> Members:
    """What a provider says of a thing that it keeps: for us alone, so that waiting leaves no calls in the books. Raises
    `UpstreamError`, or `ValueError` for a provider that is not configured."""
    found = engine.directory.providers.get(provider)
    if found is None:
        raise ValueError(f"the provider {provider} is not configured any more")
    dialect = place.collection.dialect
    door = door_of(found, dialect, place)
    return members_of(await fetch(engine, door, door.url(address_of(dialect, place)), own_fields(door, dialect, {})))


class Silence(Unattended):
    """An exchange whose answer nobody wants."""

    def __init__(self) -> None:
        super().__init__()
        self._is_whole = False

    @property
    def is_good(self) -> bool:
        """Whether a good answer came to its end."""
        return self._is_whole and 200 <= self.status < 300

    def write(self, data: bytes) -> None:
        """More of the body."""

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self._is_whole = True


def goes_on(place: Place, told: Members) -> bool:
    """Whether the provider still works on it."""
    if place.collection.kind in ("response", "interaction"):
        return told.get("status") in PENDING
    return not is_over(told)
