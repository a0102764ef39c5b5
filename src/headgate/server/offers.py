"""What a list of models says of each: OpenAI's entry with OpenRouter's additions. Must not know how lists are paged.

https://openrouter.ai/docs/overview/models (2026-11) has the names of all members but `providers` and `endpoints`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Final

from msgspec import Struct

from headgate.core.needs import Ability
from headgate.ledger.prices import Price
from headgate.providers.models import MODES, Facts, Model

_PARAMETERS: Final[dict[Ability, tuple[str, ...]]] = {
    "tools": ("tools", "tool_choice"),
    "parallel_tools": ("parallel_tool_calls",),
    "json_schema": ("response_format", "structured_outputs"),
    "reasoning": ("reasoning", "include_reasoning"),
}
"""OpenRouter tells abilities by the parameters that ask for them."""


class Endpoint(Struct, frozen=True):
    """One place where a model runs."""

    provider: str
    model: str
    """Its name there."""
    facts: Facts | None = None


class Offer(Struct, frozen=True, kw_only=True):
    """One name that may be asked for."""

    id: str
    title: str
    endpoints: tuple[Endpoint, ...]
    """Where it runs, the first choice first."""
    model: Model | None = None
    """What the catalogue knows of it; None: nothing, or a route."""

    @property
    def providers(self) -> list[str]:
        """Where it runs."""
        return list(dict.fromkeys(endpoint.provider for endpoint in self.endpoints))

    @property
    def context_tokens(self) -> int | None:
        """The window at the first choice."""
        facts = self.endpoints[0].facts
        return facts.context_tokens if facts is not None else self.model and self.model.context_tokens

    @property
    def output_tokens(self) -> int | None:
        """The longest answer at the first choice."""
        facts = self.endpoints[0].facts
        return facts.output_tokens if facts is not None else self.model and self.model.output_tokens


PriceOf = Callable[[str, str], Price | None]
"""What a model costs at a provider."""


class Page(Struct, frozen=True):
    """What the shapes are rendered from."""

    offers: Sequence[Offer]
    query: Mapping[str, str]
    now_s: int
    price_of: PriceOf


def openai_entry(offer: Offer, page: Page) -> dict[str, object]:
    """One entry. What is not known is null, or is not there at all where OpenRouter always has a value."""
    model = offer.model
    entry: dict[str, object] = {
        "id": offer.id,
        "object": "model",
        "created": _created(model, page.now_s),
        "owned_by": model.id.partition("/")[0] if model else offer.endpoints[0].provider,
        "name": offer.title,
        "context_length": offer.context_tokens,
        "pricing": pricing(offer.endpoints[0], page.price_of),
        "providers": offer.providers,
        "endpoints": [_endpoint(endpoint, page.price_of) for endpoint in offer.endpoints],
    }
    if model is not None:
        entry |= _known(model, offer)
    return entry


def _known(model: Model, offer: Offer) -> dict[str, object]:
    facts = offer.endpoints[0].facts
    can = facts.can if facts is not None else frozenset[Ability]()
    return {
        "canonical_slug": model.id,
        "architecture": _architecture(model),
        "top_provider": {
            "context_length": offer.context_tokens,
            "max_completion_tokens": offer.output_tokens,
            "is_moderated": False,
        },
        "supported_parameters": [name for ability in _PARAMETERS if ability in can for name in _PARAMETERS[ability]],
        "capabilities": sorted(can),
        "knowledge_cutoff": model.knowledge or None,
        "expiration_date": model.shutdown or None,
        "released": model.released or None,
        "open_weights": model.is_open,
        "deprecated": model.is_deprecated,
    }


def _architecture(model: Model) -> dict[str, object]:
    takes, gives = ([MODES[letter] for letter in letters] for letters in (model.accepts, model.gives))
    modality = f"{'+'.join(takes)}->{'+'.join(gives)}" if takes and gives else None
    return {"modality": modality, "input_modalities": takes, "output_modalities": gives}


def _endpoint(endpoint: Endpoint, price_of: PriceOf) -> dict[str, object]:
    facts = endpoint.facts
    return {
        "provider": endpoint.provider,
        "model": endpoint.model,
        "context_length": facts and facts.context_tokens,
        "max_completion_tokens": facts and facts.output_tokens,
        "pricing": pricing(endpoint, price_of),
    }


def pricing(endpoint: Endpoint, price_of: PriceOf) -> dict[str, object] | None:
    """In USD per token, as text; null: not known, which is not free."""
    price = price_of(endpoint.provider, endpoint.model)
    if price is None:
        return None
    served = {name: _shown(tier) for name, tier in price.tiers_of_service.items()}
    return {**_shown(price), **({"service_tiers": served} if served else {})}


def _shown(price: Price) -> dict[str, object]:
    tiers = price.shown_tiers()
    return {**price.shown(), **({"overrides": tiers} if tiers else {})}


def _created(model: Model | None, now_s: int) -> int:
    """The day of release; where it is not known, when the configuration was compiled."""
    try:
        day = date.fromisoformat(model.released) if model else None
    except ValueError:  # a month or a year alone
        day = None
    return now_s if day is None else int(datetime.combine(day, time(), UTC).timestamp())
