"""What a month will probably come to, and between which bounds: values in, values out, in nano-USD.

The days so far are taken as draws from days like those ahead, days of the same kind (working day or weekend) where at
least two of the kind are known. The interval is that of Student's t for the sum of as many new days, so it is wide
while little is known, and shrinks to the sum itself at the month's end. It knows of chance alone.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from statistics import fmean, variance
from typing import Final

from msgspec import Struct

from headgate.ledger.billing.months import Month

DAY_US: Final = 86_400_000_000
DAYS_MAX: Final = 56
"""How far back days are looked at."""
_T_90: Final = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
"""Two-sided 90 % quantiles of Student's t by degrees of freedom from 1
(https://www.itl.nist.gov/div898/handbook/eda/section3/eda3672.htm, 2026-11)."""
_T_MANY: Final = 1.645


class Forecast(Struct, frozen=True, kw_only=True):
    """A month so far, and its probable end."""

    month: str
    so_far_nano_usd: int
    expected_nano_usd: int
    low_nano_usd: int
    high_nano_usd: int
    """Nine months in ten end between the two, if days stay as they were."""
    days_known: int
    """Whole days that it rests on. Below 2 there is no telling: the interval is from nothing more to twice as much."""


def forecast(month: Month, by_day: Mapping[date, int], first: date | None, now_us: int) -> Forecast:
    """`by_day`: what was charged on days (UTC) before now; `first`: the day of the first call ever, None: none yet.

    Days without calls since then count as zero; the first itself is not whole and does not count.
    """
    now = datetime.fromtimestamp(max(month.start_us, min(now_us, month.end_us)) / 1e6, UTC)
    so_far = sum(nano for day, nano in by_day.items() if month.start.date() <= day < month.end.date())
    known = [] if first is None else _whole_days(first, now.date())
    rest = _rest(month, now)
    if len(known) >= 2:
        mean, margin = _ahead(known, by_day, rest)
    else:
        mean = margin = _rate(known, by_day, now) * sum(share for _, share in rest)
    return Forecast(
        month=month.name,
        so_far_nano_usd=so_far,
        expected_nano_usd=so_far + round(mean),
        low_nano_usd=so_far + max(0, round(mean - margin)),
        high_nano_usd=so_far + round(mean + margin),
        days_known=len(known),
    )


def _whole_days(first: date, today: date) -> list[date]:
    start = max(first + timedelta(1), today - timedelta(DAYS_MAX))
    return [start + timedelta(at) for at in range((today - start).days)]


def _rest(month: Month, now: datetime) -> list[tuple[date, float]]:
    """The days ahead, and how much of each."""
    found: list[tuple[date, float]] = []
    while now < month.end:
        after = datetime.combine(now.date() + timedelta(1), datetime.min.time(), UTC)
        found.append((now.date(), (after - now).total_seconds() * 1e6 / DAY_US))
        now = after
    return found


def _is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def _ahead(
    known: Sequence[date], by_day: Mapping[date, int], rest: Sequence[tuple[date, float]]
) -> tuple[float, float]:
    """What the days ahead will come to, and how far that may be off."""
    groups = [[day for day in known if _is_weekend(day) is kind] for kind in (False, True)]
    are_apart = all(len(group) >= 2 for group in groups)
    mean, spread, degrees = 0.0, 0.0, len(known) - (2 if are_apart else 1)
    for kind in (False, True) if are_apart else (None,):
        amounts = [by_day.get(day, 0) for day in known if kind is None or _is_weekend(day) is kind]
        shares = [share for day, share in rest if kind is None or _is_weekend(day) is kind]
        total = sum(shares)
        mean += fmean(amounts) * total
        spread += variance(amounts) * (sum(share * share for share in shares) + total * total / len(amounts))
    quantile = _T_90[degrees - 1] if degrees <= len(_T_90) else _T_MANY
    return mean, quantile * sqrt(spread)


def _rate(known: Sequence[date], by_day: Mapping[date, int], now: datetime) -> float:
    """Per day, where hardly anything is known: that of the one whole day, else of today so far."""
    if known:
        return by_day.get(known[0], 0)
    elapsed = now.hour / 24 + now.minute / 1440
    return by_day.get(now.date(), 0) / max(elapsed, 1 / 24)
