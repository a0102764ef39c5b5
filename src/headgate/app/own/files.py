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

from headgate.core.problems import InvalidRequest, NotFound, UnknownId
from headgate.dialects.multipart import Begun, Content, Ended
from headgate.engine.forms import Form
from headgate.engine.own import FILE_PREFIX
from headgate.store.base import Store
from headgate.store.queries import own
from headgate.store.queries.own import OwnThing

PIECE_BYTES = 256 * 1024
_NAME_BYTES_MAX = 256
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

    async def receive(self, owner: str, form: Form) -> FileObject:
        """Keeps the file of a form while it comes. Raises `InvalidRequest` for a form without file or purpose."""
        draft = await asyncio.to_thread(_Draft, self._folder, f"{FILE_PREFIX}{secrets.token_hex(12)}")
        try:
            naming = await _fill(draft, form)
            return await asyncio.to_thread(self._publish, owner, naming, draft)
        finally:
            await asyncio.to_thread(draft.close)

    def write(self, owner: str, naming: "Naming", content: Iterable[bytes]) -> FileObject:
        """Keeps a file piece by piece, in place of one that has its id. Complete before anybody can find it."""
        draft = _Draft(self._folder, naming.id or f"{FILE_PREFIX}{secrets.token_hex(12)}")
        try:
            for piece in content:
                draft.write(piece)
            return self._publish(owner, naming, draft)
        finally:
            draft.close()

    def _publish(self, owner: str, naming: "Naming", draft: "_Draft") -> FileObject:
        draft.finish(self.path(draft.id))
        now_us = time.time_ns() // 1000
        made = FileObject(
            id=draft.id,
            bytes=draft.size,
            created_at=now_us // 1_000_000,
            filename=naming.name,
            purpose=naming.purpose,
        )
        thing = OwnThing(
            id=draft.id,
            owner=owner,
            kind="file",
            status="processed",
            created_us=now_us,
            document=msgspec.Raw(_ENCODE(made)),
        )
        with self._store.write() as connection:
            own.remove(connection, owner, draft.id)
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


class _Draft:
    """A file that is not whole yet; what is left of one that never is, is taken away."""

    def __init__(self, folder: Path, id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.id = id
        self.size = 0
        self._path = folder / f"{id}.part"
        self._file = open(self._path, "wb", opener=_private)  # noqa: SIM115 - closed by `close`

    def write(self, data: bytes) -> None:
        """More of it."""
        self.size += self._file.write(data)

    def finish(self, path: Path) -> None:
        """It is whole, and on disk under its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.rename(path)

    def close(self) -> None:
        """Lets go of it."""
        self._file.close()
        self._path.unlink(missing_ok=True)


async def _fill(draft: _Draft, form: Form) -> Naming:
    """Writes the file of a form; what the form calls it."""
    name: str | None = None
    fields: dict[str, bytes] = {}
    part: Begun | None = None
    async for piece in form.parts():
        match piece:
            case Begun():
                part = piece
                is_twice = part.name in fields or (part.name == "file" and name is not None)
                if is_twice or (part.file_name is not None) != (part.name == "file"):
                    raise InvalidRequest(f"{part.name!r} is there twice, or is the wrong kind of part", param=part.name)
                if part.file_name is None:
                    fields[part.name] = b""
                else:
                    name = part.file_name.replace("\\", "/").rpartition("/")[2][:_NAME_BYTES_MAX] or "file"
            case Content(data) if part is not None and part.file_name is None:
                fields[part.name] += data
                if len(fields[part.name]) > _NAME_BYTES_MAX:
                    raise InvalidRequest(f"{part.name!r} is over the limit of {_NAME_BYTES_MAX} bytes", param=part.name)
            case Content(data):
                await asyncio.to_thread(draft.write, bytes(data))
            case Ended():
                pass
    purpose = fields.get("purpose", b"").decode("utf-8", "replace")
    if not purpose:
        raise InvalidRequest("'purpose' is missing: say batch", param="purpose")
    return Naming(name or "file", purpose)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
