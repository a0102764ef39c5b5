"""A model's name becomes an order of deployments to try. Pure: chance is an argument."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

from msgspec import Struct

from headgate.core.problems import ConfigError
from headgate.providers.catalog import Deployment

Strategy = Literal["ordered", "weighted"]
Dice = Callable[[], float]
"""Each call a number in [0, 1)."""


class Target(Struct, frozen=True):
    """One choice of a route."""

    deployment: Deployment
    weight: float = 1.0


class Route(Struct, frozen=True, kw_only=True):
    """A model name that clients ask for, and where it may be served."""

    name: str
    strategy: Strategy
    targets: tuple[Target, ...]
    timeout_s: float = 600.0
    """The deadline of a whole call, its retries included."""
    attempts_max: int = 3
    retry_same_first: bool = False
    on_loss: Literal["report", "refuse"] = "report"
    is_direct: bool = False
    """Made on the fly from a model's name, not configured."""


class Plan(Struct, frozen=True):
    """What to try, in order. An attempt at each, and no more than `attempts_max` in all."""

    route: Route
    deployments: tuple[Deployment, ...]


def plan(route: Route, dice: Dice) -> Plan:
    """The order for one call."""
    if len(route.targets) == 1:
        return Plan(route, (route.targets[0].deployment,))
    return Plan(route, tuple(target.deployment for target in _STRATEGIES[route.strategy](route.targets, dice)))


def _ordered(targets: Sequence[Target], dice: Dice) -> Sequence[Target]:
    return targets


def _weighted(targets: Sequence[Target], dice: Dice) -> Sequence[Target]:
    """A draw without replacement: the chance of each place is in proportion to the weights that are left."""
    left = [target for target in targets if target.weight > 0]
    order: list[Target] = []
    while left:
        reached = list(accumulate(target.weight for target in left))
        order.append(left.pop(min(bisect_right(reached, dice() * reached[-1]), len(left) - 1)))
    return order


_STRATEGIES: dict[Strategy, Callable[[Sequence[Target], Dice], Sequence[Target]]] = {
    "ordered": _ordered,
    "weighted": _weighted,
}


def check_route(route: Route) -> None:
    """Refuses a route that could not serve anything."""
    if not any(target.weight > 0 for target in route.targets):
        raise ConfigError(f"route {route.name!r} has no target with a weight above 0")
