"""Server-sent events: bytes split into events, however the network cut them. Must not know what the data mean.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html (2026-11): lines end with LF, CRLF or CR, a
blank line ends an event, several `data` lines are joined with LF, comments and unknown fields are skipped, and what is
no UTF-8 is replaced.
"""

from typing import Final

from msgspec import Struct

from headgate.dialects.base import Malformed
from headgate.dialects.members import readable

EVENT_BYTES_MAX: Final = 4 * 1024 * 1024

_MARK: Final = "\ufeff".encode()
"""A byte order mark: none of the data."""


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One event: its name ("" when unnamed) and its data."""

    name: str
    data: bytes


class Splitter:
    """Feeds on bytes, yields complete events. Bounded: an event over the limit (4 MiB) raises `Malformed`.

    `bare` is what data begin with that stand without any field name, as Google writes its errors; empty: none do.
    """

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX, *, bare: bytes = b"") -> None:
        self._rest = bytearray()
        """The event under way, with LF line ends: it holds no blank line, so what was looked at is not again."""
        self._held = b""
        """A CR that ends the bytes so far, since an LF may follow it."""
        self._bare = bare
        self._event_bytes_max = event_bytes_max
        self._is_first = True

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes."""
        if self._is_first or self._held or b"\r" in data:
            data = self._in_lines(data)
        rest = self._rest
        if rest:
            seen = len(rest) - 1
            rest += data
            end = rest.rfind(b"\n\n", seen)
            blocks = bytes(rest[:end]) if end >= 0 else b""
            if end >= 0:
                del rest[: end + 2]
        else:
            # nearly every read ends with an event's end: to look there first saves 0.3 µs per read
            end = len(data) - 2 if data.endswith(b"\n\n") else data.rfind(b"\n\n")
            blocks = data[:end] if end >= 0 else b""
            rest += data[end + 2 :] if end >= 0 else data
        if len(rest) > self._event_bytes_max:
            raise Malformed(f"a stream event is over the limit of {self._event_bytes_max} bytes")
        return self._events(blocks) if blocks else []

    def close(self) -> list[ServerSentEvent]:
        """An event that the end of the bytes left without its blank line: lenient, as servers often forget it."""
        rest, self._rest, self._held = bytes(self._rest), bytearray(), b""
        return self._events(rest) if rest.strip() else []

    def _events(self, blocks: bytes) -> list[ServerSentEvent]:
        return [event for block in readable(blocks).split(b"\n\n") if (event := _parsed(block, self._bare)) is not None]

    def _in_lines(self, data: bytes) -> bytes:
        """`data` with LF line ends, and without the mark that may open a stream."""
        data = self._held + data
        if self._is_first and data:
            if len(data) < len(_MARK) and _MARK.startswith(data):
                self._held = data
                return b""
            self._is_first = False
            data = data.removeprefix(_MARK)
        self._held = b"\r" if data.endswith(b"\r") else b""
        body = data[:-1] if self._held else data
        return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parsed(block: bytes, bare: bytes) -> ServerSentEvent | None:
    if block.startswith(b"data: ") and b"\n" not in block:  # the usual case: one line, unnamed
        return ServerSentEvent("", block[6:])
    if block.startswith(b"event: "):  # the other usual case: a name line, a data line
        named, _, text = block[7:].partition(b"\ndata: ")
        if text and b"\n" not in text and b"\n" not in named:
            return ServerSentEvent(named.decode("utf-8", "replace"), text)
    if bare and (data_alone := block.strip()).startswith(bare):
        return ServerSentEvent("", data_alone)
    name = ""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return ServerSentEvent(name, b"\n".join(data)) if data else None


def event(data: bytes, name: str = "") -> bytes:
    """The bytes of one event. Line breaks in `data`, which JSON has only between tokens, are taken out."""
    if b"\n" in data or b"\r" in data:  # members carried over raw from a pretty-printed body
        data = data.replace(b"\r", b"").replace(b"\n", b"")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data
