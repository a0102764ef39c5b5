"""Budgets: what fits, until when it does not, and where a call is booked."""

from headgate.limits.amounts import Denial
from headgate.limits.budgets import CalendarBudget, RollingBudget, Terms
from headgate.limits.rates import BUSY_US
from headgate.limits.windows import FOR_EVER_US, Span

DAY = 86_400_000_000
HOUR = 3_600_000_000


def daily(most: int = 100, *, is_soft: bool = False) -> CalendarBudget:
    told = Terms(most, ("key", "100 a day"), is_soft=is_soft)
    return CalendarBudget(4, told, lambda now_us: Span(now_us - now_us % DAY, now_us - now_us % DAY + DAY))


def hourly(most: int = 100) -> RollingBudget:
    return RollingBudget(3, Terms(most, ("team", "100 an hour"), is_soft=False), HOUR)


def money(wait_us: int | None) -> Denial:
    return Denial("key", "100 a day", wait_us, is_money=True, unit="nano_usd")


def test_what_is_held_is_not_there_for_others():
    budget = daily()
    token = budget.take(5 * DAY, 60)
    assert budget.denial(5 * DAY, 40) is None
    assert budget.denial(5 * DAY, 41) == Denial("key", "100 a day", BUSY_US, unit="nano_usd")
    budget.grow(token, 5 * DAY, 10)
    assert budget.remaining(5 * DAY) == 30
    budget.settle(token, 5 * DAY, 70, 50)
    assert budget.used(5 * DAY) == (50, 0)
    assert budget.denial(5 * DAY + HOUR, 51) == money(DAY - HOUR)


def test_what_the_whole_budget_does_not_cover_never_passes():
    assert daily().denial(5 * DAY, 101) == money(None)


def test_nothing_costs_nothing():
    budget = daily()
    budget.settle(budget.take(5 * DAY, 0), 5 * DAY, 0, 500)
    assert budget.remaining(5 * DAY) == 0
    assert budget.denial(5 * DAY, 0) is None
    assert budget.denial(5 * DAY, 1) is not None


def test_a_soft_one_refuses_nothing():
    budget = daily(is_soft=True)
    budget.take(5 * DAY, 200)
    assert budget.denial(5 * DAY, 1) is None
    assert budget.used(5 * DAY) == (0, 200)


def test_a_call_belongs_to_the_day_it_began_in():
    budget = daily()
    token = budget.take(6 * DAY - 1, 60)
    assert budget.remaining(6 * DAY) == 100
    budget.grow(token, 6 * DAY, 5)
    budget.settle(token, 6 * DAY + 1, 65, 65)
    assert budget.used(6 * DAY + 1) == (0, 0)


def test_a_clock_set_back_stays_in_the_window():
    budget = daily()
    budget.take(6 * DAY, 60)
    assert budget.remaining(5 * DAY) == 40


def test_a_budget_for_all_of_time_never_begins_anew():
    budget = CalendarBudget(4, Terms(100, ("key", "100 a day"), is_soft=False), lambda _: Span(0, FOR_EVER_US))
    budget.settle(budget.take(DAY, 100), DAY, 100, 100)
    assert budget.denial(900 * DAY, 1) == money(None)
    assert budget.since_us(900 * DAY) == 0


def test_what_was_used_before_is_loaded():
    budget = daily()
    budget.load(5 * DAY + 9, 5 * DAY - 1, 70)
    budget.load(5 * DAY + 9, 5 * DAY, 30)
    assert budget.used(5 * DAY + 9) == (30, 0)
    assert budget.since_us(5 * DAY + 9) == 5 * DAY


def test_an_hour_rolls():
    budget, slot = hourly(), HOUR // 60
    for minute in (0, 30):
        now = DAY + minute * slot
        budget.settle(budget.take(now, 50), now, 50, 50)
    assert budget.denial(DAY + 40 * slot, 1) == Denial("team", "100 an hour", 21 * slot, True, "tokens")
    assert budget.denial(DAY + 40 * slot, 60) == Denial("team", "100 an hour", 51 * slot, True, "tokens")
    assert budget.denial(DAY + 40 * slot, 101) == Denial("team", "100 an hour", None, True, "tokens")
    assert budget.used(DAY + 61 * slot - 1) == (100, 0)
    assert budget.used(DAY + 61 * slot) == (50, 0)
    assert budget.remaining(DAY + 61 * slot) == 50


def test_a_long_call_keeps_nothing_else_in_the_window():
    budget = hourly()
    long = budget.take(DAY, 40)
    budget.settle(budget.take(DAY, 60), DAY, 60, 60)
    later = DAY + 2 * HOUR
    budget.grow(long, later, 5)
    assert budget.used(later) == (0, 45)
    assert budget.denial(later, 56) == Denial("team", "100 an hour", BUSY_US, unit="tokens")
    budget.settle(long, later, 45, 45)
    assert budget.used(later) == (0, 0)


def test_a_clock_set_back_books_in_the_latest_part():
    budget = hourly()
    budget.take(DAY + 10, 0)
    budget.settle(budget.take(DAY - HOUR, 7), DAY - HOUR, 7, 7)
    assert budget.used(DAY + 11) == (7, 0)


def test_a_soft_hour_refuses_nothing():
    budget = RollingBudget(3, Terms(1, ("team", "x"), is_soft=True), HOUR)
    budget.take(DAY, 5)
    assert budget.denial(DAY, 5) is None


def test_an_hour_is_loaded():
    budget = hourly()
    for at_us in (DAY - HOUR - 1, DAY - HOUR, DAY - 5):
        budget.load(DAY, at_us, 10)
    assert budget.used(DAY) == (20, 0)
