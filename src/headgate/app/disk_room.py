"""Looks how much room is left where the journal is: while there is little, no call is taken that is paid in advance,
so that what has begun can be written down to its end. A disk that is full stops all calls by itself.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from headgate.policies.limiting import Limits

EVERY_S: Final = 2.0
LOW: Final = (15, 4 << 30)
SHORT: Final = (5, 1 << 30)
"""Per cent of the disk, and bytes: less than both."""
Level = Literal["enough", "low", "short"]
_log = logging.getLogger("headgate")


class Room(NamedTuple):
    """What a disk has."""

    free_bytes: int
    total_bytes: int

    @property
    def level(self) -> Level:
        """Whether that is little."""
        if self._is_below(*SHORT):
            return "short"
        return "low" if self._is_below(*LOW) else "enough"

    def _is_below(self, percent: int, size: int) -> bool:
        return self.free_bytes * 100 < self.total_bytes * percent and self.free_bytes < size


def room_at(folder: Path) -> Room:
    """What the disk under `folder` has for this process."""
    told = os.statvfs(folder)
    return Room(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)


class DiskRoom:
    """Looks, tells when it changes, and sees to it that limits know."""

    def __init__(self, limits: Limits, room: Callable[[], Room]) -> None:
        self._limits = limits
        self._room = room
        self._level: Level = "enough"

    def look(self) -> None:
        """Once. What cannot be seen is as it was."""
        with suppress(OSError):
            room = self._room()
            self._limits.is_short_of_disk = room.level == "short"
            if room.level != self._level:
                _log.warning("event=disk_room level=%s free_bytes=%d", room.level, room.free_bytes)
            self._level = room.level


async def keep_room(room: DiskRoom) -> None:
    """Again and again, until it is cancelled."""
    while True:
        await asyncio.to_thread(room.look)
        await asyncio.sleep(EVERY_S)
