"""Output items, read into parts, whole or bit by bit: one way for both. Must not know how the bytes came.

A part of a message is a canonical part; so are a call and a reasoning item. Any other item is opaque. A part's `form`
is the place of its item in `output`; its extras hold what the item says beside the part, under `item` for messages,
whose own members go with their last part.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.events import Event, Opaque, PartDelta, PartEnded, PartKind, PartStarted
from headgate.core.request import Extras, Signature
from headgate.core.signatures import unseal
from headgate.dialects.openai_responses.wire import (
    EMPTY_LIST,
    NAME,
    NULL,
    Members,
    elements_of,
    encoded,
    members_of,
    text_of,
)

ITEM_ID: Final = "item_id"
ITEM: Final = "item"
HUNG: Final = ("annotations", "logprobs")
"""What hangs on a text and means something only here."""

_WORDS: Final[dict[str, PartKind]] = {"output_text": "text", "refusal": "refusal"}
_TEXT_MEMBERS: Final[dict[PartKind, str]] = {"text": "text", "refusal": "refusal"}
_INPUTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}


class OpenPart(Struct):
    """A part under way."""

    index: int
    kind: PartKind
    pieces: list[str] = field(default_factory=list)
    segment: int = 0
    is_ended: bool = False


class OpenItem(Struct):
    """An item under way."""

    place: int
    type: str = ""
    id: str = ""
    parts: dict[int, OpenPart] = field(default_factory=dict)
    is_done: bool = False


class AnswerReader:
    """Reads items by their key (their place, or their id where a service tells no place)."""

    def __init__(self) -> None:
        self.items: dict[int | str, OpenItem] = {}
        self.searches = 0
        self.has_calls = False
        self.has_refusal = False
        self.is_torn = False
        """A whole did not begin with the bits that came before."""
        self._next_index = 0

    def item_added(self, key: int | str, raw: Raw) -> list[Event]:
        """The start of an item: a call is begun as soon as its name is known, a text with its first part."""
        item = self._item(key)
        if item.is_done:  # a service may count all of its items as the first
            self.items[f"before {len(self.items)}"] = item
            del self.items[key]
            item = self._item(key)
        members = members_of(raw)
        item.type, item.id = text_of(members.get("type")), text_of(members.get("id"))
        if item.parts:  # its words came before it was announced
            return []
        if item.type == "reasoning":
            return [self._started(item, 0, "reasoning", members)]
        if item.type in _INPUTS and text_of(members.get("name")):
            return [self._started(item, 0, "tool_call", members)]
        return []

    def part_added(self, key: int | str, index: int, raw: Raw) -> list[Event]:
        """The start of a content part of a message."""
        item = self._item(key)
        kind = _WORDS.get(text_of(members_of(raw).get("type")))
        if kind is None or index in item.parts or item.type not in ("", "message"):
            return []
        return [self._started(item, index, kind, {})]

    def delta(self, key: int | str, kind: PartKind, index: int, text: str) -> list[Event]:
        """More of a part; a text that was never announced begins here."""
        item = self.items.get(key)
        part = item.parts.get(index if kind in _TEXT_MEMBERS else 0) if item is not None else None
        if part is not None and not part.is_ended:
            if part.segment != index and kind == "reasoning":
                part.segment = index
                text = f"\n\n{text}" if part.pieces else text
            part.pieces.append(text)
            return [PartDelta(part.index, text)]
        if kind == "tool_call" or part is not None:
            return []  # a call without a name cannot begin: the whole item is still to come
        item = self._item(key)
        start = self._started(item, index if kind in _TEXT_MEMBERS else 0, kind, {})
        return [start, *self.delta(key, kind, index, text)]

    def item_done(self, key: int | str, raw: Raw) -> list[Event]:
        """The end of an item, which tells it whole: what has not been said of it is said now."""
        item = self._item(key)
        if item.is_done:
            return []
        item.is_done = True
        members = members_of(raw)
        item.type, item.id = text_of(members.get("type")), text_of(members.get("id")) or item.id
        finisher = _FINISHERS.get(item.type)
        return finisher(self, item, members, raw) if finisher is not None else self._opaque(item, raw)

    def close(self) -> list[Event]:
        """Ends what was left open."""
        return [self._ended(part) for item in self.items.values() for part in item.parts.values() if not part.is_ended]

    def key_of_whole(self, place: int, raw: Raw) -> int | str | None:
        """The key of an element of the final `output`; None when it has been told already."""
        members = members_of(raw)
        item_id = text_of(members.get("id"))
        for key, item in self.items.items():
            if item_id and item.id == item_id:
                return None if item.is_done else key
        item = self.items.get(place)
        if item is None:
            return place
        if item.type in ("", text_of(members.get("type"))):
            return None if item.is_done else place
        return item_id or f"output {place}"

    def _item(self, key: int | str) -> OpenItem:
        if key not in self.items:
            self.items[key] = OpenItem(place=key if isinstance(key, int) else len(self.items))
        return self.items[key]

    def _started(self, item: OpenItem, index: int, kind: PartKind, members: Members) -> PartStarted:
        part = OpenPart(index=self._next_index, kind=kind)
        self._next_index += 1
        item.parts[index] = part
        self.has_refusal |= kind == "refusal"
        self.has_calls |= kind == "tool_call"
        return PartStarted(
            index=part.index,
            kind=kind,
            id=text_of(members.get("call_id")) or (item.id if kind == "tool_call" else ""),
            name=text_of(members.get("name")) if kind == "tool_call" else "",
            namespace=text_of(members.get("namespace")) if kind == "tool_call" else "",
            is_custom=item.type == "custom_tool_call",
            form=str(item.place),
            extras={ITEM_ID: encoded(item.id)} if item.id else {},
        )

    def _ended(self, part: OpenPart, extras: Extras | None = None, signature: Signature | None = None) -> PartEnded:
        part.is_ended = True
        return PartEnded(index=part.index, extras=extras or {}, signature=signature)

    def _rest(self, part: OpenPart, whole: str) -> list[Event]:
        """What of `whole` has not been said."""
        said = "".join(part.pieces)
        if not whole.startswith(said):
            self.is_torn = True
            return []
        rest = whole[len(said) :]
        return [PartDelta(part.index, rest)] if rest else []

    def _opaque(self, item: OpenItem, raw: Raw) -> list[Event]:
        self.searches += item.type == "web_search_call"
        events = [self._ended(part) for part in item.parts.values() if not part.is_ended]
        return [*events, Opaque(name=item.type or "item", raw=raw, dialect=NAME, slot=str(item.place))]

    def _message(self, item: OpenItem, members: Members, raw: Raw) -> list[Event]:
        contents = elements_of(members.pop("content", None))
        known = [index for index, content in enumerate(contents) if _kind_of(content) is not None]
        if not known:
            return self._opaque(item, raw)
        if item.parts and min(item.parts) > 0 and max(item.parts) >= len(contents):
            # Amazon Bedrock's OpenAI API counts the contents of a stream's messages from one (recorded, 2026)
            item.parts = {index - 1: part for index, part in item.parts.items()}
        events: list[Event] = []
        for index, content in enumerate(contents):
            if index in known:
                events += self._words(item, index, members_of(content), members if index == known[-1] else None)
            else:
                name = text_of(members_of(content).get("type")) or "content"
                events.append(Opaque(name=name, raw=content, dialect=NAME, slot=f"{item.place}:{index}"))
        return events

    def _words(self, item: OpenItem, index: int, content: Members, last: Members | None) -> list[Event]:
        kind = _WORDS[text_of(content.pop("type"))]
        text = text_of(content.pop(_TEXT_MEMBERS[kind], None))
        events: list[Event] = [] if index in item.parts else [self._started(item, index, kind, {})]
        part = item.parts[index]
        events += self._rest(part, text)
        for name in HUNG:
            if content.get(name, NULL) not in (NULL, EMPTY_LIST):
                events.append(Opaque(name=name, raw=content.pop(name), dialect=NAME, index=part.index, slot=name))
        if last is not None:
            content[ITEM] = encoded(last)
        return [*events, self._ended(part, content)]

    def _call(self, item: OpenItem, members: Members, raw: Raw) -> list[Event]:
        events: list[Event] = [] if 0 in item.parts else [self._started(item, 0, "tool_call", members)]
        part = item.parts[0]
        events += self._rest(part, text_of(members.pop(_INPUTS[item.type], None)))
        for name in ("type", "call_id", "name"):
            members.pop(name, None)
        return [*events, self._ended(part, members)]

    def _reasoning(self, item: OpenItem, members: Members, raw: Raw) -> list[Event]:
        events: list[Event] = [] if 0 in item.parts else [self._started(item, 0, "reasoning", members)]
        part = item.parts[0]
        if whole := joined(members):
            events += self._rest(part, whole)
        del members["type"]
        sealed = text_of(members.get("encrypted_content"))
        if sealed:
            del members["encrypted_content"]
        return [*events, self._ended(part, members, unseal(sealed, spoken=NAME) if sealed else None)]


def joined(members: Members) -> str:
    """The words of a reasoning item, a blank line between its segments."""
    segments = elements_of(members.get("content")) + elements_of(members.get("summary"))
    return "\n\n".join(text_of(members_of(segment).get("text")) for segment in segments)


def _kind_of(content: Raw) -> PartKind | None:
    return _WORDS.get(text_of(members_of(content).get("type")))


_Finisher = Callable[[AnswerReader, OpenItem, Members, Raw], list[Event]]
_FINISHERS: Final[dict[str, _Finisher]] = {
    "message": AnswerReader._message,  # pyright: ignore[reportPrivateUsage]
    "function_call": AnswerReader._call,  # pyright: ignore[reportPrivateUsage]
    "custom_tool_call": AnswerReader._call,  # pyright: ignore[reportPrivateUsage]
    "reasoning": AnswerReader._reasoning,  # pyright: ignore[reportPrivateUsage]
}
