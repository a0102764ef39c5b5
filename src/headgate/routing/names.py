"""How a model's name is understood: a route, a provider and its model, or a model that some provider offers. Pure."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, Literal

from msgspec import Struct, structs

from headgate.core.caching import Caching
from headgate.core.problems import UnknownModel
from headgate.providers.catalog import Deployment, Provider
from headgate.providers.models import Facts, undated
from headgate.routing.plan import Route, Target
from headgate.routing.strategies import Order

SUFFIXES: Final[dict[str, Order]] = {"floor": "cheapest", "nitro": "fastest"}
"""What a name may end in, after a colon, to ask for a strategy."""


class Hosting(Struct, frozen=True):
    """A model at a configured provider, under the name it has there."""

    provider: str
    model: str
    snapshot: str = ""
    """The day of the version that this name pins, YYYY-MM-DD; empty: whatever the provider runs now."""
    facts: Facts | None = None


class Entry(Struct, frozen=True):
    """One model and everywhere it runs, in order of configuration; of one provider the best name first."""

    id: str
    hostings: tuple[Hosting, ...]

    @property
    def providers(self) -> tuple[str, ...]:
        """Where it runs."""
        return tuple(dict.fromkeys(hosting.provider for hosting in self.hostings))

    def chosen(self, snapshot: str = "") -> tuple[Hosting, ...]:
        """One hosting of each provider.

        A dated name pins a version: it runs where that version is offered, or where the only one there is runs
        without a date. An undated name takes what a provider calls by no date, else its newest version.
        """
        days = {hosting.snapshot for hosting in self.hostings if hosting.snapshot}
        if snapshot:
            fitting = {snapshot} if len(days) > 1 else {snapshot, ""}
            left = [hosting for hosting in self.hostings if hosting.snapshot in fitting]
            return _one_each(sorted(left, key=lambda hosting: hosting.snapshot != snapshot), self.providers)
        return _one_each(
            sorted(self.hostings, key=lambda hosting: hosting.snapshot or "9999", reverse=True), self.providers
        )


def _one_each(hostings: Iterable[Hosting], providers: tuple[str, ...]) -> tuple[Hosting, ...]:
    first: dict[str, Hosting] = {}
    for hosting in hostings:
        first.setdefault(hosting.provider, hosting)
    return tuple(first[provider] for provider in providers if provider in first)


class Directory(Struct, frozen=True, kw_only=True):
    """Every name that can be asked for, compiled from the configuration."""

    routes: Mapping[str, Route]
    providers: Mapping[str, Provider]
    entries: Mapping[str, Entry]
    """By id."""
    aliases: Mapping[str, str]
    """Every other name of a model, in lower case: its id. A provider's own name of it is one of them."""
    caching: Caching | None = None
    """How the answers of models are used again that are asked for by their own names."""
    prompt_cache: Literal["", "5m", "1h"] = ""
    """Likewise, how long their providers are to keep prompts."""

    @property
    def is_cached(self) -> bool:
        """Whether any answer is used again."""
        return self.caching is not None or any(route.caching is not None for route in self.routes.values())

    def names(self) -> list[str]:
        """What may be asked for: routes first, then models."""
        return [*self.routes, *(name for name in self.entries if name not in self.routes)]

    def entry(self, name: str) -> tuple[Entry, str] | None:
        """The model of a name, and the day that the name pins."""
        lower = name.lower()
        bare, day = undated(lower)
        for each in (name, lower, bare) if day else (name, lower):
            entry = self.entries.get(each) or self.entries.get(self.aliases.get(each, ""))
            if entry is not None:
                return entry, day
        return None


def find_route(directory: Directory, name: str) -> Route:
    """The route of a name. Raises `UnknownModel` with the nearest names."""
    route = directory.routes.get(name)
    if route is not None:
        return route
    hostings = _placed(directory, name) or _anywhere(directory, name)
    if not hostings:
        base, _, suffix = name.rpartition(":")
        if base and suffix in SUFFIXES:
            return structs.replace(find_route(directory, base), strategy=SUFFIXES[suffix])
        raise UnknownModel(_unknown(directory, name), param="model")
    targets = tuple(Target(deployment_of(directory, hosting)) for hosting in hostings)
    route = Route(name=name, strategy="ordered", targets=targets, caching=directory.caching, is_direct=True)
    if directory.prompt_cache:
        route = structs.replace(route, prompt_cache=directory.prompt_cache, sticky="prompt")
    return route


def deployment_of(directory: Directory, hosting: Hosting) -> Deployment:
    """What to call."""
    return directory.providers[hosting.provider].deployment(hosting.model, hosting.facts)


def _placed(directory: Directory, name: str) -> tuple[Hosting, ...]:
    """`provider/model`: there first, then wherever else the same model runs."""
    first, slash, rest = name.partition("/")
    if not slash or not rest or first not in directory.providers:
        return ()
    found = directory.entry(rest)
    if found is None:
        # `openai/gpt-oss-120b` is a model by OpenAI that OpenAI itself does not run.
        return () if _runs_elsewhere(directory, name, first) else (Hosting(first, rest),)
    entry, day = found
    chosen = entry.chosen(day)
    exact = (hosting for hosting in entry.hostings if hosting.provider == first and hosting.model == rest)
    usual = (hosting for hosting in chosen if hosting.provider == first)
    own = next(exact, None) or next(usual, None)
    if own is None:
        if _runs_elsewhere(directory, name, first):
            return ()
        own = Hosting(first, rest)
    return (own, *(hosting for hosting in chosen if hosting.provider != first))


def _runs_elsewhere(directory: Directory, name: str, provider: str) -> bool:
    entry = directory.entries.get(name.lower())
    return entry is not None and provider not in entry.providers


def _anywhere(directory: Directory, name: str) -> tuple[Hosting, ...]:
    """A model by its id, an alias, or with an author that we do not know."""
    found = directory.entry(name) or directory.entry(name.partition("/")[2])
    return found[0].chosen(found[1]) if found else ()


def _unknown(directory: Directory, name: str) -> str:
    qualified = [f"{place}/{entry.id}" for entry in directory.entries.values() for place in entry.providers]
    near = get_close_matches(name, [*directory.names(), *directory.aliases, *qualified], n=3, cutoff=0.5)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"The model {name!r} is not known here.{hint} GET /v1/models lists the names this key may use."


def every_name(directory: Directory, asked: str, provider: str, upstream: str) -> frozenset[str]:
    """All that a model is called where it runs: as asked for, as the provider calls it, and as the directory does."""
    found = directory.entry(upstream)
    known = {found[0].id} if found is not None else set[str]()
    return frozenset({asked, upstream, f"{provider}/{upstream}", *known})
