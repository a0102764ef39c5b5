"""A caller's wishes about where to run, laid over what a name means. Pure."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from headgate.core.needs import PriceLimit, Sort, Wishes
from headgate.core.problems import InvalidRequest, Outcome
from headgate.providers.catalog import Deployment
from headgate.routing.names import Directory
from headgate.routing.plan import Plan, Quoting, Route
from headgate.routing.strategies import Order, Quote

SORTS: Final[dict[Sort, Order]] = {"price": "cheapest", "throughput": "throughput", "latency": "latency"}
"""OpenRouter's words for strategies."""


def named(model: str, wishes: Wishes) -> tuple[str, ...]:
    """Every model that the call names, the first choice first."""
    return tuple(dict.fromkeys(name for name in (model, *wishes.models) if name))


Slugs = Callable[[str], frozenset[str]]
"""The names that a provider goes by."""


class Scope(NamedTuple):
    """What the wishes are read by."""

    slugs: Slugs
    quoting: Quoting


def wished(routes: Sequence[Route], wishes: Wishes, scope: Scope) -> tuple[Route, ...]:
    """The routes with the targets that the wishes leave. Raises `InvalidRequest` when they leave nothing."""
    left = tuple(route for route in (_kept(each, wishes, scope) for each in routes) if route.targets)
    if left:
        return left
    everything = [target.deployment for route in routes for target in route.targets]
    places = ", ".join(dict.fromkeys(each.provider for each in everything))
    if wishes.max_price is not None and any(_is_wanted(scope.slugs(each.provider), wishes) for each in everything):
        raise InvalidRequest(
            f"Nobody runs {routes[0].name!r} here for the price that 'provider.max_price' allows, at a price that is "
            f"known; it runs here at: {places}.",
            param="provider.max_price",
        )
    raise InvalidRequest(
        f"The wishes in 'provider' leave no provider for {routes[0].name!r}; it runs here at: {places}.",
        param="provider",
    )


def _kept(route: Route, wishes: Wishes, scope: Scope) -> Route:
    """One model's targets."""
    limit = wishes.max_price
    left = [
        each
        for each in route.targets
        if _is_wanted(scope.slugs(each.deployment.provider), wishes)
        and (limit is None or is_within(scope.quoting(each.deployment), limit))
    ]
    left.sort(key=lambda target: place_of(scope.slugs(target.deployment.provider), wishes))
    if not wishes.allow_fallbacks and wishes.order:
        left = [each for each in left if place_of(scope.slugs(each.deployment.provider), wishes) < len(wishes.order)]
    return structs.replace(
        route,
        targets=tuple(left),
        strategy=route.strategy if wishes.sort is None else SORTS[wishes.sort],
        on_loss="refuse" if wishes.require_parameters else route.on_loss,
    )


def place_of(slugs: frozenset[str], wishes: Wishes) -> int:
    """Where a provider stands in the caller's own order."""
    return next((place for place, name in enumerate(wishes.order) if name in slugs), len(wishes.order))


def is_within(quote: Quote | None, limit: PriceLimit) -> bool:
    """Whether a price is known and within a limit."""
    if quote is None:
        return False
    pairs = ((limit.input, quote.input), (limit.output, quote.output), (limit.request, quote.request))
    return all(most is None or cost <= most for most, cost in pairs)


def joined(plans: Sequence[Plan], wishes: Wishes, slugs: Slugs) -> Plan:
    """One plan over all models that the call names, each in the order that it wishes. With nothing to try it is blocked
    until the first of them wants no rest any more, or by what else stands against them."""
    deployments = tuple(each for plan in plans for each in _first_wished(plan.deployments, wishes, slugs))
    route = plans[0].route
    if not deployments:
        problems = [plan.blocked for plan in plans if plan.blocked is not None]
        first = min(problems, key=lambda each: (each.outcome is not Outcome.RATE, each.retry_after_s or 0.0))
        return Plan(route, (), blocked=first)
    if len(plans) > 1:
        route = structs.replace(route, attempts_max=max(route.attempts_max, len(deployments)))
    return Plan(route, deployments, tuple(each for plan in plans for each in plan.weighed))


def _first_wished(deployments: Sequence[Deployment], wishes: Wishes, slugs: Slugs) -> Sequence[Deployment]:
    left = sorted(deployments, key=lambda each: place_of(slugs(each.provider), wishes)) if wishes.order else deployments
    return left if wishes.allow_fallbacks or wishes.order else left[:1]


def _is_wanted(slugs: frozenset[str], wishes: Wishes) -> bool:
    return not (wishes.only and slugs.isdisjoint(wishes.only)) and slugs.isdisjoint(wishes.ignore)


def unmet(directory: Directory, wishes: Wishes) -> set[str]:
    """The members that name a provider which is not configured here: to be reported as dropped."""
    known = {slug for provider in directory.providers for slug in provider_slugs(directory, provider)}
    lists = {"provider.order": wishes.order, "provider.only": wishes.only, "provider.ignore": wishes.ignore}
    return {member for member, names in lists.items() if not known.issuperset(names)}


def provider_slugs(directory: Directory, name: str) -> frozenset[str]:
    """What a configured provider goes by, in lower case: its own name, and that of the service it really is.

    One that is only `like` another, at an address of its own, is not meant by the other's name.
    """
    provider = directory.providers[name]
    own = {name.lower()}
    if {door.base_url for door in provider.doors} <= {door.base_url for door in provider.spec.speaks}:
        own |= {provider.spec.name.lower(), provider.spec.title.lower()}
    return frozenset(own)
