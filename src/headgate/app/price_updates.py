"""Current prices while the gateway runs, if the operator allows it: genai-prices' own updater fetches them hourly."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headgate.core.problems import ConfigError

if TYPE_CHECKING:
    import genai_prices

UPDATE_S = 3600.0
"""Between two looks."""

_log = logging.getLogger("headgate")


def price_source(url: str = "") -> Callable[[], bytes]:
    """A blocking function that fetches the current book. `url`: elsewhere than usual.

    Raises `ConfigError` where the package is not installed.
    """
    try:
        import genai_prices  # noqa: PLC0415 - an extra, wanted by few
    except ImportError:
        raise ConfigError("$.prices.update: needs `pip install headgate[prices]`, or leave it out") from None
    updater = genai_prices.UpdatePrices(url=url) if url else genai_prices.UpdatePrices()
    return lambda: _fetched(updater)


def _fetched(updater: "genai_prices.UpdatePrices") -> bytes:
    from headgate.ledger.compiling import book  # noqa: PLC0415

    snapshot = updater.fetch()
    if snapshot is None or not snapshot.providers:
        raise ValueError("the list of prices is empty")
    now = datetime.now(UTC)
    return book(snapshot.providers, now.strftime("%H:%M UTC"), now.date()).encode()


async def keep_current(renew: Callable[[bytes], None], fetch: Callable[[], bytes], every_s: float = UPDATE_S) -> None:
    """Fetches and renews, at once and then every `every_s`. What fails is logged, and the prices stay as they were."""
    while True:
        try:
            renew(await asyncio.to_thread(fetch))
        except Exception as fault:  # a stranger's server and data: nothing of it may end the gateway
            _log.warning("prices were not updated: %s: %s", type(fault).__name__, fault)
        await asyncio.sleep(every_s)
