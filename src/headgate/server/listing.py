"""The list of models, in the four shapes that clients read from one path; and the record of a call, for its owner.

Compiled once per configuration and served from memory: some clients ask before every prompt. The wire names below are
those of the lists' own formats: OpenAI's with OpenRouter's additions, Anthropic's, Gemini's and the Codex CLI's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headgate.core.problems import InvalidRequest, UnknownModel
from headgate.core.record import CallRecord
from headgate.engine.answer import usd
from headgate.ledger.charging import charge_of
from headgate.routing.names import Directory, find_route
from headgate.server.offers import Endpoint, Offer, Page, PriceOf, openai_entry

_PAGE_SIZE = 1000
_OFFERS_MAX = 1_000_000
_encode = msgspec.json.Encoder().encode


class Listing:
    """Every offer, rendered in every shape. `now_s` is when the configuration was compiled."""

    def __init__(self, offers: Sequence[Offer], now_s: int, price_of: PriceOf, directory: Directory) -> None:
        self._offers = {offer.id: offer for offer in offers}
        self._now_s = now_s
        self._price_of = price_of
        self._directory = directory
        self._pages: dict[str, bytes] = {}

    def page(self, shape: str, allowed: tuple[str, ...] | None, query: Mapping[str, str]) -> bytes:
        """The list in one shape, for one key's permissions: a key's own names of models are what it may ask for."""
        is_plain = allowed is None and not query.keys() & _PAGING
        if is_plain and shape in self._pages:
            return self._pages[shape]
        offers = list(self._offers.values()) if allowed is None else [*filter(None, map(self._find, allowed))]
        body = _encode(_SHAPES[shape](Page(offers, query, self._now_s, self._price_of)))
        if is_plain:
            self._pages[shape] = body
        return body

    def forget(self) -> None:
        """Lists are rendered anew when they are next asked for: prices have changed."""
        self._pages.clear()

    def one(self, shape: str, allowed: tuple[str, ...] | None, name: str) -> bytes | None:
        """One entry of the list, or None."""
        name = name.removeprefix("models/")
        offer = self._find(name)
        if offer is None or (allowed is not None and name not in allowed):
            return None
        return _encode(_ENTRIES.get(shape, openai_entry)(offer, Page((), {}, self._now_s, self._price_of)))

    def _find(self, name: str) -> Offer | None:
        """The offer of any name that a call may use, under that name."""
        offer = self._offers.get(name)
        if offer is not None:
            return offer
        try:
            route = find_route(self._directory, name)
        except UnknownModel:
            return None
        found = self._directory.entry(name) or self._directory.entry(name.partition("/")[2])
        known = self._offers.get(found[0].id) if found is not None else None
        endpoints = tuple(
            Endpoint(target.deployment.provider, target.deployment.model, target.deployment.facts)
            for target in route.targets
        )
        return Offer(id=name, title=known.title if known else name, endpoints=endpoints, model=known and known.model)

    @staticmethod
    def generation(record: CallRecord) -> bytes:
        """Everything about one call, as JSON; money as a decimal string beside the integer, null where no price is
        known, which is not free."""
        shown: dict[str, Any] = msgspec.json.decode(_encode(record))
        for kept, line in ((record, shown), *zip(record.attempts, shown.get("attempts", ()), strict=True)):
            line["outcome"] = kept.outcome
            line["cost_usd"] = usd(kept.cost_nano_usd) if kept.is_priced else None
        return _encode({"object": "generation", **shown})

    @staticmethod
    def generation_sold(record: CallRecord) -> bytes:
        """The same for a caller who pays by prices of its own: what it pays, not what it costs."""
        shown: dict[str, Any] = msgspec.json.decode(_encode(record))
        for kept, line in ((record, shown), *zip(record.attempts, shown.get("attempts", ()), strict=True)):
            line["outcome"] = kept.outcome
            for name in ("cost_nano_usd", "extra_nano_usd", "charge_nano_usd"):
                line.pop(name, None)
        charge = charge_of(record)
        return _encode({"object": "generation", **shown, "cost_nano_usd": charge, "cost_usd": usd(charge)})


_PAGING = {"limit", "after_id", "before_id", "pageSize", "pageToken"}


def _openai(page: Page) -> object:
    return {"object": "list", "data": [openai_entry(offer, page) for offer in page.offers]}


def _anthropic_entry(offer: Offer, page: Page) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "model",
        "id": offer.id,
        "display_name": offer.title,
        "created_at": f"{(offer.model and offer.model.released) or '1970-01-01'}T00:00:00Z",
    }
    if offer.context_tokens is not None:
        entry["max_input_tokens"] = offer.context_tokens
    if offer.output_tokens is not None:
        entry["max_tokens"] = offer.output_tokens
    return entry


def _anthropic(listed: Page) -> object:
    offers, query = listed.offers, listed.query
    start = next((place + 1 for place, offer in enumerate(offers) if offer.id == query.get("after_id")), 0)
    size = _size(query.get("limit"), "limit")
    page = offers[start : start + size]
    return {
        "data": [_anthropic_entry(offer, listed) for offer in page],
        "has_more": start + size < len(offers),
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _gemini_entry(offer: Offer, page: Page) -> dict[str, object]:
    entry: dict[str, object] = {
        "name": f"models/{offer.id}",
        "displayName": offer.title,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if offer.context_tokens is not None:
        entry["inputTokenLimit"] = offer.context_tokens
    if offer.output_tokens is not None:
        entry["outputTokenLimit"] = offer.output_tokens
    return entry


def _gemini(listed: Page) -> object:
    offers, query = listed.offers, listed.query
    start = _whole(query.get("pageToken", "0"), "pageToken", least=0, most=_OFFERS_MAX)
    size = _size(query.get("pageSize"), "pageSize")
    page: dict[str, object] = {"models": [_gemini_entry(offer, listed) for offer in offers[start : start + size]]}
    if start + size < len(offers):
        page["nextPageToken"] = str(start + size)
    return page


def _codex(listed: Page) -> object:
    """An empty list: the Codex CLI then keeps its own catalogue and takes any model name it is given.

    Its entries carry the CLI's own prompts, which a gateway should not invent (Codex CLI 0.169, 2026-11).
    """
    return {"models": []}


def _size(text: str | None, name: str) -> int:
    return _PAGE_SIZE if text is None else _whole(text, name, least=1, most=_PAGE_SIZE)


def _whole(text: str, name: str, *, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise InvalidRequest(f"{name} is {text[:40]!r}; it takes a whole number from {least} to {most}.", param=name)
    return int(text)


_SHAPES = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini, "codex": _codex}
_ENTRIES = {"openai": openai_entry, "anthropic": _anthropic_entry, "gemini": _gemini_entry}
