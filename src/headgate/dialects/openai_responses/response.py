"""Whole answers of the Responses API, read and written. A whole answer is a stream without the waiting."""

from collections.abc import Iterable

import msgspec
from msgspec import structs

from headgate.core.events import Event, Failed
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.members import readable
from headgate.dialects.openai_responses.answer import AnswerReader
from headgate.dialects.openai_responses.errors import problem_of_members, problem_of_response
from headgate.dialects.openai_responses.renderer import StreamRenderer
from headgate.dialects.openai_responses.stream import finished_of, started_of
from headgate.dialects.openai_responses.usage import parse_usage
from headgate.dialects.openai_responses.wire import (
    ENCODER,
    MEMBERS,
    NULL,
    Members,
    elements_of,
    members_of,
    mended,
    raw_is,
    text_of,
)

_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)


def parse_response(body: bytes) -> list[Event]:
    """The events that a whole answer tells."""
    body = readable(body)
    try:
        members = MEMBERS.decode(body)
    except _UNREADABLE:
        members = _mended_members(body)
    return _events(members)


def _mended_members(body: bytes) -> Members:
    try:
        return MEMBERS.decode(mended(body))
    except _UNREADABLE:
        raise Malformed("the service's answer is not a JSON object of the Responses API") from None


def _events(members: Members) -> list[Event]:
    if "output" not in members:
        error = members.get("error", NULL)
        if error == NULL:
            raise Malformed("the service's answer has neither `output` nor `error`")
        return [Failed(problem_of_members(error, members))]
    raw_usage = members.get("usage", NULL)
    started = started_of(members)
    events: list[Event] = [started]
    reader = AnswerReader()
    for place, raw in enumerate(elements_of(members["output"])):
        events += reader.item_done(place, raw)
    if text_of(members.get("status")) == "failed" or members_of(members.get("error")):
        events[0] = structs.replace(started, extras={**started.extras, "usage": raw_usage})
        return [*events, Failed(problem_of_response(members))]
    usage = parse_usage(raw_usage, members, reader.searches) if raw_is(raw_usage, b"{") else None
    return [*events, finished_of(members, reader, usage, status="completed", extras={})]


def render_response(events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
    """The whole answer that `events` tell."""
    renderer = StreamRenderer(reply_to)
    renderer.render(events)
    dropped |= renderer.dropped
    return ENCODER.encode(renderer.response)
