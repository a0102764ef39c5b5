"""The journal's file format: records in numbered segments, found, checked and repaired. Must not know what records say.

A segment is records end to end: `length ∣ type ∣ lsn ∣ payload ∣ crc32`, big-endian. A record's lsn is its own place,
`segment number << 28 | offset`, so records that stand where they do not belong are recognised, and the next good
record after damage can be found. Segment numbers only grow, also over an emptied directory (they start from the clock).
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from headgate.core.problems import ConfigError

HEAD = struct.Struct(">IBQ")
"""Length of the payload, type, lsn."""
TAIL = struct.Struct(">I")
"""CRC-32 of head and payload."""
OVERHEAD = HEAD.size + TAIL.size
OFFSET_BITS = 28
OFFSET_MASK = (1 << OFFSET_BITS) - 1
SUFFIX = ".journal"

CALL_STARTED, ATTEMPT_STARTED, CALL_ENDED, FILLER = 1, 2, 3, 4
"""Types of records. A filler means nothing: it closes a gap, or tries whether the disk takes writes again."""


class DamagedJournal(ConfigError):
    """The journal is damaged."""


class Entry(NamedTuple):
    """One record as read."""

    type: int
    lsn: int
    payload: bytes

    @property
    def end(self) -> int:
        """The lsn right behind this record."""
        return self.lsn + OVERHEAD + len(self.payload)


class Damage(NamedTuple):
    """A stretch of a segment that holds no good record; `end` is where the next good one starts; None: nowhere."""

    path: Path
    start: int
    end: int | None


def pack(kind: int, lsn: int, payload: bytes) -> bytes:
    """One record, ready to write at `lsn`."""
    head = HEAD.pack(len(payload), kind, lsn)
    return head + payload + crc32(payload, crc32(head)).to_bytes(4, "big")


def first_lsn(number: int) -> int:
    """Where segment `number` begins."""
    return number << OFFSET_BITS


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment `number`."""
    return directory / f"{number:012d}{SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """The segments that exist, in order."""
    stems = (name.removesuffix(SUFFIX) for name in os.listdir(directory) if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def split(data: bytes, lsn: int) -> tuple[list[Entry], int]:
    """The good records at the start of `data`, which begins at `lsn`, and how many bytes they take."""
    entries = [Entry(kind, lsn + at, data[at + HEAD.size : tail]) for kind, at, tail in _frames(data, 0, lsn)]
    return entries, entries[-1].end - lsn if entries else 0


def _frames(data: bytes, at: int, lsn: int) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of payload of the good records from `at` on; `data` begins at `lsn`."""
    view, size = memoryview(data), len(data)
    while at + OVERHEAD <= size:
        length, kind, own_lsn = HEAD.unpack_from(data, at)
        tail = at + HEAD.size + length
        if own_lsn != lsn + at or tail + TAIL.size > size or crc32(view[at:tail]) != TAIL.unpack_from(data, tail)[0]:
            return
        yield kind, at, tail
        at = tail + TAIL.size


def _good_until(data: bytes, at: int, lsn: int) -> int:
    for _, _, tail in _frames(data, at, lsn):
        at = tail + TAIL.size
    return at


def damages(path: Path, number: int) -> Iterator[Damage]:
    """Every stretch of a segment without good records, in order."""
    data = path.read_bytes()
    lsn = first_lsn(number)
    at = _good_until(data, 0, lsn)
    while at < len(data):
        end = _next_good(data, at, lsn)
        yield Damage(path, at, end)
        if end is None:
            return
        at = _good_until(data, end, lsn)


def _next_good(data: bytes, after: int, lsn: int) -> int | None:
    prefix = lsn.to_bytes(8, "big")[:4]  # the offset is in the lower four bytes of an lsn
    place = HEAD.size - 8
    found = data.find(prefix, after + 1 + place)
    while found >= 0:
        if next(_frames(data, found - place, lsn), None) is not None:
            return found - place
        found = data.find(prefix, found + 1)
    return None


def cut_off(damage: Damage) -> None:
    """Removes a torn tail."""
    os.truncate(damage.path, damage.start)


def fill_in(damage: Damage, number: int) -> None:
    """Turns a damaged stretch into one filler record, which keeps the bytes that it covers but for its own frame."""
    size = (damage.path.stat().st_size if damage.end is None else damage.end) - damage.start
    if size < OVERHEAD:
        return cut_off(damage)
    with damage.path.open("r+b") as segment:
        segment.seek(damage.start + HEAD.size)
        payload = segment.read(size - OVERHEAD)
        segment.seek(damage.start)
        segment.write(pack(FILLER, first_lsn(number) + damage.start, payload))
        segment.flush()
        os.fsync(segment.fileno())
    return None


class Follower:
    """Reads the records of a directory in order, from its oldest segment on, as far as it is told they are complete."""

    def __init__(self, directory: Path, chunk_bytes: int = 256 * 1024) -> None:
        self._directory = directory
        self._chunk_bytes = chunk_bytes
        self._file = -1
        self.lsn = 0
        """Everything before this place has been read."""

    def read(self, limit: int) -> list[Entry]:
        """The next records before `limit`, at most about a chunk of them; none: there are no more."""
        while self._file >= 0 or self._open_next(limit):
            if entries := self._read_on(limit):
                return entries
            if limit >> OFFSET_BITS <= self.lsn >> OFFSET_BITS:
                break
            self.close()
        return []

    def seek(self, lsn: int) -> None:
        """Goes to the beginning of a record."""
        self.close()
        self._file = os.open(segment_path(self._directory, lsn >> OFFSET_BITS), os.O_RDONLY | os.O_CLOEXEC)
        self.lsn = lsn

    def close(self) -> None:
        """Leaves the segment it is in."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _open_next(self, limit: int) -> bool:
        later = [number for number in segment_numbers(self._directory) if number > self.lsn >> OFFSET_BITS]
        if not later or first_lsn(later[0]) >= limit:
            return False
        self._file = os.open(segment_path(self._directory, later[0]), os.O_RDONLY | os.O_CLOEXEC)
        self.lsn = first_lsn(later[0])
        return True

    def _read_on(self, limit: int) -> list[Entry]:
        size = self._chunk_bytes
        while data := os.pread(self._file, min(size, limit - self.lsn), self.lsn & OFFSET_MASK):
            entries, used = split(data, self.lsn)
            self.lsn += used
            if entries:
                return entries
            if len(data) < size:
                raise DamagedJournal(f"The journal in {self._directory} has a bad record at {self.lsn:#x}.")
            size *= 4
        return []
