"""Newline-delimited JSON: bytes split into lines, however the network cut them. Must not know what the lines mean.

https://github.com/ndjson/ndjson-spec (2026-11): a line ends with LF, CRLF is let pass, empty lines are skipped.
"""

from typing import Final

from headgate.dialects.base import Malformed

LINE_BYTES_MAX: Final = 4 * 1024 * 1024


class LineSplitter:
    """Feeds on bytes, yields complete lines. Bounded: a line over the limit (4 MiB) raises `Malformed`."""

    def __init__(self, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._rest = bytearray()
        """The line under way: it holds no line feed, so what was looked at is not again."""
        self._line_bytes_max = line_bytes_max

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        whole, end, rest = data.rpartition(b"\n")
        if end and self._rest:
            whole = bytes(self._rest) + whole
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > self._line_bytes_max:
            raise Malformed(f"a stream line is over the limit of {self._line_bytes_max} bytes")
        return [line for piece in whole.split(b"\n") if (line := piece.strip())] if end else []

    def close(self) -> list[bytes]:
        """A line that the end of the bytes left without its line feed: lenient, as servers often forget it."""
        line, self._rest = bytes(self._rest.strip()), bytearray()
        return [line] if line else []


def line(data: bytes) -> bytes:
    """The bytes of one line. Line breaks in `data`, which JSON has only between tokens, are taken out."""
    if b"\n" in data or b"\r" in data:  # members carried over raw from a pretty-printed body
        data = data.replace(b"\r", b"").replace(b"\n", b"")
    return data + b"\n"
