"""Rates: so many requests or tokens per window, and how many calls at a time. Must not know money.

A rate is kept by the generic cell rate algorithm, whose whole state is one moment: when all that was admitted would be
worked off (`tat`). Moments are kept in microseconds times the limit, so that everything is exact in integers.
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm (2026-11)
"""

from typing import Final

from headgate.limits.amounts import UNITS, Denial

BUSY_US: Final = 1_000_000
"""When to ask again where nobody can say when a call under way will end."""


class Rate:
    """At most `most` per `period_us`, in bursts of at most `burst`."""

    __slots__ = ("_burst", "_level", "_period_us", "_tat", "_what", "most", "unit")

    def __init__(self, unit: int, most: int, period_us: int, burst: int, words: tuple[str, str]) -> None:
        self.unit = unit
        self.most, self._period_us, self._burst = most, period_us, burst
        self._level, self._what = words
        self._tat = 0

    def denial(self, now_us: int, amount: int) -> Denial | None:
        """More than a burst can ever hold is refused for good, or it would wait for ever."""
        if amount > self._burst:
            return self._denied(None)
        now = now_us * self.most
        over = (self._tat if self._tat > now else now) + amount * self._period_us - now - self._burst * self._period_us
        return self._denied(-(-over // self.most)) if over > 0 else None

    def take(self, now_us: int, amount: int) -> object:
        """Moves the moment on."""
        now = now_us * self.most
        self._tat = (self._tat if self._tat > now else now) + amount * self._period_us
        return None

    def grow(self, token: object, now_us: int, amount: int) -> None:
        """The same again."""
        self.take(now_us, amount)

    def settle(self, token: object, now_us: int, held: int, used: int) -> None:
        """What was held too much comes back, as far as it has not been worked off by itself."""
        if used > held:
            self.take(now_us, used - held)
        elif used < held:
            self._tat -= (held - used) * self._period_us

    def remaining(self, now_us: int) -> int:
        """How much fits into a burst now."""
        busy = self._tat - now_us * self.most
        return self._burst if busy <= 0 else max(0, (self._burst * self._period_us - busy) // self._period_us)

    def reset_us(self, now_us: int) -> int:
        """How long until a whole burst fits."""
        return max(0, -(-(self._tat - now_us * self.most) // self.most))

    def _denied(self, wait_us: int | None) -> Denial:
        return Denial(self._level, self._what, wait_us, unit=UNITS[self.unit])


class Concurrency:
    """At most `most` calls at a time."""

    __slots__ = ("_level", "_what", "in_use", "most", "unit")

    def __init__(self, most: int, words: tuple[str, str]) -> None:
        self.unit = 0
        self.most = most
        self._level, self._what = words
        self.in_use = 0

    def denial(self, now_us: int, amount: int) -> Denial | None:
        """A call that has begun stays, so one that grows is not asked again (`amount` 0)."""
        if self.in_use + amount <= self.most:
            return None
        return Denial(self._level, self._what, BUSY_US)

    def take(self, now_us: int, amount: int) -> object:
        """One more."""
        self.in_use += amount
        return None

    def grow(self, token: object, now_us: int, amount: int) -> None:
        """A call stays one call."""
        self.in_use += amount

    def settle(self, token: object, now_us: int, held: int, used: int) -> None:
        """It has ended, whatever it used."""
        self.in_use -= held

    def remaining(self, now_us: int) -> int:
        """How many more may begin."""
        return max(0, self.most - self.in_use)
