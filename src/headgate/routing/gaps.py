"""How long the pauses in a deployment's streams are, and from when on one is a stall. Pure.

Of each stream that came to its end, its longest pause counts, in a histogram that forgets. What is three times as long
as the longest pause of 99 streams in a hundred is no pause any more.
"""

from math import ceil, inf, log
from typing import Final

STALL_FACTOR: Final = 3.0
STALL_LEAST_S: Final = 5.0
STALL_MOST_S: Final = 30.0
KNOWN_STREAMS: Final = 30.0
"""With fewer nothing is known."""
_LEAST_S: Final = 0.01
_STEP: Final = log(1.25)
_BUCKETS: Final = 48
"""Up to seven minutes."""
_KEEP: Final = 0.995
_QUANTILE: Final = 0.99


class Gaps:
    """Of one deployment."""

    __slots__ = ("_seen", "_total", "stall_s")

    def __init__(self) -> None:
        self._seen: list[float] | None = None
        self._total = 0.0
        self.stall_s = inf
        """A longer pause while an answer flows is a stall; infinite as long as too little is known."""

    def ended(self, longest_s: float) -> None:
        """A stream has come to its end, and this was its longest pause."""
        if self._seen is None:
            self._seen = [0.0] * _BUCKETS
        at = ceil(log(longest_s / _LEAST_S) / _STEP) if longest_s > _LEAST_S else 0
        self._total = self._total * _KEEP + 1.0
        self._seen = seen = [each * _KEEP for each in self._seen]
        seen[min(at, _BUCKETS - 1)] += 1.0
        if self._total >= KNOWN_STREAMS * _KEEP**KNOWN_STREAMS:
            self.stall_s = min(max(STALL_FACTOR * self._usual_s(seen), STALL_LEAST_S), STALL_MOST_S)

    def _usual_s(self, seen: list[float]) -> float:
        """What 99 streams in a hundred do not exceed."""
        left, at = (1.0 - _QUANTILE) * self._total, _BUCKETS - 1
        while at > 0 and seen[at] < left:
            left -= seen[at]
            at -= 1
        return _LEAST_S * 1.25**at
