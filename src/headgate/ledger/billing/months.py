"""Months of UTC, as `2026-11`. Must not know what happened in them."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from headgate.core.problems import InvalidRequest

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


class Month(NamedTuple):
    """From its first microsecond to that of the next."""

    name: str
    start_us: int
    end_us: int

    @property
    def start(self) -> datetime:
        """When it begins."""
        return datetime.fromtimestamp(self.start_us // 1_000_000, UTC)

    @property
    def end(self) -> datetime:
        """When the next begins."""
        return datetime.fromtimestamp(self.end_us // 1_000_000, UTC)


def parse_month(month: str) -> Month:
    """The month of that name. Raises `InvalidRequest`."""
    match = _MONTH.fullmatch(month)
    if match is None:
        raise InvalidRequest(f"{month[:40]!r} is no month; write 2026-11.", param="month")
    year, number = int(match[1]), int(match[2])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    start, end = (int(datetime(*each, 1, tzinfo=UTC).timestamp()) for each in ((year, number), after))
    return Month(month, start * 1_000_000, end * 1_000_000)


def month_of(at_us: int) -> Month:
    """The month that a moment is in."""
    return parse_month(datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m"))


def shown_time(at_us: int) -> str:
    """A moment to the second, as RFC 3339."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
