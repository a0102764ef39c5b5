"""Predictions of the time to the first token: calibrated, whatever the times do."""

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.simulation.calibration import PROMISED, RATES_HZ, TOLERANCE, TRACES, exceeded

from headgate.routing.estimate import FIRST_TOKEN, Estimator, Prediction, Prior, quantiles


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("trace", TRACES)
def test_one_in_twenty_takes_longer_than_its_p95(trace: str, rate_hz: float):
    assert exceeded(trace, rate_hz) == pytest.approx(PROMISED, abs=TOLERANCE)


def learned(taken_s: Callable[[Random, int], float], calls: int = 600, size: float = 7) -> Estimator:
    dice, estimator = Random(2), Estimator()
    for place in range(calls):
        tokens = int(dice.lognormvariate(size, 1.3))
        estimator.observe(tokens, taken_s(dice, tokens), place * 0.1, estimator.predict(tokens).p95_s)
    return estimator


def test_longer_prompts_take_longer():
    estimator = learned(lambda dice, tokens: 0.2 * (1 + tokens / 1000) ** 0.7 * dice.lognormvariate(0, 0.2))
    for tokens in (100, 3_000, 20_000):
        assert estimator.predict(tokens).p50_s == pytest.approx(0.2 * (1 + tokens / 1000) ** 0.7, rel=0.15)


def test_every_size_has_its_own_spread():
    estimator = learned(lambda dice, tokens: 0.5 * dice.lognormvariate(0, 0.1 if tokens < 1000 else 0.8))
    small, large = estimator.predict(500), estimator.predict(4_000)
    assert small.p95_s / small.p50_s < 1.4
    assert large.p95_s / large.p50_s > 2.5


def test_before_anything_is_known_the_prior_holds():
    predicted = Estimator().predict(0)
    assert predicted.p50_s == pytest.approx(0.8)
    assert predicted.p95_s == pytest.approx(2.4)
    assert predicted.p95_s < predicted.p99_s < predicted.p999_s


def test_what_is_known_of_a_model_is_the_start_elsewhere():
    estimator = learned(lambda dice, tokens: 0.1 * dice.lognormvariate(0, 0.3))
    elsewhere = Estimator(estimator.as_prior())
    assert elsewhere.predict(500).p50_s == pytest.approx(estimator.predict(500).p50_s, rel=0.1)
    assert elsewhere.samples == 0.0


def test_giving_up_early_does_not_make_it_look_fast():
    """A third of all requests are given up at one second: to forget them would halve the estimate."""

    def fed(*, censoring: bool) -> Estimator:
        dice, estimator = Random(3), Estimator()
        for place in range(2000):
            taken_s, predicted_s = 0.7 * dice.lognormvariate(0, 0.8), estimator.predict(100).p95_s
            if taken_s <= 1.0:
                estimator.observe(100, taken_s, place * 0.1, predicted_s)
            elif censoring:
                estimator.censor(100, 1.0, place * 0.1, predicted_s)
        return estimator

    true_p95_s = 0.7 * math.exp(0.8 * 1.645)
    assert fed(censoring=False).predict(100).p95_s < 0.6 * true_p95_s
    assert fed(censoring=True).predict(100).p50_s == pytest.approx(0.7, rel=0.25)
    assert fed(censoring=True).predict(100).p95_s > 0.6 * true_p95_s


def test_a_long_pause_does_not_wipe_out_what_was_known():
    estimator = learned(lambda dice, tokens: 0.1 * dice.lognormvariate(0, 0.1))
    before = estimator.predict(100).p50_s
    estimator.observe(100, 0.5, 1e9, estimator.predict(100).p95_s)
    assert estimator.predict(100).p50_s == pytest.approx(before, rel=0.15)


def test_many_samples_change_no_scale():
    estimator = learned(lambda dice, tokens: 0.3, calls=25_000)
    assert estimator.predict(800).p50_s == pytest.approx(0.3, rel=0.1)
    assert 500 < estimator.samples < 800


@example([(0, 0.0, 0.0, False)] * 6 + [(1000, 1000.0, 0.0, True), (0, 1000.0, 5.0, False)] * 20)
@given(st.lists(st.tuples(st.integers(0, 200_000), st.floats(0, 1000), st.floats(0, 1e6), st.booleans()), max_size=60))
def test_quantiles_never_cross_and_never_run_away(calls: list[tuple[int, float, float, bool]]):
    estimator, now_s = Estimator(FIRST_TOKEN), 0.0
    for tokens, taken_s, pause_s, is_given_up in calls:
        now_s += pause_s
        predicted = estimator.predict(tokens)
        assert 0.0 < predicted.p50_s <= predicted.p95_s <= predicted.p99_s <= predicted.p999_s <= 86_400.0
        (estimator.censor if is_given_up else estimator.observe)(tokens, taken_s, now_s, predicted.p95_s)


def test_the_product_limit_estimate():
    """Two answers, then one given up, then one answer: half are gone after two, and the last stands for two."""
    seen, censored = [0.0] * 64, [0.0] * 64
    seen[10], seen[20], censored[30], seen[40] = 1.0, 1.0, 1.0, 1.0
    low, step = math.log(0.02), math.log(1.12)
    q50, q95, _, _ = quantiles(seen, censored)
    assert q50 == pytest.approx(low + 21 * step)
    assert low + 40 * step < q95 <= low + 41 * step


def test_what_was_only_given_up_is_beyond_all_that_was_seen():
    seen, censored = [0.0] * 64, [0.0] * 64
    censored[30] = 4.0
    low, step = math.log(0.02), math.log(1.12)
    assert quantiles(seen, censored) == pytest.approx((low + 31 * step,) * 4)
    seen[20], seen[25] = 5.0, 3.0
    q50, q95, q99, q999 = quantiles(seen, censored)
    assert low + 25 * step < q50 < low + 31 * step < q95 < q99 < q999


def test_an_estimate_is_the_same_every_time():
    first, second = (learned(lambda dice, tokens: dice.lognormvariate(0, 1)) for _ in range(2))
    assert first.predict(900) == second.predict(900)
    assert first.as_prior() == second.as_prior()
    assert Estimator(Prior(level=0.0)).predict(0).p50_s == 1.0


def test_of_answers_that_come_at_once_one_is_learned_from():
    estimator = Estimator()
    for _ in range(10):
        estimator.observe(100, 0.4, 5.0, 1.0)
    assert estimator.samples == 1.0
    estimator.observe(100, 0.4, 5.003, 1.0)
    assert estimator.samples > 1.9


def test_nothing_is_predicted_to_take_longer_than_a_day():
    predicted = Estimator(Prior(level=math.log(1e6))).predict(100)
    assert predicted == Prediction(86_400.0, 86_400.0, 86_400.0, 86_400.0)
