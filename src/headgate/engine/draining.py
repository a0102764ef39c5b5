"""Answers that are read to their end though their caller has left: some providers bill all of it anyway, and then it is
known what was used. How many at once, how long, and how dear one may be. Reads nothing itself.
"""

from typing import Final

DRAINS_MAX: Final = 32
DRAIN_S: Final = 60.0
"""How long one may go on after its caller has left."""
DRAIN_NANO_USD_MAX: Final = 50_000_000
"""An answer of which more may be expected to come is cut off, whatever is said of its provider."""


class Drains:
    """Those of an engine."""

    __slots__ = ("under_way",)

    def __init__(self) -> None:
        self.under_way = 0

    def begin(self, expected_nano_usd: int) -> bool:
        """Whether one more may be. True: it counts until `end`."""
        if self.under_way >= DRAINS_MAX or expected_nano_usd > DRAIN_NANO_USD_MAX:
            return False
        self.under_way += 1
        return True

    def end(self) -> None:
        """One is over."""
        self.under_way -= 1
