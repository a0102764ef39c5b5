"""The course of one call: when to send, hedge, move, wait and give up. Pure: events in, actions out, time an argument.

Three things are kept apart. A *hedge* runs a second deployment beside a slow first one and is paid for in money. A
*move* cancels an attempt whose deployment has come under suspicion, or that has taken longer than any does, and goes on
elsewhere. A *retry* follows a failure. The first meaningful token of any of them commits the call, and the others are
cancelled. After Dean and Barroso, The Tail at Scale (2013).
"""

from collections.abc import Sequence
from math import inf
from typing import Final

from msgspec import Struct

from headgate.core.problems import Outcome
from headgate.routing.budgets import Efficacy, Purse, RetryBudget
from headgate.routing.estimate import Prediction
from headgate.routing.fleet import Member
from headgate.routing.verdicts import Situation, Verdict, verdict

HEDGE_LEAST_S: Final = 0.3
HEDGE_SHARE_OF_REST: Final = 0.5
"""A hedge does not wait longer than this share of the time that is left."""
MOVE_LEAST_S: Final = 2.0
MOVE_MOST_S: Final = 30.0
MOVE_FACTOR: Final = 1.5
LOAD_MAX: Final = 0.8
"""With the gateway itself busier than this nothing is hedged."""
BROKE_S: Final = 1.0
"""A move for which the budget of retries has nothing left waits so long."""
SLOW_RETRY_COST: Final = 2.0
"""An attempt after one that took its time costs the budget more than one after a refusal."""


class Choice(Struct, frozen=True, gc=False):
    """A deployment that the call may be tried at."""

    member: Member
    predicted: Prediction
    extra_nano_usd: int = 0
    """What a second attempt there would probably cost."""
    is_probe: bool = False
    """Half open: who is sent there shall not suffer for it, so the hedge comes early and needs no money."""


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What holds for the whole call."""

    deadline_s: float
    attempts_max: int = 3
    retry_same_first: bool = False
    is_hedgeable: bool = True
    """No side effects at the provider, no wish of the caller against it."""
    load: float = 0.0
    """Of the gateway itself, 0 to 1."""


class Means(Struct, frozen=True, gc=False):
    """What all calls of a route share."""

    retries: RetryBudget
    purse: Purse
    efficacy: Efficacy


# events


class Begin(Struct, frozen=True, gc=False):
    """The call may start."""


class Woken(Struct, frozen=True, gc=False):
    """A time that was asked for has come."""


class FirstToken(Struct, frozen=True, gc=False):
    """An attempt's first meaningful token, or its whole answer, is there."""

    number: int


class Failed(Struct, frozen=True, gc=False):
    """An attempt has failed before that."""

    number: int
    outcome: Outcome
    retry_after_s: float | None = None


class Suspected(Struct, frozen=True, gc=False):
    """The deployment of an attempt that is overdue is not well."""

    number: int


class Gone(Struct, frozen=True, gc=False):
    """The client has hung up."""


Event = Begin | Woken | FirstToken | Failed | Suspected | Gone

# actions


class Send(Struct, frozen=True, gc=False):
    """Make an attempt."""

    number: int
    place: int
    """Of the deployment in the plan."""
    why: str
    """`first`, `hedge`, `move`, `retry` or `again`."""


class Cancel(Struct, frozen=True, gc=False):
    """Stop an attempt."""

    number: int
    outcome: Outcome
    """How it counts for its deployment."""


class Wake(Struct, frozen=True, gc=False):
    """Come back then, whatever happens until then."""

    at_s: float


class Commit(Struct, frozen=True, gc=False):
    """This attempt's answer is the call's."""

    number: int


class GiveUp(Struct, frozen=True, gc=False):
    """Tell the client."""

    outcome: Outcome


Action = Send | Cancel | Wake | Commit | GiveUp


class _Attempt(Struct, gc=False):
    place: int
    sent_s: float
    hedge_at_s: float
    move_at_s: float
    is_hedge: bool = False
    taken_nano_usd: int = 0


class Course:
    """One call's."""

    __slots__ = (
        "_again_at_s",
        "_choices",
        "_means",
        "_next",
        "_repeats",
        "_running",
        "_sent",
        "_terms",
        "is_over",
    )

    def __init__(self, choices: Sequence[Choice], terms: Terms, means: Means) -> None:
        self._choices = choices
        self._terms = terms
        self._means = means
        self._running: dict[int, _Attempt] = {}
        self._sent = 0
        self._next = 0
        self._repeats = 0
        self._again_at_s = inf
        self.is_over = False
        """Committed or given up: no event changes anything any more."""

    def decide(self, event: Event, now_s: float) -> list[Action]:
        """What follows from an event."""
        if self.is_over:
            return []
        match event:
            case Begin():
                self._means.retries.called(now_s)
                return self._send(self._next, "first", now_s)
            case FirstToken(number):
                return self._commit(number, now_s) if number in self._running else []
            case Failed():
                return self._failed(event, now_s) if event.number in self._running else []
            case Suspected(number):
                return self._move(number, now_s) if number in self._running and self._may_move() else []
            case Gone():
                return self._end(Outcome.CLIENT_GONE)
            case _:
                return self._woken(now_s)

    def _woken(self, now_s: float) -> list[Action]:
        if now_s >= self._terms.deadline_s:
            return self._end(Outcome.SLOW)
        if now_s >= self._again_at_s:
            self._again_at_s = inf
            return self._send(self._next - 1, "again", now_s)
        actions: list[Action] = []
        for number, attempt in list(self._running.items()):
            if now_s >= attempt.move_at_s:
                actions += self._late(number, attempt, now_s)
            elif now_s >= attempt.hedge_at_s:
                attempt.hedge_at_s = inf
                actions += self._hedge(attempt, now_s)
        return actions

    def _send(self, place: int, why: str, now_s: float) -> list[Action]:
        """An attempt, and when to look at it again."""
        if place >= len(self._choices):
            return self._end(Outcome.OVERLOAD)
        self._sent += 1
        self._next = max(self._next, place + 1)
        predicted, rest_s = self._choices[place].predicted, self._terms.deadline_s - now_s
        attempt = self._running[self._sent] = _Attempt(place, now_s, inf, inf)
        times_s = [self._terms.deadline_s]
        if self._has_more():
            patience = self._means.efficacy.patience(now_s)
            is_probe = self._choices[place].is_probe
            if self._terms.is_hedgeable and (patience != "off" or is_probe) and len(self._running) == 1:
                usual_s = predicted.p99_s if patience == "p99" else predicted.p95_s
                if is_probe:
                    usual_s = min(usual_s, self._choices[self._next].predicted.p95_s)
                attempt.hedge_at_s = now_s + min(max(usual_s, HEDGE_LEAST_S), HEDGE_SHARE_OF_REST * rest_s)
                times_s.append(attempt.hedge_at_s)
            attempt.move_at_s = now_s + min(max(MOVE_FACTOR * predicted.p999_s, MOVE_LEAST_S), MOVE_MOST_S)
            times_s.append(attempt.move_at_s)
        return [Send(self._sent, place, why), *(Wake(at_s) for at_s in times_s)]

    def _has_more(self) -> bool:
        """Whether another deployment may be tried at all."""
        return self._next < len(self._choices) and self._sent < self._terms.attempts_max

    def _apart(self, attempt: _Attempt) -> int | None:
        """The next deployment that does not share host or account with an attempt's: what is slow there may be here."""
        member = self._choices[attempt.place].member
        for place in range(self._next, len(self._choices)):
            other = self._choices[place].member
            if other.host is not member.host and other.account is not member.account:
                return place
        return None

    def _hedge(self, attempt: _Attempt, now_s: float) -> list[Action]:
        if len(self._running) > 1 or not self._has_more() or self._terms.load > LOAD_MAX:
            return []
        place = self._apart(attempt)
        if place is None:
            return []
        cost = 0 if self._choices[attempt.place].is_probe else self._choices[place].extra_nano_usd
        if not self._means.purse.take(cost):
            return []
        actions = self._send(place, "hedge", now_s)
        hedge = self._running[self._sent]
        hedge.is_hedge, hedge.taken_nano_usd = True, cost
        return actions

    def _may_move(self) -> bool:
        """The last attempt is never cut."""
        return len(self._running) > 1 or self._has_more()

    def _late(self, number: int, attempt: _Attempt, now_s: float) -> list[Action]:
        """It has taken longer than any does; without the means to go on it is looked at again soon."""
        attempt.move_at_s = inf
        if not self._may_move():
            return []
        if len(self._running) == 1 and not self._means.retries.take(now_s, SLOW_RETRY_COST):
            attempt.move_at_s = now_s + BROKE_S
            return [Wake(attempt.move_at_s)]
        return self._move(number, now_s)

    def _move(self, number: int, now_s: float) -> list[Action]:
        """Cancels and goes on elsewhere: an attempt is replaced, not doubled, which needs no money."""
        cancel = self._cancel(number, Outcome.SLOW, now_s)
        return [cancel] if self._running else [cancel, *self._send(self._next, "move", now_s)]

    def _failed(self, failed: Failed, now_s: float) -> list[Action]:
        self._close(failed.number, now_s, has_won=False)
        if self._running:
            return []
        step = verdict(
            Situation(
                outcome=failed.outcome,
                is_committed=False,
                others_left=len(self._choices) - self._next,
                attempts_left=self._terms.attempts_max - self._sent,
                repeats=self._repeats,
                retries_same_first=self._terms.retry_same_first,
                retry_after_s=failed.retry_after_s,
                remaining_s=self._terms.deadline_s - now_s,
            )
        )
        if step.verdict is Verdict.GIVE_UP or not self._means.retries.take(now_s):
            return self._end(failed.outcome)
        if step.verdict is Verdict.SAME:
            self._repeats += 1
            self._again_at_s = now_s + step.wait_s
            return [Wake(self._again_at_s), Wake(self._terms.deadline_s)]
        self._repeats = 0
        return self._send(self._next, "retry", now_s)

    def _commit(self, number: int, now_s: float) -> list[Action]:
        self.is_over = True
        self._close(number, now_s, has_won=True)
        losers = [self._cancel(other, Outcome.LOCAL, now_s) for other in list(self._running)]
        return [Commit(number), *losers]

    def _end(self, outcome: Outcome) -> list[Action]:
        self.is_over = True
        counted = Outcome.SLOW if outcome is Outcome.SLOW else Outcome.CLIENT_GONE
        cancelled: list[Action] = [Cancel(number, counted) for number in self._running]
        self._running.clear()
        return [*cancelled, GiveUp(outcome)]

    def _cancel(self, number: int, outcome: Outcome, now_s: float) -> Cancel:
        self._close(number, now_s, has_won=False)
        return Cancel(number, outcome)

    def _close(self, number: int, now_s: float, *, has_won: bool) -> None:
        attempt = self._running.pop(number)
        if attempt.is_hedge:
            self._means.efficacy.hedged(has_won=has_won, now_s=now_s)
