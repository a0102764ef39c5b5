"""Forms that pass while they come. What stands before the first file is read, the rest is looked at in passing; nothing
of a file is kept. Must not know what a form is for."""

from collections.abc import AsyncIterator
from typing import Final

from headgate.core.problems import InvalidRequest
from headgate.dialects.multipart import Begun, Content, Ended, Piece, Scanner, boundary_of
from headgate.engine.call import Call, Upload

FIELDS_BYTES_MAX: Final = 64 * 1024
"""Of all that stands before the first file."""


class Whole:
    """A body at hand, read like one that comes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._length = len(body)

    @property
    def length(self) -> int:
        """In bytes."""
        return self._length

    async def read(self) -> bytes:
        """All of it, then nothing."""
        body, self._body = self._body, b""
        return body


class Stream:
    """A body that passes while it comes, of whatever kind: nobody looks at it."""

    def __init__(self, source: Upload) -> None:
        self._source = source

    @property
    def length(self) -> int:
        """In bytes; 0: nobody knows."""
        return self._source.length

    async def passing(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        while data := await self._source.read():
            yield data


class Form:
    """Made by `open_form`."""

    def __init__(self, source: Upload, content_type: str) -> None:
        self._source = source
        self._scanner = Scanner(boundary_of(content_type))
        self._held = bytearray()
        self._pieces: list[Piece] = []
        self._is_over = False
        self._part = Begun(name="", file_name=None, content_type="", at=0)
        self._text = b""
        self._ended_at = 0
        self._values: dict[str, tuple[int, int]] = {}
        self._spans: dict[str, tuple[int, int]] = {}
        self._edits: list[tuple[int, int, bytes]] = []
        self.fields: dict[str, str] = {}
        """The plain fields before the first file."""
        self.file = ""
        """The name of the first part that is a file; empty: there is none."""
        self._has_file = False

    @property
    def length(self) -> int:
        """How long it is as it goes on, in bytes; 0: nobody knows."""
        changed = sum(len(new) - (end - start) for start, end, new in self._edits)
        return self._source.length and self._source.length + changed

    def drop(self, name: str) -> None:
        """A field, if it is there, goes no further."""
        if name in self._spans:
            self._edits.append((*self._spans[name], b""))

    def put(self, name: str, value: str) -> None:
        """A field that is there goes on with another value."""
        self._edits.append((*self._values[name], value.encode()))

    async def passing(self) -> AsyncIterator[bytes]:
        """The form as it goes on. Raises `InvalidRequest` where it turns out to be none."""
        held, at = bytes(self._held), 0
        kept: list[bytes] = []
        for start, end, new in sorted(self._edits):
            kept += held[at:start], new
            at = end
        self._held.clear()
        self._pieces.clear()
        yield b"".join((*kept, held[at:]))
        while not self._is_over:
            data = await self._source.read()
            self._scan(data)
            if data:
                yield data

    async def parts(self) -> AsyncIterator[Piece]:
        """The form as it is read, from its beginning. Raises `InvalidRequest` likewise."""
        self._held.clear()
        pieces, self._pieces = self._pieces, []
        while True:
            for piece in pieces:
                yield piece
            if self._is_over:
                return
            pieces = self._scan(await self._source.read())

    async def open(self) -> None:
        """Reads up to the first byte of the first file, or to the end. Raises `InvalidRequest`."""
        while not self._has_file:
            data = await self._source.read()
            self._held += data
            pieces = self._scan(data)
            self._pieces += pieces
            for piece in pieces:
                if not self._has_file:
                    self._note(piece)
            if not data:
                return
            if len(self._held) > FIELDS_BYTES_MAX and not self._has_file:
                raise InvalidRequest(f"the form has more than {FIELDS_BYTES_MAX} bytes before its first file")

    def _scan(self, data: bytes) -> list[Piece]:
        if data:
            return self._scanner.feed(data)
        self._scanner.close()
        self._is_over = True
        return []

    def _note(self, piece: Piece) -> None:
        """What stands before the first file."""
        part = self._part
        match piece:
            case Begun():
                self._part, self._text = piece, b""
            case Content(data):
                if part.file_name is None:
                    self._text += data
                else:
                    self.file, self._has_file = part.name, True
            case Ended(at):
                if part.file_name is not None:
                    raise InvalidRequest(f"'{part.name}' is an empty file", param=part.name)
                self._keep_field(part, at)

    def _keep_field(self, part: Begun, at: int) -> None:
        if part.name in self.fields:
            raise InvalidRequest(f"'{part.name}' is there twice; send it once", param=part.name)
        try:
            self.fields[part.name] = self._text.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"'{part.name}' is not UTF-8", param=part.name) from None
        self._values[part.name] = part.at, at
        # From the end of the part before to its own; before the first there is only its boundary, whose line stays
        self._spans[part.name] = (self._ended_at, at) if self._ended_at else (0, at + len(b"\r\n"))
        self._ended_at = at


async def open_form(call: Call, content_type: str) -> Form:
    """The form that a call brings, read up to the first byte of its first file."""
    form = Form(call.upload or Whole(call.body), content_type)
    await form.open()
    return form
