"""Times in bins, which can be added up: percentiles over any number of them. Must not know what took so long."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from headgate.store.tables import BOUNDS_MS

BINS: Final = len(BOUNDS_MS) + 1
_FIRST_MS: Final = BOUNDS_MS[0] / 2
"""Where the first bin is taken to begin, for interpolation."""


def bin_of(ms: float) -> int:
    """Which bin a time belongs to: a bound belongs to the bin above it."""
    return bisect_right(BOUNDS_MS, ms)


def percentile(bins: Sequence[int], share: float) -> float | None:
    """The time in milliseconds that `share` (0 to 1) of all stay within; None: there are none.

    Interpolated within its bin on a logarithmic scale, so off by less than the bin is wide: half as much again. What
    lies beyond the last bound is told as that bound.
    """
    count = sum(bins)
    if not count:
        return None
    wanted, below = share * count, 0
    for at, inside in enumerate(bins):
        if inside and below + inside >= wanted:
            if at == len(BOUNDS_MS):
                break
            low = BOUNDS_MS[at - 1] if at else _FIRST_MS
            return low * (BOUNDS_MS[at] / low) ** ((wanted - below) / inside)
        below += inside
    return float(BOUNDS_MS[-1])
