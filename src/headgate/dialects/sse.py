"""Server-sent events: bytes split into events, however the network cut them. Must not know what the data mean.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html (2026-11): lines end with LF, CRLF or CR, a
blank line ends an event, several `data` lines are joined with LF, comments and unknown fields are skipped.
"""

from typing import Final

from msgspec import Struct

from headgate.dialects.base import Malformed

EVENT_BYTES_MAX: Final = 4 * 1024 * 1024


class ServerSentEvent(Struct, frozen=True, gc=False):
    """One event: its name ("" when unnamed) and its data."""

    name: str
    data: bytes


class Splitter:
    """Feeds on bytes, yields complete events. Bounded: an event over the limit (4 MiB) raises `Malformed`.

    `bare` is what data begin with that stand without any field name, as Google writes its errors; empty: none do.
    """

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX, *, bare: bytes = b"") -> None:
        self._rest = b""
        self._bare = bare
        self._event_bytes_max = event_bytes_max

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes."""
        buffer = self._rest + data if self._rest else data
        if b"\r" in buffer:
            buffer, held = _without_returns(buffer)
        else:
            held = b""
        # nearly every read ends with an event's end: to look there first saves 0.3 µs per read
        end = len(buffer) - 2 if buffer.endswith(b"\n\n") else buffer.rfind(b"\n\n")
        if end < 0:
            self._rest = buffer + held
            if len(self._rest) > self._event_bytes_max:
                raise Malformed(f"a stream event is over the limit of {self._event_bytes_max} bytes")
            return []
        self._rest = buffer[end + 2 :] + held
        return [event for block in buffer[:end].split(b"\n\n") if (event := _parsed(block, self._bare)) is not None]

    def close(self) -> list[ServerSentEvent]:
        """An event that the end of the bytes left without its blank line: lenient, as servers often forget it."""
        rest, self._rest = self._rest, b""
        block = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        event = _parsed(block, self._bare) if block.strip() else None
        return [event] if event is not None else []


def _without_returns(buffer: bytes) -> tuple[bytes, bytes]:
    """`buffer` with LF line ends; a trailing CR is held back, since an LF may follow it."""
    held = b"\r" if buffer.endswith(b"\r") else b""
    body = buffer[:-1] if held else buffer
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), held


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
