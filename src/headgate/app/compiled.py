"""A configuration, compiled: routes, providers and the list of models as the rooms below want them. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from headgate.app.config import RouteEntry, Setup
from headgate.core.problems import ConfigError, UnknownModel
from headgate.dialects.registry import DIALECTS
from headgate.ledger.prices import ModelFacts, PriceBook
from headgate.providers.catalog import Provider, configure
from headgate.routing.names import Directory, find_route
from headgate.routing.plan import Route, Target, check_route
from headgate.server.listing import Listing, Offer


class Compiled(Struct, frozen=True):
    """What every call reads: swapped whole."""

    directory: Directory
    listing: Listing


def compile_setup(setup: Setup, prices: PriceBook, *, now_s: int) -> Compiled:
    """Raises `ConfigError` for a route that leads nowhere."""
    providers = {settings.name: configure(settings) for settings in setup.providers}
    _check_dialects(providers.values())
    facts = {name: _facts(provider, setup, prices) for name, provider in providers.items()}
    offers: dict[str, tuple[str, ...]] = {}
    for name, known in facts.items():
        for fact in known:
            offers[fact.id] = (*offers.get(fact.id, ()), name)
    bare = Directory(routes={}, providers=providers, offers=offers)
    routes = {name: _route(name, entry, bare) for name, entry in setup.config.routes.items()}
    directory = Directory(routes=routes, providers=providers, offers=offers)
    return Compiled(directory, Listing([*_route_offers(routes), *_model_offers(facts)], now_s))


def _check_dialects(providers: Iterable[Provider]) -> None:
    for provider in providers:
        for door in provider.doors:
            dialect = DIALECTS.get(door.dialect)
            if dialect is None:
                raise ConfigError(f"provider {provider.name!r} speaks {door.dialect!r}, which is not a dialect")
            unknown = [quirk for quirk in door.quirks if quirk not in dialect.quirks]
            if unknown:
                raise ConfigError(f"provider {provider.name!r}: {door.dialect} has no quirk {unknown[0]!r}")


def _facts(provider: Provider, setup: Setup, prices: PriceBook) -> list[ModelFacts]:
    """The models known to run at a provider. A private one (`like`, elsewhere) offers only what it is said to."""
    entry = setup.config.providers.get(provider.name)
    listed = (*provider.spec.models, *(entry.models if entry else ()))
    is_private = entry is not None and bool(entry.like and entry.base_url)
    known = [] if is_private else prices.models(provider.spec.prices or provider.spec.name)
    by_id = {fact.id: fact for fact in known}
    for model in listed:
        by_id.setdefault(model, ModelFacts(id=model, name=model))
    return list(by_id.values())


def _route(name: str, entry: RouteEntry, bare: Directory) -> Route:
    targets: list[Target] = []
    for place, target in enumerate(entry.targets):
        try:
            found = find_route(bare, target.model)
        except UnknownModel as error:
            raise ConfigError(f"$.routes.{name}.targets[{place}]: {error}") from None
        targets.extend(Target(choice.deployment, target.weight) for choice in found.targets[:1])
    chosen = "attempts_max" in entry.model_fields_set
    route = Route(
        name=name,
        strategy=entry.strategy,
        targets=tuple(targets),
        timeout_s=entry.timeout_s,
        attempts_max=entry.attempts_max if chosen else max(entry.attempts_max, len(targets)),
        retry_same_first=entry.retry_same_first,
        on_loss=entry.on_loss,
    )
    check_route(route)
    return route


def _route_offers(routes: dict[str, Route]) -> list[Offer]:
    return [
        Offer(
            id=name,
            title=name,
            providers=tuple(dict.fromkeys(target.deployment.provider for target in route.targets)),
        )
        for name, route in routes.items()
    ]


def _model_offers(facts: dict[str, list[ModelFacts]]) -> list[Offer]:
    return [
        Offer(
            id=f"{provider}/{fact.id}",
            title=fact.name,
            providers=(provider,),
            context_tokens=fact.context_tokens,
            prices=fact.shown_prices(),
        )
        for provider, known in facts.items()
        for fact in known
    ]
