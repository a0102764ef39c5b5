"""Budgets: so many dollars or tokens within a window, held while calls run and booked when they end.

A call belongs to the window in which it began, however long it lasts. Never is more admitted than `settled + held`
leaves; only what a call uses beyond its hold can go over. Must not know rates of requests.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, cast

from headgate.limits.amounts import UNITS, Denial
from headgate.limits.rates import BUSY_US
from headgate.limits.windows import Span

SLOTS: Final = 60
"""Into how many parts a rolling window is cut; what was used leaves it with its whole part, never too early."""
GONE_US: Final = -1
"""The end of a part that has left its window."""


class Period:
    """One window's sums. Calls that began in it hold on to it, so that they settle where they were admitted."""

    __slots__ = ("end_us", "held", "settled", "start_us")

    def __init__(self, span: Span) -> None:
        self.start_us, self.end_us = span
        self.settled = 0
        self.held = 0


class Terms:
    """What all budgets are told by: how much, whose, and whether it only warns."""

    __slots__ = ("is_soft", "level", "most", "what")

    def __init__(self, most: int, words: tuple[str, str], *, is_soft: bool) -> None:
        self.most = most
        self.level, self.what = words
        self.is_soft = is_soft


class CalendarBudget:
    """Over windows that people reconcile: days, weeks, months, or all of time."""

    __slots__ = ("_period", "_span_of", "terms", "unit")

    def __init__(self, unit: int, terms: Terms, span_of: Callable[[int], Span]) -> None:
        self.unit = unit
        self.terms = terms
        self._span_of = span_of
        self._period = Period(Span(0, 0))

    def period(self, now_us: int) -> Period:
        """The one that a moment is in; an earlier moment, of a clock set back, counts as the latest."""
        if now_us >= self._period.end_us:
            self._period = Period(self._span_of(now_us))
        return self._period

    def since_us(self, now_us: int) -> int:
        """What is older no longer matters."""
        return self.period(now_us).start_us

    def load(self, now_us: int, at_us: int, amount: int) -> None:
        """Books what was used before this process."""
        period = self.period(now_us)
        if at_us >= period.start_us:
            period.settled += amount

    def denial(self, now_us: int, amount: int) -> Denial | None:
        """Refused for a while if it only has to wait for others to end, else until the next window."""
        period, terms = self.period(now_us), self.terms
        if terms.is_soft or not amount or period.settled + period.held + amount <= terms.most:
            return None
        if period.settled + amount <= terms.most:
            return _denied(self, BUSY_US, is_money=False)
        is_last = amount > terms.most or period.start_us == 0
        return _denied(self, None if is_last else period.end_us - now_us, is_money=True)

    def take(self, now_us: int, amount: int) -> object:
        """Holds it in the window of this moment."""
        period = self.period(now_us)
        period.held += amount
        return period

    def grow(self, token: object, now_us: int, amount: int) -> None:
        """In the call's own window."""
        cast("Period", token).held += amount

    def settle(self, token: object, now_us: int, held: int, used: int) -> None:
        """Likewise."""
        period = cast("Period", token)
        period.held -= held
        period.settled += used

    def remaining(self, now_us: int) -> int:
        """What may still be held."""
        period = self.period(now_us)
        return max(0, self.terms.most - period.settled - period.held)

    def used(self, now_us: int) -> tuple[int, int]:
        """Settled and held."""
        period = self.period(now_us)
        return period.settled, period.held


class RollingBudget:
    """Over the last so many seconds, at every moment."""

    __slots__ = ("_held", "_length_us", "_settled", "_slot_us", "_slots", "terms", "unit")

    def __init__(self, unit: int, terms: Terms, length_us: int) -> None:
        self.unit = unit
        self.terms = terms
        self._length_us = length_us
        self._slot_us = max(1, length_us // SLOTS)
        self._slots: deque[Period] = deque()
        self._settled = 0
        self._held = 0

    def since_us(self, now_us: int) -> int:
        """What is older no longer matters: the start of the oldest part that is still in the window."""
        then_us = now_us - self._length_us
        return then_us - then_us % self._slot_us

    def load(self, now_us: int, at_us: int, amount: int) -> None:
        """Books what was used before this process; in the order of time."""
        if at_us >= self.since_us(now_us):
            self._slot(at_us).settled += amount
            self._settled += amount

    def denial(self, now_us: int, amount: int) -> Denial | None:
        """Refused until enough has left the window."""
        self._forget(now_us)
        terms = self.terms
        over = self._settled + self._held + amount - terms.most
        if terms.is_soft or not amount or over <= 0:
            return None
        if amount > terms.most:
            return _denied(self, None, is_money=True)
        if self._settled + amount <= terms.most:
            return _denied(self, BUSY_US, is_money=False)
        over -= self._held
        left_by_us = now_us
        for slot in self._slots:
            if over > 0:
                over -= slot.settled
                left_by_us = slot.end_us + self._length_us
        return _denied(self, left_by_us - now_us, is_money=True)

    def take(self, now_us: int, amount: int) -> object:
        """Holds it in the part of the window that is now."""
        self._forget(now_us)
        self._held += amount
        return self._slot(now_us)

    def grow(self, token: object, now_us: int, amount: int) -> None:
        """However long ago the call began."""
        self._held += amount

    def settle(self, token: object, now_us: int, held: int, used: int) -> None:
        """Books it where the call began, unless that has left the window by now."""
        self._held -= held
        self._forget(now_us)
        slot = cast("Period", token)
        if slot.end_us != GONE_US:
            slot.settled += used
            self._settled += used

    def remaining(self, now_us: int) -> int:
        """What may still be held."""
        self._forget(now_us)
        return max(0, self.terms.most - self._settled - self._held)

    def used(self, now_us: int) -> tuple[int, int]:
        """Settled and held."""
        self._forget(now_us)
        return self._settled, self._held

    def _slot(self, at_us: int) -> Period:
        start_us = at_us - at_us % self._slot_us
        if not self._slots or self._slots[-1].start_us < start_us:
            self._slots.append(Period(Span(start_us, start_us + self._slot_us)))
        return self._slots[-1]

    def _forget(self, now_us: int) -> None:
        while self._slots and self._slots[0].end_us + self._length_us <= now_us:
            slot = self._slots.popleft()
            self._settled -= slot.settled
            slot.end_us = GONE_US


Budget = CalendarBudget | RollingBudget


def _denied(budget: Budget, wait_us: int | None, *, is_money: bool) -> Denial:
    terms = budget.terms
    return Denial(terms.level, terms.what, wait_us, is_money, UNITS[budget.unit])
