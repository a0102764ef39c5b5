"""How a model's name is understood: a route, a provider and its model, or a model that some provider offers. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches

from msgspec import Struct

from headgate.core.problems import UnknownModel
from headgate.providers.catalog import Provider
from headgate.routing.plan import Route, Target


class Directory(Struct, frozen=True, kw_only=True):
    """Every name that can be asked for, compiled from the configuration."""

    routes: Mapping[str, Route]
    providers: Mapping[str, Provider]
    offers: Mapping[str, tuple[str, ...]]
    """By bare model name: the configured providers that are known to offer it, in order of configuration."""

    def names(self) -> list[str]:
        """What may be asked for: routes first, then models."""
        return [*self.routes, *(name for name in self.offers if name not in self.routes)]


def find_route(directory: Directory, name: str) -> Route:
    """The route of a name. Raises `UnknownModel` with the nearest names."""
    route = directory.routes.get(name)
    if route is not None:
        return route
    first, slash, rest = name.partition("/")
    if slash and rest and first in directory.providers:
        return _direct(name, rest, [first, *_others(directory, rest, first)], directory)
    offering = directory.offers.get(name) or directory.offers.get(rest if slash else "")
    if offering:
        model = name if name in directory.offers else rest
        return _direct(name, model, list(offering), directory)
    raise UnknownModel(_unknown(directory, name), param="model")


def _others(directory: Directory, model: str, first: str) -> list[str]:
    return [provider for provider in directory.offers.get(model, ()) if provider != first]


def _direct(name: str, model: str, providers: list[str], directory: Directory) -> Route:
    targets = tuple(Target(directory.providers[provider].deployment(model)) for provider in providers)
    return Route(name=name, strategy="ordered", targets=targets, is_direct=True)


def _unknown(directory: Directory, name: str) -> str:
    names = directory.names()
    qualified = [f"{provider}/{model}" for model, offering in directory.offers.items() for provider in offering]
    near = get_close_matches(name, names + qualified, n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"The model {name!r} is not known here.{hint} GET /v1/models lists the names this key may use."
