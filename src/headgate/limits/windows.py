"""Windows of time over which a budget holds: a day, week or month of a time zone, any length, or for ever. Pure."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.core.problems import InvalidRequest

CALENDAR: Final = ("day", "week", "month")
FOR_EVER_US: Final = 1 << 62
SECOND_US: Final = 1_000_000
_WORDS_US: Final = {
    "second": SECOND_US,
    "minute": 60 * SECOND_US,
    "hour": 3600 * SECOND_US,
    "day": 86_400 * SECOND_US,
    "week": 604_800 * SECOND_US,
}
_ISO = re.compile(r"P(?=.)(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?")
_PARTS_US: Final = (604_800 * SECOND_US, 86_400 * SECOND_US, 3600 * SECOND_US, 60 * SECOND_US, SECOND_US)
DURATION_MAX_US: Final = 366 * 86_400 * SECOND_US


class Span(NamedTuple):
    """From a moment up to but not including another, in Unix microseconds."""

    start_us: int
    end_us: int


def duration_us(text: str, param: str) -> int:
    """`minute`, `hour`, … or ISO 8601 (`PT90S`, `P30D`) in microseconds. Raises `InvalidRequest`."""
    found = _WORDS_US.get(text)
    if found is None and (match := _ISO.fullmatch(text)):
        found = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _PARTS_US, strict=True))
    if not found or found > DURATION_MAX_US:
        raise InvalidRequest(
            f"{text[:60]!r} is no window; write second, minute, hour, day, week, or a length such as PT90S, PT1H, P30D "
            "(366 days at most).",
            param=param,
        )
    return found


def length_us(window: str) -> int:
    """How long a budget's window is at most, in microseconds. Raises `InvalidRequest`."""
    if window == "total":
        return FOR_EVER_US
    return 31 * _WORDS_US["day"] if window == "month" else duration_us(window, "window")


def calendar_span(window: str, zone: str, now_us: int) -> Span:
    """The day, week (from Monday) or month of `zone` that a moment is in; `total`: all of time."""
    if window == "total":
        return Span(0, FOR_EVER_US)
    place = zone_of(zone)
    day = datetime.fromtimestamp(now_us // SECOND_US, UTC).astimezone(place).date()
    if window == "week":
        day -= timedelta(days=day.weekday())
    elif window == "month":
        day = day.replace(day=1)
    after = day + timedelta(days={"day": 1, "week": 7}.get(window, 31))
    if window == "month":
        after = after.replace(day=1)
    start, end = (datetime(each.year, each.month, each.day, tzinfo=place) for each in (day, after))
    return Span(int(start.timestamp()) * SECOND_US, int(end.timestamp()) * SECOND_US)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA data. Raises `InvalidRequest`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"{name[:60]!r} is no time zone; write a name such as Europe/Berlin.", param="zone"
        ) from None
