"""What lies near a vector in its partition: exact, in memory, with deletes and expiry. Holds no text, does no I/O."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np

from headgate.cache.semantic.embedders import Floats

ENTRIES_MAX = 100_000
_ROOM = 64  # rows a partition begins with; doubled when full


class Near(NamedTuple):
    """An entry and the cosine of its vector with what was asked."""

    entry: str
    cosine: float


class Index(Protocol):
    """Where vectors are kept: in this process, or at a service that several share."""

    def put(self, partition: bytes, entry: str, vector: Floats, expires_s: float) -> None: ...
    def near(self, partition: bytes, vector: Floats, count: int, now_s: float) -> list[Near]: ...
    def drop(self, entries: Iterable[str]) -> None: ...


class ExactIndex:
    """Rows of one matrix per partition. The row that expires first makes room when all together are too many."""

    def __init__(self, dimensions: int, entries_max: int = ENTRIES_MAX) -> None:
        self.dimensions = dimensions
        self.entries_max = entries_max
        self._partitions: dict[bytes, _Rows] = {}
        self._homes: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def put(self, partition: bytes, entry: str, vector: Floats, expires_s: float) -> None:
        """A unit vector. An entry that is there already is replaced. `expires_s` is of the caller's clock."""
        if vector.shape != (self.dimensions,):
            raise ValueError(f"a vector of {vector.shape} numbers was put where ({self.dimensions},) are kept")
        self.drop([entry])
        if len(self._homes) >= self.entries_max:
            self._make_room()
        self._partitions.setdefault(partition, _Rows(self.dimensions)).put(entry, vector, expires_s)
        self._homes[entry] = partition

    def near(self, partition: bytes, vector: Floats, count: int, now_s: float) -> list[Near]:
        """The nearest that have not expired, nearest first; the same order for the same entries."""
        rows = self._partitions.get(partition)
        return rows.near(vector, count, now_s) if rows else []

    def drop(self, entries: Iterable[str]) -> None:
        """Those that are not there are passed over."""
        for entry in entries:
            if (partition := self._homes.pop(entry, None)) is not None:
                rows = self._partitions[partition]
                rows.drop(entry)
                if not rows.places:
                    del self._partitions[partition]

    def sweep(self, now_s: float) -> list[str]:
        """Drops what has expired, and says what that was."""
        expired = [entry for rows in self._partitions.values() for entry in rows.expired(now_s)]
        self.drop(expired)
        return expired

    def _make_room(self) -> None:
        """A sixteenth of all goes at once, so that room is made rarely."""
        ends = sorted((end, entry) for rows in self._partitions.values() for entry, end in rows.ends())
        self.drop([entry for _, entry in ends[: max(1, self.entries_max // 16)]])


class _Rows:
    """One partition's. A dropped row's place is taken by the last row."""

    def __init__(self, dimensions: int) -> None:
        self.places: dict[str, int] = {}
        self._entries: list[str] = []
        self._vectors = np.zeros((_ROOM, dimensions), np.float32)
        self._expires_s = np.zeros(_ROOM)

    def put(self, entry: str, vector: Floats, expires_s: float) -> None:
        place = len(self._entries)
        if place == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.zeros_like(self._vectors)])
            self._expires_s = np.concatenate([self._expires_s, np.zeros_like(self._expires_s)])
        self._vectors[place] = vector
        self._expires_s[place] = expires_s
        self._entries.append(entry)
        self.places[entry] = place

    def drop(self, entry: str) -> None:
        place, last = self.places.pop(entry), len(self._entries) - 1
        moved = self._entries.pop()
        if place != last:
            self._entries[place] = moved
            self.places[moved] = place
            self._vectors[place] = self._vectors[last]
            self._expires_s[place] = self._expires_s[last]

    def near(self, vector: Floats, count: int, now_s: float) -> list[Near]:
        filled = len(self._entries)
        cosines = self._vectors[:filled] @ vector
        cosines[self._expires_s[:filled] <= now_s] = -np.inf
        chosen = np.argpartition(-cosines, count - 1)[:count] if filled > count else range(filled)
        found = [Near(self._entries[place], float(cosines[place])) for place in chosen if cosines[place] > -np.inf]
        return sorted(found, key=lambda near: (-near.cosine, near.entry))

    def expired(self, now_s: float) -> list[str]:
        return [entry for entry, end in self.ends() if end <= now_s]

    def ends(self) -> list[tuple[str, float]]:
        return list(zip(self._entries, self._expires_s[: len(self._entries)].tolist(), strict=True))
