"""The health machine: who is ejected, for how long, and how one comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.routing.health import (
    EJECT_S_MAX,
    FAILURES_MAX,
    GOOD_AFTER_SILENCE,
    GOOD_S,
    GOOD_TO_CLOSE,
    QUARANTINE_S,
    RAMP_S,
    SUSPECT_S,
    Domain,
    SelfBlame,
    State,
    wilson_least,
)


def opened(at_s: float = 0.0) -> Domain:
    domain = Domain("d")
    for _ in range(FAILURES_MAX):
        domain.failed(1.0, at_s, 0.5)
    assert domain.state is State.OPEN
    return domain


def test_failures_in_a_row_open_it():
    domain = Domain("d")
    told = [domain.failed(1.0, 0.0, 0.5) for _ in range(FAILURES_MAX)]
    assert told == [False] * (FAILURES_MAX - 1) + [True]
    assert domain.look(4.9) is State.OPEN
    assert domain.look(5.0) is State.HALF_OPEN


def test_overload_counts_half():
    domain = Domain("d")
    assert [domain.failed(0.5, 0.0, 0.5) for _ in range(2 * FAILURES_MAX)].index(True) == 2 * FAILURES_MAX - 1


def test_a_success_between_them_starts_the_row_anew():
    domain = Domain("d")
    for now_s in range(200):
        for _ in range(FAILURES_MAX - 3):
            domain.failed(1.0, now_s, 0.5)
        for _ in range(4):
            domain.succeeded(now_s)
    assert domain.state is State.HEALTHY


def test_what_was_well_before_the_failures_does_not_end_their_row():
    domain = Domain("d")
    told: list[bool] = []
    for number in range(FAILURES_MAX):
        told.append(domain.failed(1.0, 10.0 + number, 0.5))
        domain.succeeded(10.5 + number, seen_s=9.0)
    assert told[-1]


def test_one_of_which_most_fail_opens_though_never_in_a_row():
    domain, count = Domain("d"), 0
    while domain.state is State.HEALTHY and count < 200:
        count += 1
        domain.failed(1.0, count * 0.1, 0.5)
        if count % 4 == 0:
            domain.succeeded(count * 0.1)
    assert domain.state is State.OPEN
    assert 15 <= count < 60


def test_it_comes_back_by_three_good_ones_and_a_ramp():
    domain = opened()
    assert domain.look(6.0) is State.HALF_OPEN
    assert domain.may_probe()
    for _ in range(3):
        domain.succeeded(7.0)
    assert domain.state is State.RAMPING
    assert domain.weight(7.0) == pytest.approx(0.1)
    assert domain.weight(7.0 + RAMP_S / 2) == pytest.approx(0.55)
    assert domain.look(7.0 + RAMP_S) is State.HEALTHY
    assert domain.weight(7.0 + RAMP_S) == 1.0


def test_a_bad_trial_opens_it_for_twice_as_long():
    domain, now_s, lengths = opened(), 0.0, list[float]()
    for _ in range(9):
        lengths.append(domain.until_s - now_s)
        now_s = domain.until_s
        domain.look(now_s)
        domain.failed(1.0, now_s, 0.5)
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_a_second_slow_trial_is_a_bad_one():
    domain = opened()
    assert not domain.forgives()
    domain.look(6.0)
    for _ in range(2):
        domain.succeeded(7.0)
    domain.succeeded(7.0, is_prompt=False)
    for _ in range(2):
        domain.succeeded(7.0)
    assert domain.state is State.HALF_OPEN
    domain.succeeded(7.0, is_prompt=False)
    assert domain.state is State.OPEN
    domain.look(20.0)
    assert domain.forgives()
    assert not domain.forgives()


def test_one_that_was_silent_has_more_to_show():
    domain = Domain("d")
    domain.suspect(1.0)
    domain.look(4.0)
    for _ in range(GOOD_AFTER_SILENCE - 1):
        domain.succeeded(5.0)
    assert domain.state is State.HALF_OPEN
    domain.succeeded(5.0)
    assert domain.state is State.RAMPING
    assert not domain.suspect(6.0)
    assert domain.state is State.OPEN
    domain.look(12.0)
    for _ in range(GOOD_TO_CLOSE):
        domain.succeeded(12.0 + GOOD_S)
    assert domain.state is State.RAMPING
    domain.look(42.0 + RAMP_S)
    for _ in range(FAILURES_MAX):
        domain.failed(1.0, 80.0, 0.5)
    domain.look(100.0)
    for _ in range(GOOD_TO_CLOSE):
        domain.succeeded(100.0)
    assert domain.state is State.RAMPING


def test_eject_times_are_spread():
    domain = Domain("d")
    for _ in range(FAILURES_MAX):
        domain.failed(1.0, 0.0, 0.0)
    assert domain.until_s == pytest.approx(4.0)


def test_a_minute_of_health_takes_one_doubling_back():
    domain = opened()
    domain.look(6.0)
    domain.failed(1.0, 6.0, 0.5)
    assert domain.opened == 2
    domain.look(16.0)
    for _ in range(3):
        domain.succeeded(16.0)
    domain.look(46.0)
    for now_s, left in ((50.0, 2), (107.0, 1), (110.0, 1), (170.0, 0)):
        domain.succeeded(now_s)
        assert domain.opened == left


def test_suspicion_stops_new_traffic_and_then_lets_one_try():
    domain = Domain("d")
    assert domain.suspect(1.0)
    assert not domain.suspect(1.5)
    assert domain.look(1.0 + SUSPECT_S - 0.1) is State.SUSPECT
    assert domain.look(1.0 + SUSPECT_S) is State.HALF_OPEN
    assert not domain.suspect(4.0)
    assert domain.state is State.OPEN


def test_what_succeeds_while_it_is_out_changes_nothing():
    domain = opened()
    domain.succeeded(1.0)
    assert not domain.failed(1.0, 1.0, 0.5)
    assert domain.state is State.OPEN
    assert domain.until_s == 5.0


def test_a_quarantine_is_long_and_does_not_double():
    domain = Domain("d")
    domain.quarantine(1.0)
    assert domain.until_s == 1.0 + QUARANTINE_S
    assert domain.opened == 0


def test_a_brownout_is_weighted():
    domain = Domain("d")
    for number in range(600):
        if number % 3 == 0:
            domain.failed(1.0, number * 0.05, 0.5)
        else:
            domain.succeeded(number * 0.05)
    assert domain.state is State.HEALTHY
    assert 0.05 <= domain.weight(30.0) < 0.4
    for number in range(200):
        domain.succeeded(30.0 + number)
    assert domain.weight(230.0) == 1.0
    assert domain.bad == 0.0


def test_one_failure_among_many_costs_nothing():
    domain = Domain("d")
    for _ in range(100):
        domain.succeeded(1.0)
    domain.failed(1.0, 1.0, 0.5)
    assert domain.weight(1.0) == 1.0
    domain.failed(1.0, 1.0, 0.5)
    assert 0.6 < domain.weight(1.0) < 1.0


def test_no_failures_are_no_rate():
    assert Domain("d").failure_rate() == 0.0


def test_a_day_of_failures_overflows_nothing():
    domain = Domain("d")
    for number in range(2000):
        domain.failed(0.25, number * 1000.0, 0.5)
        domain.succeeded(number * 1000.0)
    assert 0.0 <= domain.failure_rate() <= 1.0


def test_wilson():
    assert wilson_least(0.5, 1e9) == pytest.approx(0.5, abs=1e-3)
    assert wilson_least(0.8, 20) == pytest.approx(0.584, abs=1e-3)
    assert wilson_least(0.0, 10) == pytest.approx(0.0)


def test_everything_at_once_is_us():
    blame = SelfBlame()
    assert not blame.ejected("a", 3, 1.0)
    assert not blame.ejected("b", 3, 1.5)
    assert blame.ejected("c", 3, 2.0)
    assert blame.is_frozen(6.9)
    assert not blame.is_frozen(7.0)


def test_but_not_twice_a_minute_and_not_of_two_hosts_and_not_over_a_while():
    blame = SelfBlame()
    for host in "abc":
        blame.ejected(host, 3, 1.0)
    assert [blame.ejected(host, 3, 8.0) for host in "abc"] == [False] * 3
    few = SelfBlame()
    assert [few.ejected(host, 2, 1.0) for host in "ab"] == [False, False]
    slow = SelfBlame()
    assert [slow.ejected(host, 3, at_s) for host, at_s in (("a", 1.0), ("b", 4.0), ("c", 5.5))] == [False] * 3


def test_a_late_loop_is_us():
    blame = SelfBlame()
    blame.lagged(0.05, 1.0)
    assert not blame.is_frozen(1.0)
    blame.lagged(0.3, 1.0)
    assert blame.is_frozen(1.5)


def test_one_that_is_absolved_is_as_if_nothing_had_been():
    domain = opened()
    domain.absolve(0.5)
    assert (domain.state, domain.opened, domain.bad) == (State.HEALTHY, 0, 0.0)
    healthy = Domain("d")
    healthy.absolve(0.0)
    assert healthy.state is State.HEALTHY


@given(st.lists(st.tuples(st.sampled_from("ofsqpl"), st.floats(0, 50), st.floats(0, 0.99)), max_size=80))
def test_whatever_happens_it_stays_within_its_bounds(events: list[tuple[str, float, float]]):
    domain, now_s = Domain("d"), 0.0
    for kind, pause_s, dice in events:
        now_s += pause_s
        match kind:
            case "o":
                domain.succeeded(now_s)
            case "p":
                domain.succeeded(now_s, is_prompt=False)
            case "f":
                domain.failed(1.0, now_s, dice)
            case "s":
                domain.suspect(now_s)
            case "q":
                domain.quarantine(now_s, 10.0)
            case _:
                domain.look(now_s)
        assert 0.0 < domain.weight(now_s) <= 1.0
        assert domain.until_s - now_s <= EJECT_S_MAX * 1.2
        assert domain.opened <= 7
    assert domain.look(now_s + EJECT_S_MAX * 1.2 + RAMP_S) in (State.HEALTHY, State.HALF_OPEN)
