"""What a dialect offers beside talking: one request, one answer. Each operation is a row with pure readers.

A row knows where clients ask for it, what must be known of a request, how its model is replaced, and where an answer
tells what it consumed. The bytes pass as they are; where a row has `halves`, other dialects can be asked in its place.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.problems import InvalidRequest, Problem
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.multipart import Part, boundary_of, parts_of, text_of, with_field
from headgate.dialects.sse import ServerSentEvent, Splitter

Name = Literal[
    "embeddings",
    "ranking",
    "moderations",
    "completions",
    "image_generations",
    "image_edits",
    "image_variations",
    "speech",
    "transcriptions",
    "translations",
    "compaction",
    "interactions",
]
TITLES: Final[dict[str, str]] = {
    "embeddings": "embed texts",
    "ranking": "rank documents",
    "moderations": "moderate texts",
    "completions": "complete texts",
    "image_generations": "make pictures",
    "image_edits": "edit pictures",
    "image_variations": "vary pictures",
    "speech": "speak texts",
    "transcriptions": "transcribe sound",
    "translations": "translate sound",
    "compaction": "shorten conversations",
    "interactions": "hold Google's interactions",
}
"""What each is, in words that follow `can`."""
FORM: Final = "multipart/form-data"
CHARS_PER_TOKEN: Final = 4
"""A rough rule, as for talking; every figure made with it is marked as estimated."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ENCODE: Final = msgspec.json.Encoder().encode
_JSON: Final = re.compile(r"(?:application/json|text/json|application/[\w.+-]+\+json)\s*(?:;.*)?", re.I)


class Sent(Struct, frozen=True, kw_only=True):
    """A client's request as it came."""

    body: bytes
    envelope: Envelope
    content_type: str = ""


class Asked(Struct, frozen=True, kw_only=True):
    """What must be known of a request."""

    model: str
    measured: Usage
    """What it will consume, as far as the request alone tells; counts if the answer does not say."""
    is_stream: bool = False
    shows_usage: bool = True
    """False: the stream must not show usage, which the client did not ask for."""
    model_at: tuple[int, int] | None = None
    """Where in a form the model stands."""
    format: str = ""
    """What kind of answer is wanted, where there are several."""
    refers: tuple[str, ...] = ()
    """What it names that is kept at one service."""
    question: Any = None
    """The request in words, where it can be told in other dialects."""


class Kept(NamedTuple):
    """An answer that the provider keeps under its id."""

    id: str
    is_pending: bool
    """Whether it goes on in the background: what it uses is told by it later."""


class StreamTap(Protocol):
    """Listens in on a streamed answer; a cut anywhere changes nothing."""

    usage: Usage | None
    """The latest that was told."""
    chars: int
    """How much text has come."""
    events: int
    is_finished: bool
    """Whether the answer may end here and be whole."""
    is_over: bool
    """Whether nothing of it is to come."""
    failed: Problem | None
    """The error that the answer has told in its midst."""
    kept: Kept | None
    """The answer itself, where it is kept: told with its first event."""

    def feed(self, data: bytes) -> None:
        """More of the answer; b"" at its end."""
        ...


class EventsTap(StreamTap):
    """What is the same of all that listen in on server-sent events; others say what one event tells."""

    def __init__(self, event_bytes_max: int) -> None:
        self.usage: Usage | None = None
        self.chars = 0
        self.events = 0
        self.is_finished = self.is_over = False
        self.failed: Problem | None = None
        self.kept: Kept | None = None
        self._splitter = Splitter(event_bytes_max)

    def feed(self, data: bytes) -> None:
        """More of the stream; b"" at its end."""
        for each in self._splitter.feed(data) if data else self._splitter.close():
            self.events += 1
            if each.data.strip() == b"[DONE]":
                self.is_over = True
                self._done()
                continue
            try:
                self._read(each)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise Malformed(f"the stream has an event that is none: {each.data[:60]!r}") from None

    def _read(self, each: ServerSentEvent) -> None:
        """Takes in one event. Raises what its decoder raises."""
        raise NotImplementedError

    def _done(self) -> None:
        """The stream has said that it is over."""


class Filter(Protocol):
    """Passes a stream on in whole events, but for those that the client did not ask for."""

    def feed(self, data: bytes) -> bytes:
        """What may be forwarded now."""
        ...

    def close(self) -> bytes:
        """What was held back at the end of the bytes."""
        ...


class WholeEvents:
    """Holds back an event that is not complete, so that an error event can follow at any time."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What may be forwarded now."""
        rest = self._rest
        data = rest + data if rest else data
        start = max(0, len(rest) - 4)  # what was held has no end in it
        end = max(at + len(mark) if (at := data.rfind(mark, start)) >= 0 else 0 for mark in (b"\n\n", b"\r\n\r\n"))
        self._rest = data[end:]
        return data[:end]

    def close(self) -> bytes:
        """What was held back at the end of the bytes."""
        rest, self._rest = self._rest, b""
        return rest


class Streaming(Struct, frozen=True, kw_only=True):
    """How an answer is streamed."""

    tap: Callable[[], StreamTap]
    filter: Callable[[Asked], Filter]
    fail: Callable[[Problem], bytes]
    """The event that ends a stream which broke off."""


class SideOperation(Struct, frozen=True, kw_only=True):
    """One row: an operation in one dialect."""

    name: Name
    paths: tuple[str, ...]
    """Where clients ask for it, without a name in the path."""
    peek: Callable[[Sent], Asked]
    """Reads a request and refuses what is wrong with it, naming the field."""
    patch: Callable[[Sent, Asked, Target], bytes]
    """The same body with the model replaced: every other byte as it came."""
    address: Callable[[Asked, Target], str]
    """The path below the provider's base URL."""
    read: Callable[[bytes, str, Asked], Usage | None]
    """What a whole answer of this content type tells of its usage. Raises `Malformed` for what is no answer."""
    counted_in: str = ""
    """The header field that tells how many tokens went in, where an answer's body does not."""
    bodies: tuple[str, ...] = ("application/json",)
    """Content types of requests."""
    is_binary: bool = False
    """The answer is passed on as it comes, whatever it is."""
    streaming: Streaming | None = None
    kept: Callable[[bytes], Kept | None] | None = None
    """Of a whole answer, what of it the provider keeps; None: nothing ever."""
    halves: Operation[Any, Any] | None = None
    tells: Callable[[Extras], Usage | None] | None = None
    """What the members of a body tell of usage, even of one that is an error in place of an answer; None: nothing."""


def usage_told(side: SideOperation, body: bytes) -> Usage | None:
    """What a body tells of usage, whatever else it is."""
    try:
        return side.tells(_OBJECT.decode(body)) if side.tells is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_form(content_type: str) -> bool:
    """Whether a body is one with files in it."""
    return content_type[: len(FORM)].lower() == FORM


def is_json(content_type: str) -> bool:
    """Whether it says that it is JSON."""
    return _JSON.fullmatch(content_type.strip()) is not None


def check_content_type(operation: SideOperation, content_type: str) -> None:
    """Raises a 415 for a kind of body that the operation does not take. None at all, or text, is taken for JSON, as
    hand-made calls often have it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in operation.bodies:
        return
    is_lax = kind in ("", "text/plain", "application/x-www-form-urlencoded") or is_json(content_type)
    if "application/json" in operation.bodies and is_lax:
        return
    wanted = " or ".join(operation.bodies)
    told = f"content-type {kind[:80] or 'is missing: it'} cannot be used here; send {wanted}"
    error = InvalidRequest(told, param="content-type", code="unsupported_content_type")
    error.problem = structs.replace(error.problem, status=415)
    raise error


# JSON


def patched(sent: Sent, asked: Asked, target: Target) -> bytes:
    """The body with the model replaced: as it came if it is the same, else every other member byte for byte."""
    if asked.model_at is not None:
        start, end = asked.model_at
        return sent.body[:start] + target.model.encode() + sent.body[end:]
    if is_form(sent.content_type):
        return with_field(sent.body, boundary_of(sent.content_type), "model", target.model)
    members = _OBJECT.decode(sent.body)
    model = Raw(_ENCODE(target.model))
    return sent.body if members.get("model") == model else _ENCODE({**members, "model": model})


# Forms


class Form:
    """The parts of a form by name, as an operation reads them."""

    def __init__(self, sent: Sent) -> None:
        self._body = sent.body
        self.parts = parts_of(sent.body, sent.content_type)

    def field(self, name: str, bytes_max: int = 4096) -> str | None:
        """A plain field's text; None: it is not there. Twice is once too often: who knows which one counts?"""
        part = self._only(name)
        return None if part is None else text_of(part, self._body, bytes_max)

    def required(self, name: str, bytes_max: int = 4096) -> str:
        """A plain field that must be there."""
        text = self.field(name, bytes_max)
        if not text:
            raise InvalidRequest(f"'{name}' is required: a plain field of the form", param=name)
        return text

    def span(self, name: str) -> tuple[int, int] | None:
        """Where a field's value stands."""
        part = self._only(name)
        return None if part is None else (part.start, part.end)

    def flag(self, name: str) -> bool:
        """A boolean."""
        text = self.field(name)
        if text is None or text.lower() in ("", "false", "0"):
            return False
        if text.lower() in ("true", "1"):
            return True
        raise InvalidRequest(f"'{name}' must be true or false, not {text[:40]!r}", param=name)

    def integer(self, name: str, least: int = 1) -> int | None:
        """A whole number."""
        text = self.field(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
            raise InvalidRequest(f"'{name}' must be a whole number from {least}, not {text[:40]!r}", param=name)
        return int(text)

    def number(self, name: str) -> None:
        """A number, if it is there."""
        text = self.field(name)
        try:
            is_number = not text or math.isfinite(float(text))
        except ValueError:
            is_number = False
        if not is_number:
            raise InvalidRequest(f"'{name}' must be a number, not {text[:40] if text else ''!r}", param=name)

    def files(self, *names: str) -> list[memoryview]:
        """The files of these names, one at least, none of them empty."""
        found = [part for part in self.parts if part.name in names]
        if not found:
            raise InvalidRequest(f"'{names[0]}' is required: a part of the form with a file name", param=names[0])
        for part in found:
            if part.file_name is None:
                raise InvalidRequest(f"'{part.name}' must be a file: a part with a file name", param=part.name)
            if part.start == part.end:
                raise InvalidRequest(f"'{part.name}' is an empty file", param=part.name)
        view = memoryview(self._body)
        return [view[part.start : part.end] for part in found]

    def _only(self, name: str) -> Part | None:
        found = [part for part in self.parts if part.name == name]
        if len(found) > 1:
            raise InvalidRequest(f"'{name}' is there {len(found)} times; send it once", param=name)
        return found[0] if found else None


# Usage


def estimated(chars: int, output_chars: int = 0) -> Usage:
    """A guess by the length of texts."""
    return Usage(
        input_tokens=max(1, -(-chars // CHARS_PER_TOKEN)),
        output_tokens=-(-output_chars // CHARS_PER_TOKEN),
        is_estimated=True,
    )


def chars_of(texts: Iterable[str]) -> int:
    """How long they are together."""
    return sum(map(len, texts))


def by_name(operations: Sequence[SideOperation]) -> dict[str, SideOperation]:
    """A dialect's table."""
    return {operation.name: operation for operation in operations}
