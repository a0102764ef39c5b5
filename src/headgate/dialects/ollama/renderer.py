"""Streams of this dialect, written: events in, lines of JSON out."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import AnswerPart
from headgate.dialects.base import ReplyTo
from headgate.dialects.ndjson import line
from headgate.dialects.ollama.errors import error_body
from headgate.dialects.ollama.response import ending, head, written_call
from headgate.dialects.ollama.usage import write_usage
from headgate.dialects.ollama.wire import ENCODE, NAME, NULL

Wire = dict[str, object]

_SLOT: Final = "\0"
"""Stands in a template for the text of a delta."""
_EMPTY: Final[Wire] = {"role": "assistant", "content": ""}


class _Open(Struct):
    """A part under way."""

    started: PartStarted
    pieces: tuple[bytes, ...] = ()
    """The bytes of a line around the text of a delta; empty: the deltas wait for the end of the part."""
    words: list[str] | None = None


class StreamRenderer:
    """Writes one stream."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._parts: dict[int, _Open] = {}
        self._head: Wire = head(Started(), reply_to)
        self._is_own = False
        """Whether this dialect's parser made the events."""

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in events:
            match event:
                case PartDelta(index, text):
                    part = self._parts[index]
                    if part.pieces:
                        out.append(ENCODE(text).join(part.pieces))
                    elif part.words is not None:
                        part.words.append(text)
                case PartStarted():
                    self._begin(event)
                case PartEnded():
                    self._end(event, out)
                case Opaque():
                    self._put_back(event, out)
                case Started():
                    self._is_own = event.dialect == NAME
                    self._head = head(event, self._reply_to)
                case Finished():
                    self._finish(event, out)
                case failed:
                    out.append(_failure(failed))
        return b"".join(out)

    def _line(self, message: Wire, members: Wire | None = None) -> bytes:
        return line(ENCODE({**self._head, "message": _EMPTY | message, "done": False, **(members or {})}))

    def _begin(self, event: PartStarted) -> None:
        part = self._parts[event.index] = _Open(event)
        if event.choice:
            self.dropped.add("choices")
            return
        match event.kind:
            case "text" | "refusal":
                part.pieces = self._template({"content": _SLOT})
            case "reasoning":
                part.pieces = self._template({"thinking": _SLOT})
            case "tool_call" | "image":
                part.words = []
            case kind:
                self.dropped.add(kind)

    def _template(self, message: Wire) -> tuple[bytes, ...]:
        """The bytes around the text of a delta, which stands as `_SLOT` in `message`."""
        return tuple(self._line(message).split(ENCODE(_SLOT)))

    def _end(self, event: PartEnded, out: list[bytes]) -> None:
        part = self._parts[event.index]
        if event.signature is not None:
            self.dropped.add("reasoning.signature")
        if part.words is None:
            return
        text, started = "".join(part.words), part.started
        if started.kind == "image":
            out.append(self._line({"images": [text]}))
            return
        call = AnswerPart(
            index=0,
            kind="tool_call",
            text=text,
            id=started.id,
            name=started.name,
            form=started.form,
            extras=started.extras,
        )
        out.append(self._line({"tool_calls": [written_call(call, is_own=self._is_own)]}))

    def _put_back(self, opaque: Opaque, out: list[bytes]) -> None:
        if opaque.dialect != NAME:
            self.dropped.update({opaque.name} if opaque.raw != NULL else ())
            return
        match opaque.slot:
            case "logprobs":
                out.append(self._line({}, {"logprobs": [opaque.raw]}))
            case "message":
                out.append(self._line({opaque.name: opaque.raw}))
            case _:
                out.append(self._line({}, {opaque.name: opaque.raw}))

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        self.dropped.update({"choices"} if event.more_reasons else ())
        members: Wire = {"done": True, **ending(event.reason, event.wire_reason, is_own=self._is_own)}
        if event.usage is not None:
            members |= write_usage(event.usage)
        kept = event.extras if self._is_own else {}
        members |= {name[7:]: raw for name, raw in kept.items() if name.startswith("answer.")}
        out.append(self._line({}, members))


def _failure(event: Failed) -> bytes:
    """A line alone with the error: https://docs.ollama.com/api/errors (2026-11)."""
    return line(error_body(event.problem))
