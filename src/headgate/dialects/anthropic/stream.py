"""Reads a streamed answer: named server-sent events, each of whose data says its type again."""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.events import Event, Failed, Opaque, PartDelta, PartKind
from headgate.core.problems import Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.errors import problem_of, problem_of_body
from headgate.dialects.anthropic.reader import Block, Reader
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.wire import Members, count_in, members_in, text_in
from headgate.dialects.sse import Splitter

_HEAD_BYTES_MAX: Final = 8192


class DeltaWire(Struct):
    """More of a block, of the kinds that come often."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None


class EventWire(Struct):
    """One event of the stream."""

    type: str | None = None
    index: int = 0
    delta: DeltaWire | None = None
    content_block: Raw = Raw(b"")
    message: Raw = Raw(b"")


_EVENT = msgspec.json.Decoder(EventWire)


class StreamParser:
    """Bytes of a streamed answer in, events out."""

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._reader = Reader()
        self.usage: Usage | None = None
        self._is_over = False
        self._head: bytes | None = b""
        """The first bytes, until they prove to be events: some services answer 200 with an error's body."""
        self._acts: Final = {
            "message_start": self._on_start,
            "content_block_start": self._on_open,
            "content_block_delta": self._on_delta,
            "content_block_stop": self._on_close,
            "message_delta": self._on_message_delta,
            "message_stop": self._on_stop,
            "error": self._on_error,
            "ping": self._on_ping,
        }

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._is_over:
            return []
        if self._head is not None:
            self._head = (self._head + data)[:_HEAD_BYTES_MAX]
        events: list[Event] = []
        for sent in self._splitter.feed(data):
            self._read(sent.data, events)
        return events

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        events: list[Event] = []
        if self._is_over:
            return events
        for sent in self._splitter.close():
            self._read(sent.data, events, is_last=True)
        if self._is_over:
            return events
        self._is_over = True
        if self._reader.reason:
            return events + self._reader.finish()
        return [*events, Failed(self._cut())]

    def _cut(self) -> Problem:
        head = (self._head or b"").strip()
        if head.startswith(b"{"):
            return problem_of_body(head)
        if head and not self._reader.has_started:
            message = "the upstream's answer is no event stream"
            return Problem(kind="upstream", message=message, outcome=Outcome.PROTOCOL, dialect=NAME)
        message = "the upstream's stream ended before the answer was complete"
        return Problem(kind="upstream", message=message, outcome=Outcome.CUT)

    def _read(self, data: bytes, events: list[Event], *, is_last: bool = False) -> None:
        if self._is_over:
            return
        try:
            event = _EVENT.decode(data)
        except msgspec.ValidationError:
            event = _read_loosely(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._read_broken(data, events, is_last=is_last)
            return
        self._head = None
        kind = event.type
        if kind == "content_block_delta" and (delta := event.delta) is not None and delta.type == "text_delta":
            block = self._reader.block(event.index)
            if block is not None and block.kind is not None and delta.text:  # the usual case, by far
                events.append(PartDelta(block.index, delta.text))
                return
        act = self._acts.get(kind or "")
        if act is None:
            self._read_odd(data, events)
            return
        act(event, data, events)

    def _read_odd(self, data: bytes, events: list[Event]) -> None:
        """What is no event that we know: kept, for this dialect only."""
        self._head = None
        members = members_in(Raw(data))
        if not members and data.strip() in (b"", b"[DONE]"):
            return
        if "error" in members and not text_in(members.get("type")):
            self._fail(data, members, events)
            return
        self._begin(events)
        name = text_in(members.get("type")) or "event"
        events.append(Opaque(name=name, raw=Raw(data), dialect=NAME, slot="event"))

    def _read_broken(self, data: bytes, events: list[Event], *, is_last: bool) -> None:
        """Broken JSON: harmless after the stop reason, the cut itself at the end, else the answer is lost."""
        if self._reader.reason or is_last or data.strip() == b"[DONE]":
            return
        self._is_over = True
        message = "the upstream's stream holds an event that is not JSON"
        events.append(Failed(Problem(kind="upstream", message=message, outcome=Outcome.PROTOCOL, dialect=NAME)))

    def _begin(self, events: list[Event]) -> None:
        if not self._reader.has_started:
            events += self._reader.start({})

    def _on_start(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        events += self._reader.start(members_in(event.message))
        self.usage = self._reader.usage

    def _on_open(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        self._begin(events)
        events += self._reader.open(event.index, event.content_block)

    def _on_delta(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        self._begin(events)
        delta = event.delta
        block = self._reader.block(event.index)
        kind = (delta.type or "") if delta is not None else ""
        if block is not None and block.kind is None:
            _gather(block, kind, members_in(members_in(Raw(data)).get("delta")))
        elif delta is None:
            return
        elif kind == "text_delta":
            self._more(event.index, "text", delta.text, events)
        elif kind == "input_json_delta":
            self._more(event.index, "tool_call", delta.partial_json, events)
        elif kind == "thinking_delta":
            self._more(event.index, "reasoning", delta.thinking, events)
        elif kind == "signature_delta":
            self._reader.under_way(event.index, "reasoning", events).signature += delta.signature or ""
        else:
            self._on_odd_delta(event.index, kind, data, events)

    def _more(self, wire_index: int, kind: PartKind, text: str | None, events: list[Event]) -> None:
        block = self._reader.under_way(wire_index, kind, events)
        if text:
            block.has_text = True
            events.append(PartDelta(block.index, text))

    def _on_odd_delta(self, wire_index: int, kind: str, data: bytes, events: list[Event]) -> None:
        delta = members_in(Raw(data)).get("delta", Raw(b"null"))
        index = self._reader.under_way(wire_index, "text", events).index
        if kind == "citations_delta" and (citation := members_in(delta).get("citation")) is not None:
            events.append(Opaque(name="citations", raw=citation, dialect=NAME, index=index, slot="citation"))
        else:
            events.append(Opaque(name=kind or "delta", raw=delta, dialect=NAME, index=index, slot="delta"))

    def _on_close(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        events += self._reader.close(event.index)

    def _on_message_delta(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        self._begin(events)
        members = members_in(Raw(data))
        if (usage := members.pop("usage", None)) is not None:
            self._reader.count(usage)
            self.usage = self._reader.usage
        delta = members_in(members.pop("delta", None))
        members.pop("type", None)
        self._reader.stop(delta, members)

    def _on_stop(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        self._begin(events)
        if not self._reader.reason:
            return  # without a stop reason it is no clean end: the close tells
        members = members_in(Raw(data))
        members.pop("type", None)
        self._reader.stop({}, members)
        self._is_over = True
        events += self._reader.finish()

    def _on_error(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        self._fail(data, members_in(Raw(data)), events)

    def _fail(self, data: bytes, members: Members, events: list[Event]) -> None:
        self._is_over = True
        events.append(Failed(problem_of(members, data)))

    def _on_ping(self, event: EventWire, data: bytes, events: list[Event]) -> None:
        """A ping means nothing."""


def _read_loosely(data: bytes) -> EventWire:
    """An event with nulls or other types where they do not belong."""
    members = members_in(Raw(data))
    delta = members_in(members.get("delta"))
    more = {name: text_in(delta.get(name)) for name in DeltaWire.__struct_fields__}
    return EventWire(
        type=text_in(members.get("type")),
        index=count_in(members.get("index")),
        delta=DeltaWire(**more),
        content_block=members.get("content_block", Raw(b"")),
        message=members.get("message", Raw(b"")),
    )


def _gather(block: Block, kind: str, delta: Members) -> None:
    """More of a block of the service's own: its input in pieces of JSON, other texts in pieces of themselves."""
    if kind == "input_json_delta":
        block.input.append(text_in(delta.get("partial_json")))
        return
    for name, raw in delta.items():
        if name != "type":
            before, more = text_in(block.members.get(name)), text_in(raw)
            block.members[name] = wire.raw_of(before + more) if more and before else raw
