"""Streams of this dialect, read: bytes in, events out, however the network cut them.

https://docs.cohere.com/v2/docs/streaming (2026-11). An event has a `type`; content parts, tool calls and citations are
each counted from 0.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from headgate.core.events import Event, Opaque
from headgate.core.problems import Outcome
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.cohere.assembling import Assembler, take_text, text_of
from headgate.dialects.cohere.errors import parse_error
from headgate.dialects.cohere.response import add_whole
from headgate.dialects.cohere.wire import ARRAY, ENCODE, NAME, NULL, OBJECT
from headgate.dialects.members import object_of
from headgate.dialects.sse import ServerSentEvent, Splitter


class _Words(Struct, gc=False, forbid_unknown_fields=True):
    text: str = ""
    thinking: str = ""


class _Message(Struct, gc=False, forbid_unknown_fields=True):
    content: _Words


class _Delta(Struct, gc=False, forbid_unknown_fields=True):
    message: _Message


class _MoreWords(Struct, gc=False, forbid_unknown_fields=True):
    """The event that a stream is made of: more words of a content part."""

    type: str
    index: int
    delta: _Delta


_WORDS: Final = Decoder(_MoreWords)
_LEFT: Final = frozenset({b"", b"{}", b"null"})


class StreamParser:
    """Reads a stream; also a whole body sent in its place."""

    def __init__(self) -> None:
        self._splitter = Splitter(bare=b"{")
        self._assembler = Assembler()
        self._is_broken = False

    @property
    def usage(self) -> Usage | None:
        """The latest usage seen."""
        return self._assembler.usage

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        self._read(self._splitter.feed(data))
        return self._taken()

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        self._read(self._splitter.close())
        if self._is_broken:
            self._assembler.fail_by(Outcome.PROTOCOL, "an event was not JSON")
        else:
            self._assembler.fail_by(Outcome.CUT)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._assembler.events = self._assembler.events, []
        return events

    def _read(self, events: list[ServerSentEvent]) -> None:
        for event in events:
            if self._assembler.is_over:
                return
            try:
                words = _WORDS.decode(event.data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                self._read_odd(event.data)
                continue
            content = words.delta.message.content
            if words.type == "content-delta" and self._assembler.has(f"{words.index}"):
                self._assembler.more(f"{words.index}", content.text or content.thinking)
            else:
                self._read_odd(event.data)

    def _read_odd(self, data: bytes) -> None:
        """What is not more words of an open part."""
        if data.strip() == b"[DONE]":
            return
        try:
            members = object_of(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._is_broken = True  # one bad event: the rest may still tell how the answer ends
            return
        read = _EVENTS.get(text_of(members.get("type")) or "")
        if read is not None:
            read(self._assembler, members, data)
        elif "type" in members:
            self._assembler.events.append(_opaque(members, data))
        elif bytes(members.get("message", b""))[:1] == b"{":
            add_whole(self._assembler, members, data)
        else:
            self._assembler.fail(parse_error(502, {}, data))


def _opaque(members: Extras, data: bytes) -> Opaque:
    """A kind of event that we do not know, as it is."""
    name = text_of(members.get("type")) or "event"
    return Opaque(name=name, raw=Raw(data.strip()), dialect=NAME, slot="event")


def _within(members: Extras, *names: str) -> Extras:
    """The object under a path of members, each taken out; empty where there is none."""
    for name in names:
        raw = bytes(members.pop(name, b""))
        members = OBJECT.decode(raw) if raw[:1] == b"{" else {}
    return members


def _place(members: Extras, kind: str = "") -> str:
    """Which part an event is about."""
    return f"{kind}{bytes(members.get('index', b'0')).decode()}"


def _message_start(assembler: Assembler, members: Extras, _: bytes) -> None:
    assembler.start(members)
    delta = _within(members, "delta")
    message = _within(delta, "message")
    for name in ("role", *(name for name, raw in message.items() if bytes(raw) in (b"[]", b'""'))):
        message.pop(name, None)
    assembler.leave(message, "message")


def _content_start(assembler: Assembler, members: Extras, data: bytes) -> None:
    assembler.start({})
    content = _within(dict(members), "delta", "message", "content")
    if text_of(content.get("type")) in ("text", "thinking"):
        assembler.content(_place(members), content)
    else:
        assembler.events.append(_opaque(members, data))


def _content_delta(assembler: Assembler, members: Extras, data: bytes) -> None:
    """More words with something beside them, or of a part that never began: older models leave its start out."""
    place = _place(members)
    content = _within(dict(members), "delta", "message", "content")
    words = [(name, text) for name in ("text", "thinking") if (text := take_text(content, name))]
    if not assembler.has(place):
        if not words:
            return assembler.events.append(_opaque(members, data))
        assembler.start({})
        assembler.content(place, {"type": Raw(ENCODE(words[0][0]))})
    for _, text in words:
        assembler.more(place, text)
    logprobs = members.get("logprobs", NULL)
    if bytes(logprobs) not in _LEFT:
        for item in ARRAY.decode(logprobs) if bytes(logprobs)[:1] == b"[" else [logprobs]:
            assembler.tell("logprobs", item, "logprobs", place)
    return None


def _content_end(assembler: Assembler, members: Extras, _: bytes) -> None:
    assembler.end(_place(members))


def _plan_delta(assembler: Assembler, members: Extras, _: bytes) -> None:
    assembler.start({})
    assembler.plan(take_text(_within(members, "delta", "message"), "tool_plan") or "")


def _call_start(assembler: Assembler, members: Extras, _: bytes) -> None:
    assembler.start({})
    assembler.end("plan")
    assembler.call(_place(members, "call "), _within(dict(members), "delta", "message", "tool_calls"))


def _call_delta(assembler: Assembler, members: Extras, _: bytes) -> None:
    function = _within(dict(members), "delta", "message", "tool_calls", "function")
    assembler.more(_place(members, "call "), take_text(function, "arguments") or "")


def _call_end(assembler: Assembler, members: Extras, _: bytes) -> None:
    assembler.end(_place(members, "call "))


def _citation_start(assembler: Assembler, members: Extras, _: bytes) -> None:
    raw = _within(members, "delta", "message").get("citations", NULL)
    if bytes(raw) not in _LEFT:
        assembler.tell("citations", raw, "citation")


def _nothing(_assembler: Assembler, _members: Extras, _data: bytes) -> None:
    """The end of a citation says nothing that its start has not said."""


def _message_end(assembler: Assembler, members: Extras, data: bytes) -> None:
    delta = _within(members, "delta")
    for name in ("type", "id"):
        members.pop(name, None)
    assembler.finish(members | delta, data)


_EVENTS: Final[dict[str, Callable[[Assembler, Extras, bytes], None]]] = {
    "message-start": _message_start,
    "content-start": _content_start,
    "content-delta": _content_delta,
    "content-end": _content_end,
    "tool-plan-delta": _plan_delta,
    "tool-call-start": _call_start,
    "tool-call-delta": _call_delta,
    "tool-call-end": _call_end,
    "citation-start": _citation_start,
    "citation-end": _nothing,
    "message-end": _message_end,
}
