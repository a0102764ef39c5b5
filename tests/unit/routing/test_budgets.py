"""Budgets of second attempts: never exceeded, whatever comes."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.routing.budgets import (
    FIRED_MIN,
    HEDGE_SHARE,
    PURSE_START_NANO_USD,
    RECOVER_S,
    RETRY_FLOOR_HZ,
    RETRY_SHARE,
    Efficacy,
    Purse,
    RetryBudget,
)


def test_a_quiet_gateway_may_retry_ten_times_a_second():
    budget = RetryBudget()
    assert [budget.take(0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert [budget.take(0.5) for _ in range(6)] == [True] * 5 + [False]


def test_a_busy_one_a_fifth_of_its_calls_besides():
    budget, taken = RetryBudget(), 0
    for number in range(10_000):
        budget.called(number * 0.01)
        taken += budget.take(number * 0.01)
    assert taken == pytest.approx(0.2 * 10_000 + 10 * 100, rel=0.02)


def test_credit_fades():
    budget = RetryBudget()
    for _ in range(100):
        budget.called(0.0)
    assert sum(budget.take(60.0) for _ in range(40)) == 10


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.floats(0.5, 3)), max_size=200))
def test_retries_are_bounded_for_every_sequence(events: list[tuple[bool, float, float]]):
    budget, now_s, calls, spent = RetryBudget(), 0.0, 0, 0.0
    for is_call, pause_s, cost in events:
        now_s += pause_s
        if is_call:
            budget.called(now_s)
            calls += 1
        elif budget.take(now_s, cost):
            spent += cost
    assert spent <= RETRY_SHARE * calls + RETRY_FLOOR_HZ * (now_s + 1.0) + 1e-6


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.integers(0, 10**9)), max_size=200))
def test_hedges_are_bounded_for_every_sequence(events: list[tuple[bool, float, int]]):
    purse, now_s, settled, spent = Purse(), 0.0, 0, 0
    for is_income, pause_s, amount in events:
        now_s += pause_s
        if is_income:
            purse.earn(amount, now_s)
            settled += amount
        elif purse.take(amount):
            spent += amount
        assert 0 <= purse.balance <= purse.cap
    assert spent <= HEDGE_SHARE * settled + purse.cap


def test_a_purse_starts_with_a_cent_and_refuses_when_it_is_empty():
    purse = Purse()
    assert purse.take(PURSE_START_NANO_USD)
    assert not purse.take(1)
    purse.earn(1_000_000, 1.0)
    assert purse.balance == 30_000
    assert purse.take(30_000)


def test_a_hedge_that_cost_more_is_a_debt():
    purse = Purse()
    purse.take(1_000)
    purse.settle(1_000, PURSE_START_NANO_USD + 500)
    assert purse.balance == -500
    assert not purse.take(0)
    purse.earn(100_000, 1.0)
    assert purse.balance == 2_500


def test_a_purse_is_not_saved_up_for_ever():
    purse = Purse()
    for number in range(1000):
        purse.earn(10_000_000, number * 1.0)
    assert purse.balance == purse.cap
    assert purse.cap < PURSE_START_NANO_USD * 2
    assert purse.cap <= 1000 * 300_000


def test_hedges_that_never_win_wait_longer_and_then_stop_and_come_back():
    efficacy = Efficacy()
    seen = [efficacy.patience(0.0)]
    for _ in range(3 * FIRED_MIN):
        efficacy.hedged(has_won=False, now_s=1.0)
        if efficacy.patience(1.0) != seen[-1]:
            seen.append(efficacy.patience(1.0))
    assert seen == ["p95", "p99", "off"]
    assert efficacy.patience(RECOVER_S) == "off"
    assert efficacy.patience(RECOVER_S + 1.0) == "p99"
    assert efficacy.patience(2 * RECOVER_S + 1.0) == "p95"


def test_hedges_that_win_now_and_then_go_on():
    efficacy, dice = Efficacy(), Random(1)
    for _ in range(1000):
        efficacy.hedged(has_won=dice.random() < 0.3, now_s=1.0)
    assert efficacy.patience(1.0) == "p95"
