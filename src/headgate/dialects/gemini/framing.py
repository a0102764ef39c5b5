"""How a stream's chunks are cut: SSE with `alt=sse`, otherwise one JSON array. Must not know what the chunks mean."""

import re
from typing import Final

from headgate.dialects.base import Malformed
from headgate.dialects.sse import Splitter

CHUNK_BYTES_MAX: Final = 32 * 1024 * 1024
"""A picture comes in one chunk: 4K in base64 is beyond 20 MB."""

_MARK = re.compile(rb'["\\{}]')


class ObjectSplitter:
    """Cuts the objects out of a JSON array, or out of objects line by line."""

    def __init__(self) -> None:
        self._rest = b""
        self._at = 0
        self._depth = 0
        self._start = 0
        self._is_in_string = False

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that `data` completes."""
        buffer = self._rest + data if self._rest else data
        out: list[bytes] = []
        skip = self._at
        for found in _MARK.finditer(buffer, self._at):
            at = found.start()
            if at < skip:
                continue
            mark = buffer[at]
            if self._is_in_string:
                if mark == ord("\\"):
                    skip = at + 2
                elif mark == ord('"'):
                    self._is_in_string = False
            elif mark == ord('"'):
                self._is_in_string = self._depth > 0
            elif mark == ord("{"):
                self._start = at if self._depth == 0 else self._start
                self._depth += 1
            elif mark == ord("}") and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    out.append(buffer[self._start : at + 1])
        self._keep(buffer, skip)
        return out

    def _keep(self, buffer: bytes, skip: int) -> None:
        start = self._start if self._depth else len(buffer)
        self._rest = buffer[start:]
        if len(self._rest) > CHUNK_BYTES_MAX:
            raise Malformed(f"a stream chunk is over the limit of {CHUNK_BYTES_MAX} bytes")
        self._at = max(skip, len(buffer)) - start
        self._start = 0


class ChunkSplitter:
    """Cuts a stream of either framing: the first byte that is no white space tells which."""

    def __init__(self) -> None:
        self._events: Splitter | None = None
        self._objects: ObjectSplitter | None = None
        self._is_between = False

    def feed(self, data: bytes) -> list[bytes]:
        """The chunks that `data` completes."""
        if self._events is not None:
            # whole events in Google's own spelling (5.4 µs → 1.2 µs per event)
            if self._is_between and data.startswith(b"data: ") and data.endswith(b"\r\n\r\n"):
                events = data[6:-4].split(b"\r\n\r\ndata: ")
                if data.count(b"\n") == data.count(b"\r") == 2 * len(events):
                    return events
            self._is_between = data.endswith((b"\n\n", b"\r\n\r\n"))
            return [event.data for event in self._events.feed(data)]
        if self._objects is not None:
            return self._objects.feed(data)
        begun = data.lstrip(b" \t\r\n\xef\xbb\xbf")
        if not begun:
            return []
        if begun[0] in b"[{":
            self._objects = ObjectSplitter()
            return self._objects.feed(begun)
        self._events, self._is_between = Splitter(CHUNK_BYTES_MAX, bare=b"{"), True
        return self.feed(begun)

    def close(self) -> list[bytes]:
        """The chunk that the end of the bytes completes."""
        return [] if self._events is None else [event.data for event in self._events.close()]
