"""Sums of rollups as what pages show of them: figures against the time before, lines over time, shares. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from headgate.ledger.histograms import percentile
from headgate.server.dashboard.periods import starts
from headgate.store.queries.rollups import Found, Window
from headgate.store.tables import DURATION_BINS, TTFT_BINS

Unit = Literal["number", "usd", "ms", "share"]
COUNTS: Final = ("calls", "failed", "refused", "gone", "attempts", "failovers", "hedges")
TOKENS: Final = ("input_tokens", "cached_tokens", "output_tokens")
TIMES: Final = ("duration_us", "overhead_us", "ttft_us", "spoken_tokens", "spoken_us")
LINES_MAX: Final = 6
"""How many lines a chart tells apart; the rest are one."""
NONE: Final[dict[str, int]] = {}


class Series(Struct, frozen=True, kw_only=True):
    """A line of a chart."""

    label: str
    values: Sequence[float | None]


class Chart(Struct, frozen=True, kw_only=True):
    """What the chart's script draws, and the table beside it tells."""

    title: str
    unit: Unit
    at_s: Sequence[int]
    series: Sequence[Series]
    is_stacked: bool = False


class Figure(Struct, frozen=True, kw_only=True):
    """A number, and what it was before."""

    label: str
    unit: Unit
    value: float | None
    before: float | None
    is_better_lower: bool | None = None
    """None: neither."""

    @property
    def change(self) -> float | None:
        """How much more, as a share; None: there is nothing to compare with."""
        return None if not self.before or self.value is None else self.value / self.before - 1

    @property
    def mood(self) -> str:
        """Whether that is `good`, `bad` or neither (empty)."""
        change = self.change
        if self.is_better_lower is None or change is None or abs(change) < 0.005:
            return ""
        return "good" if (change < 0) == self.is_better_lower else "bad"


def only(found: Iterable[Found]) -> Mapping[str, int]:
    """The sums where nothing is told apart."""
    return next((each.sums for each in found), NONE)


def added(rows: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """All rows together."""
    total: dict[str, int] = {}
    for row in rows:
        for name, number in row.items():
            total[name] = total.get(name, 0) + number
    return total


def ratio(sums: Mapping[str, int], part: str, whole: str, scale: float = 1.0) -> float | None:
    """One sum by another; None: there is nothing to divide by."""
    return scale * sums[part] / sums[whole] if part in sums and sums.get(whole) else None


def ttft_ms(sums: Mapping[str, int], share: float) -> float | None:
    """A percentile of the times to the first token."""
    return percentile([sums.get(name, 0) for name in TTFT_BINS], share)


def duration_ms(sums: Mapping[str, int], share: float) -> float | None:
    """A percentile of how long calls took."""
    return percentile([sums.get(name, 0) for name in DURATION_BINS], share)


def over_time(found: Iterable[Found], window: Window) -> list[Mapping[str, int]]:
    """Sums told apart by `start_us` alone, one for each row of the window."""
    by_start = {each.place[0]: each.sums for each in found}
    return [by_start.get(at_us, NONE) for at_us in starts(window)]


def axis(window: Window) -> list[int]:
    """The times of a chart, in Unix seconds."""
    return [at_us // 1_000_000 for at_us in starts(window)]


def line(label: str, rows: Iterable[Mapping[str, int]], name: str) -> Series:
    """One sum over time."""
    return Series(label=label, values=[row.get(name, 0) for row in rows])


def stacked(found: Sequence[Found], window: Window, name: str, names: Mapping[str, str] | None = None) -> list[Series]:
    """Sums told apart by `start_us` and one thing more: a line for each of the largest, and one for all others."""
    totals: dict[str, int] = {}
    for each in found:
        totals[each.place[1]] = totals.get(each.place[1], 0) + each.sums[name]
    ranked = sorted(totals, key=lambda place: -totals[place])
    largest = ranked if len(ranked) <= LINES_MAX else ranked[: LINES_MAX - 1]
    values: dict[str, dict[int, int]] = {place: {} for place in largest}
    others: dict[int, int] = {}
    for each in found:
        start_us, place = each.place
        row = values.get(place, others)
        row[start_us] = row.get(start_us, 0) + each.sums[name]
    at = starts(window)
    lines = [
        Series(label=(names or {}).get(place, place) or "none", values=[row.get(start_us, 0) for start_us in at])
        for place, row in values.items()
    ]
    if len(ranked) > len(largest):
        lines.append(Series(label=f"{len(ranked) - len(largest)} others", values=[others.get(each, 0) for each in at]))
    return lines
