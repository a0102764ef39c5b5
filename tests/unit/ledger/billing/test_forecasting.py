"""Forecasts: exact where nothing varies, wide where little is known, and as often right as they claim."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from headgate.ledger.billing.forecasting import forecast
from headgate.ledger.billing.months import parse_month

NOVEMBER = parse_month("2026-11")  # begins on a Sunday, has 30 days


def at(day: int, hour: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()) * 1_000_000


def days(first: date, last: date, amount) -> dict[date, int]:
    return {first + timedelta(n): amount(first + timedelta(n)) for n in range((last - first).days + 1)}


def test_days_that_are_all_the_same_go_on_so():
    found = forecast(NOVEMBER, days(date(2026, 10, 1), date(2026, 11, 10), lambda _: 100), date(2026, 10, 1), at(11))
    assert (found.so_far_nano_usd, found.expected_nano_usd) == (1000, 3000)
    assert found.low_nano_usd == found.high_nano_usd == 3000
    assert found.days_known == 40


def test_weekends_are_days_of_their_own():
    def amount(day: date) -> int:
        return 10 if day.weekday() >= 5 else 100

    found = forecast(NOVEMBER, days(date(2026, 10, 1), date(2026, 11, 10), amount), date(2026, 10, 1), at(11))
    whole = sum(days(date(2026, 11, 1), date(2026, 11, 30), amount).values())
    assert found.low_nano_usd == found.expected_nano_usd == found.high_nano_usd == whole


def test_the_rest_of_today_is_a_part_of_a_day():
    by_day = days(date(2026, 11, 1), date(2026, 11, 29), lambda _: 240) | {date(2026, 11, 30): 60}
    found = forecast(NOVEMBER, by_day, date(2026, 10, 30), at(30, 18))
    assert found.expected_nano_usd - found.so_far_nano_usd == pytest.approx(60, abs=15)


def test_at_its_end_a_month_is_what_it_was():
    found = forecast(NOVEMBER, {date(2026, 11, 3): 5}, date(2026, 11, 3), NOVEMBER.end_us + 1)
    assert (found.so_far_nano_usd, found.low_nano_usd, found.expected_nano_usd, found.high_nano_usd) == (5, 5, 5, 5)


def test_where_hardly_anything_is_known_it_says_so():
    nothing = forecast(NOVEMBER, {}, None, at(10))
    assert (nothing.expected_nano_usd, nothing.high_nano_usd, nothing.days_known) == (0, 0, 0)

    today = forecast(NOVEMBER, {date(2026, 11, 10): 50}, date(2026, 11, 10), at(10, 12))
    assert today.expected_nano_usd == 50 + 50 + 20 * 100
    assert (today.low_nano_usd, today.high_nano_usd) == (50, 50 + 2 * 2050)

    one = forecast(NOVEMBER, {date(2026, 11, 8): 1, date(2026, 11, 9): 40}, date(2026, 11, 8), at(10))
    assert (one.days_known, one.expected_nano_usd) == (1, 41 + 21 * 40)


def test_nine_months_in_ten_end_within_the_bounds():
    dice, within, rounds = Random(7), 0, 400
    for _ in range(rounds):
        amounts = days(date(2026, 10, 1), date(2026, 11, 30), lambda _: int(dice.gauss(10_000, 2_000)))
        known = {day: nano for day, nano in amounts.items() if day < date(2026, 11, 11)}
        found = forecast(NOVEMBER, known, date(2026, 9, 30), at(11))
        whole = sum(nano for day, nano in amounts.items() if day.month == 11)
        within += found.low_nano_usd <= whole <= found.high_nano_usd
    assert 0.86 <= within / rounds <= 0.94
