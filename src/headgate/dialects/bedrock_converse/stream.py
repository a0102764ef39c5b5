"""Reads a streamed answer: messages of AWS's event stream, whose headers say what the JSON in them is."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.events import Event, Failed, Opaque, PartDelta, PartStarted
from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.bedrock_converse import media, wire
from headgate.dialects.bedrock_converse.errors import stream_problem
from headgate.dialects.bedrock_converse.parts import SERVER_TOOL
from headgate.dialects.bedrock_converse.reader import Block, Reader, citation
from headgate.dialects.bedrock_converse.wire import NAME, Members, count_in, items_in, members_in, text_in
from headgate.dialects.eventstream import Message, Splitter
from headgate.dialects.members import readable

PADDING: Final = "p"
"""Letters that only hide how long an event is from who listens on the line (seen 2026-11): they mean nothing."""


class _Words(Struct):
    text: str


class _More(Struct):
    delta: _Words
    contentBlockIndex: int = 0


_MORE: Final = msgspec.json.Decoder(_More)


class StreamParser:
    """Bytes of a streamed answer in, events out."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._reader = Reader()
        self.usage: Usage | None = None
        self._is_over = False
        self._acts: Final[dict[str, Callable[[Members, list[Event]], None]]] = {
            "messageStart": self._on_start,
            "contentBlockStart": self._on_open,
            "contentBlockDelta": self._on_delta,
            "contentBlockStop": self._on_close,
            "messageStop": self._on_stop,
            "metadata": self._on_metadata,
        }

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        events: list[Event] = []
        if self._is_over:
            return events
        for message in self._splitter.feed(data):
            self._read(message, events)
        return events

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        if self._is_over:
            return []
        self._is_over = True
        if self._reader.reason is not None:
            return self._reader.finish()
        message = "the upstream's stream ended before the answer was complete"
        return [Failed(Problem(kind="upstream", message=message, outcome=Outcome.CUT))]

    def _read(self, message: Message, events: list[Event]) -> None:
        if self._is_over:
            return
        kind = message.text(":event-type")
        if kind == "contentBlockDelta" and self._more(message.payload, events):
            return
        if message.text(":message-type") in ("exception", "error"):
            self._fail(message, events)
            return
        try:
            members = wire.OBJECT.decode(readable(message.payload))
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._is_over = True
            words = "the upstream's stream holds an event that is not JSON"
            events.append(Failed(Problem(kind="upstream", message=words, outcome=Outcome.PROTOCOL, dialect=NAME)))
            return
        members.pop(PADDING, None)
        act = self._acts.get(kind)
        if act is not None:
            act(members, events)
        else:
            self._begin(events)
            events.append(Opaque(name=kind or "event", raw=wire.raw_of(members), dialect=NAME, slot="event"))

    def _more(self, payload: bytes, events: list[Event]) -> bool:
        """The usual case, by far: more words of a text under way."""
        try:
            more = _MORE.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        block = self._reader.block(more.contentBlockIndex)
        if block is None or block.kind != "text":
            return False
        if more.delta.text:
            events.append(PartDelta(block.index, more.delta.text))
        return True

    def _fail(self, message: Message, events: list[Event]) -> None:
        self._is_over = True
        kind = message.text(":exception-type") or message.text(":error-code")
        body = message.payload or wire.encode({"message": message.text(":error-message")})
        events.append(Failed(stream_problem(kind, body)))

    def _begin(self, events: list[Event]) -> None:
        if not self._reader.has_started:
            events += self._reader.start({})

    def _on_start(self, members: Members, events: list[Event]) -> None:
        events += self._reader.start(members)

    def _on_open(self, members: Members, events: list[Event]) -> None:
        self._begin(events)
        reader, start = self._reader, members_in(members.get("start"))
        index = reader.next_index()
        started = _opening(start, index)
        kind = started.kind if started is not None else None
        block = Block(index=index, kind=kind, members=start, results=[])
        events += reader.open(count_in(members.get("contentBlockIndex")), block, started)

    def _on_delta(self, members: Members, events: list[Event]) -> None:
        self._begin(events)
        delta = members_in(members.get("delta"))
        at = count_in(members.get("contentBlockIndex"))
        block = self._reader.block(at)
        if block is not None and block.kind is None:
            _gather(block, delta)
            return
        for name, raw in sorted(delta.items(), key=lambda each: each[0] not in _DELTAS):
            _DELTAS.get(name, _odd_delta)(self._reader, at, (name, raw), events)

    def _on_close(self, members: Members, events: list[Event]) -> None:
        events += self._reader.close(count_in(members.get("contentBlockIndex")))

    def _on_stop(self, members: Members, events: list[Event]) -> None:
        self._begin(events)
        self._reader.stop(members)
        if self.usage is not None:
            self._finish(events)

    def _on_metadata(self, members: Members, events: list[Event]) -> None:
        self._begin(events)
        self._reader.count(members)
        self.usage = self._reader.usage
        if self._reader.reason is not None:
            self._finish(events)

    def _finish(self, events: list[Event]) -> None:
        self._is_over = True
        events += self._reader.finish()


def _opening(start: Members, index: int) -> PartStarted | None:
    """The part that an announced block is; None: one that only this dialect understands."""
    call = members_in(start.get("toolUse"))
    if call and text_in(call.get("type")) != SERVER_TOOL:
        extras = {name: raw for name, raw in call.items() if name not in ("toolUseId", "name")}
        id, name = text_in(call.get("toolUseId")), text_in(call.get("name"))
        return PartStarted(index=index, kind="tool_call", id=id, name=name, extras=extras)
    media_type = media.IMAGES.get(text_in(members_in(start.get("image")).get("format")))
    if media_type is not None:
        return PartStarted(index=index, kind="image", media_type=media_type)
    return None if start else PartStarted(index=index, kind="text")


def _gather(block: Block, delta: Members) -> None:
    """More of a block of the service's own."""
    block.input += text_in(members_in(delta.get("toolUse")).get("input"))
    block.results += items_in(delta.get("toolResult"))


_Delta = tuple[str, Raw]


def _text_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    block = reader.under_way(at, "text", events)
    _say(block, text_in(delta[1]), events)


def _tool_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    block = reader.under_way(at, "tool_call", events)
    _say(block, text_in(members_in(delta[1]).get("input")), events)


def _thinking_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    members = members_in(delta[1])
    sealed = text_in(members.get("redactedContent"))
    block = reader.under_way(at, "reasoning", events, is_redacted=bool(sealed))
    block.signature += sealed or text_in(members.get("signature"))
    _say(block, text_in(members.get("text")), events)


def _image_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    data = text_in(members_in(members_in(delta[1]).get("source")).get("bytes"))
    if data:
        _say(reader.under_way(at, "image", events), data, events)
    else:
        _odd_delta(reader, at, delta, events)


def _citation_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    block = reader.under_way(at, "text", events)
    events.append(citation(block.index, delta[1]))


def _odd_delta(reader: Reader, at: int, delta: _Delta, events: list[Event]) -> None:
    block = reader.under_way(at, "text", events)
    name, raw = delta
    events.append(Opaque(name=name, raw=wire.raw_of({name: raw}), dialect=NAME, index=block.index, slot="delta"))


def _say(block: Block, text: str, events: list[Event]) -> None:
    if text:
        events.append(PartDelta(block.index, text))


_DELTAS: Final[dict[str, Callable[[Reader, int, _Delta, list[Event]], None]]] = {
    "text": _text_delta,
    "toolUse": _tool_delta,
    "reasoningContent": _thinking_delta,
    "image": _image_delta,
    "citation": _citation_delta,
}
