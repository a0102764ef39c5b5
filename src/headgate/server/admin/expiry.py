"""When a key ends, as people write it: a date, a time, or how long from now. Pure."""

import re
from datetime import UTC, datetime
from typing import Final

from headgate.core.problems import InvalidRequest

_US: Final = 1_000_000
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FROM_NOW: Final = re.compile(r"(\d{1,6})([mhdw])")
_YEAR_MAX: Final = 9999


def parse_expiry(text: str, now_us: int) -> int:
    """`text` as Unix microseconds: `30d`, `12h`, `2027-01-31` or `2027-01-31T12:00:00Z`; no zone means UTC."""
    moment_us = _moment_us(text.strip(), now_us)
    if moment_us is None:
        raise InvalidRequest(f"{text!r} is no time; write 30d, 12h, 2027-01-31 or 2027-01-31T12:00Z", param="expires")
    if moment_us <= now_us:
        raise InvalidRequest(f"{text!r} has passed already; write a time in the future", param="expires")
    return moment_us


def _moment_us(text: str, now_us: int) -> int | None:
    if match := _FROM_NOW.fullmatch(text):
        return now_us + int(match[1]) * _SECONDS[match[2]] * _US
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return None if moment.year >= _YEAR_MAX else int(moment.timestamp()) * _US + moment.microsecond
    except (ValueError, OverflowError):  # the latter for zones that lead beyond all years
        return None


def shown_time(moment_us: int | None) -> str | None:
    """Unix microseconds as RFC 3339, to the second."""
    if moment_us is None or moment_us >= 253_370_764_800 * _US:
        return None
    return datetime.fromtimestamp(moment_us // _US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
