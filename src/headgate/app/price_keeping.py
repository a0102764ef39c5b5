"""Keeps which edition of the price book held since when, and what it said of the models that were used: so the price of
every call can be told by the edition that its record names, whatever prices are now. Off the path of calls.
"""

import asyncio
import logging
from typing import Final

import msgspec

from headgate.app.core import Core
from headgate.ledger.prices import DatedPrice
from headgate.store.base import Store, StoreError
from headgate.store.queries import prices, spend
from headgate.store.queries.prices import Edition, PriceRow

EVERY_S: Final = 10.0
OVERLAP_US: Final = 3600 * 1_000_000
"""How far back to look for models that were used: longer than a call takes."""
_S: Final = 1_000_000
_log = logging.getLogger("headgate")
_decode = msgspec.json.Decoder(tuple[DatedPrice, ...]).decode


class PriceKeeper:
    """Waits for the store: called in threads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._kept: set[tuple[str, str, str]] = set()

    def look(self) -> None:
        """Keeps what is not kept yet."""
        core, now_us = self._core, self._core.now_us()
        version = core.prices.version
        with core.store.read() as connection:
            used = spend.models_since(connection, now_us - OVERLAP_US)
        rows = [
            PriceRow(version=version, provider=provider, model=model, price=price.decode())
            for provider, model in used
            if (version, provider, model) not in self._kept and (price := self._price(provider, model)) is not None
        ]
        with core.store.write() as connection:
            prices.begin(connection, Edition(since_us=now_us, version=version))
            prices.keep(connection, rows)
        self._kept.update((row.version, row.provider, row.model) for row in rows)

    def _price(self, provider: str, model: str) -> bytes | None:
        known = self._core.compiled.directory.providers.get(provider)
        return self._core.prices.kept(provider if known is None else known.price_name, model)


async def keep_prices(core: Core) -> None:
    """For ever."""
    keeper = PriceKeeper(core)
    while True:
        try:
            await asyncio.to_thread(keeper.look)
        except StoreError as fault:
            _log.warning("prices have to wait for the store to be kept: %s", fault)
        await asyncio.sleep(EVERY_S)


def history(store: Store, provider: str, model: str) -> list[dict[str, object]]:
    """What any edition that held said of a model, oldest first. USD per million tokens, or each."""
    with store.read() as connection:
        rows = prices.of_model(connection, provider, model)
        editions = prices.editions(connection)
    told: list[dict[str, object]] = []
    for edition in editions:
        for row in rows:
            if row.version == edition.version:
                told += [
                    {"provider": row.provider, "model": model, "version": row.version, "since_us": edition.since_us}
                    | _shown(dated, edition.since_us)
                    for dated in _decode(row.price)
                ]
    return told


def _shown(dated: DatedPrice, since_us: int) -> dict[str, object]:
    price = dated.price
    return {
        "since_us": max(since_us, dated.since_s * _S),
        "minutes": None if dated.minutes is None else list(dated.minutes),
        "usd": price.shown(),
        "tiers": price.shown_tiers(),
    }
