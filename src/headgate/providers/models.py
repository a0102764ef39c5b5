"""The catalogue of models: what each can do, and which service offers it under which name. Must not know prices.

The data is `catalogue.json`, made by `tools/compile_catalogue.py`. It is read at the first question, and a service's
part of it at the first question about that service. What is not known is not there: nothing follows from an absence.
"""

import re
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Final

import msgspec
from msgspec import Struct

from headgate.core.needs import Ability

ABILITIES: Final[dict[str, Ability]] = {
    "T": "tools",
    "P": "parallel_tools",
    "J": "json_schema",
    "R": "reasoning",
    "C": "prompt_cache",
}
"""The letters of the data."""
MODES: Final[dict[str, str]] = {
    "t": "text",
    "i": "image",
    "f": "file",
    "a": "audio",
    "v": "video",
    "e": "embeddings",
    "r": "rerank",
    "s": "speech",
}
"""The letters of the data for what goes in and comes out, in OpenRouter's words."""
_INPUTS: Final[dict[str, Ability]] = {"i": "image", "a": "audio"}
_DATE = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?=$|:)")


class Model(Struct, frozen=True, array_like=True, gc=False):
    """One model, wherever it runs. Empty text and None: not known."""

    id: str
    """`author/model`."""
    name: str
    aliases: tuple[str, ...] = ()
    """Other names it goes by, without author."""
    context_tokens: int | None = None
    output_tokens: int | None = None
    accepts: str = ""
    """Letters of `MODES`."""
    gives: str = ""
    can: str = ""
    """Letters of `ABILITIES`."""
    cannot: str = ""
    knowledge: str = ""
    """Until when it has been taught, YYYY-MM or YYYY-MM-DD."""
    released: str = ""
    shutdown: str = ""
    is_open: bool | None = None
    """Whether its weights are public."""
    is_deprecated: bool = False
    source: int = 0
    """Place in `sources` of who told most of this."""


class Offer(Struct, frozen=True, array_like=True, gc=False):
    """A model at a service: its name there, and where it differs from the model itself."""

    upstream: str
    model: int
    """Place in `models`."""
    snapshot: str = ""
    """The day of the version that this name pins, YYYY-MM-DD."""
    context_tokens: int | None = None
    output_tokens: int | None = None
    """0: it has one that is not known."""
    can: str = ""
    cannot: str = ""
    accepts: str = ""


class Facts(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a deployment's model, for the choice among deployments and for lists."""

    model: str = ""
    """Its id in the catalogue, the same at every service; empty: it has none."""
    context_tokens: int | None = None
    output_tokens: int | None = None
    can: frozenset[Ability] = frozenset()
    cannot: frozenset[Ability] = frozenset()


class _Book(Struct, frozen=True):
    sources: tuple[str, ...]
    names: Mapping[str, str]
    models: tuple[Model, ...]
    offers: Mapping[str, msgspec.Raw]


_decode_book = msgspec.json.Decoder(_Book).decode
_decode_offers = msgspec.json.Decoder(tuple[Offer, ...]).decode


class Catalogue:
    """Every model that is known. Make it with `packaged_catalogue()`, or from data of the same form."""

    def __init__(self, data: bytes) -> None:
        self._book = _decode_book(data)
        self._offers: dict[str, tuple[Offer, ...]] = {}

    @property
    def models(self) -> tuple[Model, ...]:
        """All of them, by id."""
        return self._book.models

    @property
    def services(self) -> list[str]:
        """The names that offers are kept under."""
        return list(self._book.offers)

    def source(self, model: Model) -> str:
        """Where most of its facts come from, and of which day."""
        return self._book.sources[model.source]

    def offers(self, *names: str) -> tuple[Offer, ...]:
        """What the service offers that goes by the first of these names that is known here."""
        for name in names:
            service = self._book.names.get(name, name)
            if service not in self._offers and (raw := self._book.offers.get(service)) is not None:
                self._offers[service] = _decode_offers(raw)
            if found := self._offers.get(service):
                return found
        return ()

    def find(self, name: str) -> tuple[Model, str] | None:
        """The model of an id, alias or dated name, and the day that the name pins (may be empty)."""
        bare, day = undated(name.lower())
        place = self._places.get(name.lower())
        if place is None and day:
            place = self._places.get(bare)
        return None if place is None else (self.models[place], day)

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for place, model in enumerate(self.models):
            author, _, name = model.id.partition("/")
            for alias in (name, *model.aliases):
                places[f"{author}/{alias}"] = place
                places.setdefault(alias, place)
        return places


def undated(name: str) -> tuple[str, str]:
    """A name without the day of its version, and that day as YYYY-MM-DD; empty if it has none."""
    found = _DATE.search(name)
    if found is None:
        return name, ""
    return name[: found.start()] + name[found.end() :], "-".join(found.groups())


def facts_of(model: Model, offer: Offer | None = None) -> Facts:
    """What holds at a service: its own word, else what is known of the model."""
    if offer is None:
        return _facts(model.id, model.context_tokens, model.output_tokens, model.accepts, (model.can, model.cannot))
    own_can = "".join(letter for letter in model.can if letter not in offer.cannot) + offer.can
    own_cannot = "".join(letter for letter in model.cannot if letter not in offer.can) + offer.cannot
    limit = model.output_tokens if offer.output_tokens is None else offer.output_tokens or None
    return _facts(
        model.id,
        offer.context_tokens or model.context_tokens,
        limit,
        offer.accepts or model.accepts,
        (own_can, own_cannot),
    )


@lru_cache(maxsize=4096)
def _facts(model: str, context: int | None, output: int | None, accepts: str, letters: tuple[str, str]) -> Facts:
    can_take, cannot_take = _inputs(accepts)
    can, cannot = letters
    return Facts(
        model=model,
        context_tokens=context,
        output_tokens=output,
        can=can_take.union(_abilities(can)),
        cannot=cannot_take.union(_abilities(cannot)),
    )


def _abilities(letters: str) -> list[Ability]:
    return [ABILITIES[letter] for letter in letters]


def _inputs(accepts: str) -> tuple[frozenset[Ability], frozenset[Ability]]:
    """What may go in. Lists often leave out documents where images are taken, so that proves nothing."""
    if not accepts:
        return frozenset(), frozenset()
    can: set[Ability] = {ability for letter, ability in _INPUTS.items() if letter in accepts}
    cannot: set[Ability] = set(_INPUTS.values()) - can
    if "f" in accepts:
        can.add("pdf")
    elif "i" not in accepts:
        cannot.add("pdf")
    return frozenset(can), frozenset(cannot)


@cache
def packaged_catalogue() -> Catalogue:
    """The one that comes with Headgate."""
    return Catalogue((resources.files("headgate.providers") / "catalogue.json").read_bytes())
