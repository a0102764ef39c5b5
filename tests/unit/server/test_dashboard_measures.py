"""What pages make of sums, and how they write numbers, times and money."""

import pytest

from headgate.server.dashboard import measures, rendering
from headgate.server.dashboard.forms import cookie, fields, is_from_here
from headgate.server.dashboard.measures import LINES_MAX, Figure
from headgate.server.dashboard.pages.reliability import Outage, outages
from headgate.server.dashboard.periods import PERIODS, starts
from headgate.server.dashboard.sessions import FAILURES_MAX, FAILURES_S, SESSION_S, SESSIONS_MAX, Sessions
from headgate.store.queries.rollups import HOUR_S, MINUTE_S, Found, Window

HOUR_US = HOUR_S * 1_000_000
NOW_US = 1_800_000_123_456_789


def test_a_period_ends_with_the_row_that_is_not_over_and_the_one_before_it_where_it_begins():
    for period in PERIODS.values():
        now, before = period.window(NOW_US), period.before(NOW_US)
        assert len(starts(now)) == len(starts(before)) == period.rows
        assert now.before_us - period.grain_s * 1_000_000 <= NOW_US < now.before_us
        assert before.before_us == now.since_us
        assert now.since_us % (period.grain_s * 1_000_000) == 0


def test_lines_are_the_largest_and_the_rest_is_one():
    window = Window(grain_s=HOUR_S, since_us=0, before_us=2 * HOUR_US)
    found = [Found((HOUR_US, f"m{number}"), {"calls": number}) for number in range(1, 9)]
    lines = measures.stacked(found, window, "calls", {"m8": "the eighth"})
    assert [(line.label, line.values) for line in lines] == [
        ("the eighth", [0, 8]),
        ("m7", [0, 7]),
        ("m6", [0, 6]),
        ("m5", [0, 5]),
        ("m4", [0, 4]),
        ("3 others", [0, 6]),
    ]
    assert len(measures.stacked(found[:LINES_MAX], window, "calls")) == LINES_MAX


@pytest.mark.parametrize(
    ("now", "before", "is_better_lower", "mood"),
    [
        (2, 1, True, "bad"),
        (1, 2, True, "good"),
        (2, 1, False, "good"),
        (2, 1, None, ""),
        (1, 1, True, ""),
        (1, 0, True, ""),
    ],
)
def test_a_change_is_good_or_bad_or_neither(now: float, before: float, is_better_lower: bool | None, mood: str):
    figure = Figure(label="x", unit="number", value=now, before=before, is_better_lower=is_better_lower)
    assert figure.mood == mood


def test_a_ratio_of_nothing_is_none():
    assert measures.ratio({"a": 1, "b": 4}, "a", "b", 100) == 25
    assert measures.ratio({"a": 1, "b": 0}, "a", "b") is None
    assert measures.ratio({"b": 1}, "a", "b") is None


def test_rows_in_which_most_attempts_failed_are_outages_and_neighbours_are_one():
    def row(hour: int, provider: str, outcome: str, attempts: int) -> Found:
        return Found((hour * HOUR_US, provider, outcome), {"attempts": attempts})

    found = [
        row(1, "p", "ok", 5), row(1, "p", "server", 5),
        row(2, "p", "slow", 9), row(2, "p", "client", 1),
        row(3, "p", "ok", 6), row(3, "p", "server", 5),
        row(4, "p", "server", 4),
        row(5, "p", "server", 5),
        row(0, "q", "connect", 5), row(0, "q", "client_gone", 6),
    ]  # fmt: skip
    assert outages(found, HOUR_US) == [
        Outage("p", HOUR_US, 3 * HOUR_US, 20, 14),
        Outage("p", 5 * HOUR_US, 6 * HOUR_US, 5, 5),
    ]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (rendering.usd(None), "–"),
        (rendering.usd(0), "$0"),
        (rendering.usd(1_234_567_890_000), "$1,234.57"),
        (rendering.usd(-20_000_000), "-$0.0200"),
        (rendering.usd(1_234), "$0.000001"),
        (rendering.exact_usd(1), "$0.000000001"),
        (rendering.exact_usd(-1_500_000_000), "-$1.5"),
        (rendering.plain_usd(0.000003), "0.000003"),
        (rendering.number(None), "–"),
        (rendering.number(9999), "9,999"),
        (rendering.number(12_345), "12.3k"),
        (rendering.number(1_234_567), "1.2M"),
        (rendering.number(123_456_789_012), "123G"),
        (rendering.number(2.5), "2.5"),
        (rendering.ms(None), "–"),
        (rendering.ms(0.5), "0.50 ms"),
        (rendering.ms(5), "5.0 ms"),
        (rendering.ms(999), "999 ms"),
        (rendering.ms(1500), "1.50 s"),
        (rendering.ms(90_000), "1.5 min"),
        (rendering.share(1, 0), "–"),
        (rendering.share(1, 3), "33%"),
        (rendering.share(1, 40), "2.5%"),
        (rendering.share(1, 1000), "0.10%"),
        (rendering.share(99_999, 100_000), "99.99%"),
        (rendering.share(1, 1), "100%"),
        (rendering.change(0.25), "25%"),
        (rendering.change(19), "×20"),
        (rendering.moment(0), "1970-01-01 00:00:00"),
        (rendering.iso(1500), "1970-01-01T00:00:00.001+00:00"),
    ],
)
def test_how_values_are_written(told: str, wanted: str):
    assert told == wanted


def test_sessions_end_and_make_room():
    sessions = Sessions()
    first = sessions.begin(b"key", 0.0)
    held = sessions.find(first, SESSION_S - 1)
    assert held is not None
    assert held.presented == b"key"
    assert sessions.find(first, SESSION_S) is None
    assert sessions.find("é", 0.0) is None
    later = [sessions.begin(b"key", 1.0) for _ in range(SESSIONS_MAX)]
    assert sessions.find(first, 1.0) is None
    assert sessions.find(later[0], 1.0) is not None
    sessions.end(later[0])
    assert sessions.find(later[0], 1.0) is None


def test_after_a_while_keys_are_looked_at_again():
    sessions = Sessions()
    for _ in range(FAILURES_MAX):
        assert sessions.may_try(0.0)
        sessions.failed(0.0)
    assert not sessions.may_try(FAILURES_S - 1)
    assert sessions.may_try(FAILURES_S)


def test_forms_and_cookies_are_read():
    assert fields(b"a=1&b=&c=%20x+&a=2") == {"a": "2", "c": "x"}
    assert cookie(b"a=1; headgate-session=xyz", "headgate-session") == "xyz"
    assert cookie(b"", "headgate-session") == cookie(b"a=\x01;;;=", "b") == ""


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, True),
        ({b"origin": b"http://gate:8081", b"host": b"gate:8081"}, True),
        ({b"origin": b"http://gate:8082", b"host": b"gate:8081"}, False),
        ({b"origin": b"null", b"host": b"gate"}, False),
        ({b"sec-fetch-site": b"same-site"}, False),
        ({b"sec-fetch-site": b"none"}, True),
    ],
)
def test_a_form_comes_from_our_pages(headers: dict[bytes, bytes], is_ours: bool):
    assert is_from_here(headers) == is_ours


def test_a_minute_is_the_finest_grain():
    assert min(period.grain_s for period in PERIODS.values()) == MINUTE_S
