"""Where an id that a caller names means something: in memory what was minted lately, the rest in the store.

Must not know what the ids are of. Written by the applier, from the records of calls; nothing here writes to the disk.
"""

import asyncio
import time
from collections.abc import Callable, Iterable

from headgate.core.minted import Minted
from headgate.store.base import Store
from headgate.store.queries import minted

RECENT_MAX = 10_000
"""How many ids a generation holds in memory; there are two. Long before one is full, the store has what is in it."""
Key = tuple[str, str]


def _wall_us() -> int:
    return time.time_ns() // 1000


class MintedIds:
    """The ids of this process and of all before it. Without a store: of this process alone."""

    def __init__(
        self, store: Store | None = None, *, recent_max: int = RECENT_MAX, clock_us: Callable[[], int] = _wall_us
    ) -> None:
        self._store = store
        self._recent: dict[Key, Minted] = {}
        self._older: dict[Key, Minted] = {}
        self._recent_max = recent_max
        self._clock_us = clock_us

    def remember(self, entries: Iterable[Minted]) -> None:
        """Keeps ids at hand that were minted, or deleted, just now."""
        for entry in entries:
            if len(self._recent) >= self._recent_max:
                self._older, self._recent = self._recent, {}
            self._recent[entry.owner, entry.id] = entry

    async def find(self, owner: str, id: str) -> Minted | None:
        """The id, if this owner has one of that name which has not expired."""
        found = self.recall(owner, id)
        if found is None and self._store is not None:
            found = await asyncio.to_thread(self._stored, self._store, owner, id)
        if found is None or 0 < found.expires_us <= self._clock_us():
            return None
        return found

    async def find_all(self, owner: str, ids: Iterable[str]) -> dict[str, Minted]:
        """Those of several ids that this owner has."""
        wanted = list(dict.fromkeys(ids))
        now_us = self._clock_us()
        found = {id: entry for id in wanted if (entry := self.recall(owner, id)) is not None}
        left = [id for id in wanted if id not in found]
        if left and self._store is not None:
            found |= await asyncio.to_thread(self._all_stored, self._store, owner, left)
        return {id: entry for id, entry in found.items() if not 0 < entry.expires_us <= now_us}

    def recall(self, owner: str, id: str) -> Minted | None:
        """The id as memory has it, expired or not."""
        key = owner, id
        return self._recent.get(key) or self._older.get(key)

    def _stored(self, store: Store, owner: str, id: str) -> Minted | None:
        with store.read() as connection:
            return minted.find(connection, owner, id)

    def _all_stored(self, store: Store, owner: str, ids: list[str]) -> dict[str, Minted]:
        with store.read() as connection:
            return {id: entry for id in ids if (entry := minted.find(connection, owner, id)) is not None}
