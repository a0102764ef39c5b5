import json
from typing import Any

import pytest
from msgspec import structs

from headgate.core.events import Finished
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.openai_responses import DIALECT
from headgate.dialects.openai_responses.tap import tap

USAGE: dict[str, Any] = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 19,
}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
MESSAGE = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}
CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
REFUSAL = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
ANSWER = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "model": "gpt",
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "output": [REASONING, MESSAGE],
    "usage": USAGE,
}
ORDINARY: list[dict[str, Any]] = [
    {},
    {"output": [MESSAGE, CALL]},
    {"output": [REFUSAL, CALL]},
    {"output": [REFUSAL]},
    {"output": []},
    {"output": [{"type": "custom_tool_call", "call_id": "a", "name": "f", "input": ""}]},
    {"usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
    {"tool_usage": {"web_search": {"num_requests": 0}}},
]
ODD: list[dict[str, Any]] = [
    {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    {"incomplete_details": {"reason": "content_filter"}},
    {"status": "failed", "error": {"code": "server_error", "message": "sorry"}},
    {"error": {"code": "server_error", "message": "sorry"}},
    {"status": None},
    {"output": [SEARCH, MESSAGE]},
    {"tool_usage": {"web_search": {"num_requests": 2}}},
    {"usage": None},
    {"usage": {**USAGE, "input_tokens": -1}},
    {"usage": {**USAGE, "cost": 0.1}},
    {"output": [{"type": "message", "content": [{"text": "untyped"}]}]},
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
        wire_reason="completed",
        usage=Usage(input_tokens=10, cached_tokens=4, output_tokens=9, reasoning_tokens=5),
        id="resp_1",
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
