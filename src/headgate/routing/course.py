"""The course of one call: what to send first, beside, instead, again, and when to give up. Pure: time is an argument.

Three things are kept apart. A *hedge* runs a second deployment beside one that is overdue and is paid for in money. A
*move* cancels an attempt whose deployment has come under suspicion and goes on elsewhere: it is replaced, not doubled,
and costs nothing. A *retry* follows a failure and is paid from the budget of retries. The first meaningful token of any
of them is the call's answer, and the others are cancelled. After Dean and Barroso, The Tail at Scale (2013).

Whoever drives it says what has happened: an attempt is overdue, has failed, has its first token.
"""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from headgate.core.problems import Outcome
from headgate.core.record import Why
from headgate.routing.budgets import Efficacy, Purse, RetryBudget
from headgate.routing.fleet import Member, Ticket
from headgate.routing.health import State
from headgate.routing.verdicts import RULES, Situation, Verdict, verdict

HEDGE_LEAST_S: Final = 0.3
HEDGE_SHARE_OF_REST: Final = 0.5
"""A hedge does not wait longer than this share of the time that is left."""
SLOW_RETRY_COST: Final = 2.0
"""An attempt after one that took its time costs the budget more than one after a refusal."""
_WELL: Final = frozenset({State.HEALTHY, State.RAMPING})


class Places(Protocol):
    """The deployments that a call may be tried at, in order; looked at only when there is something to decide."""

    def __len__(self) -> int: ...

    def member(self, place: int) -> Member:
        """What is known of one."""
        ...

    def extra_nano_usd(self, place: int) -> int:
        """What a second attempt there would probably cost."""
        ...


class Terms(Struct, frozen=True, gc=False):
    """What holds for the whole call."""

    deadline_s: float
    attempts_max: int = 3
    retry_same_first: bool = False


class Means(Struct, frozen=True, gc=False):
    """What all calls of a route share."""

    retries: RetryBudget
    purse: Purse
    efficacy: Efficacy


class Send(Struct, frozen=True, gc=False):
    """Make an attempt, after a wait."""

    number: int
    place: int
    why: Why
    wait_s: float = 0.0


class Leave(Struct, frozen=True, gc=False):
    """Cancel the attempt as SLOW, and say that it has failed so."""

    number: int


class Wake(Struct, frozen=True, gc=False):
    """Say again then that it is overdue, if it still is."""

    at_s: float


class GiveUp(Struct, frozen=True, gc=False):
    """Nothing is left to try. These still run and are to be cancelled."""

    cancel: tuple[int, ...] = ()


class Failed(Struct, frozen=True, gc=False):
    """An attempt has failed before its first token."""

    number: int
    outcome: Outcome
    retry_after_s: float | None = None


class _Attempt(Struct, gc=False):
    place: int
    is_hedge: bool = False
    is_hedged: bool = False
    is_left: bool = False


class Course:
    """One call's."""

    __slots__ = (
        "_left",
        "_means",
        "_places",
        "_repeats",
        "_running",
        "_terms",
        "attempts_max",
        "is_over",
        "sent",
        "taken",
    )

    def __init__(self, places: Places, terms: Terms, means: Means) -> None:
        self._places = places
        self._terms = terms
        self._means = means
        self._left = list(range(len(places)))
        self._running: dict[int, _Attempt] = {}
        self._repeats = 0
        self.attempts_max = terms.attempts_max
        self.sent = 0
        """How many attempts have been made."""
        self.taken = 0
        """From the purse, in nano-USD."""
        self.is_over = False
        """One attempt's answer is the call's, or there is none: nothing is sent any more."""

    @property
    def more(self) -> int:
        """How many further deployments may be tried."""
        return min(len(self._left), self.attempts_max - self.sent)

    @property
    def next_place(self) -> int:
        """The first of them."""
        return self._left[0]

    def begin(self, now_s: float) -> Send | GiveUp:
        """The call may start."""
        self._means.retries.called(now_s)
        return self._send("first") if self._left else self._give_up()

    def skipped(self, send: Send) -> Send | GiveUp | None:
        """What was to be sent cannot be said to that deployment: it does not count."""
        del self._running[send.number]
        self.sent -= 1
        if self._running:
            return None
        if not self._left or self.attempts_max <= self.sent:
            return self._give_up()
        return self._send(send.why)

    def overdue(self, number: int, ticket: Ticket, now_s: float, *, is_hedgeable: bool) -> Send | Leave | Wake | None:
        """An attempt has waited longer than nineteen in twenty do."""
        attempt = self._running.get(number)
        if self.is_over or attempt is None or attempt.is_left:
            return None
        state = ticket.member.health.state
        if state not in _WELL and (ticket.is_overdue or state is not State.HALF_OPEN):
            if len(self._running) == 1 and self.more <= 0:  # the last is never cut
                return None
            attempt.is_left = True
            return Leave(number)
        return self._hedge(attempt, ticket, now_s) if is_hedgeable else None

    def failed(self, failed: Failed, now_s: float) -> Send | GiveUp | None:
        """An attempt has failed. None: another is on its way still."""
        attempt = self._running.pop(failed.number, None)
        if attempt is None:
            return None
        if attempt.is_hedge:
            self._means.efficacy.hedged(has_won=False, now_s=now_s)
        if self.is_over:
            return None
        if self._running:
            return self._give_up() if RULES[failed.outcome].is_callers else None
        step = verdict(
            Situation(
                outcome=failed.outcome,
                is_committed=False,
                others_left=len(self._left),
                attempts_left=self.attempts_max - self.sent,
                repeats=self._repeats,
                retries_same_first=self._terms.retry_same_first,
                retry_after_s=failed.retry_after_s,
                remaining_s=self._terms.deadline_s - now_s,
            )
        )
        if step.verdict is Verdict.GIVE_UP:
            return self._give_up()
        if attempt.is_left and step.verdict is Verdict.NEXT:
            self._repeats = 0
            return self._send("move")
        cost = SLOW_RETRY_COST if failed.outcome is Outcome.SLOW else 1.0
        if not self._means.retries.take(now_s, cost):
            return self._give_up()
        if step.verdict is Verdict.SAME:
            self._repeats += 1
            self.sent += 1
            self._running[self.sent] = _Attempt(attempt.place)
            return Send(self.sent, attempt.place, "again", step.wait_s)
        self._repeats = 0
        return self._send("retry")

    def instead(self, place: int) -> Send:
        """The operator lets a call that was given up go on at a place which was not planned."""
        self.is_over = False
        self.attempts_max += 1
        self._repeats = 0
        self._left = [place]
        return self._send("instead")

    def onward(self, fits: Callable[[int], bool]) -> Send | None:
        """The call's answer broke off: where its rest may be asked for, well, and paid from the purse like any other
        second attempt; None: nowhere."""
        if self.more <= 0:
            return None
        for at, place in enumerate(self._left):
            if self._places.member(place).health.state not in _WELL or not fits(place):
                continue
            cost = self._places.extra_nano_usd(place)
            if not self._means.purse.take(cost):
                return None
            self.taken += cost
            return self._send_to(at, "continue")
        return None

    def won(self, number: int, now_s: float) -> tuple[int, ...]:
        """The first meaningful token: this attempt's answer is the call's. Those that are to be cancelled."""
        self.is_over = True
        attempt = self._running.pop(number)
        if attempt.is_hedge:
            self._means.efficacy.hedged(has_won=True, now_s=now_s)
        return tuple(self._running)

    def _send(self, why: Why) -> Send:
        return self._send_to(0, why)

    def _send_to(self, at: int, why: Why) -> Send:
        self.sent += 1
        place = self._left.pop(at)
        self._running[self.sent] = _Attempt(place, why == "hedge")
        return Send(self.sent, place, why)

    def _give_up(self) -> GiveUp:
        self.is_over = True
        return GiveUp(tuple(self._running))

    def _hedge(self, attempt: _Attempt, ticket: Ticket, now_s: float) -> Send | Wake | None:
        """A second deployment beside a slow one: one for each call at a time, apart from the first, and paid for. A
        trial of what was out of order is hedged for nothing: who is sent there shall not suffer for it."""
        if attempt.is_hedged or len(self._running) > 1 or self.more <= 0:
            return None
        is_trial = ticket.member.health.state not in _WELL
        patience = self._means.efficacy.patience(now_s)
        if patience == "off" and not is_trial:
            return None
        at_s = ticket.sent_s + ticket.predicted.p99_s
        if patience == "p99" and not is_trial and now_s < at_s:
            return Wake(at_s)
        at = self._apart(ticket.member)
        if at is None:
            return None
        if not is_trial:
            cost = self._places.extra_nano_usd(self._left[at])
            if not self._means.purse.take(cost):
                return None
            self.taken += cost
        attempt.is_hedged = True
        return self._send_to(at, "hedge")

    def _apart(self, member: Member) -> int | None:
        """Where among what is left the first stands that shares neither host nor account: what is slow there may be
        slow here."""
        for at, place in enumerate(self._left):
            other = self._places.member(place)
            if other.host is not member.host and other.account is not member.account:
                return at
        return None
