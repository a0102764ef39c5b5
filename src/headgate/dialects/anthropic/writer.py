"""Writes a streamed answer: named server-sent events, one block at a time as Anthropic's own streams have them."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.signatures import seal
from headgate.dialects.anthropic.errors import error_event
from headgate.dialects.anthropic.opening import opening, proof_block, reason_of, sealed
from headgate.dialects.anthropic.seals import NAME, UNSIGNED, Belongs
from headgate.dialects.anthropic.usage import NOTHING_YET, members_of
from headgate.dialects.anthropic.wire import Members, encode, members_in, one_line
from headgate.dialects.base import ReplyTo

_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)

_DELTAS: Final[dict[str, tuple[bytes, bytes]]] = {
    "text": (b"text_delta", b"text"),
    "refusal": (b"text_delta", b"text"),
    "reasoning": (b"thinking_delta", b"thinking"),
    "tool_call": (b"input_json_delta", b"partial_json"),
}

_BESIDE: Final = frozenset({"context_management", "amazon-bedrock-invocationMetrics"})
"""Members that stand beside the `delta` of a `message_delta`, not in it."""


class Part(Struct, kw_only=True):
    """A part being written. Only one is open at a time: what comes for others waits."""

    started: PartStarted
    wire_index: int = -1
    """Of its block; negative: none is open."""
    waiting: list[Event] = field(default_factory=list["Event"])
    is_proven: bool = False
    """Its proof has been written."""

    @property
    def is_whole(self) -> bool:
        """Written in one piece at its end, since its block cannot grow."""
        return self.started.is_redacted or self.started.is_custom


class StreamRenderer:
    """Events in, bytes of a streamed answer out."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._is_home = False
        self._has_started = False
        self._is_over = False
        self._count = 0
        self._parts: dict[int, Part] = {}
        self._open: Part | None = None
        self._out: list[bytes] = []

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        batch = events if isinstance(events, list | tuple) else list(events)
        for at, event in enumerate(batch):
            if self._is_over:
                break
            if isinstance(event, PartDelta):
                self._more(event)
            else:
                self._write(event, batch, at)
        out, self._out = self._out, []
        return b"".join(out)

    def _write(self, event: Event, batch: Sequence[Event], at: int) -> None:
        match event:
            case PartStarted():
                self._begin(event, batch[at + 1 :])
            case PartEnded():
                self._end(event)
            case Opaque():
                self._opaque(event)
            case Started():
                self._start(event)
            case Finished():
                self._finish(event)
            case Failed(problem):
                self._fail(problem)
            case _:
                self._more(event)

    def _emit(self, name: str, data: dict[str, object]) -> None:
        self._out.append(b"event: %b\ndata: %b\n\n" % (name.encode(), one_line(encode({"type": name, **data}))))

    def _start(self, event: Started) -> None:
        if self._has_started:
            return
        self._has_started = True
        self._is_home = event.dialect == NAME
        message: dict[str, object] = {
            "id": event.id or self._reply_to.id,
            "type": "message",
            "role": "assistant",
            "model": event.model or self._reply_to.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": NOTHING_YET,
        }
        if self._is_home:
            message.update(event.extras)
        self._emit("message_start", {"message": message})

    def _ensure_started(self) -> None:
        if not self._has_started:
            self._start(Started())

    def _begin(self, event: PartStarted, rest: Sequence[Event]) -> None:
        self._ensure_started()
        if event.choice:
            self.dropped.add("choices")
            return
        if event.kind not in _DELTAS:
            self.dropped.add(event.kind)
            return
        part = Part(started=event)
        self._parts[event.index] = part
        if event.kind != "tool_call" or part.is_whole:
            return  # its block begins with its first words
        if self._is_busy(part):
            part.waiting.append(event)
            return
        if (signature := _signature_ahead(event.index, rest)) is not None and not self._is_home:
            self._proof(signature, "next")
            part.is_proven = True
        self._open_block(part)

    def _is_busy(self, part: Part) -> bool:
        """Whether a tool call is being written, which nothing may interrupt."""
        held = self._open
        return held is not None and held is not part and held.started.kind == "tool_call"

    def _open_block(self, part: Part) -> None:
        self._close_block()
        part.wire_index = self._count
        self._count += 1
        self._open = part
        block = opening(part.started, is_home=self._is_home)
        self._emit("content_block_start", {"index": part.wire_index, "content_block": block})

    def _close_block(self) -> None:
        held = self._open
        if held is None:
            return
        if held.started.kind == "reasoning" and not self._is_home and not held.is_proven:
            self._sign(held, UNSIGNED)
        self._emit("content_block_stop", {"index": held.wire_index})
        held.wire_index = -1
        self._open = None

    def _sign(self, part: Part, signature: str) -> None:
        self._out.append(_DELTA % (part.wire_index, b"signature_delta", b"signature", encode(signature)))

    def _more(self, event: PartDelta) -> None:
        part = self._parts.get(event.index)
        if part is None:
            return  # of a part that has no place here
        if part.wire_index < 0:
            if part.is_whole or self._is_busy(part):
                part.waiting.append(event)
                return
            self._open_block(part)
        kind, member = _DELTAS[part.started.kind]
        self._out.append(_DELTA % (part.wire_index, kind, member, encode(event.text)))

    def _end(self, event: PartEnded) -> None:
        part = self._parts.get(event.index)
        if part is None:
            return
        if self._is_busy(part):
            part.waiting.append(event)
            return
        del self._parts[event.index]
        if part.is_whole:
            self._whole(part, event)
        elif part.started.kind == "reasoning":
            self._end_thinking(part, event)
        else:
            self._end_plain(part, event)
        self._resume()

    def _end_plain(self, part: Part, event: PartEnded) -> None:
        if part.wire_index < 0 and (self._is_home or part.started.kind == "tool_call"):
            self._open_block(part)
        is_last = self._open is part
        if is_last:
            self._close_block()
        if event.signature is None or self._is_home or part.is_proven:
            return
        if is_last:
            self._proof(event.signature, "previous")
        else:
            self.dropped.add("reasoning.signature")  # its neighbour has gone by

    def _end_thinking(self, part: Part, event: PartEnded) -> None:
        if part.wire_index < 0:
            if event.signature is None and not self._is_home:
                return  # neither words nor proof
            self._open_block(part)
        if event.signature is not None:
            part.is_proven = True
            self._sign(part, seal(event.signature, spoken=NAME))
        self._close_block()

    def _whole(self, part: Part, event: PartEnded) -> None:
        block = opening(part.started, is_home=self._is_home)
        if part.started.is_redacted:
            block["data"] = sealed(event.signature)
            self._whole_block(block, "")
            return
        text = "".join(delta.text for delta in part.waiting if isinstance(delta, PartDelta))
        if event.signature is not None:
            self._proof(event.signature, "next")
        self._whole_block(block, encode({"input": text}).decode())

    def _proof(self, signature: Signature, belongs: Belongs) -> None:
        self._whole_block(proof_block(signature, belongs), "")

    def _whole_block(self, block: dict[str, object], arguments: str) -> None:
        """A block that needs no growing; clients want the input of a tool in deltas all the same."""
        self._close_block()
        index = self._count
        self._count += 1
        self._emit("content_block_start", {"index": index, "content_block": block})
        if arguments:
            self._out.append(_DELTA % (index, b"input_json_delta", b"partial_json", encode(arguments)))
        self._emit("content_block_stop", {"index": index})

    def _resume(self) -> None:
        """Writes what waited for a tool call to end."""
        for part in list(self._parts.values()):
            if not part.waiting or self._is_busy(part):
                continue
            if part.is_whole:
                ended = part.waiting[-1]
                if isinstance(ended, PartEnded):
                    self._end(ended)
                continue
            waiting, part.waiting = part.waiting, []
            for at, event in enumerate(waiting):
                self._write(event, waiting, at)

    def _opaque(self, event: Opaque) -> None:
        self._ensure_started()
        if event.dialect != NAME or not self._is_home:
            self.dropped.add(event.name)
            return
        if event.slot == "event":
            self._out.append(b"event: %b\ndata: %b\n\n" % (_name(event.name), one_line(bytes(event.raw))))
        elif event.slot.startswith("content."):
            self._own_block(members_in(event.raw))
        elif (part := self._parts.get(event.index if event.index is not None else -1)) is not None:
            if part.wire_index < 0:
                self._open_block(part)
            is_citation = event.slot == "citation"
            delta = {"type": "citations_delta", "citation": event.raw} if is_citation else event.raw
            self._emit("content_block_delta", {"index": part.wire_index, "delta": delta})
        else:
            self.dropped.add(event.name)  # its part has gone by

    def _own_block(self, members: Members) -> None:
        given = members.get("input")
        if given is None:
            self._whole_block(dict[str, object](members), "")
        else:
            self._whole_block({**members, "input": {}}, bytes(given).decode("utf-8", "replace"))

    def _finish(self, event: Finished) -> None:
        self._ensure_started()
        self._end_all()
        if event.reason == "error" and not self._is_home:
            message = "the upstream ended the answer with an error of its own"
            self._fail(Problem(kind="upstream", message=message, outcome=Outcome.SERVER))
            return
        delta: dict[str, object] = {
            "stop_reason": reason_of(event.reason, event.wire_reason if self._is_home else ""),
            "stop_sequence": event.stop_sequence,
        }
        beside: dict[str, object] = {}
        if self._is_home:
            for name, raw in event.extras.items():
                (beside if name in _BESIDE else delta)[name] = raw
        usage = members_of(event.usage, is_home=self._is_home)
        self._emit("message_delta", {"delta": delta, "usage": usage, **beside})
        self._emit("message_stop", {})
        self._is_over = True

    def _end_all(self) -> None:
        """Ends what the events left open, so that the answer is well-formed."""
        for _ in range(len(self._parts)):
            held = self._open.started.index if self._open is not None else next(iter(self._parts), None)
            if held is None or held not in self._parts:
                break
            self._end(PartEnded(index=held))
        self._close_block()

    def _fail(self, problem: Problem) -> None:
        self._out.append(b"event: error\ndata: %b\n\n" % error_event(problem))
        self._is_over = True


def _signature_ahead(index: int, rest: Sequence[Event]) -> Signature | None:
    """The proof of a call that came in one piece: Claude Code strips thinking that stands at the end of a turn."""
    ends = (event for event in rest if isinstance(event, PartEnded) and event.index == index)
    ended = next(ends, None)
    return ended.signature if ended is not None else None


def _name(name: str) -> bytes:
    return name.replace("\n", " ").replace("\r", " ").encode("utf-8", "replace")
