"""Answers in the gateway's own database, where all processes that share it find them. Waits for a disk: for threads."""

import time
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from headgate.cache.answers import Sealed
from headgate.cache.entries import Entry
from headgate.cache.shelf import Purge
from headgate.store.base import Store
from headgate.store.queries import answers
from headgate.store.queries.answers import Kept, Wanted

TRIM_EVERY: Final = 256
"""After so many answers it is looked whether there are too many."""
_HEARD_US: Final = 7 * 86_400 * 1_000_000
"""By then every process has heard of a purge, or has been started since."""
_MOST: Final = 2**62


class Room(Struct, frozen=True, kw_only=True):
    """How much is kept there."""

    entries_max: int = 1_000_000
    bytes_max: int = 4 * 1024**3


class DatabaseKeeper:
    """Answers as rows."""

    def __init__(self, store: Store, room: Room | None = None) -> None:
        self._store = store
        self._room = room or Room()
        self._puts = 0

    def find(self, key: bytes, now_us: int) -> bytes | None:
        """What was put under a key, unless it is too old."""
        with self._store.read() as connection:
            return answers.find(connection, key, now_us)

    def put(self, entries: Sequence[Sealed]) -> None:
        """Keeps them, each in place of any other of its key: once this returns, no crash loses them."""
        before, self._puts = self._puts, self._puts + len(entries)
        with self._store.write() as connection:
            answers.put(connection, [_row(each.entry, each.blob) for each in entries])
            if before // TRIM_EVERY != self._puts // TRIM_EVERY:
                now_us = time.time_ns() // 1000
                answers.trim(connection, now_us, self._room.entries_max, self._room.bytes_max)

    def drop(self, key: bytes) -> None:
        """Takes one out."""
        with self._store.write() as connection:
            answers.drop(connection, Wanted(key=key))

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant. Returns how many that were."""
        with self._store.write() as connection:
            return answers.drop(connection, Wanted(**msgspec.structs.asdict(wanted)))

    def held(self) -> tuple[int, int]:
        """How many there are, and how many bytes they have."""
        with self._store.read() as connection:
            return answers.held(connection)

    def close(self) -> None:
        """Nothing: the store is somebody else's."""


class Purges:
    """What is purged by one process, and by all others that share the database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.read() as connection:
            self._seen = answers.last_purge(connection)

    def note(self, wanted: Purge) -> None:
        """Tells the others."""
        note(self._store, wanted)

    def heard(self) -> list[Purge]:
        """What was purged since this was asked last, by anybody."""
        with self._store.read() as connection:
            found = answers.purged_since(connection, self._seen)
        if found:
            self._seen = found[-1].seq
        return [msgspec.json.decode(each.what, type=Purge) for each in found]


def note(store: Store, wanted: Purge) -> None:
    """Tells every process that shares a store what is purged."""
    now_us = time.time_ns() // 1000
    told = msgspec.structs.replace(wanted, before_us=wanted.before_us or now_us)
    with store.write() as connection:
        answers.note(connection, msgspec.json.encode(told).decode(), now_us)
        answers.forget_purges(connection, now_us - _HEARD_US)


def _row(entry: Entry, blob: bytes) -> Kept:
    return Kept(
        key=entry.key,
        key_id=entry.key_id,
        team=entry.team,
        organisation=entry.organisation,
        namespace=entry.namespace,
        model=entry.model,
        provider=entry.provider,
        upstream=entry.upstream,
        tags="".join(f"\n{tag}\n" for tag in entry.tags),
        stored_us=entry.stored_us,
        expires_us=entry.expires_us,
        worth=min(int(entry.worth * 1000 / entry.size), _MOST),
        size_bytes=len(blob),
        blob=blob,
    )
