"""Answers that are kept: in memory, and behind that wherever the operator wants them. Must not know what is asked."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from headgate.cache.entries import Entry, opened, sealed
from headgate.cache.keys import Digest
from headgate.cache.shelf import Held, Purge, Shelf

_log = logging.getLogger("headgate")


class Keeper(Protocol):
    """Where answers are kept that outlive the process. Its failures are told in the log, never to callers."""

    async def find(self, key: bytes, now_us: int) -> bytes | None:
        """What was put under a key, unless it is too old."""
        ...

    async def put(self, entry: Entry, blob: bytes) -> None:
        """Keeps it, in place of any other of its key: once this returns, no crash loses it."""
        ...

    async def drop(self, key: bytes) -> None:
        """Takes it out."""
        ...

    async def aclose(self) -> None:
        """Lets go of what it holds."""
        ...


class Bounds(Struct, frozen=True, kw_only=True):
    """How much is kept in memory."""

    entries_max: int = 100_000
    bytes_max: int = 256 * 1024 * 1024
    answer_bytes_max: int = 1024 * 1024
    """A longer answer is not kept."""


def _wall_us() -> int:
    return time.time_ns() // 1000


class Answers:
    """All of them. `digest`: an HMAC with the installation's secret."""

    def __init__(
        self,
        digest: Digest,
        bounds: Bounds | None = None,
        keeper: Keeper | None = None,
        clock_us: Callable[[], int] = _wall_us,
    ) -> None:
        self.digest = digest
        self.bounds = bounds or Bounds()
        self.clock_us = clock_us
        self.shelf = Shelf(self.bounds.entries_max, self.bounds.bytes_max)
        self._keeper = keeper
        self.damaged = 0
        """How many entries had to be dropped since they were not what had been kept."""

    def recall(self, key: bytes) -> Held | None:
        """What memory has under a key."""
        return self.shelf.find(key, self.clock_us())

    async def find(self, key: bytes) -> Held | None:
        """What is kept under a key, wherever."""
        held = self.recall(key)
        if held is not None or self._keeper is None:
            return held
        try:
            blob = await self._keeper.find(key, self.clock_us())
            if blob is None:
                return None
            entry = opened(blob, key, self.digest)
            if entry is None:
                self.damaged += 1
                _log.error("event=cache_entry_damaged key=%s", key.hex())
                await self._keeper.drop(key)
                return None
        except Exception as fault:  # a cache that is out of order is one that has nothing
            _log.error("event=cache_not_read error=%r", str(fault))
            return None
        return self.shelf.put(entry) if entry.expires_us > self.clock_us() else None

    async def put(self, entry: Entry) -> bool:
        """Keeps an answer. True: it is kept wherever it should be, and a crash does not lose it."""
        if entry.size > self.bounds.answer_bytes_max:
            return False
        self.shelf.put(entry)
        if self._keeper is None:
            return True
        try:
            await self._keeper.put(entry, sealed(entry, self.digest))
        except Exception as fault:
            _log.error("event=cache_not_written error=%r", str(fault))
            return False
        return True

    def purge(self, wanted: Purge) -> int:
        """Takes out of memory what is meant. Returns how many that were."""
        return self.shelf.purge(wanted)

    async def aclose(self) -> None:
        """Lets go of what the keeper holds."""
        if self._keeper is not None:
            await self._keeper.aclose()
