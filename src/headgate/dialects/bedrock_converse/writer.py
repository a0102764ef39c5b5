"""Writes a streamed answer: messages of AWS's event stream, a block's pieces known by its index."""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.events import Event, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.dialects.base import ReplyTo
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.errors import stream_exception
from headgate.dialects.bedrock_converse.reader import AS_IT_WAS, RESPONSE_FIELDS
from headgate.dialects.bedrock_converse.usage import members_of
from headgate.dialects.bedrock_converse.wire import NAME, members_in
from headgate.dialects.bedrock_converse.writing import SPOKEN, picture_format, proof_of, reason_of, tool_of
from headgate.dialects.eventstream import event, exception

_KINDS: Final = SPOKEN | {"reasoning", "tool_call", "image"}


class Part(Struct, kw_only=True):
    """A part being written."""

    started: PartStarted
    wire_index: int = -1
    """Of its block; negative: none of it has been written."""
    held: list[str] = field(default_factory=list[str])
    """The text of a call that is written in one piece."""


class StreamRenderer:
    """Events in, bytes of a streamed answer out."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._is_home = False
        self._has_started = False
        self._is_over = False
        self._count = 0
        self._parts: dict[int, Part] = {}
        self._out: list[bytes] = []

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        for told in events:
            if self._is_over:
                break
            self._write(told)
        out, self._out = self._out, []
        return b"".join(out)

    def _write(self, told: Event) -> None:
        match told:
            case PartDelta(index, text):
                self._more(index, text)
            case PartStarted():
                self._begin(told)
            case PartEnded():
                self._end(told)
            case Opaque():
                self._opaque(told)
            case Started():
                self._start(told)
            case Finished():
                self._finish(told)
            case failed:
                self._out.append(exception(*stream_exception(failed.problem)))
                self._is_over = True

    def _emit(self, kind: str, members: dict[str, object]) -> None:
        self._out.append(event(kind, wire.encode(members)))

    def _start(self, told: Started) -> None:
        if self._has_started:
            return
        self._has_started = True
        self._is_home = told.dialect == NAME
        self._emit("messageStart", {"role": "assistant", **(told.extras if self._is_home else {})})

    def _ensure_started(self) -> None:
        if not self._has_started:
            self._start(Started())

    def _begin(self, told: PartStarted) -> None:
        self._ensure_started()
        if told.choice:
            self.dropped.add("choices")
            return
        word = picture_format(told.media_type)
        if told.kind not in _KINDS or (told.kind == "image" and word is None):
            self.dropped.add(told.kind)
            return
        part = self._parts[told.index] = Part(started=told)
        if told.kind == "tool_call":
            self._open(part, {"toolUse": tool_of(told, is_home=self._is_home)})
        elif told.kind == "image":
            self._open(part, {"image": {"format": word}})

    def _place(self, part: Part) -> int:
        """The index of a part's block: most begin with their first words, unannounced."""
        if part.wire_index < 0:
            part.wire_index = self._count
            self._count += 1
        return part.wire_index

    def _open(self, part: Part, start: dict[str, object]) -> None:
        self._emit("contentBlockStart", {"contentBlockIndex": self._place(part), "start": start})

    def _delta(self, part: Part, delta: dict[str, object] | Raw) -> None:
        self._emit("contentBlockDelta", {"contentBlockIndex": self._place(part), "delta": delta})

    def _more(self, index: int, text: str) -> None:
        part = self._parts.get(index)
        if part is None:
            return  # of a part that has no place here
        kind = part.started.kind
        if part.started.is_custom:
            part.held.append(text)
        elif kind == "tool_call":
            self._delta(part, {"toolUse": {"input": text}})
        elif kind == "reasoning":
            self._delta(part, {"reasoningContent": {"text": text}})
        elif kind == "image":
            self._delta(part, {"image": {"source": {"bytes": text}}})
        else:
            self._delta(part, {"text": text})

    def _end(self, told: PartEnded) -> None:
        part = self._parts.pop(told.index, None)
        if part is None:
            return
        started = part.started
        if started.is_custom:
            self._delta(part, {"toolUse": {"input": wire.encode({"input": "".join(part.held)}).decode()}})
        if started.kind == "reasoning":
            proof = proof_of(told.signature, is_redacted=started.is_redacted)
            if proof:
                self._delta(part, {"reasoningContent": proof})
        elif told.signature is not None:
            self.dropped.add("reasoning.signature")
        if part.wire_index >= 0:
            self._emit("contentBlockStop", {"contentBlockIndex": part.wire_index})

    def _opaque(self, told: Opaque) -> None:
        self._ensure_started()
        if told.dialect != NAME or not self._is_home:
            self.dropped.add(told.name)
        elif told.slot == "event":
            self._out.append(event(told.name, bytes(told.raw)))
        elif told.slot.startswith("content."):
            self._own_block(told.raw)
        elif told.slot == AS_IT_WAS:
            self.dropped.add(told.name)  # a stream has no place beside the parts of a block
        elif (part := self._parts.get(told.index if told.index is not None else -1)) is not None:
            self._delta(part, {"citation": told.raw} if told.slot == "citation" else told.raw)
        else:
            self.dropped.add(told.name)  # its part has gone by

    def _own_block(self, raw: Raw) -> None:
        """A block of the service's own: what grows in a stream comes as a delta, the rest at its start."""
        block = members_in(raw)
        kind = next(iter(block), "")
        inner = members_in(block.get(kind))
        part = Part(started=PartStarted(index=-1, kind="text"))
        if kind == "toolUse" and (given := inner.pop("input", None)) is not None:
            self._open(part, {kind: inner})
            self._delta(part, {"toolUse": {"input": bytes(given).decode("utf-8", "replace")}})
        elif kind == "toolResult" and (results := inner.pop("content", None)) is not None:
            self._open(part, {kind: inner})
            self._delta(part, {"toolResult": results})
        else:
            self._open(part, dict[str, object](block))
        self._emit("contentBlockStop", {"contentBlockIndex": part.wire_index})

    def _finish(self, told: Finished) -> None:
        self._ensure_started()
        for index in list(self._parts):  # what the events left open
            self._end(PartEnded(index=index))
        extras = dict(told.extras) if self._is_home else {}
        if not self._is_home and told.stop_sequence is not None:
            self.dropped.add("stop_sequence")
        if extras.pop("output", None) is not None:
            self.dropped.add("output")
        stop: dict[str, object] = {"stopReason": reason_of(told.reason, told.wire_reason if self._is_home else "")}
        if RESPONSE_FIELDS in extras:
            stop[RESPONSE_FIELDS] = extras.pop(RESPONSE_FIELDS)
        self._emit("messageStop", stop)
        metadata: dict[str, object] = {}
        if not self._is_home:
            metadata["metrics"] = {"latencyMs": 0}  # SDKs in typed languages want it
        if told.usage is not None or not self._is_home:
            metadata["usage"] = members_of(told.usage, is_home=self._is_home)
        if metadata or extras:
            self._emit("metadata", {**metadata, **extras})
        self._is_over = True
