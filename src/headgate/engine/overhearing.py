"""What an answer that passes through used, overheard: the dialect's own reader listens in. Must not change a byte."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from msgspec import structs

from headgate.core.events import Event, Finished, Started
from headgate.core.problems import HeadgateError
from headgate.core.usage import Usage
from headgate.dialects.base import Dialect
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import members_of
from headgate.dialects.side import Asked, SideOperation, StreamTap

_SPOKEN: Final = (
    (re.compile(r".*/chat/completions"), "openai_chat"),
    (re.compile(r".*/responses"), "openai_responses"),
    (re.compile(r".*/messages"), "anthropic"),
    (re.compile(r".*/models/(?P<model>[^/:]+):(?:stream)?[gG]enerateContent"), "gemini"),
    (re.compile(r".*/v2/chat"), "cohere"),
    (re.compile(r".*/api/chat"), "ollama"),
)
"""Paths whose answers tell usage that is priced, by the dialect they are in."""


class Line(NamedTuple):
    """What one answer of a model has used: prices may depend on how long each is, so answers are not added up."""

    model: str
    usage: Usage
    answers: int = 1
    """How many answers have used that much."""


class Ear(Protocol):
    """Listens to one answer."""

    def begin(self, content_type: str) -> None:
        """The answer's type is known."""
        ...

    def feed(self, data: bytes) -> None:
        """More of the answer; b"" is its end."""
        ...


class Hearing(Ear, Protocol):
    """Listens to the answer of one model."""

    is_ended: bool
    """Whether the answer has said that it is whole."""

    def bill(self) -> list[Line]:
        """What the answer used, as far as it has said so."""
        ...


class SideHearing:
    """Listens to the answer to a call beside talking."""

    def __init__(self, side: SideOperation, model: str, bytes_max: int) -> None:
        self._side = side
        self._model = model
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._bytes = 0
        self._tap: StreamTap | None = None
        self._usage: Usage | None = None
        self._is_lost = False
        self.is_ended = False

    def begin(self, content_type: str) -> None:
        """The answer's type is known."""
        streaming = self._side.streaming
        if streaming is not None and not content_type.startswith("application/json"):
            self._tap = streaming.tap()

    def feed(self, data: bytes) -> None:
        """More of the answer; b"" is its end. What cannot be read is not read on."""
        self._bytes += len(data)
        self._is_lost = self._is_lost or (self._tap is None and self._bytes > self._bytes_max)
        try:
            if self._is_lost:
                self._parts.clear()
            elif self._tap is not None:
                self._tap.feed(data)
                self._usage, self.is_ended = self._tap.usage, self._tap.is_finished
            elif data:
                self._parts.append(data)
            else:
                asked = Asked(model=self._model, measured=Usage())
                self._usage = self._side.read(b"".join(self._parts), "application/json", asked)
                self.is_ended = True
        except HeadgateError:
            self._is_lost = True

    def bill(self) -> list[Line]:
        """What the answer used, as far as it has said so."""
        return [Line(self._model, self._usage)] if self._usage is not None else []


class Overhearing:
    """Listens to the answer of one model."""

    def __init__(self, dialect: str, model: str, bytes_max: int) -> None:
        self.dialect = dialect
        self._model = model
        self._reader: Dialect = DIALECTS[dialect]
        self._bytes_max = bytes_max
        self._parser = self._reader.stream_parser()
        self._parts: list[bytes] = []
        self._bytes = 0
        self._is_stream = self._is_lost = False
        self._usage: Usage | None = None
        self.is_ended = False
        """Whether the answer has said that it is whole."""
        self.id = ""
        """The answer's."""

    def begin(self, content_type: str) -> None:
        """The answer's type is known."""
        self._is_stream = not content_type.startswith("application/json")

    def feed(self, data: bytes) -> None:
        """More of the answer; b"" is its end. What cannot be read is not read on."""
        self._bytes += len(data)
        if self._is_lost:
            return
        try:
            if self._is_stream:
                self._note(self._parser.feed(data) if data else self._parser.close())
            elif not data:
                self._note(self._reader.parse_response(b"".join(self._parts)))
            elif self._bytes > self._bytes_max:
                self._lose()
            else:
                self._parts.append(data)
        except HeadgateError:
            self._lose()

    def bill(self) -> list[Line]:
        """What the answer used, as far as it has said so."""
        usage = self._usage or self._parser.usage
        return [Line(self._model, usage)] if usage is not None else []

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Started):
                self.id = event.id
            elif isinstance(event, Finished):
                self.is_ended = True
                self._usage = event.usage or self._usage

    def _lose(self) -> None:
        self._is_lost = True
        self._parts.clear()


def overhear(method: str, path: str, body: bytes, bytes_max: int) -> Overhearing | None:
    """A listener for the answer to this request; None where nothing that is priced is told."""
    if method != "POST":
        return None
    for pattern, dialect in _SPOKEN:
        if match := pattern.fullmatch(path):
            model = match.groupdict().get("model") or members_of(body).get("model")
            return Overhearing(dialect, model if isinstance(model, str) else "", bytes_max)
    return None


def total_of(lines: Iterable[Line]) -> Usage:
    """Everything that was used, of whatever model; the tier is the first one's."""
    all_lines = list(lines)
    if len(all_lines) == 1 and all_lines[0].answers == 1:
        return all_lines[0].usage
    sums = {name: sum(getattr(line.usage, name) * line.answers for line in all_lines) for name in _COUNTS}
    return structs.replace(Usage(tier=all_lines[0].usage.tier), **sums)


_COUNTS: Final = tuple(name for name, value in structs.asdict(Usage()).items() if type(value) is int)
