"""When too many requests are overdue to be chance: a cumulative sum over "has passed its own p95". Pure.

Page's CUSUM (1954) between 5 % of requests overdue, as predicted, and 50 %: each overdue one adds ln(0.5 / 0.05), each
in time takes ln(0.95 / 0.5) away, never below nothing. By Lorden (1971) healthy requests come to a false alarm once in
e^h at the most, so the threshold ln(86400 λ) allows about one a day at a rate of λ requests per second.
"""

from math import exp, inf, log
from typing import Final

OVERDUE_ADDS: Final = log(0.5 / 0.05)
IN_TIME_TAKES: Final = log(0.95 / 0.5)
THRESHOLD_MIN: Final = 7.0
THRESHOLD_MAX: Final = 16.0
DAY_S: Final = 86_400.0
RATE_WINDOW_S: Final = 60.0
FOLD_S: Final = 1.0
"""Requests within it are only counted: the rate decays at once for all of them."""


class Suspicion:
    """Of one deployment."""

    __slots__ = ("_count", "_folded_s", "_rate_hz", "level")

    def __init__(self) -> None:
        self.level = 0.0
        """The sum."""
        self._rate_hz = 0.0
        self._count = 0
        """Requests since the rate was last computed."""
        self._folded_s = -inf

    def sent(self, now_s: float) -> None:
        """A request has gone out: what the rate is counted by."""
        self._count += 1
        if now_s - self._folded_s >= FOLD_S:
            self._rate_hz = self._rate_hz * exp((self._folded_s - now_s) / RATE_WINDOW_S) + self._count / RATE_WINDOW_S
            self._count, self._folded_s = 0, now_s

    @property
    def threshold(self) -> float:
        """The sum from which it is no chance."""
        rate_hz = self._rate_hz + self._count / RATE_WINDOW_S
        return min(max(log(DAY_S * max(rate_hz, 1e-9)), THRESHOLD_MIN), THRESHOLD_MAX)

    def overdue(self, *, is_on_trial: bool = False) -> bool:
        """A request has passed its p95 without a token. True: too many have. `is_on_trial`: it was out of order just
        now, so that less is needed to believe it of it."""
        self.level += OVERDUE_ADDS
        return self.level >= (THRESHOLD_MIN if is_on_trial else self.threshold)

    def in_time(self) -> None:
        """A first token has come before its p95."""
        if self.level:
            self.level = max(0.0, self.level - IN_TIME_TAKES)

    def clear(self) -> None:
        """It has been acted on."""
        self.level = 0.0
