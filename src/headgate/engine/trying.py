"""The attempts of one call, whatever is asked for: does what its course decides, and knows who runs and who has won.

A call that nothing happens to runs in its own coroutine, with nothing else to start or to wait for. Only a hedge is a
task, and it ends before its call does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from headgate.core.problems import ClientError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt, CallRecord
from headgate.dialects.base import Head
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.candidates import Choice
from headgate.engine.timing import allowance_s, ends_s, soon_s
from headgate.engine.trial import Trial
from headgate.engine.watching import Watch
from headgate.providers.catalog import Deployment
from headgate.routing.course import (
    HEDGE_LEAST_S,
    Course,
    Failed,
    GiveUp,
    Leave,
    Send,
    Terms,
    Wake,
)
from headgate.routing.fleet import Member, Ticket
from headgate.routing.plan import instead
from headgate.routing.quotas import Need
from headgate.routing.verdicts import RULES, summary

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

_LOST: Final = Problem(kind="upstream", message="given up: another attempt answered first", outcome=Outcome.LOCAL)
_GONE: Final = Problem(kind="upstream", message="the caller left", outcome=Outcome.CLIENT_GONE)


class Asking(Protocol):
    """What is asked for."""

    def prepare(self, deployment: Deployment) -> Trial:
        """An attempt there. Raises a `ClientError` for a deployment that cannot be asked such a thing."""
        ...

    def may_be_doubled(self) -> bool:
        """Whether two may be asked at once: nothing happens by it but an answer, and that is not dear."""
        ...


class Trying:
    """The attempts of one call. What is public is what every one of them needs."""

    __slots__ = (
        "_asking",
        "_beside",
        "_choice",
        "_course",
        "_deployments",
        "_means",
        "_problems",
        "_refusal",
        "_timer",
        "_trials",
        "after",
        "answerer",
        "call",
        "deadline_s",
        "end_s",
        "engine",
        "head",
        "winner",
    )

    def __init__(self, engine: "Engine", call: Call, answerer: Answerer, choice: Choice, head: Head) -> None:
        self.engine = engine
        self.call = call
        self.answerer = answerer
        self.head = head
        self.winner = 0
        """The number of the attempt whose answer is the call's."""
        self.after: Callable[[], Awaitable[None]] | None = None
        """What is left to do when that attempt is over."""
        route = choice.plan.route
        self.deadline_s, self.end_s = ends_s(call, route)
        """When the call's answer has to have begun, and when the call has to be over."""
        self._choice = choice
        self._deployments = list(choice.plan.deployments)
        terms = Terms(self.deadline_s, route.attempts_max, route.retry_same_first)
        self._means = engine.means(route)
        self._course = Course(self, terms, self._means)
        self._trials: dict[int, Trial] = {}
        self._problems: list[Problem] = []
        self._refusal: Problem | None = None
        self._beside: asyncio.Task[Send | GiveUp | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, asking: Asking, begun: tuple[Trial, Watch] | None = None) -> None:
        """Attempts until one has answered; else tells the client what to know. `begun`: the first is made already."""
        self._asking = asking
        plan, record = self._choice.plan, self.call.record
        record.model = self._choice.model
        record.route = "model" if plan.route.is_direct else plan.route.name
        record.strategy = plan.route.strategy
        record.candidates = [deployment.id for deployment in plan.deployments]
        record.weighed = plan.weighed
        self.answerer.watch(self._gone)
        try:
            step = self._course.begin(time.monotonic())
            while type(step) is Send:
                step = await (self._attempt(step) if begun is None else self._see(step, *begun))
                begun = None
                while step is None and self._beside is not None:
                    beside, self._beside = self._beside, None
                    step = await beside
            if self.after is not None:
                await self.after()
        finally:
            self.answerer.watch(None)
            if self._beside is not None or self._timer is not None:
                await self._stop()
            self._settle()
            del self._asking, self._course  # they know this one: what it holds would be kept until a collection
        if not self.answerer.is_committed:
            self._tell()

    def claim(self, number: int) -> None:
        """An attempt has its first meaningful token: its answer is the call's, and the others end. Raises where
        another one was faster."""
        if self._course.is_over:
            raise UpstreamError(_LOST)
        self.winner = number
        for other in self._course.won(number, time.monotonic()):
            self._cancel(other)

    @property
    def goes_on_after_policy(self) -> bool:
        """Whether there is somewhere else to ask for what a content filter has withheld."""
        return Outcome.POLICY in self._choice.plan.route.instead

    def onward(self, fits: Callable[[Deployment], bool]) -> Send | None:
        """Where the rest of an answer that broke off may be asked for; None: nowhere."""
        self.deadline_s = self.end_s  # the answer has begun
        return self._course.onward(lambda place: self._is_fresh(place) and fits(self._deployments[place]))

    async def carry_on(self, send: Send, trial: Trial) -> None:
        """Asks for it."""
        await self._make(send, trial, self._deployments[send.place])

    def _is_fresh(self, place: int) -> bool:
        return not self._wants_rest(self._deployments[place])

    # what the course asks for

    def __len__(self) -> int:
        return len(self._deployments)

    def member(self, place: int) -> Member:
        """What is known of one of the deployments."""
        return self.engine.fleet.member(self._deployments[place])

    def extra_nano_usd(self, place: int) -> int:
        """What a second attempt there would probably cost: its prompt, since the loser of a stream has usually not said
        anything, and a usual answer where that comes whole."""
        deployment, member = self._deployments[place], self.member(place)
        written = 0 if self.head.is_stream else int(member.output_tokens)
        quote = self.engine.metering.quote_or_ceiling(deployment)
        return int(quote.nano_usd(Need(self._choice.input_tokens, written), member.cached_share))

    # one attempt

    async def _attempt(self, send: Send) -> Send | GiveUp | None:
        """Makes one, and says what follows."""
        if send.wait_s:
            await asyncio.sleep(send.wait_s)
        if self.answerer.is_gone or self._course.is_over:
            return self._after(send, _GONE if self.answerer.is_gone else _LOST)
        deployment = self._deployments[send.place]
        if send.number > 1 and send.why != "again" and self._wants_rest(deployment):
            return self._course.skipped(send)
        try:
            trial = self._asking.prepare(deployment)
        except ClientError as error:
            self._refusal = error.problem  # the error itself would hold on to this frame, and the frame to the call
            return self._course.skipped(send)
        return await self._make(send, trial, deployment)

    async def _make(self, send: Send, trial: Trial, deployment: Deployment) -> Send | GiveUp | None:
        attempt, sent_s = trial.attempt, time.monotonic()
        attempt.number, attempt.why = send.number, send.why
        attempt.started_ms = (sent_s - self.call.started_s) * 1e3
        self.engine.metering.begin(self.call.record, attempt)
        return await self._see(send, trial, Watch(self.engine, deployment, trial.body_bytes, self.head, sent_s))

    async def _see(self, send: Send, trial: Trial, watch: Watch) -> Send | GiveUp | None:
        """Sees an attempt through, and says what follows."""
        number, more, ticket = send.number, self._course.more, watch.ticket
        self._trials[number] = trial
        allowed_s = allowance_s(self.engine, ticket, self.deadline_s - ticket.sent_s, more)
        try:
            if more > 0:
                ticket.on_late = partial(self._late, number)
                self._look_early(ticket, number, allowed_s)
                if ticket.is_overdue:
                    self._late(number)
            problem = await trial.run(watch, allowed_s)
        finally:
            watch.ended(trial.attempt)
            del self._trials[number]
        return None if problem is None else self._after(send, problem)

    def _after(self, send: Send, problem: Problem) -> Send | GiveUp | None:
        """What follows from a failure."""
        course = self._course
        if not course.is_over:
            self._problems.append(problem)
        step = course.failed(Failed(send.number, problem.outcome, problem.retry_after_s), time.monotonic())
        if type(step) is GiveUp:
            for number in step.cancel:
                self._cancel(number)
            found = self._instead(problem)
            if found is not None and not step.cancel:
                self._deployments.append(found)
                return course.instead(len(self._deployments) - 1)
        elif step is None and course.more <= 0 and not course.is_over:
            for trial in self._trials.values():
                trial.extend(self.deadline_s - time.monotonic())
        return step

    def _cancel(self, number: int) -> None:
        """Ends an attempt that is not wanted any more; one whose task has not begun yet finds that out by itself."""
        trial = self._trials.get(number)
        if trial is not None:
            trial.abort(Outcome.LOCAL)

    def _instead(self, problem: Problem) -> Deployment | None:
        """Where the operator lets a call go on that no other target would answer either."""
        choice, record = self._choice, self.call.record
        if self.answerer.is_committed or not choice.plan.route.instead or time.monotonic() >= self.deadline_s:
            return None
        tried = {f"{attempt.provider}/{attempt.model}" for attempt in record.attempts}
        found = instead(choice.plan.route, problem.outcome, choice.demand, tried)
        if found is not None:
            record.candidates.append(found.id)
        return found

    def _wants_rest(self, deployment: Deployment) -> bool:
        """Whether its quota is used up meanwhile."""
        member = self.engine.fleet.member(deployment)
        need = Need(self._choice.input_tokens, int(member.output_tokens))
        return member.quota.wait_s(need, time.monotonic()) > 0.0

    # what is late

    def _look_early(self, ticket: Ticket, number: int, allowance_s: float) -> None:
        """Some attempts are looked at before they are overdue: with little time left, and the trial of a deployment
        that was out of order, which takes no longer than the next one's answer usually would."""
        early_s = soon_s(self.deadline_s - ticket.sent_s)
        if ticket.probing:
            next_one = self.member(self._course.next_place)
            predicted = next_one.estimator(is_stream=ticket.is_stream).predict(ticket.need.input_tokens)
            early_s = min(early_s, predicted.p95_s)
        if early_s < ticket.patience_s and early_s < allowance_s:
            self._look_at(number, max(early_s, HEDGE_LEAST_S))

    def _look_at(self, number: int, in_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(in_s, self._late, number)

    def _late(self, number: int) -> None:
        """An attempt is overdue, or it is time to look at it again."""
        trial, now_s = self._trials.get(number), time.monotonic()
        if trial is None or trial.watch is None or self.answerer.is_gone:
            return
        is_hedgeable = not self.engine.fleet.blame.is_frozen(now_s) and self._asking.may_be_doubled()
        step = self._course.overdue(number, trial.watch.ticket, now_s, is_hedgeable=is_hedgeable)
        match step:
            case Leave():
                trial.abort(Outcome.SLOW)
            case Send():
                self.call.record.hedge = step.number
                self._beside = asyncio.get_running_loop().create_task(self._attempt(step))
            case Wake(at_s):
                self._look_at(number, at_s - now_s)
            case None:
                pass

    # the end

    def _gone(self, outcome: Outcome) -> None:
        """The client has left."""
        for trial in list(self._trials.values()):
            trial.leave(outcome)

    async def _stop(self) -> None:
        """Nothing of the call is left running."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)

    def _settle(self) -> None:
        """What the call brings in for second attempts, and what its own have cost."""
        record = self.call.record
        if len(record.attempts) > 1:
            record.attempts.sort(key=_number)
        if self._course.taken:
            self._means.purse.settle(self._course.taken, record.extra_nano_usd)
        if self.winner:
            self._means.purse.earn(record.cost_nano_usd - record.extra_nano_usd, time.monotonic())

    def _tell(self) -> None:
        """The client's answer when every attempt failed."""
        if not self._problems:
            if self._refusal is not None:
                self.answerer.refuse(self._refusal)
            return
        last = self._problems[-1]
        problem = summary(self._problems, is_late=time.monotonic() >= self.deadline_s)
        attempts = () if RULES[last.outcome].is_callers else attempt_lines(self.call.record)
        self.answerer.refuse(problem, attempts=attempts)


def _number(attempt: Attempt) -> int:
    return attempt.number


def attempt_lines(record: CallRecord) -> Sequence[Mapping[str, object]]:
    """What the client is told of the attempts, as `error.metadata.attempts`."""
    return [
        {
            "provider": attempt.provider,
            "model": attempt.model,
            "outcome": str(attempt.outcome),
            "status": attempt.status or None,
            "message": attempt.message,
            "duration_ms": round(attempt.duration_ms, 1),
        }
        for attempt in record.attempts
    ]
