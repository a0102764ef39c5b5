"""The times that a page can be about: so many rows of one grain, up to now, and as many before them. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from headgate.store.queries.rollups import DAY_S, HOUR_S, MINUTE_S, Window

_SECOND_US: Final = 1_000_000


class Period(NamedTuple):
    """A choice of a time."""

    name: str
    label: str
    grain_s: int
    rows: int

    @property
    def length_us(self) -> int:
        """How long it is."""
        return self.grain_s * self.rows * _SECOND_US

    def window(self, now_us: int) -> Window:
        """The time up to now; the row that is not over yet is the last."""
        grain_us = self.grain_s * _SECOND_US
        before_us = now_us - now_us % grain_us + grain_us
        return Window(grain_s=self.grain_s, since_us=before_us - self.length_us, before_us=before_us)

    def before(self, now_us: int) -> Window:
        """As long a time, before that."""
        now = self.window(now_us)
        return Window(grain_s=self.grain_s, since_us=now.since_us - self.length_us, before_us=now.since_us)


PERIODS: Final[dict[str, Period]] = {
    each.name: each
    for each in (
        Period("1h", "hour", MINUTE_S, 60),
        Period("6h", "6 hours", MINUTE_S, 360),
        Period("24h", "24 hours", HOUR_S, 24),
        Period("7d", "7 days", HOUR_S, 168),
        Period("30d", "30 days", DAY_S, 30),
        Period("90d", "90 days", DAY_S, 90),
        Period("1y", "year", DAY_S, 365),
    )
}
PERIOD_USUAL: Final = "24h"


def starts(window: Window) -> Sequence[int]:
    """When each of its rows begins, in microseconds."""
    return range(window.since_us, window.before_us, window.grain_s * _SECOND_US)
