"""Anthropic's answers as events, block by block. A whole answer is read as a stream whose blocks come in one piece."""

from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.events import (
    Event,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    StopReason,
)
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.usage import later, usage_of
from headgate.dialects.anthropic.wire import Members, items_in, members_in, take, text_in
from headgate.dialects.members import arguments_object

REASONS: Final[dict[str, StopReason]] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop_sequence",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
"""https://docs.claude.com/en/docs/build-with-claude/handling-stop-reasons (2026-11)"""

_KINDS: Final[dict[str, PartKind]] = {
    "text": "text",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_use": "tool_call",
}


class Block(Struct, kw_only=True):
    """A block under way."""

    index: int
    kind: PartKind | None
    """None: one that only this dialect understands, gathered in `members`."""
    members: Members
    has_text: bool = False
    signature: str = ""
    input: list[str] = field(default_factory=list[str])


class Reader:
    """What has been read of one answer."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.has_started = False
        self.reason = ""
        """The stop reason, once it is known."""
        self._counts: Members = {}
        self._stop_sequence: str | None = None
        self._extras: Members = {}
        self._blocks: dict[int, Block] = {}
        self._count = 0

    def start(self, members: Members) -> list[Event]:
        """The answer's own members, without its content."""
        if self.has_started:
            return []
        self.has_started = True
        members = dict(members)
        usage = members.get("usage")
        if usage is not None and not wire.is_null(usage):
            del members["usage"]
            self.count(usage)
        id, model = text_in(members.get("id")), text_in(members.get("model"))
        take(members, "id", "model")
        for name, usual in (("type", '"message"'), ("role", '"assistant"')):
            if members.get(name) == Raw(usual.encode()):
                del members[name]
        for name in ("content", "stop_reason", "stop_sequence"):
            members.pop(name, None)
        return [Started(id=id, model=model, dialect=NAME, extras=members)]

    def count(self, raw: Raw) -> None:
        """Counts told, or told again."""
        self._counts = later(self._counts, members_in(raw))
        self.usage = usage_of(self._counts)

    def open(self, wire_index: int, raw: Raw) -> list[Event]:
        """A block begins, as a rule still empty."""
        events = self.close(wire_index)
        members = members_in(raw)
        name = text_in(members.get("type"))
        block = Block(index=self._count, kind=_KINDS.get(name), members=members)
        self._count += 1
        self._blocks[wire_index] = block
        if block.kind is None:
            return events
        del members["type"]
        started = _OPENERS[name](block)
        events.append(started)
        if name == "text":
            events += self._opening_text(block, members, started)
        elif name == "thinking" and (text := text_in(members.get("thinking"))):
            events.append(PartDelta(block.index, text))
        return events

    def _opening_text(self, block: Block, members: Members, started: PartStarted) -> list[Event]:
        events: list[Event] = []
        if text := text_in(members.get("text")):
            events.append(PartDelta(block.index, text))
        if started.form:
            events += [_citation(block.index, raw) for raw in items_in(members.get("citations"))]
        return events

    def under_way(self, wire_index: int, kind: PartKind, events: list[Event]) -> Block:
        """The block under way; one that was never announced begins now."""
        block = self._blocks.get(wire_index)
        if block is None:
            block = Block(index=self._count, kind=kind, members={})
            self._count += 1
            self._blocks[wire_index] = block
            events.append(PartStarted(index=block.index, kind=kind))
        return block

    def block(self, wire_index: int) -> Block | None:
        """The block under way."""
        return self._blocks.get(wire_index)

    def close(self, wire_index: int) -> list[Event]:
        """A block is complete."""
        block = self._blocks.pop(wire_index, None)
        if block is None:
            return []
        if block.kind is None:
            return [_opaque(block)]
        events: list[Event] = []
        if block.kind == "tool_call" and not block.has_text and (given := block.members.get("input")) is not None:
            events.append(PartDelta(block.index, bytes(given).decode("utf-8", "replace")))
        signature = Signature(NAME, block.signature) if block.signature else None
        events.append(PartEnded(index=block.index, signature=signature))
        return events

    def stop(self, delta: Members, beside: Members) -> None:
        """Why the answer ended, and what is told with it."""
        if reason := text_in(delta.get("stop_reason")):
            self.reason = reason
        stopped_by = delta.get("stop_sequence")
        if stopped_by is not None and not wire.is_null(stopped_by):
            self._stop_sequence = text_in(stopped_by)
        elif stopped_by is not None:
            self._extras["stop_sequence"] = stopped_by
        known = ("stop_reason", "stop_sequence")
        self._extras.update((name, raw) for name, raw in delta.items() if name not in known)
        self._extras.update(beside)

    def finish(self) -> list[Event]:
        """The answer is complete."""
        events = [event for wire_index in list(self._blocks) for event in self.close(wire_index)]
        if self._stop_sequence is not None:
            self._extras.pop("stop_sequence", None)
        finished = Finished(
            reason=REASONS.get(self.reason, "other"),
            usage=self.usage,
            stop_sequence=self._stop_sequence,
            wire_reason=self.reason,
            extras=self._extras,
        )
        return [*events, finished]


def _text_opened(block: Block) -> PartStarted:
    extras = dict(block.members)
    take(extras, "text")
    form = ""
    citations = extras.get("citations")
    if citations is not None and wire.first_of(citations) == b"[":
        del extras["citations"]
        form = "citations"
    return PartStarted(index=block.index, kind="text", form=form, extras=extras)


def _thinking_opened(block: Block) -> PartStarted:
    extras = dict(block.members)
    block.signature = text_in(extras.get("signature"))
    take(extras, "thinking")
    form = "" if extras.pop("signature", None) is not None else "bare"
    return PartStarted(index=block.index, kind="reasoning", form=form, extras=extras)


def _redacted_opened(block: Block) -> PartStarted:
    extras = dict(block.members)
    block.signature = text_in(extras.pop("data", None))
    return PartStarted(index=block.index, kind="reasoning", is_redacted=True, extras=extras)


def _tool_use_opened(block: Block) -> PartStarted:
    extras = dict(block.members)
    id, name = text_in(extras.get("id")), text_in(extras.get("name"))
    take(extras, "id", "name", "input")
    return PartStarted(index=block.index, kind="tool_call", id=id, name=name, extras=extras)


_OPENERS: Final = {
    "text": _text_opened,
    "thinking": _thinking_opened,
    "redacted_thinking": _redacted_opened,
    "tool_use": _tool_use_opened,
}


def _citation(index: int, raw: Raw) -> Opaque:
    return Opaque(name="citations", raw=raw, dialect=NAME, index=index, slot="citation")


def _opaque(block: Block) -> Opaque:
    """A block of the service's own, as it would stand in a whole answer."""
    if block.input and (text := "".join(block.input)):
        block.members["input"] = arguments_object(text, "input")
    name = text_in(block.members.get("type")) or "block"
    return Opaque(name=name, raw=wire.raw_of(block.members), dialect=NAME, slot=f"content.{block.index}")
