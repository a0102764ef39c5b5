import json
from typing import Any

import pytest
from msgspec import structs

from headgate.core.events import Finished
from headgate.core.usage import Usage
from headgate.dialects.anthropic import DIALECT
from headgate.dialects.anthropic.tap import tap
from headgate.dialects.base import Malformed

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 5},
    "server_tool_use": {"web_search_requests": 1},
    "service_tier": "standard",
}
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hi."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
ORDINARY: list[dict[str, Any]] = [
    {},
    {"stop_reason": "tool_use", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
    {"stop_reason": "stop_sequence", "stop_sequence": "END"},
    {"stop_reason": "max_tokens", "usage": {"input_tokens": 1, "output_tokens": 2}},
    {"usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None, "cache_creation": None}},
    {"usage": {**USAGE, "cache_creation_input_tokens": 1}},
    {"container": {"id": "c"}},
]
ODD: list[dict[str, Any]] = [
    {"stop_reason": None},
    {"stop_reason": "bored"},
    {"stop_reason": ""},
    {"type": None},
    {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
    {"error": None},
    {"usage": None},
    {"usage": {"input_tokens": 1.5, "output_tokens": 2}},
    {"usage": {"output_tokens": 2}},
    {"stop_sequence": 1},
]


def answer(**changes: Any) -> bytes:
    return json.dumps({**ANSWER, **changes}).encode()


def end(body: bytes) -> object:
    """The last event of the whole reading, without what the tap need not tell."""
    last = DIALECT.parse_response(body)[-1]
    if not isinstance(last, Finished):
        return last
    return structs.replace(last, extras={}, usage=bare(last.usage))


def bare(usage: Usage | None) -> Usage | None:
    return usage and structs.replace(usage, extras={})


def tapped(body: bytes) -> object:
    event = tap(body)
    return structs.replace(event, extras={}, usage=bare(event.usage)) if isinstance(event, Finished) else event


def test_an_ordinary_answer_ends_as_it_says():
    assert tap(answer()) == Finished(
        reason="stop",
        wire_reason="end_turn",
        usage=Usage(
            input_tokens=17,
            cached_tokens=4,
            cache_write_tokens=3,
            cache_write_1h_tokens=2,
            output_tokens=9,
            reasoning_tokens=5,
            web_searches=1,
        ),
    )


def test_the_dialect_has_it():
    assert DIALECT.tap is tap


@pytest.mark.parametrize("changes", ORDINARY + ODD, ids=str)
def test_the_end_is_that_of_the_whole_reading(changes: dict[str, Any]):
    assert tapped(answer(**changes)) == end(answer(**changes))


@pytest.mark.parametrize("changes", ORDINARY, ids=str)
def test_ordinary_answers_are_not_read_whole(changes: dict[str, Any]):
    event = tap(answer(**changes))

    assert isinstance(event, Finished)
    assert event.usage is not None
    assert event.usage.extras == {}  # the whole reading keeps what the wire said


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_what_is_no_answer_is_refused(body: bytes):
    with pytest.raises(Malformed):
        tap(body)
