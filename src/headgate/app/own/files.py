"""The gateway's own files: a row in the store and a file in a folder. Calls wait for the disk in threads."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from headgate.core.problems import NotFound, UnknownId
from headgate.engine.own import FILE_PREFIX
from headgate.store.base import Store
from headgate.store.queries import own
from headgate.store.queries.own import OwnThing

PIECE_BYTES = 256 * 1024
_ENCODE = msgspec.json.Encoder().encode


class FileObject(Struct, frozen=True, kw_only=True):
    """A file as OpenAI's API tells of one."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    object: str = "file"
    status: str = "processed"


class Naming(NamedTuple):
    """What a new file is called."""

    name: str
    purpose: str
    id: str = ""
    """Empty: one that nobody has had."""


DECODE = msgspec.json.Decoder(FileObject).decode


class OwnFiles:
    """All of them, each for its owner alone."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    def path(self, id: str) -> Path:
        """Where a file's content is. The id is one of ours, so it is a plain name."""
        return self._folder / id

    async def make(self, owner: str, name: str, purpose: str, content: bytes) -> FileObject:
        """Keeps what a caller has sent."""
        return await asyncio.to_thread(self.write, owner, Naming(name, purpose), [content])

    def write(self, owner: str, naming: "Naming", content: Iterable[bytes]) -> FileObject:
        """Keeps a file piece by piece, in place of one that has its id. Complete before anybody can find it."""
        id = naming.id or f"{FILE_PREFIX}{secrets.token_hex(12)}"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._folder / f"{id}.part"
        with open(part, "wb", opener=_private) as file:
            size = sum(map(file.write, content))
            _to_disk(file)
        part.rename(self.path(id))
        now_us = time.time_ns() // 1000
        now_s = now_us // 1_000_000
        made = FileObject(id=id, bytes=size, created_at=now_s, filename=naming.name, purpose=naming.purpose)
        document = msgspec.Raw(_ENCODE(made))
        thing = OwnThing(id=id, owner=owner, kind="file", status="processed", created_us=now_us, document=document)
        with self._store.write() as connection:
            own.remove(connection, owner, id)
            own.add(connection, thing)
        return made

    async def find(self, owner: str, id: str) -> FileObject:
        """What is known of a file. Raises `UnknownId` unless it is this owner's."""
        return DECODE((await asyncio.to_thread(find_own, self._store, owner, id)).document)

    async def delete(self, owner: str, id: str) -> None:
        """Forgets a file and its content."""
        await self.find(owner, id)
        await asyncio.to_thread(self._remove, owner, id)

    async def read(self, owner: str, id: str) -> AsyncIterator[bytes]:
        """The content, piece by piece. Raises `UnknownId` at once."""
        await self.find(owner, id)
        try:
            file = await asyncio.to_thread(self.path(id).open, "rb")
        except FileNotFoundError:
            raise NotFound(f"The content of {id!r} is gone.") from None
        return _pieces(file)

    def _remove(self, owner: str, id: str) -> None:
        with self._store.write() as connection:
            own.remove(connection, owner, id)
        self.path(id).unlink(missing_ok=True)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def find_own(store: Store, owner: str, id: str) -> OwnThing:
    """One thing. Raises `UnknownId` unless it is this owner's."""
    with store.read() as connection:
        found = own.find(connection, owner, id)
    if found is None:
        raise UnknownId(f"Nothing that this key has made here has the id {id[:200]!r}.")
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
