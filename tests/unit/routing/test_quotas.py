"""Shadow quotas: read from answers, debited in advance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.routing.quotas import (
    BACKOFF_S_MAX,
    RESET_S_MAX,
    RETRY_AFTER_S_MAX,
    Concurrency,
    Mark,
    Need,
    Quota,
    Reading,
    parse_reset,
    read_limits,
)

NOW = 1_800_000_000.0
SMALL = Need(100, 50)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("120ms", 0.12),
        ("1d", 86_400.0),
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("1800000005", 5.0),
        ("1800000005000", 5.0),
        ("2027-01-15T08:00:30Z", 30.0),
        ("2027-01-15T08:00:30", 30.0),
        ("2027-01-15T09:00:30+01:00", 30.0),
        ("1999-01-01T00:00:00Z", 0.0),
        ("9999999s", RESET_S_MAX),
        ("", None),
        ("soon", None),
        ("5 s", None),
        ("-3", None),
    ],
)
def test_resets_are_read(text: str, seconds: float | None):
    found = parse_reset(text, NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=40))
def test_no_text_is_too_odd_for_a_reset(text: str):
    found = parse_reset(text, NOW)
    assert found is None or 0.0 <= found <= RESET_S_MAX


def test_openai_fields_are_read():
    fields = [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-remaining-tokens", "29000"),
        ("x-ratelimit-limit-tokens", "many"),
        ("content-type", "application/json"),
    ]
    assert read_limits(fields, NOW) == {"requests": Reading(499.0, 500.0, 0.12), "tokens": Reading(29_000.0)}


def test_anthropic_fields_are_read():
    fields = [
        ("anthropic-ratelimit-input-tokens-limit", "40000"),
        ("anthropic-ratelimit-input-tokens-remaining", "39000"),
        ("anthropic-ratelimit-input-tokens-reset", "2027-01-15T08:00:10Z"),
        ("anthropic-ratelimit-output-tokens-limit", "8000"),
    ]
    assert read_limits(fields, NOW) == {"input": Reading(39_000.0, 40_000.0, 10.0)}


def told(**readings: Reading) -> Quota:
    quota = Quota()
    quota.told(readings, Mark(0.0, 0.0, 0.0), 0.0)  # pyright: ignore[reportArgumentType]
    return quota


def test_what_is_not_told_is_not_limited():
    assert Quota().wait_s(SMALL, 0.0) == 0.0
    assert not Quota().buckets


def test_a_request_is_debited_before_the_answer_tells():
    quota = told(requests=Reading(3.0, 40.0, 10.0))
    assert quota.wait_s(SMALL, 0.0) == 0.0
    quota.sent(SMALL, 0.0)
    assert quota.wait_s(SMALL, 0.0) == 10.0
    assert quota.wait_s(SMALL, 10.0) == 0.0


def test_after_the_reset_the_bucket_is_full_and_debited_again():
    quota = told(requests=Reading(0.0, 4.0, 10.0))
    for _ in range(3):
        assert quota.wait_s(SMALL, 11.0) == 0.0
        quota.sent(SMALL, 11.0)
    assert quota.wait_s(SMALL, 11.0) > 0.0
    unknown = told(requests=Reading(0.0, None, 10.0))
    assert unknown.wait_s(SMALL, 5.0) == 5.0
    assert unknown.wait_s(SMALL, 11.0) == 0.0
    unknown.sent(SMALL, 11.0)
    assert unknown.wait_s(SMALL, 11.0) == 0.0


def test_an_answer_does_not_know_of_the_requests_behind_it():
    quota = told(requests=Reading(40.0, 40.0, 60.0))
    first, *_ = [quota.sent(SMALL, 1.0) for _ in range(3)]
    quota.told({"requests": Reading(30.0, 40.0, 50.0)}, first, 2.0)
    for _ in range(26):
        assert quota.wait_s(SMALL, 2.0) == 0.0
        quota.sent(SMALL, 2.0)
    assert quota.wait_s(SMALL, 2.0) > 0.0  # 30 told, less two behind it, less 26: within the headroom of two


def test_tokens_in_and_out_have_buckets_of_their_own():
    quota = told(input=Reading(150.0, 1000.0, 30.0), output=Reading(900.0, 1000.0, 30.0))
    assert quota.wait_s(Need(100, 50), 0.0) == 0.0
    assert quota.wait_s(Need(101, 50), 0.0) == 30.0
    assert quota.wait_s(Need(50, 960), 0.0) == 30.0
    both = told(tokens=Reading(160.0, 1000.0, 30.0))
    assert both.wait_s(Need(60, 50), 0.0) == 0.0
    assert both.wait_s(Need(100, 50), 0.0) == 30.0


def test_a_request_that_is_larger_than_the_limit_is_left_to_the_upstream():
    assert told(tokens=Reading(10.0, 100.0, 30.0)).wait_s(Need(200, 50), 0.0) == 0.0


def test_a_bucket_that_is_seen_to_fill_is_waited_for_less():
    quota = told(requests=Reading(0.0, 60.0, 60.0))
    assert quota.wait_s(SMALL, 0.0) == 60.0
    quota.told({"requests": Reading(10.0, 60.0, 50.0)}, quota.sent(SMALL, 9.0), 10.0)  # more than there can be
    quota.told({"requests": Reading(0.0, 60.0, 60.0)}, quota.sent(SMALL, 10.0), 11.0)
    assert quota.wait_s(SMALL, 11.0) == pytest.approx(4.0)  # one, and a headroom of three, at one a second
    assert quota.wait_s(SMALL, 15.1) == 0.0


def test_a_bucket_that_only_falls_is_not_taken_to_fill():
    quota, marks = told(requests=Reading(40.0, 40.0, 60.0)), list[Mark]()
    for number in range(12):
        marks.append(quota.sent(SMALL, number * 1.0))
        if number >= 3:
            quota.told({"requests": Reading(42.0 - number, 40.0, 60.0 - number)}, marks[number - 3], number * 1.0)
    for _ in range(26):
        quota.sent(SMALL, 12.0)
    assert quota.wait_s(SMALL, 12.0) > 40.0


def test_a_reset_that_is_now_fills_nothing():
    quota = told(requests=Reading(0.0, 60.0, 0.0))
    assert quota.wait_s(SMALL, 0.0) == 0.0


def test_a_429_is_obeyed():
    quota = Quota()
    quota.limited(5.0, 10.0)
    assert quota.wait_s(SMALL, 12.0) == 3.0
    quota.limited(1.0, 12.0)
    assert quota.not_before_s == 15.0
    quota.limited(1e9, 12.0)
    assert quota.not_before_s == 12.0 + RETRY_AFTER_S_MAX


def test_429s_without_a_time_are_waited_out_longer_and_longer():
    quota, now_s, waits = Quota(), 0.0, list[float]()
    for _ in range(7):
        quota.limited(None, now_s)
        quota.limited(None, now_s + 0.5)  # of the same burst
        waits.append(quota.not_before_s - now_s - 0.5)
        now_s = quota.not_before_s
    assert waits == [1, 2, 4, 8, 16, BACKOFF_S_MAX, BACKOFF_S_MAX]
    quota.granted()
    quota.limited(None, 1000.0)
    assert quota.not_before_s == 1001.0


def test_concurrency_is_cut_by_refusals_and_grows_by_answers():
    limit = Concurrency()
    assert limit.has_room(5000)
    limit.refused(50, 0.0)
    assert limit.limit == 40.0
    limit.refused(50, 0.5)
    assert limit.limit == 40.0
    limit.refused(50, 1.0)
    assert limit.limit == 32.0
    assert limit.has_room(31)
    assert not limit.has_room(32)
    for _ in range(32):
        limit.took(32)
    assert 32.9 < limit.limit <= 33.0
    limit.took(3)
    assert limit.limit <= 33.0
    for number in range(100):
        limit.refused(1, 10.0 + 2 * number)
    assert limit.limit == 1.0


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 30), st.floats(0, 100)), max_size=60),
    st.floats(1, 100),
)
def test_no_wait_is_negative_or_longer_than_a_reset(events: list[tuple[bool, float, float]], limit: float):
    quota, now_s, mark = Quota(), 0.0, Mark(0.0, 0.0, 0.0)
    for is_sent, pause_s, amount in events:
        now_s += pause_s
        if is_sent:
            mark = quota.sent(SMALL, now_s)
        else:
            quota.told({"requests": Reading(min(amount, limit), limit, 20.0)}, mark, now_s)
        assert 0.0 <= quota.wait_s(SMALL, now_s) <= 60.001
