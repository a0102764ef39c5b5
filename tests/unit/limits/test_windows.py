"""Windows: calendars of time zones, lengths, and what is neither."""

from datetime import UTC, datetime

import pytest

from headgate.core.problems import InvalidRequest
from headgate.limits.windows import FOR_EVER_US, Span, calendar_span, duration_us, zone_of

SECOND = 1_000_000


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("window", "zone", "start", "end"),
    [
        ("day", "UTC", "2026-11-29", "2026-11-30"),
        ("week", "UTC", "2026-11-23", "2026-11-30"),
        ("month", "UTC", "2026-11-01", "2026-12-01"),
        ("day", "Europe/Berlin", "2026-11-28T23:00", "2026-11-29T23:00"),
        ("month", "Asia/Kathmandu", "2026-10-31T18:15", "2026-11-30T18:15"),
    ],
)
def test_a_calendar(window: str, zone: str, start: str, end: str):
    assert calendar_span(window, zone, us("2026-11-29T12:34")) == Span(us(start), us(end))


def test_days_are_as_long_as_clocks_make_them():
    span = calendar_span("day", "Europe/Berlin", us("2026-03-29T12:00"))
    assert span.end_us - span.start_us == 23 * 3600 * SECOND


def test_december_ends_in_january():
    assert calendar_span("month", "UTC", us("2026-12-31T23:59")) == Span(us("2026-12-01"), us("2027-01-01"))


def test_all_of_time():
    assert calendar_span("total", "UTC", 5) == Span(0, FOR_EVER_US)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("minute", 60), ("week", 604_800), ("PT90S", 90), ("PT1H30M", 5400), ("P1D", 86_400), ("P1W2DT3H", 788_400)],
)
def test_a_length(text: str, seconds: int):
    assert duration_us(text, "per") == seconds * SECOND


@pytest.mark.parametrize("text", ["", "P", "PT", "PT0S", "month", "1h", "P367D", "PT1.5H", "-PT1S", "P1DT"])
def test_no_length(text: str):
    with pytest.raises(InvalidRequest, match="is no window") as caught:
        duration_us(text, "budgets[0].window")
    assert caught.value.problem.param == "budgets[0].window"


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", ""])
def test_no_zone(name: str):
    with pytest.raises(InvalidRequest, match="is no time zone"):
        zone_of(name)
