"""Notices other gateways that keep their books in the same database, and says what that means for limits.

Each writes down now and then that it is there. Counters of limits are each process's own, so whoever has several must
know it; nothing is refused, since one gateway may be taking over from another.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from headgate.app.core import Core
from headgate.store.base import StoreError
from headgate.store.queries import meta

BEAT_S: Final = 10.0
GONE_US: Final = 35_000_000
"""Who has not been heard of for so long is gone."""
_SIGN: Final = "gateway "
_log = logging.getLogger("headgate")


class Neighbours:
    """Waits for a disk: called in threads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._name = f"{_SIGN}{core.journal.id}"

    def look(self) -> None:
        """Writes down that this one is here, and counts the others. Tells when their number has changed."""
        now_us = self._core.now_us()
        with self._core.store.write() as connection:
            meta.put(connection, self._name, str(now_us))
            signs = meta.starting_with(connection, _SIGN)
            for name in [name for name, seen in signs.items() if int(seen) < now_us - GONE_US]:
                meta.forget(connection, name)
                del signs[name]
        others = len(signs.keys() - {self._name})
        if others != self._core.neighbours:
            _log.warning(
                "event=gateways_in_one_database others=%d each counts limits and budgets by itself: together they let "
                "through up to %d times as much; give each its own keys",
                others,
                others + 1,
            )
        self._core.neighbours = others

    def leave(self) -> None:
        """This one is about to end."""
        with self._core.store.write() as connection:
            meta.forget(connection, self._name)


async def keep_looking(neighbours: Neighbours) -> None:
    """Until it is cancelled. While the database is away nobody can be seen."""
    try:
        while True:
            await _tried(neighbours.look)
            await asyncio.sleep(BEAT_S)
    finally:
        await asyncio.shield(_tried(neighbours.leave))


async def _tried(work: Callable[[], None]) -> None:
    with suppress(StoreError):
        await asyncio.to_thread(work)
