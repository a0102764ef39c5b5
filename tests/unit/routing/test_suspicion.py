"""Suspicion: fast when a deployment is dead, next to never when it is well."""

from random import Random

import pytest

from headgate.routing.suspicion import THRESHOLD_MAX, THRESHOLD_MIN, Suspicion


def busy(rate_hz: float) -> Suspicion:
    suspicion = Suspicion()
    for number in range(int(600 * rate_hz) + 1):
        suspicion.sent(number / rate_hz)
    return suspicion


def until_alarm(suspicion: Suspicion, overdue_share: float, dice: Random, most: int) -> int:
    for number in range(1, most + 1):
        if dice.random() < overdue_share:
            if suspicion.overdue():
                return number
        else:
            suspicion.in_time()
    return most


@pytest.mark.parametrize(("rate_hz", "requests"), [(0.1, 4), (1.0, 5), (20.0, 7)])
def test_a_dead_deployment_is_found_by_a_handful_of_requests(rate_hz: float, requests: int):
    assert until_alarm(busy(rate_hz), 1.0, Random(1), 100) == requests


def test_less_is_needed_of_one_on_trial():
    suspicion = busy(20.0)
    told = [suspicion.overdue(is_on_trial=True) for _ in range(4)]
    assert told == [False, False, False, True]
    assert not suspicion.overdue()


def test_half_a_deployment_is_found_too():
    found = [until_alarm(busy(1.0), 0.5, Random(seed), 1000) for seed in range(40)]
    assert sum(found) / len(found) < 50


def test_a_healthy_one_is_left_in_peace():
    assert until_alarm(busy(1.0), 0.05, Random(5), 80_000) == 80_000


def test_the_threshold_follows_the_rate_within_bounds():
    assert Suspicion().threshold == THRESHOLD_MIN
    assert busy(1000.0).threshold == THRESHOLD_MAX
    assert busy(1.0).threshold == pytest.approx(11.4, abs=0.2)


def test_it_ends_with_what_was_done_about_it():
    suspicion = busy(1.0)
    suspicion.overdue()
    suspicion.in_time()
    assert 0 < suspicion.level < 2.3
    suspicion.clear()
    suspicion.in_time()
    assert suspicion.level == 0.0
