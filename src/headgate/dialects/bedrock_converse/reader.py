"""Converse's answers as events, block by block. A whole answer is read as a stream whose blocks come in one piece."""

from collections.abc import Callable
from typing import Final

from msgspec import Raw, Struct

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
from headgate.dialects.bedrock_converse import media, wire
from headgate.dialects.bedrock_converse.parts import SERVER_TOOL
from headgate.dialects.bedrock_converse.usage import usage_of
from headgate.dialects.bedrock_converse.wire import NAME, Members, is_null, items_in, members_in, text_in
from headgate.dialects.members import arguments_object

REASONS: Final[dict[str, StopReason]] = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "refusal",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (2026-11); `refusal` is Claude's"""

CITED: Final = "cited"
AS_IT_WAS: Final = "as it was"
"""The slot of a whole block that has more members than are known."""
RESPONSE_FIELDS: Final = "additionalModelResponseFields"


class Block(Struct, kw_only=True):
    """A block under way."""

    index: int
    kind: PartKind | None
    """None: one that only this dialect understands, gathered in `members`."""
    signature: str = ""
    members: Members = {}
    input: str = ""
    results: list[Raw] = []


class Reader:
    """What has been read of one answer."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.reason: str | None = None
        """The stop reason, once it is known."""
        self.has_started = False
        self._extras: Members = {}
        self._count = 0
        self._open: dict[int, Block] = {}

    def start(self, members: Members) -> list[Event]:
        """The answer begins; `members` are those that are not its content."""
        if self.has_started:
            return []
        self.has_started = True
        extras = {name: raw for name, raw in members.items() if name != "role" or raw != Raw(b'"assistant"')}
        return [Started(dialect=NAME, extras=extras)]

    def whole(self, raw: Raw) -> list[Event]:
        """A complete block."""
        block = members_in(raw)
        kind = next((name for name in block if name in _WHOLES), "")
        index = self._count
        if kind:
            events = _WHOLES[kind](index, block)
            if events:
                self._count += 1
                return [*events[:-1], *_beside(index, kind, block, raw), events[-1]]
        self._count += 1
        return [_opaque(index, block or {"block": raw}, raw)]

    def block(self, wire_index: int) -> Block | None:
        """The block under way."""
        return self._open.get(wire_index)

    def open(self, wire_index: int, block: Block, started: PartStarted | None) -> list[Event]:
        """A block begins."""
        events = self.close(wire_index)
        self._open[wire_index] = block
        self._count += 1
        return [*events, started] if started is not None else events

    def under_way(self, wire_index: int, kind: PartKind, events: list[Event], *, is_redacted: bool = False) -> Block:
        """The block under way; most begin with their first words, unannounced."""
        block = self._open.get(wire_index)
        if block is None:
            block = Block(index=self._count, kind=kind)
            started = PartStarted(index=block.index, kind=kind, is_redacted=is_redacted)
            events += self.open(wire_index, block, started)
        return block

    def next_index(self) -> int:
        """The index of the block that begins next."""
        return self._count

    def close(self, wire_index: int) -> list[Event]:
        """A block is complete."""
        block = self._open.pop(wire_index, None)
        if block is None:
            return []
        if block.kind is None:
            raw = wire.raw_of(_gathered(block))
            return [_opaque(block.index, block.members, raw)]
        signature = Signature(NAME, block.signature) if block.signature else None
        return [PartEnded(index=block.index, signature=signature)]

    def stop(self, members: Members) -> None:
        """Why the answer ended, and what is told with it."""
        self.reason = text_in(members.get("stopReason"))
        self._note(members, "stopReason")

    def count(self, members: Members) -> None:
        """What the answer took, and what is told with it."""
        if (usage := members.get("usage")) is not None and not is_null(usage):
            tier = text_in(members_in(members.get("serviceTier")).get("type"))
            self.usage = usage_of(members_in(usage), tier)
        self._note(members, "usage")

    def _note(self, members: Members, known: str) -> None:
        self._extras.update((name, raw) for name, raw in members.items() if name != known or is_null(raw))

    def finish(self) -> list[Event]:
        """The answer is complete."""
        events = [event for wire_index in list(self._open) for event in self.close(wire_index)]
        word = self.reason or ""
        stopped_by = text_in(members_in(self._extras.get(RESPONSE_FIELDS)).get("stop_sequence"))
        finished = Finished(
            reason=REASONS.get(word, "other"),
            usage=self.usage,
            stop_sequence=stopped_by or None,
            wire_reason=word,
            extras=self._extras,
        )
        return [*events, finished]


def _gathered(block: Block) -> Members:
    """A block of the service's own, as it would stand in a whole answer."""
    kind = next(iter(block.members), "")
    inner = members_in(block.members.get(kind))
    if block.input:
        inner["input"] = arguments_object(block.input, "input")
    if block.results:
        inner["content"] = wire.raw_of(block.results)
    return {**block.members, kind: wire.raw_of(inner)} if block.input or block.results else block.members


def _opaque(index: int, block: Members, raw: Raw) -> Opaque:
    kind = next(iter(block), "block")
    name = text_in(members_in(block.get(kind)).get("type")) or kind
    return Opaque(name=name, raw=raw, dialect=NAME, slot=f"content.{index}")


def _beside(index: int, kind: str, block: Members, raw: Raw) -> list[Event]:
    """What stands in a block beside what it is known for: where there is any, the block as it was."""
    strange = [*block.keys() - {kind}] if kind != "text" else []
    if kind == "reasoningContent":
        strange += members_in(block[kind]).keys() - {"reasoningText", "redactedContent"}
    if not strange:
        return []
    return [Opaque(name=min(strange), raw=raw, dialect=NAME, index=index, slot=AS_IT_WAS)]


def citation(index: int, raw: Raw) -> Opaque:
    """A source of the words of a part."""
    return Opaque(name="citations", raw=raw, dialect=NAME, index=index, slot="citation")


_Whole = Callable[[int, Members], list[Event]]
"""Of an index and a block; nothing: it has no canonical form."""


def _text(index: int, block: Members) -> list[Event]:
    extras = {name: raw for name, raw in block.items() if name != "text"}
    return _said(PartStarted(index=index, kind="text", extras=extras), text_in(block["text"]))


def _said(started: PartStarted, text: str, signature: str = "") -> list[Event]:
    ended = PartEnded(index=started.index, signature=Signature(NAME, signature) if signature else None)
    return [started, PartDelta(started.index, text), ended] if text else [started, ended]


def _tool_use(index: int, block: Members) -> list[Event]:
    call = members_in(block["toolUse"])
    if text_in(call.get("type")) == SERVER_TOOL:
        return []
    id, name = text_in(call.get("toolUseId")), text_in(call.get("name"))
    arguments = bytes(call.get("input", Raw(b"{}"))).decode("utf-8", "replace")
    extras = {key: raw for key, raw in call.items() if key not in ("toolUseId", "name", "input")}
    return _said(PartStarted(index=index, kind="tool_call", id=id, name=name, extras=extras), arguments)


def _reasoning(index: int, block: Members) -> list[Event]:
    content = members_in(block["reasoningContent"])
    if "redactedContent" in content:
        started = PartStarted(index=index, kind="reasoning", is_redacted=True)
        return _said(started, "", text_in(content["redactedContent"]))
    if "reasoningText" not in content:
        return []
    inner = members_in(content["reasoningText"])
    signature = text_in(inner.get("signature"))
    known = ("text", "signature") if signature else ("text",)
    extras = {name: raw for name, raw in inner.items() if name not in known}
    return _said(PartStarted(index=index, kind="reasoning", extras=extras), text_in(inner.get("text")), signature)


def _cited(index: int, block: Members) -> list[Event]:
    extras = members_in(block["citationsContent"])
    items = [members_in(item) for item in items_in(extras.get("content"))]
    text = "".join(text_in(item.get("text")) for item in items)
    citations = items_in(extras.get("citations"))
    if len(items) == 1 and items[0].keys() == {"text"}:
        del extras["content"]
    if citations:
        del extras["citations"]
    events = _said(PartStarted(index=index, kind="text", form=CITED, extras=extras), text)
    return [*events[:-1], *(citation(index, raw) for raw in citations), events[-1]]


def _image(index: int, block: Members) -> list[Event]:
    image = members_in(block["image"])
    source = members_in(image.get("source"))
    media_type = media.IMAGES.get(text_in(image.get("format")))
    if media_type is None or source.keys() != {"bytes"} or image.keys() != {"format", "source"}:
        return []
    return _said(PartStarted(index=index, kind="image", media_type=media_type), text_in(source["bytes"]))


_WHOLES: Final[dict[str, _Whole]] = {
    "text": _text,
    "toolUse": _tool_use,
    "reasoningContent": _reasoning,
    "citationsContent": _cited,
    "image": _image,
}
