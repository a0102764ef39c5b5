"""Answers that are kept: in memory, and behind that wherever the operator wants them. Must not know what is asked.

What is behind memory is written by a thread of its own, many at a time, so that no call waits for a disk. A cache that
is out of order is one that has nothing: its failures are told in the log, never to callers.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from headgate.cache.entries import Entry, opened, sealed
from headgate.cache.keys import Digest
from headgate.cache.shelf import Held, Purge, Shelf

PENDING_MAX: Final = 4096
"""How many answers may wait to be written; beyond them new ones are kept in memory alone."""
_BATCH_MAX: Final = 256
_log = logging.getLogger("headgate")


class Sealed(NamedTuple):
    """An entry as it leaves the process."""

    entry: Entry
    blob: bytes


class Keeper(Protocol):
    """Where answers are kept that outlive the process. Waits for it: called in threads."""

    def find(self, key: bytes, now_us: int) -> bytes | None:
        """What was put under a key, unless it is too old."""
        ...

    def put(self, entries: Sequence[Sealed]) -> None:
        """Keeps them, each in place of any other of its key: once this returns, no crash loses them."""
        ...

    def drop(self, key: bytes) -> None:
        """Takes one out."""
        ...

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant. Returns how many that were."""
        ...

    def held(self) -> tuple[int, int]:
        """How many there are, and how many bytes they have."""
        ...

    def close(self) -> None:
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
        self.keeper = keeper
        self.damaged = 0
        """How many entries were dropped since they were not what had been kept."""
        self.unwritten = 0
        """How many could not be written behind memory."""
        self._pending: list[Entry] = []
        self._writing = 0
        self._turn = Condition()
        self._is_closing = False
        self._thread = Thread(target=self._write, name="headgate-answers", daemon=True)
        if keeper is not None:
            self._thread.start()

    def recall(self, key: bytes) -> Held | None:
        """What memory has under a key."""
        return self.shelf.find(key, self.clock_us())

    async def find(self, key: bytes) -> Held | None:
        """What is kept under a key behind memory."""
        if self.keeper is None:
            return None
        entry = await asyncio.to_thread(self._find, self.keeper, key)
        return None if entry is None else self.shelf.put(entry)

    def put(self, entry: Entry) -> None:
        """Keeps an answer: in memory at once, and behind that soon."""
        self.shelf.put(entry)
        if self.keeper is None:
            return
        with self._turn:
            if len(self._pending) >= PENDING_MAX:
                self.unwritten += 1
                return
            self._pending.append(entry)
            self._turn.notify_all()

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until everything put so far is kept behind memory too. False: it is not, after `timeout_s`."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._pending and not self._writing, timeout_s)

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant, everywhere. Returns how many entries that were."""
        if self.keeper is None:
            return self.shelf.purge(wanted)
        self.flush()
        count = self.keeper.purge(wanted)
        return max(count, self.shelf.purge(wanted))

    def close(self) -> None:
        """Writes what is there, and ends."""
        with self._turn:
            self._is_closing = True
            self._turn.notify_all()
        if self.keeper is not None:
            self._thread.join()
            self.keeper.close()

    def _find(self, keeper: Keeper, key: bytes) -> Entry | None:
        try:
            blob = keeper.find(key, self.clock_us())
            if blob is None:
                return None
            entry = opened(blob, key, self.digest)
            if entry is None:
                self.damaged += 1
                _log.error("event=cache_entry_damaged key=%s", key.hex())
                keeper.drop(key)
        except Exception as fault:
            _log.error("event=cache_not_read error=%r", str(fault))
            return None
        return entry

    def _write(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._pending or self._is_closing)
                entries, self._pending = self._pending[:_BATCH_MAX], self._pending[_BATCH_MAX:]
                self._writing = len(entries)
            if not entries:
                return
            try:
                if self.keeper is not None:
                    self.keeper.put([Sealed(entry, sealed(entry, self.digest)) for entry in entries])
            except Exception as fault:
                self.unwritten += len(entries)
                _log.error("event=cache_not_written count=%d error=%r", len(entries), str(fault))
            with self._turn:
                self._writing = 0
                self._turn.notify_all()
