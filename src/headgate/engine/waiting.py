"""Calls that wait because every deployment which could serve them wants rest: one line for each route.

Whoever is first is chosen for again when the time has come that its deployments named; nobody overtakes. Nothing of
this runs while nobody waits.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.usage import Usage
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.candidates import Choice, Full, Wanted
from headgate.routing.admission import OUTPUT_WEIGHT, Admission, Entrant
from headgate.routing.plan import BUSY_S

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

_MESSAGES: Final = {
    "full": "Too many calls wait already for providers that want to be left alone for a while.",
    "tenant_full": "Too many calls of this key wait already for providers that want to be left alone for a while.",
    "late": "Every provider that could serve this call has asked to be left alone for longer than it can wait.",
}
_GONE: Final = Problem(kind="upstream", message="the caller left", outcome=Outcome.CLIENT_GONE)
_USUAL_TOKENS: Final = 300


class Turn(Struct, frozen=True, gc=False):
    """One that has waited and went."""

    admission: Admission
    entrant: Entrant

    def done(self, usage: Usage | None) -> None:
        """It is over: its caller's share goes by what it consumed in truth."""
        if usage is not None:
            self.admission.done(self.entrant, usage.input_tokens + OUTPUT_WEIGHT * usage.output_tokens)


class Lines:
    """All lines of an engine."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._lines: dict[str, _Line] = {}

    @property
    def is_any(self) -> bool:
        """Whether anybody waits."""
        return bool(self._lines)

    def has(self, wanted: Wanted) -> bool:
        """Whether others wait already for whatever this call wants."""
        return bool(self._lines) and all(route.name in self._lines for route in wanted.routes)

    async def wait(self, call: Call, answerer: Answerer | None, wanted: Wanted) -> tuple[Choice, Turn]:
        """Waits for its turn, or until `answerer` knows that its caller has left. Raises an `UpstreamError` that says
        when to come back where that would be too late."""
        route, now_s = wanted.routes[0], time.monotonic()
        line = self._lines.get(route.name)
        if line is None:
            line = self._lines[route.name] = _Line(self._engine)
        limit_s = min(route.queue_s, route.timeout_s - (now_s - call.started_s))
        for own_s in (call.timeout_s, call.patience_s):
            if own_s is not None:
                limit_s = min(limit_s, own_s - (now_s - call.started_s))
        entrant = Entrant(
            id=call.id,
            tenant=call.principal.owner,
            input_tokens=wanted.asked.input_tokens,
            output_tokens=wanted.asked.max_tokens or _USUAL_TOKENS,
            deadline_s=now_s + limit_s,
            priority=call.principal.priority if call.priority is None else call.priority,
            since_s=now_s,
            weight=call.principal.weight,
        )
        try:
            return await line.wait(entrant, wanted, answerer), Turn(line.admission, entrant)
        finally:
            call.record.queued_ms = (time.monotonic() - now_s) * 1e3
            if line.is_empty:
                line.close()
                self._lines.pop(route.name, None)


class _Line:
    """One of them."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self.admission = Admission()
        self._waiting: dict[str, tuple[asyncio.Future[Choice], Wanted]] = {}
        self._timer: asyncio.Handle | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def wait(self, entrant: Entrant, wanted: Wanted, answerer: Answerer | None) -> Choice:
        """Until it may go."""
        problem = self._why_not(wanted)
        wait_s = 0.0 if problem is None else problem.retry_after_s or 0.0
        refused = self.admission.enter(entrant, wait_s, time.monotonic())
        if refused is not None:
            raise UpstreamError(_told(refused.why, refused.retry_after_s))
        future: asyncio.Future[Choice] = self._loop.create_future()
        self._waiting[entrant.id] = future, wanted
        if self._timer is None:
            self._look_in(wait_s)

        def gone(outcome: Outcome) -> None:
            if not future.done():
                future.set_exception(UpstreamError(_GONE))

        if answerer is not None:
            answerer.watch(gone)
        try:
            return await future
        finally:
            if answerer is not None:
                answerer.watch(None)
            del self._waiting[entrant.id]
            self.admission.leave(entrant.id)

    def _why_not(self, wanted: Wanted) -> Problem | None:
        """Why nobody may be asked; None: somebody may."""
        try:
            wanted.choose_again(self._engine, time.monotonic())
        except Full as full:
            return full.problem
        except HeadgateError:
            return None
        return None

    def _look_in(self, wait_s: float) -> None:
        self.close()
        self._timer = self._loop.call_later(max(wait_s, 0.0), self._look)

    def _look(self) -> None:
        """Lets the first go if it may, and tells whose time is over."""
        self._timer = None
        now_s, admission = time.monotonic(), self.admission
        late = admission.late(now_s)
        entrant = admission.first(now_s)
        wait_s = 0.0
        if entrant is not None:
            future, wanted = self._waiting[entrant.id]
            try:
                choice = wanted.choose_again(self._engine, now_s)
            except Full as full:
                wait_s = full.problem.retry_after_s or BUSY_S
                self._look_in(min(wait_s, max(admission.soonest_s() - now_s, 0.0)))
            except HeadgateError as error:
                admission.go(entrant, now_s)
                future.set_exception(error)
                self._look_in(0.0)
            else:
                admission.go(entrant, now_s)
                future.set_result(choice)
                self._look_in(0.0)  # which comes after the one that goes has been sent, and counts
        for each in late:
            future, _ = self._waiting[each.id]
            if not future.done():
                future.set_exception(UpstreamError(_told("late", max(wait_s, BUSY_S))))


def _told(why: str, retry_after_s: float) -> Problem:
    return Problem(
        kind="rate_limit",
        message=_MESSAGES[why],
        outcome=Outcome.RATE,
        retry_after_s=round(max(retry_after_s, 0.05), 3),
    )
