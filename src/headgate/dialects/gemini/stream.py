"""Streams of Gemini, read. There is no terminator: an answer ends with its bytes. Must not know rendering."""

import msgspec

from headgate.core.events import Event, Failed
from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.gemini.framing import ChunkSplitter
from headgate.dialects.gemini.reading import Reader
from headgate.dialects.gemini.wire import NAME


class StreamParser:
    """Bytes of a streamed answer in, events out."""

    def __init__(self) -> None:
        self._splitter = ChunkSplitter()
        self._reader = Reader(is_whole=False)
        self._is_broken = False
        self._is_closed = False

    @property
    def usage(self) -> Usage | None:
        """The latest usage seen."""
        return self._reader.usage

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return self._read(self._splitter.feed(data))

    def _read(self, chunks: list[bytes]) -> list[Event]:
        events: list[Event] = []
        reader = self._reader
        for chunk in chunks:
            if reader.is_failed:
                break
            try:
                events += reader.read(chunk)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                lines = chunk.split(b"\n")
                if len(lines) > 1 and all(line.startswith(b"{") for line in lines):  # blank lines got lost on the way
                    events += self._read(lines)
                else:
                    self._is_broken = True  # one bad chunk: the rest may still tell how the answer ends
        return events

    def close(self) -> list[Event]:
        """The end. `finishReason` may stand in several chunks, so only here is it certain that nothing follows."""
        if self._is_closed:
            return []
        self._is_closed = True
        events = self._read(self._splitter.close())
        if self._reader.is_failed:
            return events
        if self._reader.is_finished:
            return events + self._reader.finish()
        return [*events, *self._reader.end_parts(), Failed(self._problem())]

    def _problem(self) -> Problem:
        is_cut = not self._is_broken
        return Problem(
            kind="upstream",
            message="the stream ended before the answer did" if is_cut else "the stream held bytes that are not JSON",
            outcome=Outcome.CUT if is_cut else Outcome.PROTOCOL,
            dialect=NAME,
        )
