"""The order in which a call's deployments are tried."""

from collections import Counter
from random import Random

import pytest

from headgate.core.problems import ConfigError
from headgate.providers.catalog import Deployment
from headgate.routing.plan import Route, Target, check_route, plan


def route(strategy: str, weights: list[float]) -> Route:
    targets = tuple(Target(Deployment(f"p{place}", "m", (), "p"), weight) for place, weight in enumerate(weights))
    return Route(name="r", strategy=strategy, targets=targets)  # pyright: ignore[reportArgumentType]


def order(chosen: Route, dice: Random) -> list[str]:
    return [deployment.id for deployment in plan(chosen, dice.random).deployments]


def test_ordered_is_as_written():
    assert order(route("ordered", [1, 5, 2]), Random(1)) == ["p0/m", "p1/m", "p2/m"]


def test_one_target_needs_no_dice():
    def no_dice() -> float:
        raise AssertionError("thrown")

    assert [item.id for item in plan(route("weighted", [1]), no_dice).deployments] == ["p0/m"]


def test_weighted_draws_in_proportion_and_keeps_the_rest_as_fallback():
    dice = Random(7)
    orders = [order(route("weighted", [3, 1, 0]), dice) for _ in range(4000)]
    assert {len(one) for one in orders} == {2}
    first = Counter(one[0] for one in orders)
    assert 0.72 < first["p0/m"] / 4000 < 0.78


def test_a_dice_at_its_edge_still_chooses():
    chosen = plan(route("weighted", [1, 1]), lambda: 0.9999999999999999)
    assert [item.id for item in chosen.deployments] == ["p1/m", "p0/m"]


def test_a_route_that_leads_nowhere_is_refused():
    check_route(route("weighted", [0, 1]))
    with pytest.raises(ConfigError, match="no target with a weight"):
        check_route(route("weighted", [0, 0]))
    with pytest.raises(ConfigError, match="no target"):
        check_route(route("ordered", []))
