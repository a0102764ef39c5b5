"""The list that `headgate models` prints: every name that may be asked for. Opens nothing."""

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import msgspec

from headgate.app.compiled import compile_setup
from headgate.app.config import Setup
from headgate.app.config_prices import price_book

COLUMNS = ("id", "context", "output", "takes", "can", "usd_in", "usd_out", "providers", "shutdown")
"""Of the table; USD per million tokens."""


class _Page(msgspec.Struct):
    data: list[dict[str, object]]


_decode = msgspec.json.Decoder(_Page).decode


def model_rows(setup: Setup) -> list[dict[str, object]]:
    """Every name that a key for all models may ask for, as `GET /v1/models` lists them."""
    compiled = compile_setup(setup, price_book(setup.config.providers), now_s=0)
    return _decode(compiled.listing.page("openai", None, {})).data


def table_row(row: Mapping[str, object]) -> dict[str, object]:
    """The same for people: the most important of it, in a line."""
    prices = _members(row.get("pricing"))
    return {
        "id": row["id"],
        "context": row.get("context_length"),
        "output": _members(row.get("top_provider")).get("max_completion_tokens"),
        "takes": _members(row.get("architecture")).get("input_modalities"),
        "can": row.get("capabilities"),
        "usd_in": _per_million(prices.get("prompt")),
        "usd_out": _per_million(prices.get("completion")),
        "providers": row["providers"],
        "shutdown": row.get("expiration_date"),
    }


def _members(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}


def _per_million(usd: object) -> str | None:
    return None if usd is None else f"{(Decimal(str(usd)) * 1_000_000).normalize():f}"
