"""Rates against a bucket of exact fractions, and calls at a time."""

from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headgate.limits.amounts import Denial
from headgate.limits.rates import BUSY_US, Concurrency, Rate

SECOND = 1_000_000
MINUTE = 60 * SECOND


def rate(most: int = 60, *, burst: int = 0, unit: int = 0) -> Rate:
    return Rate(unit, most, MINUTE, burst or most, ("key", "60 requests per minute"))


def test_a_burst_fits_then_one_at_a_time():
    gauge = rate(60, burst=2)
    for _ in range(2):
        assert gauge.denial(0, 1) is None
        gauge.take(0, 1)
    assert gauge.denial(0, 1) == Denial("key", "60 requests per minute", SECOND)
    assert gauge.denial(SECOND - 1, 1) == Denial("key", "60 requests per minute", 1)
    assert gauge.denial(SECOND, 1) is None


def test_what_no_burst_holds_never_passes():
    assert rate(60).denial(0, 61) == Denial("key", "60 requests per minute", None)


def test_the_wait_is_rounded_up():
    gauge = Rate(3, 7, SECOND, 1, ("team", "x"))
    gauge.take(0, 1)
    wait_us = gauge.denial(0, 1).wait_us
    assert gauge.denial(wait_us - 1, 1) is not None
    assert gauge.denial(wait_us, 1) is None


def test_what_was_not_used_comes_back_but_no_more():
    gauge = rate(60, burst=10, unit=3)
    gauge.take(0, 10)
    gauge.settle(None, 0, 10, 4)
    assert (gauge.remaining(0), gauge.reset_us(0)) == (6, 4 * SECOND)
    gauge.settle(None, 100 * SECOND, 10, 0)
    assert (gauge.remaining(100 * SECOND), gauge.reset_us(100 * SECOND)) == (10, 0)
    assert gauge.denial(100 * SECOND, 11) is not None


def test_what_was_used_as_held_changes_nothing():
    gauge = rate(60, burst=10)
    gauge.take(0, 4)
    gauge.settle(None, 0, 4, 4)
    assert gauge.remaining(0) == 6


def test_what_was_used_beyond_the_hold_is_owed():
    gauge = rate(60, burst=10)
    gauge.take(0, 1)
    gauge.settle(None, 0, 1, 30)
    assert gauge.remaining(0) == 0
    assert gauge.denial(0, 1).wait_us == 21 * SECOND


def test_a_call_that_grows_uses_more():
    gauge = rate(60, burst=10, unit=2)
    gauge.grow(gauge.take(0, 4), 0, 3)
    assert gauge.remaining(0) == 3


def test_calls_at_a_time():
    gauge = Concurrency(2, ("key", "2 calls at a time"))
    tokens = [gauge.take(0, 1) for _ in range(2)]
    assert gauge.denial(0, 1) == Denial("key", "2 calls at a time", BUSY_US)
    assert gauge.denial(0, 0) is None
    gauge.grow(tokens[0], 0, 0)
    assert gauge.remaining(0) == 0
    gauge.settle(tokens[0], 5, 1, 0)
    assert gauge.remaining(0) == 1
    assert gauge.denial(0, 1) is None


class AgainstABucket(RuleBasedStateMachine):
    """A bucket of `burst` tokens into which `most` flow per minute, in fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.most, self.burst = 7, 5
        self.gauge = Rate(3, self.most, MINUTE, self.burst, ("key", "x"))
        self.left = Fraction(self.burst)
        self.open: list[int] = []

    @rule(us=st.integers(0, 40 * SECOND))
    def wait(self, us: int) -> None:
        self.now += us
        self.left = min(Fraction(self.burst), self.left + Fraction(us * self.most, MINUTE))

    @rule(amount=st.integers(0, 6))
    def reserve(self, amount: int) -> None:
        denial = self.gauge.denial(self.now, amount)
        assert (denial is None) == (self.left >= amount)
        if denial is None:
            self.gauge.take(self.now, amount)
            self.left -= amount
            self.open.append(amount)
        elif denial.wait_us is not None:
            assert self.left + Fraction(denial.wait_us * self.most, MINUTE) >= amount
            assert self.left + Fraction((denial.wait_us - 1) * self.most, MINUTE) < amount

    @rule(used=st.integers(0, 9))
    def settle(self, used: int) -> None:
        if self.open:
            held = self.open.pop(0)
            self.gauge.settle(None, self.now, held, used)
            self.left = min(Fraction(self.burst), self.left + held - used)

    @invariant()
    def both_say_the_same(self) -> None:
        assert self.gauge.remaining(self.now) == max(0, self.left.__floor__())


AgainstABucket.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestAgainstABucket = AgainstABucket.TestCase
