"""The prices of the genai-prices package, in the form that the price book reads. Must not know where they are kept.

Superseded prices are left out; those that begin later, and those for hours of the day, are kept with their condition.
The package is an extra (`pip install headgate[prices]`): this module is imported only where it is used.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, cast

from genai_prices import types

LICENSE = (
    "Compiled from genai-prices, MIT License, Copyright (c) Pydantic Services Inc. 2025 to present. "
    "https://github.com/pydantic/genai-prices"
)
# The order is that of `Rates` in ledger/prices.py.
RATES = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "output_reasoning_mtok",
    "input_audio_mtok",
    "output_audio_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "cache_audio_read_mtok",
    "cache_image_read_mtok",
)
COUNTED = ("requests_kcount", "web_searches_kcount")
CLAUSES = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*", "regex": "~", "or_": "|", "and_": "&"}


def whole(amount: Decimal) -> int:
    """USD per million tokens are millionths of a pico-USD per token; USD per thousand are millionths of nano-USD."""
    return int((amount * 1_000_000).to_integral_value(ROUND_HALF_EVEN))


def rates(price: types.ModelPrice, total: int) -> list[int | None]:
    """The rates that hold for a prompt of `total` tokens."""
    return trimmed([None if (rate := getattr(price, key)) is None else whole(at(rate, total)) for key in RATES], None)


def at(rate: Decimal | types.TieredPrices, total: int) -> Decimal:
    if isinstance(rate, Decimal):
        return rate
    return next((tier.price for tier in reversed(rate.tiers) if total > tier.start), rate.base)


def compiled_price(price: types.ModelPrice, served: Mapping[str, list[Any]] | None = None) -> list[Any]:
    """The row of a `Price`. `served`: its tiers of service."""
    values = [getattr(price, key) for key in RATES]
    starts = sorted({tier.start for rate in values if isinstance(rate, types.TieredPrices) for tier in rate.tiers})
    tiers = [[start, rates(price, start + 1)] for start in starts]
    counted = [None if (fee := getattr(price, key)) is None else whole(fee) for key in COUNTED]
    return trimmed([rates(price, 0), tiers, *counted, served or {}, fees(price)], None, [], {})


def fees(price: types.ModelPrice) -> list[int | None]:
    """The row of `Fees`: characters that are spoken, and hours of sound that are listened to."""
    hours = price.audio_hours if price.input_audio_hours is None else price.input_audio_hours
    characters = None if price.input_mchars is None else whole(at(price.input_mchars, 0))
    return trimmed([characters, None if hours is None else whole(at(hours, 0)) * 1000], None)


CONTEXTS = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"speed": "fast", "service_tier": "fast"},
}
"""The tiers of service of `Usage.tier`, in the words of genai-prices."""


def with_tiers(price: types.ModelPrice, model: types.ModelInfo, now: datetime) -> list[Any]:
    """The row of a `Price` with its tiers of service, where they differ now from the usual price."""
    usual = model.get_prices(now)
    served = (
        {name: model.get_prices(now, context) for name, context in CONTEXTS.items()} if model.price_variants else {}
    )
    return compiled_price(
        price, {name: compiled_price(each) for name, each in served.items() if vars(each) != vars(usual)}
    )


def trimmed(row: list[Any], *blanks: object) -> list[Any]:
    """The row without blanks at its end: the defaults of the struct it becomes."""
    while row and row[-1] in blanks:
        row.pop()
    return row


def is_usable(price: types.ModelPrice) -> bool:
    """Whether we could compute with it: what is sold by the page or the message only has no such price."""
    return price.input_mtok is not None or price.output_mtok is not None or bool(fees(price))


def dated_prices(model: types.ModelInfo, today: date) -> list[Any]:
    """The rows of `_DatedPrice`: those in force or to come."""
    if isinstance(model.prices, types.ModelPrice):
        if is_usable(model.prices):
            return [[with_tiers(model.prices, model, midnight(today))]]
        # No price can mean free or not known; a name that ends so is free:
        # https://openrouter.ai/docs/faq#what-are-the-different-model-variants-and-how-do-they-work (2026-11)
        return [[[[0, 0]]]] if model.id.endswith(":free") else []
    rows: list[Any] = []
    for each in filter(lambda each: is_usable(each.prices), model.prices):
        is_now = each.prices is model.get_prices(midnight(today))
        row: list[Any] = [
            with_tiers(each.prices, model, midnight(today)) if is_now else compiled_price(each.prices),
            0,
            None,
        ]
        match each.constraint:
            case types.StartDateConstraint(start_date=start):
                if start <= today:
                    rows.clear()  # the later one of two that hold is the one that counts
                else:
                    row[1] = int(midnight(start).timestamp())
            case types.TimeOfDateConstraint(start_time=start, end_time=end):
                row[2] = [start.hour * 60 + start.minute, end.hour * 60 + end.minute]
            case None:
                rows.clear()
        rows.append(trimmed(row, 0, None))
    return rows


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def clause(match: Any) -> list[Any]:
    """The row of a `_Clause`."""
    ((field, value),) = cast("dict[str, Any]", vars(match)).items()
    if field in ("or_", "and_"):
        return [CLAUSES[field], "", [clause(part) for part in value]]
    return [CLAUSES[field], value if field == "regex" else value.lower()]


def compiled_model(model: types.ModelInfo, today: date) -> list[Any]:
    """The row of a `_Model`."""
    row = [model.id, model.name or model.id, model.context_window, clause(model.match), dated_prices(model, today)]
    return trimmed([*row, bool(model.deprecated)], False)


def book(providers: Sequence[types.Provider], edition: str, today: date) -> str:
    """The whole book as JSON: one line per model, so that a change of prices reads well."""
    head = {"version": f"genai-prices {edition}, {today}", "license": LICENSE}
    blocks: list[str] = []
    for provider in sorted(providers, key=lambda each: each.id):
        lines = ",\n".join(dense(compiled_model(model, today)) for model in provider.models)
        fallback = dense(provider.fallback_model_providers or [])
        blocks.append(f'{dense(provider.id)}:{{"fallback":{fallback},"models":[\n{lines}\n]}}')
    body = ",\n".join(blocks)
    return f'{dense(head)[:-1]},\n"providers":{{\n{body}\n}}}}\n'


def dense(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
