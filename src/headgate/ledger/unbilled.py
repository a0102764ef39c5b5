"""What is to be looked at because its cost is in nobody's books, for one who waits on a loop. Decides nothing."""

import asyncio
import time
from typing import Final

from headgate.core.minted import Unbilled
from headgate.ledger.applier import Applier
from headgate.store.base import Store
from headgate.store.queries import unbilled

_DRAIN_S: Final = 5.0


class UnbilledThings:
    """Those of this process and of all before it."""

    def __init__(self, store: Store, applier: Applier) -> None:
        self._store = store
        self._applier = applier

    async def due(self, limit: int) -> list[Unbilled]:
        """What is to be looked at now. Nothing while the store lags behind the journal, which may know it as booked."""
        return await asyncio.to_thread(self._due, limit)

    async def put_off(self, thing: Unbilled, wait_s: float) -> None:
        """To be looked at again after that time."""
        await asyncio.to_thread(self._put_off, thing, wait_s)

    async def forget(self, thing: Unbilled) -> None:
        """There is nothing to be looked at any more."""
        await asyncio.to_thread(self._forget, thing)

    def _due(self, limit: int) -> list[Unbilled]:
        if self._applier.failure or not self._applier.drain(_DRAIN_S):
            return []
        with self._store.read() as connection:
            return unbilled.due(connection, time.time_ns() // 1000, limit)

    def _put_off(self, thing: Unbilled, wait_s: float) -> None:
        with self._store.write() as connection:
            unbilled.put_off(connection, thing, time.time_ns() // 1000 + int(wait_s * 1e6))

    def _forget(self, thing: Unbilled) -> None:
        with self._store.write() as connection:
            unbilled.forget(connection, thing.owner, thing.id)
