"""Parts of an answer, written as output items with the events that tell them. Must not know the answer around them.

Each kind of part has a writer with three verbs, `start`, `more` and `end`; what it wrote is in `item` at the end.
"""

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Raw, Struct, field

from headgate.core.events import PartEnded, PartKind, PartStarted
from headgate.core.request import Extras, Signature
from headgate.dialects.openai_responses.answer import ITEM, ITEM_ID, joined
from headgate.dialects.openai_responses.sealing import Mark, wrap
from headgate.dialects.openai_responses.wire import ENCODER, Members, members_of, text_of
from headgate.dialects.sse import event as sse_event

_Object = dict[str, object]


class Pen:
    """Writes numbered events."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.count = 0

    def event(self, name: str, members: _Object) -> None:
        """One event."""
        self.lines.append(sse_event(ENCODER.encode({"type": name, "sequence_number": self.count, **members}), name))
        self.count += 1

    def delta(self, head: bytes, text: str, tail: bytes) -> None:
        """One event of a prepared form: as few steps as can be, for there is one per token."""
        self.lines.append(b"%b%b%b%d}\n\n" % (head, ENCODER.encode(text), tail, self.count))
        self.count += 1

    def take(self) -> bytes:
        """What was written since the last time."""
        lines, self.lines = self.lines, []
        return b"".join(lines)


class Item(Struct):
    """An output item under way, or done."""

    place: int
    id: str
    is_home: bool = False
    """It comes from a service of this dialect: it is told as the service told it."""
    members: _Object = field(default_factory=dict[str, object])
    content: list[_Object] = field(default_factory=list[_Object])
    inserted: dict[int, Raw] = field(default_factory=dict[int, Raw])
    """Content that only this dialect understands, by its place in the item."""
    is_done: bool = False

    def close(self, pen: Pen) -> None:
        """Tells the item whole."""
        if self.is_done:
            return
        self.is_done = True
        if self.content:
            content: list[object] = list(self.content)
            for index, raw in sorted(self.inserted.items()):
                content.insert(index, raw)
            self.members = {**self.members, "content": content}
        pen.event("response.output_item.done", {"output_index": self.place, "item": self.members})


class PartWriter(Protocol):
    """How one kind of part is told."""

    item: Item
    holds_signature: bool
    """Whether `end` finds a place for the part's signature."""

    def more(self, text: str) -> None:
        """A delta."""
        ...

    def end(self, event: PartEnded, hung: dict[str, Raw]) -> None:
        """The end of the part, and of its item if it is the last."""
        ...


class WordsWriter:
    """Text and refusals: content parts of a message."""

    holds_signature = False

    def __init__(self, pen: Pen, item: Item, event: PartStarted) -> None:
        self.item = item
        self._pen = pen
        self._pieces: list[str] = []
        self._member = "refusal" if event.kind == "refusal" else "text"
        self._type = "refusal" if event.kind == "refusal" else "output_text"
        if not item.members:
            item.members = {
                "id": item.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []
            }  # fmt: skip
            pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})
        self._index = len(item.content)
        self._where: _Object = {"item_id": item.id, "output_index": item.place, "content_index": self._index}
        part = self._part("")
        item.content.append(part)
        pen.event("response.content_part.added", {**self._where, "part": part})
        name = f"response.{self._type}.delta"
        self._head = b"event: %b\ndata: %b,\"delta\":" % (
            name.encode(), ENCODER.encode({"type": name, **self._where})[:-1]
        )  # fmt: skip
        self._tail = (b',"logprobs":[]' if self._member == "text" else b"") + b',"sequence_number":'

    def _part(self, text: str) -> _Object:
        empty: _Object = {"annotations": [], "logprobs": []} if self._member == "text" else {}
        return {"type": self._type, self._member: text, **empty}

    def more(self, text: str) -> None:
        """A delta."""
        self._pieces.append(text)
        self._pen.delta(self._head, text, self._tail)

    def end(self, event: PartEnded, hung: dict[str, Raw]) -> None:
        """The end of the part; an item of several is closed with the part that tells the item's own members."""
        extras: Extras = dict(event.extras)
        own = members_of(extras.pop(ITEM, None))
        text = "".join(self._pieces)
        known = self._part(text)
        if self.item.is_home and event.extras:  # what the service said, no less and no more
            known = {"type": self._type, self._member: text}
        part = {**known, **hung, **extras}
        self.item.content[self._index] = part
        done: _Object = {**self._where, self._member: text}
        if self._member == "text":
            done["logprobs"] = part.get("logprobs", [])
        self._pen.event(f"response.{self._type}.done", done)
        self._pen.event("response.content_part.done", {**self._where, "part": part})
        if own:
            self.item.members = {"id": self.item.id, "type": "message", **own, "content": []}
        else:
            self.item.members["status"] = "completed"
        if own or not self.item.is_home:
            self.item.close(self._pen)


class CallWriter:
    """Tool calls, with JSON or free text."""

    holds_signature = False

    def __init__(self, pen: Pen, item: Item, event: PartStarted) -> None:
        self.item = item
        self._pen = pen
        self._pieces: list[str] = []
        self._member = "input" if event.is_custom else "arguments"
        self._verb = "response.custom_tool_call_input" if event.is_custom else "response.function_call_arguments"
        item.members = {
            "id": item.id,
            "type": "custom_tool_call" if event.is_custom else "function_call",
            "status": "in_progress",
            self._member: "",
            "call_id": event.id or item.id,
            "name": event.name,
        }
        if event.namespace:
            item.members["namespace"] = event.namespace
        pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})
        self._where: _Object = {"item_id": item.id, "output_index": item.place}
        name = f"{self._verb}.delta"
        self._head = b"event: %b\ndata: %b,\"delta\":" % (
            name.encode(), ENCODER.encode({"type": name, **self._where})[:-1]
        )  # fmt: skip

    def more(self, text: str) -> None:
        """A delta."""
        self._pieces.append(text)
        self._pen.delta(self._head, text, b',"sequence_number":')

    def end(self, event: PartEnded, hung: dict[str, Raw]) -> None:
        """The end of the call. A call without arguments is `{}` for those who decode it unasked."""
        text = "".join(self._pieces) or ("" if self.item.is_home or self._member == "input" else "{}")
        name: _Object = {} if self._member == "input" else {"name": self.item.members["name"]}
        self._pen.event(f"{self._verb}.done", {**self._where, self._member: text, **name})
        members: _Object = {**self.item.members, self._member: text, "status": "completed"}
        if self.item.is_home:
            del members["status"]
        self.item.members = {**members, **event.extras}
        self.item.close(self._pen)


class ReasoningWriter:
    """Thinking: a summary in one part, and the proof sealed in `encrypted_content`."""

    holds_signature = True

    def __init__(self, pen: Pen, item: Item, event: PartStarted) -> None:
        self.item = item
        self._pen = pen
        self._pieces: list[str] = []
        self._is_redacted = event.is_redacted
        item.members = {"id": item.id, "type": "reasoning", "summary": []}
        pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})
        self._where: _Object = {"item_id": item.id, "output_index": item.place, "summary_index": 0}
        name = "response.reasoning_summary_text.delta"
        self._head = b"event: %b\ndata: %b,\"delta\":" % (
            name.encode(), ENCODER.encode({"type": name, **self._where})[:-1]
        )  # fmt: skip

    def more(self, text: str) -> None:
        """A delta; the summary part begins with the first."""
        if not self._pieces:
            part = {"type": "summary_text", "text": ""}
            self._pen.event("response.reasoning_summary_part.added", {**self._where, "part": part})
        self._pieces.append(text)
        self._pen.delta(self._head, text, b',"sequence_number":')

    def end(self, event: PartEnded, hung: dict[str, Raw]) -> None:
        """The end of the thinking; at home its segments are put back unless the words have changed."""
        text = "".join(self._pieces)
        part = {"type": "summary_text", "text": text}
        members: _Object = {**self.item.members, "summary": [part] if text else []}
        if self._pieces:
            self._pen.event("response.reasoning_summary_text.done", {**self._where, "text": text})
            self._pen.event("response.reasoning_summary_part.done", {**self._where, "part": part})
        own: Members = dict(event.extras)
        if joined(own) != text:
            own.pop("content", None)
            own.pop("summary", None)
        elif own and "summary" not in own:
            del members["summary"]
        members |= own
        if event.signature is not None:
            members["encrypted_content"] = wrap(event.signature, Mark(is_redacted=self._is_redacted))
        self.item.members = members
        self.item.close(self._pen)


class ImageWriter:
    """A picture that the model drew itself: told as the result of the image tool, the one place for it here."""

    holds_signature = False

    def __init__(self, pen: Pen, item: Item, event: PartStarted) -> None:
        self.item = item
        self._pen = pen
        self._pieces: list[str] = []
        self._format = event.media_type.rpartition("/")[2]
        item.members = {"id": item.id, "type": "image_generation_call", "status": "in_progress", "result": None}
        pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})

    def more(self, text: str) -> None:
        """A delta of base64."""
        self._pieces.append(text)

    def end(self, event: PartEnded, hung: dict[str, Raw]) -> None:
        """The whole picture."""
        wire_format: _Object = {"output_format": self._format} if self._format else {}
        self.item.members |= {"status": "completed", "result": "".join(self._pieces), **wire_format}
        self.item.close(self._pen)


WRITERS: Final[dict[PartKind, Callable[[Pen, Item, PartStarted], PartWriter]]] = {
    "text": WordsWriter,
    "refusal": WordsWriter,
    "tool_call": CallWriter,
    "reasoning": ReasoningWriter,
    "image": ImageWriter,
}
_ID_PREFIXES: Final[dict[PartKind, str]] = {
    "text": "msg",
    "refusal": "msg",
    "tool_call": "fc",
    "reasoning": "rs",
    "image": "ig",
}


def write_sealed(pen: Pen, item: Item, signature: Signature) -> None:
    """A proof that belongs to the item before: the only way to have it given back with the next turn."""
    item.members = {"id": item.id, "type": "reasoning", "summary": []}
    pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})
    item.members = {**item.members, "encrypted_content": wrap(signature, Mark(is_behind=True))}
    item.close(pen)


def write_opaque(pen: Pen, item: Item, raw: Raw) -> None:
    """An item of this dialect that no part tells."""
    item.members = dict[str, object](members_of(raw))
    pen.event("response.output_item.added", {"output_index": item.place, "item": item.members})
    item.close(pen)


def prefix_of(event: PartStarted) -> str:
    """How the id of its item begins: the API refuses a returned item whose id begins otherwise."""
    return "ctc" if event.is_custom else _ID_PREFIXES[event.kind]


def id_of(event: PartStarted) -> str:
    """The id that the service gave the item, "" for none."""
    return text_of(event.extras.get(ITEM_ID))
