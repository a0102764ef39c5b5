"""Streams of the Responses API, read. The whole answer is the same without the stream around it."""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartKind, Started, StopReason
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.openai_responses.answer import AnswerReader
from headgate.dialects.openai_responses.errors import problem_of_members, problem_of_response
from headgate.dialects.openai_responses.usage import parse_usage
from headgate.dialects.openai_responses.wire import (
    DELTA_EVENT,
    MEMBERS,
    NAME,
    NULL,
    STREAM_EVENT,
    Members,
    StreamEvent,
    elements_of,
    members_of,
    mended,
    raw_is,
    text_of,
)
from headgate.dialects.sse import ServerSentEvent, Splitter

_DELTAS: Final[dict[str, PartKind]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "tool_call",
    "response.custom_tool_call_input.delta": "tool_call",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
_TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_BEGINNINGS: Final = frozenset({"response.created", "response.in_progress", "response.queued"})

# Progress of items that `response.output_item.done` tells whole (previews of a picture included), and the ends of
# parts, which it repeats: they carry nothing of the answer that will not come again (https://platform.openai.com/docs/api-reference/responses-streaming,
# 2026-11).
_REPEATED: Final = (
    "response.content_part.done",
    "response.output_text.done",
    "response.output_text.annotation.added",
    "response.refusal.done",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.done",
    "response.reasoning_",
    "response.web_search_call.",
    "response.file_search_call.",
    "response.code_interpreter_call",
    "response.image_generation_call.",
    "response.mcp_",
    "response.shell_call",
    "response.apply_patch_call",
    "response.x_search_call.",
    "response.compaction.",
    "keepalive",
    "ping",
)

_REASONS: Final[dict[str, StopReason]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""The last event repeats the whole answer, pictures in base64 included."""
_KEPT: Final = frozenset({"id", "model", "output"})
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


class StreamParser:
    """Bytes of a streamed answer in, events out."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._splitter = Splitter(_EVENT_BYTES_MAX)
        self._reader = AnswerReader()
        self._start: Extras | None = None
        self._is_over = False
        self._is_damaged = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        events: list[Event] = []
        for event in self._splitter.feed(data):
            kind = _DELTAS.get(event.name)
            if kind is None:
                events += self._read(event)
            else:
                self._read_delta(kind, event, events)
        return events

    def _read_delta(self, kind: PartKind, sse: ServerSentEvent, events: list[Event]) -> None:
        """The usual event by a shorter way: it is named, and few of its members are of interest."""
        try:
            event = DELTA_EVENT.decode(sse.data)
        except _UNREADABLE:
            events += self._read(sse)
            return
        if self._start is None:
            events += self._opening()
        if not self._is_over:
            place = event.content_index or event.summary_index
            events += self._reader.delta(event.output_index, kind, place, event.delta)

    def close(self) -> list[Event]:
        """The events that the end of the bytes completes."""
        events: list[Event] = []
        for event in self._splitter.close():
            events += self._read(event)
        if self._is_over:
            return events
        self._is_over = True
        if self._is_damaged:
            return [*events, _failed("the stream held an event that is not JSON", Outcome.PROTOCOL)]
        return [*events, _failed("the stream ended before the answer was complete", Outcome.CUT)]

    def _read(self, event: ServerSentEvent) -> list[Event]:
        if event.data == b"[DONE]" or not event.data:
            return []
        try:
            return self._dispatch(STREAM_EVENT.decode(event.data), event)
        except _UNREADABLE:
            return self._read_odd(event)

    def _read_odd(self, event: ServerSentEvent) -> list[Event]:
        """Half a character, or a member of another type than the reference says: the rest can be used."""
        try:
            members = MEMBERS.decode(mended(event.data))
            odd = StreamEvent(type=text_of(members.get("type")), delta=text_of(members.get("delta")))
            for name in ("item", "response", "part"):
                setattr(odd, name, members.get(name, Raw()))
            for name in ("output_index", "content_index", "summary_index"):
                text = bytes(members.get(name, NULL)).partition(b".")[0]
                setattr(odd, name, int(text) if text.isdigit() else None)
            odd.item_id = text_of(members.get("item_id"))
            return self._dispatch(odd, event)
        except _UNREADABLE:
            self._is_damaged = True
            return []

    def _dispatch(self, event: StreamEvent, sse: ServerSentEvent) -> list[Event]:
        if self._is_over:
            if event.type in _TERMINAL:
                self._note_usage(members_of(event.response))
            return []
        kind = _DELTAS.get(event.type)
        if kind is not None:
            place = event.content_index or event.summary_index or 0
            return self._opening() + self._reader.delta(_key(event), kind, place, event.delta)
        verb = _VERBS.get(event.type or sse.name)
        if verb is not None:
            return verb(self, event)
        if event.type.startswith(_REPEATED):
            return []
        return self._unknown(event, sse)

    def _opening(self) -> list[Event]:
        """A start for services that do not announce one."""
        if self._start is not None:
            return []
        self._start = {}
        return [Started(dialect=NAME)]

    def _begin(self, event: StreamEvent) -> list[Event]:
        if self._start is not None:
            return []
        started = started_of(members_of(event.response))
        self._start = started.extras
        started.extras.pop("usage", None)
        return [started]

    def _item_added(self, event: StreamEvent) -> list[Event]:
        return self._opening() + self._reader.item_added(_key(event), event.item)

    def _item_done(self, event: StreamEvent) -> list[Event]:
        return self._opening() + self._reader.item_done(_key(event), event.item)

    def _part_added(self, event: StreamEvent) -> list[Event]:
        return self._opening() + self._reader.part_added(_key(event), event.content_index or 0, event.part)

    def _finish(self, event: StreamEvent) -> list[Event]:
        members = members_of(event.response)
        if event.type == "response.failed":
            self._note_usage(members)
            return self._fail(problem_of_response(members))
        events = self._begin(event)
        for place, raw in enumerate(elements_of(members.get("output"))):
            key = self._reader.key_of_whole(place, raw)
            if key is not None:
                events += self._reader.item_done(key, raw)
        events += self._reader.close()
        self._note_usage(members)
        if self._is_damaged and self._reader.is_torn:
            return events + self._fail(_problem("the stream held an event that is not JSON", Outcome.PROTOCOL))
        self._is_over = True
        start = self._start or {}
        changed = {name: raw for name, raw in leftovers(members).items() if start.get(name) != raw}
        status = event.type.removeprefix("response.")
        return [*events, finished_of(members, self._reader, self.usage, status=status, extras=changed)]

    def _fail(self, problem: Problem) -> list[Event]:
        self._is_over = True
        return [Failed(problem)]

    def _note_usage(self, members: Members) -> None:
        raw = members.get("usage", NULL)
        if raw_is(raw, b"{"):
            self.usage = parse_usage(raw, members, self._reader.searches)

    def _unknown(self, event: StreamEvent, sse: ServerSentEvent) -> list[Event]:
        members = MEMBERS.decode(sse.data)
        name = event.type or sse.name or "event"
        if name == "error" or (not event.type and members.get("error", NULL) != NULL):
            # members beside `type` by the reference, in `error` by the service itself (2026-11)
            return self._fail(problem_of_members(members.get("error", NULL), members))
        return [*self._opening(), Opaque(name=name, raw=Raw(sse.data), dialect=NAME, slot="event")]


def _key(event: StreamEvent) -> int | str:
    return event.output_index if event.output_index is not None else event.item_id or 0


def started_of(members: Members) -> Started:
    """The start of an answer, from the response object."""
    extras = leftovers(members)
    seconds = bytes(members.get("created_at", b""))
    created = int(seconds) if seconds.isdigit() else 0
    if created:
        del extras["created_at"]
    return Started(
        id=text_of(members.get("id")),
        model=text_of(members.get("model")),
        created=created,
        dialect=NAME,
        extras=extras,
    )


def leftovers(members: Members) -> Extras:
    """The members of a response object that are not told by events of their own."""
    extras = {name: raw for name, raw in members.items() if name not in _KEPT}
    if raw_is(extras.get("usage", NULL), b"{"):
        del extras["usage"]
    return extras


def finished_of(
    members: Members, reader: AnswerReader, usage: Usage | None, *, status: str, extras: Extras
) -> Finished:
    """The end of an answer, from the response object."""
    status = text_of(members.get("status")) or status
    cause = text_of(members_of(members.get("incomplete_details")).get("reason"))
    reason: StopReason = "other"
    if status == "completed":
        reason = "tool_calls" if reader.has_calls else "refusal" if reader.has_refusal else "stop"
    elif status == "incomplete":
        reason = _REASONS.get(cause, "other")
    extras.pop("created_at", None)
    id = text_of(members.get("id"))
    return Finished(reason=reason, usage=usage, wire_reason=cause or status, id=id, extras=extras)


def _problem(message: str, outcome: Outcome) -> Problem:
    return Problem(kind="upstream", message=message, outcome=outcome, dialect=NAME)


def _failed(message: str, outcome: Outcome) -> Failed:
    return Failed(_problem(message, outcome))


_Verb = Callable[[StreamParser, StreamEvent], list[Event]]
_VERBS: Final[dict[str, _Verb]] = {
    "response.output_item.added": StreamParser._item_added,  # pyright: ignore[reportPrivateUsage]
    "response.output_item.done": StreamParser._item_done,  # pyright: ignore[reportPrivateUsage]
    "response.content_part.added": StreamParser._part_added,  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(_BEGINNINGS, StreamParser._begin),  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(_TERMINAL, StreamParser._finish),  # pyright: ignore[reportPrivateUsage]
}
