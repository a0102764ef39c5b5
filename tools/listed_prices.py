"""Prices that genai-prices lacks, as models.dev lists them: src/headgate/ledger/listed.json, formed as prices.json is.

A price of zero for everything is left out: there it means a subscription or not known as often as free.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from genai_prices.data import providers as priced_providers

from headgate.ledger.compiling import dense, trimmed, whole

TARGET = Path(__file__).parent.parent / "src/headgate/ledger/listed.json"
# The order is that of `Rates` in ledger/prices.py.
MEMBERS = ("input", "output", "cache_read", "cache_write", "", "reasoning", "input_audio", "output_audio")


def rates(cost: Mapping[str, Any]) -> list[int | None]:
    """A row of `Rates`. A rate of nothing for a cache means that none is told."""
    row = [cost.get(member) if member else None for member in MEMBERS]
    return trimmed([amount(each, is_main=place < 2) for place, each in enumerate(row)], None)


def amount(usd: object, *, is_main: bool) -> int | None:
    return whole(Decimal(str(usd))) if isinstance(usd, int | float) and (usd > 0 or is_main) else None


def price(cost: Mapping[str, Any]) -> list[Any]:
    """A row of `Price`. What a tier does not tell holds as it did below it."""
    tiers: list[list[Any]] = []
    for tier in sorted(cost.get("tiers", ()), key=lambda each: each["tier"]["size"]):
        tiers.append([tier["tier"]["size"], rates({**cost, **tier})])
    return trimmed([rates(cost), tiers], [])


def is_known(host: str, upstream: str) -> bool:
    """Whether genai-prices has a price for it."""
    now = datetime.now(UTC)
    for provider in priced_providers:
        if provider.id == host:
            found = provider.find_model(upstream.lower(), all_providers=priced_providers)
            return found is not None and bool(vars(found.get_prices(now)))
    return False


def other_names(hosts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What else the hosts go by: the name that their data stands under."""
    return {other: names[0] for names in hosts.values() for other in names[1:]}


def write_listed(listing: Mapping[str, Any], hosts: Mapping[str, Sequence[str]], day: str) -> None:
    """Writes the file. `hosts`: by models.dev's id, the names that a host goes by here."""
    head = {
        "version": f"models.dev {day}",
        "names": other_names(hosts),
        "license": "Prices as listed by models.dev, MIT License, Copyright (c) 2025 models.dev. https://models.dev",
    }
    blocks: list[str] = []
    for host, provider in sorted(listing.items()):
        name = hosts.get(host, (host,))[0]
        rows = [
            [upstream, model.get("name", upstream), None, ["=", upstream.lower()], [[price(cost)]]]
            for upstream, model in sorted(provider["models"].items())
            if (cost := model.get("cost")) and (cost["input"] or cost["output"]) and not is_known(name, upstream)
        ]
        if rows:
            lines = ",\n".join(map(dense, rows))
            blocks.append(f'{dense(name)}:{{"models":[\n{lines}\n]}}')
    body = ",\n".join(blocks)
    TARGET.write_text(f'{dense(head)[:-1]},\n"providers":{{\n{body}\n}}}}\n', encoding="utf-8")
