"""Streams of InvokeModel: a maker's own events, each in base64 in a message of AWS's event stream."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.events import Event, Failed, Finished, PartDelta, Started
from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects import eventstream, sse
from headgate.dialects.base import Dialect, ReplyTo
from headgate.dialects.base import StreamParser as InnerParser
from headgate.dialects.base import StreamRenderer as InnerRenderer
from headgate.dialects.bedrock_invoke.completions import (
    NAME,
    CompletionParser,
    chunk_of,
    last_chunk,
    usage_at,
)
from headgate.dialects.bedrock_invoke.families import FAMILIES, Answer, Completion, Family, of_answer
from headgate.dialects.members import readable

Makers = Mapping[str, Dialect]
"""The dialects that bodies may be of, by name: handed in, since a dialect knows no other."""

EVENTS: Final = "bedrock_converse"
"""The dialect whose own streams are of event-stream messages too, and whose errors are those of this one."""

_METRICS_ALONE: Final = Answer(text=(), reason=())
_STREAM_TYPES: Final = frozenset(
    {
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "modelTimeoutException",
        "serviceUnavailableException",
    }
)
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html (2026-11)"""

_CHUNK: Final = msgspec.json.Decoder(dict[str, Raw])
_ANY: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


class _Payload(Struct):
    bytes: str = ""


_PAYLOAD: Final = msgspec.json.Decoder(_Payload)


class StreamParser:
    """Bytes of a streamed answer in, events out; the first chunk tells whose they are."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers
        self._splitter = eventstream.Splitter()
        self._family: Family | None = None
        self._inner: InnerParser | None = None
        self._completion: CompletionParser | None = None
        self._metered: Usage | None = None
        """What Bedrock itself counted."""
        self._is_over = False

    @property
    def usage(self) -> Usage | None:
        """The latest usage seen."""
        reader = self._inner or self._completion
        return (reader.usage if reader is not None else None) or self._metered

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        events: list[Event] = []
        if self._is_over:
            return events
        for message in self._splitter.feed(data):
            if not self._is_over:
                self._read(message, events)
        return events

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        if self._is_over:
            return []
        self._is_over = True
        events: list[Event] = []
        if self._inner is not None:
            self._take(self._inner.close(), events)
        elif self._completion is not None:
            events = self._completion.finish()
        if events:
            return events
        message = "the upstream's stream ended before the answer was complete"
        return [Failed(Problem(kind="upstream", message=message, outcome=Outcome.CUT))]

    def _read(self, message: eventstream.Message, events: list[Event]) -> None:
        if message.text(":message-type") in ("exception", "error"):
            self._fail(self._problem(message), events)
            return
        try:
            chunk = readable(base64.b64decode(_PAYLOAD.decode(message.payload).bytes, validate=True))
            members = _CHUNK.decode(chunk)
            family = self._family or of_answer(members if b"choices" not in chunk else _ANY.decode(chunk))
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
            family, members, chunk = None, {}, b""
        if family is None:
            words = "the upstream's stream holds a chunk that is of no maker's format that Headgate reads"
            self._fail(Problem(kind="upstream", message=words, outcome=Outcome.PROTOCOL, dialect=NAME), events)
            return
        self._family = family
        if b'"amazon-bedrock-' in chunk:
            self._metered = usage_at(_ANY.decode(chunk), _METRICS_ALONE, {}) or self._metered
        if family.completion is not None:
            self._completion = self._completion or CompletionParser(family, family.completion)
            events += self._completion.read(_ANY.decode(chunk))
            return
        self._inner = self._inner or self._makers[family.speaks].stream_parser()
        wire = _event_message(members) if family.speaks == EVENTS else sse.event(chunk)
        self._take(self._inner.feed(wire), events)

    def _take(self, inner: list[Event], events: list[Event]) -> None:
        """The maker's events, the last with what Bedrock counted where the maker did not."""
        for event in inner:
            if isinstance(event, Finished | Failed):
                self._is_over = True
            if isinstance(event, Finished) and event.usage is None and self._metered is not None:
                event = structs.replace(event, usage=self._metered)
            events.append(event)

    def _problem(self, message: eventstream.Message) -> Problem:
        kind = message.text(":exception-type") or message.text(":error-code")
        body = message.payload or _ENCODER.encode({"message": message.text(":error-message")})
        return self._makers[EVENTS].parse_error(0, {"x-amzn-errortype": kind[:1].upper() + kind[1:]}, body)

    def _fail(self, problem: Problem, events: list[Event]) -> None:
        self._is_over = True
        events.append(Failed(problem))


def _event_message(members: dict[str, Raw]) -> bytes:
    """A chunk that names its event, as a message of that event; what stands beside goes in with it."""
    kind = next((name for name in members if not name.startswith("amazon-bedrock-")), "event")
    try:
        inner = _CHUNK.decode(members[kind])
    except (KeyError, msgspec.DecodeError):
        return eventstream.event(kind, _ENCODER.encode(members))
    beside = {name: raw for name, raw in members.items() if name != kind}
    return eventstream.event(kind, _ENCODER.encode({**inner, **beside}))


class StreamRenderer:
    """Events in, bytes of a streamed answer out, in the format of `family`; None: in that of the events."""

    def __init__(self, makers: Makers, reply_to: ReplyTo, family: Family | None) -> None:
        self.dropped: set[str] = set()
        self._makers = makers
        self._reply_to = reply_to
        self._family = family
        self._inner: InnerRenderer | None = None
        self._splitter: sse.Splitter | eventstream.Splitter = sse.Splitter()

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, Failed):
                out.append(self._exception(event.problem))
            else:
                out += [_chunk(data) for data in self._written(event)]
        return b"".join(out)

    def _written(self, event: Event) -> list[bytes]:
        family = self._family
        if family is None:
            family = self._family = family_of(event)
        if family.completion is not None:
            return self._completion_chunks(event, family.completion)
        if self._inner is None:
            maker = self._makers[family.speaks]
            self._inner = maker.stream_renderer(self._reply_to)
            self._splitter = eventstream.Splitter() if family.speaks == EVENTS else sse.Splitter()
        wire = self._inner.render([event])
        self.dropped |= self._inner.dropped
        if isinstance(self._splitter, sse.Splitter):
            return [sent.data for sent in self._splitter.feed(wire) if sent.data != b"[DONE]"]
        return [
            b'{"%b":%b}' % (message.text(":event-type").encode(), message.payload)
            for message in self._splitter.feed(wire)
        ]

    def _completion_chunks(self, event: Event, completion: Completion) -> list[bytes]:
        match event:
            case PartDelta(_, text):
                return [chunk_of(completion, text)]
            case Finished():
                return [last_chunk(completion, event)]
            case _:
                return []

    def _exception(self, problem: Problem) -> bytes:
        told = _ANY.decode(self._makers[EVENTS].render_error(structs.replace(problem, raw=b""))[1])
        kind = str(told["__type"])
        name = kind[:1].lower() + kind[1:]
        name = name if name in _STREAM_TYPES else "internalServerException"
        return eventstream.exception(name, _ENCODER.encode({"message": problem.message}))


def family_of(event: Event) -> Family:
    """The format in which an answer was told; Claude's for those of other services."""
    if isinstance(event, Started):
        if event.dialect == NAME and (told := event.extras.get("family")) is not None:
            return FAMILIES[msgspec.json.decode(told, type=str)]
        spoken = {family.speaks: family for family in FAMILIES.values() if family.speaks}
        return spoken.get(event.dialect, FAMILIES["claude"])
    return FAMILIES["claude"]


def _chunk(data: bytes) -> bytes:
    return eventstream.event("chunk", _ENCODER.encode({"bytes": base64.b64encode(data).decode()}))
