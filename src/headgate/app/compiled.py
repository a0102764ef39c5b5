"""A configuration, compiled: routes, providers and the list of models as the rooms below want them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct, structs

from headgate.app.auto import Offered, choose
from headgate.app.config import RouteEntry, Setup, TargetEntry
from headgate.app.config_cache import caching_of, prompts_of
from headgate.core.problems import ConfigError, Outcome, UnknownModel
from headgate.dialects.registry import DIALECTS
from headgate.ledger.prices import Price, PriceBook
from headgate.providers.catalog import Deployment, Provider, configure
from headgate.providers.models import Catalogue, Model, facts_of, packaged_catalogue
from headgate.routing.conditions import compile_condition
from headgate.routing.names import Directory, Entry, Hosting, deployment_of, find_route
from headgate.routing.plan import Route, Rule, Target, check_route
from headgate.server.listing import Listing
from headgate.server.offers import Endpoint, Offer


class Compiled(Struct, frozen=True):
    """What every call reads: swapped whole."""

    directory: Directory
    listing: Listing


def compile_setup(setup: Setup, prices: PriceBook, *, now_s: int) -> Compiled:
    """Raises `ConfigError` for a route that leads nowhere."""
    providers = {settings.name: configure(settings) for settings in setup.providers}
    _check_dialects(providers.values())
    index = _Index(packaged_catalogue())
    for provider in providers.values():
        index.add(_hosted(provider, setup, index.catalogue))
    usual = setup.config.cache
    bare = Directory(
        routes={},
        providers=providers,
        entries=index.entries(),
        aliases=index.aliases,
        caching=caching_of(usual, None),
        prompt_cache=prompts_of(usual, None),
    )
    routes: dict[str, Route] = {}
    for name, entry in setup.config.routes.items():
        if entry.quality is None:
            targets = _targets(entry.targets, f"$.routes.{name}.targets", bare)
        else:
            targets = _chosen(name, entry.quality, choose(_offered(bare, index), entry.quality, prices))
        route = _route(name, entry, targets, bare)
        prompts = prompts_of(usual, entry.cache)
        routes[name] = structs.replace(
            route,
            caching=caching_of(usual, entry.cache),
            prompt_cache=prompts,
            sticky=route.sticky or ("prompt" if prompts else None),
        )
    directory = structs.replace(bare, routes=routes)
    offers = [*_route_offers(routes), *_model_offers(directory, index)]
    return Compiled(directory, Listing(offers, now_s, _PriceOf(prices, providers), directory))


def _check_dialects(providers: Iterable[Provider]) -> None:
    for provider in providers:
        for door in provider.doors:
            dialect = DIALECTS.get(door.dialect)
            if dialect is None:
                raise ConfigError(f"provider {provider.name!r} speaks {door.dialect!r}, which is not a dialect")
            unknown = [quirk for quirk in door.quirks if quirk not in dialect.quirks]
            if unknown:
                raise ConfigError(f"provider {provider.name!r}: {door.dialect} has no quirk {unknown[0]!r}")


class _Hosted(NamedTuple):
    """A model at a provider, before it is known which of the others' it is."""

    model: Model | None
    hosting: Hosting


def _hosted(provider: Provider, setup: Setup, catalogue: Catalogue) -> Iterator[_Hosted]:
    """The models known to run at a provider. A private one (`like`, elsewhere) offers only what it is said to."""
    entry = setup.config.providers.get(provider.name)
    is_private = entry is not None and bool(entry.like and entry.base_url)
    is_trusted = entry is not None and entry.trust
    offers = () if is_private else catalogue.offers(provider.spec.name, provider.spec.prices)
    for offer in offers:
        model = catalogue.models[offer.model]
        facts = None if is_trusted else facts_of(model, offer)
        yield _Hosted(model, Hosting(provider.name, offer.upstream, offer.snapshot, facts))
    known = {offer.upstream for offer in offers}
    for name in (name for name in provider.spec.models if name not in known):
        found = catalogue.find(name)
        if found is None:
            yield _Hosted(None, Hosting(provider.name, name))
        else:
            facts = None if is_trusted or is_private else facts_of(found[0])
            yield _Hosted(found[0], Hosting(provider.name, name, found[1], facts))


class _Index:
    """The models of all providers, each once, and every name of theirs."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.models: dict[str, Model] = {}
        self.aliases: dict[str, str] = {}
        self._hostings: dict[str, list[Hosting]] = {}

    def add(self, hosted: Iterable[_Hosted]) -> None:
        """Puts a provider's models to those of the others."""
        for model, hosting in hosted:
            name = hosting.model.lower()
            if model is not None:
                id = model.id
                self._name(model)
            else:
                id = self.aliases.get(name) or f"{hosting.provider}/{hosting.model}"
            self._hostings.setdefault(id, []).append(hosting)
            self.aliases.setdefault(name, id)

    def _name(self, model: Model) -> None:
        if model.id in self.models:
            return
        self.models[model.id] = model
        author, _, name = model.id.partition("/")
        for alias in (name, *model.aliases):
            self.aliases[alias] = model.id
            self.aliases[f"{author}/{alias}"] = model.id

    def entries(self) -> dict[str, Entry]:
        """The models, in the order in which their first providers are configured."""
        return {id: Entry(id, tuple(hostings)) for id, hostings in self._hostings.items()}


def _offered(bare: Directory, index: "_Index") -> Iterator[Offered]:
    """Every known model, once for each provider that runs it."""
    for entry in bare.entries.values():
        model = index.models.get(entry.id)
        if model is not None:
            yield from (Offered(model, deployment_of(bare, hosting)) for hosting in entry.chosen())


def _chosen(name: str, quality: str, deployments: Sequence[Deployment]) -> tuple[Target, ...]:
    if not deployments:
        raise ConfigError(
            f"$.routes.{name}.quality: no configured provider offers a model of at least {quality!r} quality with a "
            "known price; configure one, or write targets"
        )
    return tuple(Target(deployment) for deployment in deployments)


def _route(name: str, entry: RouteEntry, targets: tuple[Target, ...], bare: Directory) -> Route:
    place = f"$.routes.{name}"
    others = {Outcome.CONTEXT: entry.on_context, Outcome.POLICY: entry.on_policy}
    is_said = "attempts_max" in entry.model_fields_set or entry.quality is not None
    route = Route(
        name=name,
        strategy=entry.order,
        targets=targets,
        timeout_s=entry.timeout_s,
        attempts_max=entry.attempts_max if is_said else max(entry.attempts_max, len(targets)),
        retry_same_first=entry.retry_same_first,
        hedge_share=entry.hedge_share,
        queue_s=entry.queue_s,
        on_loss=entry.on_loss,
        on_cut=entry.on_cut,
        sticky=entry.sticky,
        rules=tuple(
            Rule(
                compile_condition(rule.query, f"{place}.conditions[{number}].query"),
                _targets(rule.then, f"{place}.conditions[{number}].then", bare),
            )
            for number, rule in enumerate(entry.conditions)
        ),
        instead={
            outcome: _targets(chosen_ones, f"{place}.on_{outcome}", bare)
            for outcome, chosen_ones in others.items()
            if chosen_ones is not None
        },
    )
    check_route(route)
    return route


def _targets(entries: Sequence[TargetEntry], path: str, bare: Directory) -> tuple[Target, ...]:
    targets: list[Target] = []
    for place, target in enumerate(entries):
        try:
            found = find_route(bare, target.model)
        except UnknownModel as error:
            raise ConfigError(f"{path}[{place}]: {error}") from None
        tags = frozenset(target.tags)
        targets.extend(
            Target(choice.deployment, target.weight, tags, target.continuation) for choice in found.targets[:1]
        )
    return tuple(targets)


class _PriceOf:
    """What a model costs at a configured provider; looked up when a list is first asked for."""

    def __init__(self, prices: PriceBook, providers: dict[str, Provider]) -> None:
        self._prices = prices
        self._providers = providers

    def __call__(self, provider: str, model: str) -> Price | None:
        return self._prices.find(self._providers[provider].deployment(model).prices, model)


def _route_offers(routes: dict[str, Route]) -> list[Offer]:
    return [
        Offer(
            id=name,
            title=name,
            endpoints=tuple(
                Endpoint(target.deployment.provider, target.deployment.model, target.deployment.facts)
                for target in route.targets
            ),
        )
        for name, route in routes.items()
    ]


def _model_offers(directory: Directory, index: _Index) -> list[Offer]:
    return [_model_offer(entry, index.models.get(entry.id)) for entry in directory.entries.values()]


def _model_offer(entry: Entry, model: Model | None) -> Offer:
    endpoints = tuple(Endpoint(hosting.provider, hosting.model, hosting.facts) for hosting in entry.chosen())
    title = entry.id.partition("/")[2] if model is None else model.name
    return Offer(id=entry.id, title=title, endpoints=endpoints, model=model)
