"""Streams of this dialect, written: events in, named server-sent events out."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, AnswerPart
from headgate.dialects.base import ReplyTo
from headgate.dialects.cohere.errors import error_members
from headgate.dialects.cohere.response import word_of, written_call, written_content
from headgate.dialects.cohere.usage import write_usage
from headgate.dialects.cohere.wire import ENCODE, NAME, NULL, PLAN
from headgate.dialects.sse import event as framed

Wire = dict[str, object]

_DONE: Final = b"data: [DONE]\n\n"
_SLOT: Final = "\0"
"""Stands in a template for the text of a delta."""
_EMPTY: Final[Wire] = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}


class _Open(Struct):
    """A part under way."""

    kind: str
    """`content`, `tool-call`, `plan`, or "" for what is not told."""
    place: int = 0
    pieces: tuple[bytes, ...] = ()
    """The bytes of an event around the text of a delta."""
    has_said: bool = False


class StreamRenderer:
    """Writes one stream."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._parts: dict[int, _Open] = {}
        self._counts = {"content": 0, "tool-call": 0, "citation": 0}
        self._is_own = False
        """Whether this dialect's parser made the events."""
        self._left: Wire = {}
        """Members of the answer for its last event."""

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in events:
            match event:
                case PartDelta(index, text):
                    part = self._parts[index]
                    part.has_said = True
                    if part.pieces:
                        out.append(ENCODE(text).join(part.pieces))
                case PartStarted():
                    self._begin(event, out)
                case PartEnded():
                    self._end(event, out)
                case Opaque():
                    self._put_back(event, out)
                case Started():
                    self._start(event, out)
                case Finished():
                    self._finish(event, out)
                case _:
                    self._fail(event, out)
        return b"".join(out)

    def _start(self, event: Started, out: list[bytes]) -> None:
        self._is_own = event.dialect == NAME
        answer_id = event.id if self._is_own else event.id or self._reply_to.id
        out.append(_event("message-start", {"id": answer_id} if answer_id else {}, message=_EMPTY))

    def _begin(self, event: PartStarted, out: list[bytes]) -> None:
        part = self._parts[event.index] = _Open("")
        if event.choice:
            self.dropped.add("choices")
            return
        told = AnswerPart(
            index=event.index, kind=event.kind, id=event.id, name=event.name, form=event.form, extras=event.extras
        )
        match event.kind:
            case "reasoning" if self._is_own and event.form == PLAN:
                part.kind = "plan"
                part.pieces = _template("tool-plan-delta", {}, {"tool_plan": _SLOT})
            case "text" | "refusal" | "reasoning":
                part.kind, part.place = "content", self._next("content")
                content = written_content(told, is_own=self._is_own)
                out.append(_event("content-start", {"index": part.place}, message={"content": content}))
                word = "thinking" if event.kind == "reasoning" else "text"
                part.pieces = _template("content-delta", {"index": part.place}, {"content": {word: _SLOT}})
            case "tool_call":
                part.kind, part.place = "tool-call", self._next("tool-call")
                call = written_call(told, "", is_own=self._is_own)
                out.append(_event("tool-call-start", {"index": part.place}, message={"tool_calls": call}))
                more: Wire = {"tool_calls": {"function": {"arguments": _SLOT}}}
                part.pieces = _template("tool-call-delta", {"index": part.place}, more)
            case kind:
                self.dropped.add(kind)

    def _next(self, kind: str) -> int:
        self._counts[kind] += 1
        return self._counts[kind] - 1

    def _end(self, event: PartEnded, out: list[bytes]) -> None:
        part = self._parts[event.index]
        if event.signature is not None:
            self.dropped.add("reasoning.signature")
        if part.kind not in self._counts:
            return
        if part.kind == "tool-call" and not part.has_said and not self._is_own:
            out.append(b'"{}"'.join(part.pieces))
        out.append(_event(f"{part.kind}-end", {"index": part.place}))

    def _put_back(self, opaque: Opaque, out: list[bytes]) -> None:
        if opaque.dialect != NAME:
            self.dropped.update({opaque.name} if opaque.raw != NULL else ())
            return
        match opaque.slot:
            case "citation":
                place = self._next("citation")
                out.append(_event("citation-start", {"index": place}, message={"citations": opaque.raw}))
                out.append(_event("citation-end", {"index": place}))
            case "event":
                out.append(framed(bytes(opaque.raw), opaque.name))
            case "logprobs" if opaque.index in self._parts:
                place = self._parts[opaque.index].place
                words: Wire = {"content": {"text": ""}}
                out.append(_event("content-delta", {"index": place, "logprobs": opaque.raw}, message=words))
            case "content":
                place = self._next("content")
                out.append(_event("content-start", {"index": place}, message={"content": opaque.raw}))
                out.append(_event("content-end", {"index": place}))
            case "message" | "logprobs":
                self.dropped.add(opaque.name)  # a stream has no place for it
            case _:
                self._left[opaque.name] = opaque.raw

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        self.dropped.update({"choices"} if event.more_reasons else ())
        answer = Answer(reason=event.reason, wire_reason=event.wire_reason)
        word = word_of(answer, is_own=self._is_own)
        delta: Wire = {} if word is None else {"finish_reason": word}
        if event.usage is not None:
            delta["usage"] = write_usage(event.usage)
        out.append(_framed("message-end", {"delta": delta | self._left}))
        out.append(_DONE)

    def _fail(self, event: Failed, out: list[bytes]) -> None:
        """https://docs.cohere.com/v2/reference/chat-stream (2026-11): the last event tells the error."""
        members = error_members(event.problem)
        delta: Wire = {"finish_reason": "ERROR", "error": members.pop("message"), "usage": {}, **members}
        out.append(_framed("message-end", {"delta": delta}))


def _framed(kind: str, members: Wire) -> bytes:
    return framed(ENCODE({"type": kind, **members}), kind)


def _event(kind: str, members: Wire, message: Wire | None = None) -> bytes:
    return _framed(kind, members if message is None else {**members, "delta": {"message": message}})


def _template(kind: str, members: Wire, message: Wire) -> tuple[bytes, ...]:
    """The bytes around the text of a delta, which stands as `_SLOT` in `message`."""
    return tuple(_event(kind, members, message).split(ENCODE(_SLOT)))
