"""The straight way: a plain call whose whole answer passes as it is, begun and ended in the loop's callbacks.

No task runs for it and nothing waits. It does what one attempt does that nothing happens to, to the same journal,
fleet and record. Whatever else happens (no connection at hand, an error, a deployment that is overdue, a client who
leaves, an answer that is out of the ordinary) is left to `Trying`, which takes the attempt over as it stands.
"""

import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from headgate.core.events import Finished
from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.core.signatures import has_seals
from headgate.dialects.base import Head
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.candidates import Choice
from headgate.engine.exchange import Exchange
from headgate.engine.lanes import Prepared, prepare
from headgate.engine.timing import allowance_s, ends_s, soon_s, timeouts
from headgate.engine.watching import Watch
from headgate.transport.base import UpstreamRequest
from headgate.transport.pool import Pool

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine
    from headgate.engine.plain import Plain
    from headgate.transport.flight import PooledFlight

_log = logging.getLogger("headgate")

Spawn = Callable[[Coroutine[Any, Any, None]], object]


def go_straight(engine: "Engine", call: Call, exchange: Exchange, spawn: Spawn) -> bool:
    """Begins a call. False: it needs more than this, and nothing has been done for it yet. Never raises."""
    try:
        head = call.head = call.dialect.peek(call.body, call.envelope)
    except HeadgateError:
        return False  # who serves it finds the same, and says so
    if head.is_stream or head.refers or head.is_kept or call.cost_nano_usd_max is not None:
        return False
    plain = engine.plain.find(call, head, time.monotonic())
    if plain is None or call.framing != "sse" or has_seals(call.body, call.dialect.seals):
        return False
    way = engine.way(plain.plan.deployments[0], call.dialect, is_stream=False)
    pool = engine.transports.get(way.scheme)
    if not way.is_same or way.dialect.tap is None or way.door.signer or not isinstance(pool, Pool):
        return False
    try:
        prepared = prepare(call, way, None)
        straight = Straight(engine, call, head, plain, prepared)
        engine.metering.begin(call.record, straight.attempt)
    except HeadgateError:
        return False
    straight.begin(pool, exchange, spawn)
    return True


class Straight:
    """One call on this way."""

    __slots__ = ("_call", "_engine", "_exchange", "_plain", "_spawn", "attempt", "flight", "head", "prepared", "watch")

    def __init__(self, engine: "Engine", call: Call, head: Head, plain: "Plain", prepared: Prepared) -> None:
        self._engine = engine
        self._call = call
        self.head = head
        self._plain = plain
        self.prepared = prepared
        self.flight: PooledFlight | None = None
        """Its request, under way or over; None: it could not be sent."""
        way = prepared.way
        call.record.model = head.model
        self.attempt = Attempt(
            number=1,
            provider=way.deployment.provider,
            model=way.deployment.model,
            dialect=way.dialect.name,
            lane="verbatim",
            started_ms=(time.monotonic() - call.started_s) * 1e3,
            price_version=engine.metering.price_version,
        )

    def begin(self, pool: Pool, exchange: Exchange, spawn: Spawn) -> None:
        """Sends it."""
        self._exchange = exchange
        self._spawn = spawn
        try:
            self._send(pool, exchange)
        except Exception:
            self._give_up()

    def _send(self, pool: Pool, exchange: Exchange) -> None:
        call, prepared, plan = self._call, self.prepared, self._plain.plan
        sent_s = call.started_s + self.attempt.started_ms / 1e3
        self.watch = watch = Watch(self._engine, plan.deployments[0], len(prepared.body), self.head, sent_s)
        ticket, rest_s = watch.ticket, ends_s(call, plan.route)[0] - sent_s
        more = min(len(plan.deployments), plan.route.attempts_max) - 1
        limit_s = allowance_s(self._engine, ticket, rest_s, more)
        request = UpstreamRequest(method="POST", url=prepared.url, headers=prepared.headers, body=prepared.body)
        try:
            flight = self.flight = pool.start(request, timeouts(limit_s, rest_s, rest_s))
        except UpstreamError:  # who tries again is told the same
            self.hand_over()
            return
        if flight.connection is None or (more > 0 and soon_s(rest_s) < ticket.patience_s):
            self.hand_over()
            return
        exchange.on_disconnect(self.hand_over)
        flight.on_wake = self._woken
        if more > 0:
            ticket.on_late = self.hand_over

    def choice(self) -> Choice:
        """What it is tried at."""
        return self._plain.choice(self.head.model, len(self._call.body))

    def hand_over(self) -> None:
        """Something has happened: from here on it goes as calls usually do."""
        self._release()
        self._spawn(self._engine.carry_on(self, self._call, self._exchange))

    def _release(self) -> None:
        self.watch.ticket.on_late = None
        if self.flight is not None:
            self.flight.on_wake = None

    def _give_up(self) -> None:
        """A bug of ours: the caller is told, and the record is written, since nobody else would."""
        call, attempt = self._call, self.attempt
        _log.exception("a bug in Headgate ended call %s", call.id)
        if self.flight is not None:
            self.flight.on_wake = None
            self.flight.close()
        attempt.outcome = Outcome.LOCAL
        if hasattr(self, "watch"):  # else it was never sent
            self.watch.ended(attempt)
        call.record.attempts = [attempt]
        problem = Problem(kind="internal", message="Headgate failed on this call.", outcome=Outcome.LOCAL)
        Answerer(call, self._exchange).refuse(problem)
        self._engine.metering.call_ended(call.record)

    def _woken(self, flight: "PooledFlight") -> None:
        """More of the answer is here, or all of it, or no more will come."""
        try:
            self._look(flight)
        except Exception:
            self._give_up()

    def _look(self, flight: "PooledFlight") -> None:
        if flight.is_complete:
            end = self._end_of(flight) if flight.status == 200 else None
            if end is None:
                self.hand_over()
            else:
                self._answer(flight, end)
        elif flight.is_held_up:
            self.hand_over()

    def _end_of(self, flight: "PooledFlight") -> Finished | None:
        """How an ordinary answer ended; None: it is no such."""
        tap = self.prepared.way.dialect.tap
        if tap is None or flight.unread_bytes > self._engine.settings.answer_bytes_max:
            return None
        try:
            end = tap(flight.whole())
        except HeadgateError:
            return None
        return end if type(end) is Finished and end.usage is not None else None

    def _answer(self, flight: "PooledFlight", end: Finished) -> None:
        """Books it, tells it, and writes down what happened."""
        self._release()
        engine, call, attempt, watch, plain = self._engine, self._call, self.attempt, self.watch, self._plain
        record, now_s, deployment = call.record, time.monotonic(), plain.plan.deployments[0]
        watch.head(flight)
        attempt.status = 200
        attempt.ttft_ms = attempt.duration_ms = (now_s - watch.ticket.sent_s) * 1e3
        attempt.usage, attempt.usage_source = end.usage, "provider_reported"
        engine.metering.settle(attempt, deployment.prices)
        record.route, record.strategy, record.candidates = plain.route, plain.plan.route.strategy, plain.candidates
        record.overhead_ms = attempt.started_ms
        answerer = Answerer(call, self._exchange)
        answerer.whole(flight.whole(), flight.content_type() or "application/json", attempt)
        record.attempts = [attempt]
        record.cost_nano_usd, record.is_priced = attempt.cost_nano_usd, attempt.is_priced
        record.usage, record.usage_source = attempt.usage, attempt.usage_source
        record.finish_reason, record.ttft_ms = end.reason, attempt.ttft_ms
        watch.ended(attempt)
        means = engine.means(plain.plan.route)
        means.retries.called(now_s)
        means.purse.earn(attempt.cost_nano_usd, now_s)
        record.duration_ms = (time.monotonic() - call.started_s) * 1e3
        record.overhead_ms = record.duration_ms - attempt.duration_ms
        engine.metering.call_ended(record)
