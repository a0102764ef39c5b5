"""One attempt at one deployment, from the journal's line to the last byte: PLANNED, SENT, COMMITTED, DONE or FAILED.

COMMITTED is the first byte given to the client. Until then a failure is returned, so that another deployment can be
tried; from then on it can only be told, honestly, in the client's own stream. What is asked for, and how its answer is
read and told, is for those who build on this.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.dialects.base import Dialect, Malformed
from headgate.engine.draining import DRAIN_S
from headgate.engine.timing import timeouts
from headgate.providers.catalog import Deployment, Door
from headgate.routing.quotas import Need
from headgate.transport.base import Flight, UpstreamRequest

if TYPE_CHECKING:
    from headgate.engine.trying import Trying
    from headgate.engine.watching import Watch

LINGER_S: Final = 1.0
"""How long a stream may stay open after its last event before its connection is given up."""
STOPPED: Final = "Headgate was stopped before the answer had ended."
READ_ON: Final = "the caller left; the answer was read on, since its provider bills all of it"
_BILLED: Final = frozenset({Outcome.SLOW, Outcome.STALL, Outcome.CLIENT_GONE})
"""After these a provider may bill what it was asked, though nothing has come of it."""


class Trial:
    """The state of one attempt."""

    __slots__ = (
        "_aborted",
        "_flight",
        "_is_drained",
        "_sent_s",
        "attempt",
        "body_bytes",
        "deployment",
        "door",
        "trying",
        "watch",
    )

    def __init__(self, trying: "Trying", attempt: Attempt, deployment: Deployment, door: Door) -> None:
        self.trying = trying
        self.attempt = attempt
        self.deployment = deployment
        self.door = door
        self.body_bytes = 0
        """How long the prompt is, in bytes of text."""
        self.watch: Watch | None = None
        self._sent_s = 0.0
        self._flight: Flight | None = None
        self._aborted: Outcome | None = None
        self._is_drained = False

    async def run(self, watch: "Watch", allowance_s: float) -> Problem | None:
        """Makes the attempt, which has been written down. None: the client has its answer; else why not, and nothing
        of it has gone out. `allowance_s` is how long the client may be kept waiting by it."""
        trying, attempt = self.trying, self.attempt
        self.watch, self._sent_s = watch, watch.ticket.sent_s
        try:
            flight = self._flight or await self._start(allowance_s)
            await flight.head()
            attempt.status = flight.status
            watch.head(flight)
            if not 200 <= flight.status < 300:
                body = await flight.read_all(trying.engine.settings.answer_bytes_max)
                raise UpstreamError(self.dialect.parse_error(flight.status, flight.headers, body))
            await self._answer(flight)
        except (UpstreamError, Malformed) as error:
            watch.failed(error.problem)
            return await self._failed(error)
        except asyncio.CancelledError:
            attempt.outcome, attempt.message = Outcome.LOCAL, STOPPED
            self._book_part()
            raise
        finally:
            if self._flight is not None:
                self._flight.close()
            if self._is_drained:
                trying.engine.drains.end()
            self._end()
        return None

    def take_over(self, watch: "Watch", flight: Flight | None) -> None:
        """Its request is on its way already, or even answered. None: it could not be sent."""
        self.watch, self._flight = watch, flight
        if self.trying.answerer.is_gone:
            self.leave(Outcome.CLIENT_GONE)

    def abort(self, outcome: Outcome) -> None:
        """Ends it as soon as can be: `run` returns."""
        self._aborted = outcome
        if self._flight is not None:
            self._flight.abort(outcome)

    def leave(self, outcome: Outcome) -> None:
        """The caller has gone. What is billed to its end anyway is read to its end, within bounds, so that what it used
        is known; everything else ends at once."""
        flight, trying = self._flight, self.trying
        if flight is None or not flight.is_sent or not self.deployment.bills_on or self._aborted is not None:
            self.abort(outcome)
            return
        written = 0 if self.watch is None else self.watch.ticket.need.output_tokens
        quote = trying.engine.metering.quote_or_ceiling(self.deployment)
        if not trying.engine.drains.begin(int(quote.nano_usd(Need(0, written), 0.0))):
            self.abort(outcome)
            return
        self._is_drained = True
        record = trying.call.record
        record.outcome, record.error = outcome, READ_ON
        trying.end_s = min(trying.end_s, time.monotonic() + DRAIN_S)
        trying.deadline_s = min(trying.deadline_s, trying.end_s)
        self._bound(flight)

    def _bound(self, flight: Flight) -> None:
        """How long an answer may take: what is left of the call."""
        outcome = Outcome.CLIENT_GONE if self._is_drained else Outcome.SLOW
        flight.limit(self.trying.end_s - time.monotonic(), outcome)

    def extend(self, allowance_s: float) -> None:
        """Nothing else is left to try: it may take so much longer."""
        if self._flight is not None:
            self._flight.limit(allowance_s, Outcome.SLOW)

    @property
    def has_won(self) -> bool:
        """Whether its answer is the call's."""
        return self.trying.winner == self.attempt.number

    # what others say

    @property
    def dialect(self) -> Dialect:
        """The one that is spoken there."""
        raise NotImplementedError

    def _request(self) -> UpstreamRequest:
        """What is sent."""
        raise NotImplementedError

    @property
    def _passes_on(self) -> bool:
        """Whether the answer is passed on as it comes."""
        raise NotImplementedError

    async def _answer(self, flight: Flight) -> None:
        """Reads a good answer and tells it."""
        raise NotImplementedError

    @property
    def _is_finished(self) -> bool:
        """Whether a stream has come to its own end, whatever happens to the connection after it."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Books such a stream and ends it."""
        raise NotImplementedError

    def _book_part(self) -> None:
        """Books what has probably been consumed by an answer that broke off, or never came."""
        raise NotImplementedError

    def _book_told(self) -> None:
        """Books what an error in place of an answer has told of usage; nothing where it has not."""
        raise NotImplementedError

    async def _break_off(self, error: HeadgateError) -> None:
        """The honest end of an answer that the client has begun to read."""
        raise NotImplementedError

    # what is the same for all

    async def _start(self, allowance_s: float) -> Flight:
        """Puts the request on its way. Only the whole is bound by the allowance, so that it can be extended."""
        trying, engine = self.trying, self.trying.engine
        rest_s = trying.deadline_s - self._sent_s
        limits = timeouts(allowance_s, rest_s, engine.settings.idle_s if self._passes_on else rest_s)
        request = self._request()
        if self.door.signer:
            request = await engine.signed(request, self.door.signer, limits.whole_s)
        flight = self._flight = engine.transports[request.url.partition(":")[0]].start(request, limits)
        if self._aborted is not None or trying.answerer.is_gone:
            flight.abort(self._aborted or Outcome.CLIENT_GONE)
        return flight

    def _win(self, dropped: Iterable[str]) -> float:
        """This attempt's answer is the call's, or another one was faster, which raises. Returns how many milliseconds
        it has taken so far."""
        trying, now_s = self.trying, time.monotonic()
        trying.claim(self.attempt.number)
        if self.watch is not None:
            self.watch.stays()
        call = trying.call
        record = call.record
        if dropped:
            record.dropped = sorted(dropped)
        until_ms = (now_s - call.started_s) * 1e3
        own = (self.attempt.started_ms, until_ms)
        waited = waited_ms(record.attempts, own) if record.attempts else until_ms - own[0]
        record.overhead_ms = until_ms - waited - record.queued_ms
        return until_ms - own[0]

    async def _failed(self, error: HeadgateError) -> Problem | None:
        """Books the failure; tells the client if it has already begun to read this answer."""
        problem, attempt, record = error.problem, self.attempt, self.trying.call.record
        if self.has_won and self._is_finished and not isinstance(error, Told):
            self._finish()  # what came after the end is of no concern
            return None
        attempt.outcome, attempt.message = problem.outcome, problem.message
        if not self.has_won:
            is_lost = self.trying.winner != 0 and self._flight is not None
            if attempt.usage is None and (is_lost or (self._flight is not None and problem.outcome in _BILLED)):
                self._book_part()
                attempt.usage_source = "estimated_prompt"
            elif attempt.usage is None:
                self._book_told()
            return problem
        self._book_part()
        if not self._is_drained:
            record.outcome, record.error = problem.outcome, problem.message
        await self._break_off(error)
        return None

    def _end(self) -> None:
        """The attempt's line in the record."""
        trying, attempt = self.trying, self.attempt
        record = trying.call.record
        attempt.duration_ms = (time.monotonic() - self._sent_s) * 1e3
        record.attempts.append(attempt)
        record.cost_nano_usd += attempt.cost_nano_usd
        record.is_priced = record.is_priced and attempt.is_priced
        if self.has_won:
            record.usage, record.usage_source = attempt.usage, attempt.usage_source
            record.ttft_ms = attempt.ttft_ms
        elif attempt.outcome is not Outcome.CLIENT_GONE:
            record.extra_nano_usd += attempt.cost_nano_usd


class Told(UpstreamError):
    """The answer's own error event has been passed on already."""


def waited_ms(attempts: Sequence[Attempt], *more: tuple[float, float]) -> float:
    """How long upstreams were waited for: attempts beside each other count once. `more`: further spans, in
    milliseconds since the call began."""
    if len(attempts) == 1 and not more:
        return attempts[0].duration_ms
    spans = sorted([*((each.started_ms, each.started_ms + each.duration_ms) for each in attempts), *more])
    total_ms = end_ms = 0.0
    for begin, end in spans:
        if end > end_ms:
            total_ms += end - max(begin, end_ms)
            end_ms = end
    return total_ms
