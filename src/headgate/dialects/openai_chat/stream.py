"""Streams of this dialect, read: bytes in, events out, however the network cut them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from headgate.core.events import Event
from headgate.core.problems import Outcome
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.members import repaired
from headgate.dialects.openai_chat.assembling import Assembler
from headgate.dialects.openai_chat.chunks import add_chunk
from headgate.dialects.openai_chat.errors import parse_error
from headgate.dialects.openai_chat.loose import add_members
from headgate.dialects.openai_chat.response import members_of
from headgate.dialects.openai_chat.wire import CHUNK, OBJECT
from headgate.dialects.sse import EVENT_BYTES_MAX, ServerSentEvent, Splitter

_PLAIN_BYTES_MAX: Final = 8 * EVENT_BYTES_MAX


class StreamParser:
    """Reads a stream; also a whole body sent in its place, and bare lines of JSON."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._assembler = Assembler()
        self._is_sse = False
        """Known at the first character."""
        self._plain = b""
        self._is_broken = False
        self._is_done = False

    @property
    def usage(self) -> Usage | None:
        """The latest usage seen."""
        return self._assembler.usage

    @usage.setter
    def usage(self, usage: Usage | None) -> None:
        self._assembler.usage = usage

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if not self._is_sse:
            data = self._opened(data)
        if data:
            self._read(self._splitter.feed(data))
        return self._taken()

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        self._read(self._splitter.close())
        if self._plain.strip():
            self._read_plain(self._plain.strip())
        assembler = self._assembler
        if assembler.has_reason or (self._is_done and assembler.is_started and not self._is_broken):
            assembler.finish()
        elif self._is_broken:
            assembler.fail_by(Outcome.PROTOCOL, "a chunk was not JSON")
        else:
            assembler.fail_by(Outcome.CUT)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._assembler.events = self._assembler.events, []
        return events

    def _read(self, events: Iterable[ServerSentEvent]) -> None:
        assembler = self._assembler
        for event in events:
            if assembler.is_over:
                return
            try:
                chunk = CHUNK.decode(event.data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._read_odd(event.data.strip(), is_error=event.name == "error")
            else:
                add_chunk(assembler, chunk)

    def _read_odd(self, data: bytes, *, is_error: bool) -> None:
        """What is not an ordinary chunk: the end, an error, members unknown or of another type, or no JSON."""
        if data == b"[DONE]":
            self._is_done = True
            if self._assembler.is_started and not self._is_broken:
                self._assembler.finish()
            return
        if is_error:
            return self._assembler.fail(parse_error(502, {}, data))
        try:
            members = OBJECT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            try:
                members = OBJECT.decode(repaired(data))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                # a chunk that ends a whole stream may be forgiven, if the reason to stop was told
                self._is_broken = self._is_broken or data.startswith((b"{", b"<"))
                return
        add_members(self._assembler, members, data, is_whole=False)

    def _opened(self, data: bytes) -> bytes:
        """Decides by the first character: SSE has fields and comments, JSON and pages have neither."""
        self._plain += data
        start = self._plain.lstrip()[:1]
        if not start:
            return b""
        self._is_sse = start not in b"{[<"
        if self._is_sse:
            data, self._plain = self._plain, b""
            return data
        if len(self._plain) > _PLAIN_BYTES_MAX:
            raise Malformed(f"an unframed answer is over the limit of {_PLAIN_BYTES_MAX} bytes")
        return b""

    def _read_plain(self, body: bytes) -> None:
        """A whole answer or an error in place of a stream, or one chunk a line."""
        try:
            members = members_of(body)
        except Malformed as error:
            lines = body.splitlines()
            if len(lines) > 1 and lines[0].lstrip().startswith(b"{") and lines[0].rstrip().endswith(b"}"):
                self._read(ServerSentEvent("", line) for line in lines)
            else:
                self._assembler.fail_by(Outcome.PROTOCOL, str(error))
            return
        is_whole = b'"message"' in body or b'"delta"' not in body
        add_members(self._assembler, members, body, is_whole=is_whole)
        if is_whole:
            self._assembler.finish()
