"""A caller's wishes about where to run, laid over what a name means. Pure."""

from collections.abc import Callable, Sequence

from msgspec import structs

from headgate.core.needs import Wishes
from headgate.core.problems import InvalidRequest
from headgate.providers.catalog import Deployment
from headgate.routing.names import Directory
from headgate.routing.plan import Plan


def named(model: str, wishes: Wishes) -> tuple[str, ...]:
    """Every model that the call names, the first choice first."""
    return tuple(dict.fromkeys(name for name in (model, *wishes.models) if name))


def wished(plans: Sequence[Plan], wishes: Wishes, slugs: Callable[[str], frozenset[str]]) -> Plan:
    """One plan over all models that the call names, in the order and among the providers that it wishes.

    `slugs`: the names that a provider goes by. Raises `InvalidRequest` when the wishes leave nothing.
    """
    route = plans[0].route
    deployments = tuple(each for plan in plans for each in _kept(plan.deployments, wishes, slugs))
    if not deployments:
        places = dict.fromkeys(each.provider for plan in plans for each in plan.deployments)
        raise InvalidRequest(
            f"The wishes in 'provider' leave no provider for {route.name!r}; it runs here at: {', '.join(places)}.",
            param="provider",
        )
    route = structs.replace(
        route,
        attempts_max=max(route.attempts_max, len(deployments)) if len(plans) > 1 else route.attempts_max,
        on_loss="refuse" if wishes.require_parameters else route.on_loss,
    )
    return Plan(route, deployments)


def _kept(
    deployments: Sequence[Deployment], wishes: Wishes, slugs: Callable[[str], frozenset[str]]
) -> Sequence[Deployment]:
    """One model's deployments."""

    def rank(deployment: Deployment) -> int:
        known = slugs(deployment.provider)
        return next((place for place, name in enumerate(wishes.order) if name in known), len(wishes.order))

    left = [each for each in deployments if _is_wanted(slugs(each.provider), wishes)]
    left.sort(key=rank)
    if wishes.allow_fallbacks:
        return left
    return [each for each in left if rank(each) < len(wishes.order)] if wishes.order else left[:1]


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
