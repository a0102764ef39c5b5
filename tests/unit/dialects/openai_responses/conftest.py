"""Streams of the Responses API, written by hand after the API reference."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

Wire = Callable[..., bytes]


def _wire(*events: tuple[str, dict[str, Any]]) -> bytes:
    lines: list[str] = []
    for number, (name, members) in enumerate(events):
        data = json.dumps({"type": name, "sequence_number": number, **members}, separators=(",", ":"))
        lines.append(f"event: {name}\ndata: {data}\n\n")
    return "".join(lines).encode()


@pytest.fixture
def wire() -> Wire:
    """Named events as the bytes of a stream."""
    return _wire


def _response(status: str, output: list[Any], **members: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "model": "gpt-6",
        "output": output,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be kind.",
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
        **members,
    }


USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {
        "cached_tokens": 12,
        "cache_write_tokens": 8,
        "cache_write_tokens_details": {"ttl_30m_tokens": 3, "ttl_12h_tokens": 5},
    },
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 6},
    "total_tokens": 50,
}

REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Look outside."}, {"type": "summary_text", "text": "Then say."}],
    "encrypted_content": "c2VhbGVk",
}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "sky"}}
CITATION = {"type": "url_citation", "url": "https://example.com", "title": "Sky", "start_index": 0, "end_index": 4}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [
        {
            "type": "output_text",
            "text": "Blau 🌤.",
            "annotations": [CITATION],
            "logprobs": [],
        },
        {"type": "refusal", "refusal": "No more."},
    ],
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "look",
    "arguments": '{"at":"sky"}',
}
CUSTOM = {
    "id": "ctc_1",
    "type": "custom_tool_call",
    "status": "completed",
    "call_id": "call_2",
    "name": "run",
    "input": "ls -l",
}
OUTPUT = [REASONING, SEARCH, MESSAGE, CALL, CUSTOM]


@pytest.fixture
def whole() -> dict[str, Any]:
    """A whole answer with an item of every kind."""
    return _response("completed", copy.deepcopy(OUTPUT), usage=USAGE, completed_at=1700000009)


@pytest.fixture
def stream() -> bytes:
    """The same answer as a stream."""

    def at(place: int, item: str, **members: Any) -> dict[str, Any]:
        return {"output_index": place, "item_id": item, **members}

    summary = "response.reasoning_summary_"
    text, words = MESSAGE["content"]
    return _wire(
        ("response.created", {"response": _response("in_progress", [])}),
        ("response.in_progress", {"response": _response("in_progress", [])}),
        ("response.output_item.added", {"output_index": 0, "item": {"id": "rs_1", "type": "reasoning", "summary": []}}),
        (f"{summary}part.added", at(0, "rs_1", summary_index=0, part={"type": "summary_text", "text": ""})),
        (f"{summary}text.delta", at(0, "rs_1", summary_index=0, delta="Look ")),
        (f"{summary}text.delta", at(0, "rs_1", summary_index=0, delta="outside.")),
        (f"{summary}text.done", at(0, "rs_1", summary_index=0, text="Look outside.")),
        (f"{summary}text.delta", at(0, "rs_1", summary_index=1, delta="Then say.")),
        ("response.output_item.done", {"output_index": 0, "item": REASONING}),
        ("response.output_item.added", {"output_index": 1, "item": {**SEARCH, "status": "in_progress"}}),
        ("response.web_search_call.searching", at(1, "ws_1")),
        ("response.output_item.done", {"output_index": 1, "item": SEARCH}),
        (
            "response.output_item.added",
            {"output_index": 2, "item": {**MESSAGE, "status": "in_progress", "content": []}},
        ),
        ("response.content_part.added", at(2, "msg_1", content_index=0, part={"type": "output_text", "text": ""})),
        ("response.output_text.delta", at(2, "msg_1", content_index=0, delta="Blau ", logprobs=[])),
        ("response.output_text.delta", at(2, "msg_1", content_index=0, delta="🌤.", logprobs=[], obfuscation="x")),
        ("response.output_text.done", at(2, "msg_1", content_index=0, text="Blau 🌤.")),
        ("response.content_part.done", at(2, "msg_1", content_index=0, part=text)),
        ("response.content_part.added", at(2, "msg_1", content_index=1, part={"type": "refusal", "refusal": ""})),
        ("response.refusal.delta", at(2, "msg_1", content_index=1, delta="No more.")),
        ("response.content_part.done", at(2, "msg_1", content_index=1, part=words)),
        ("response.output_item.done", {"output_index": 2, "item": MESSAGE}),
        ("response.output_item.added", {"output_index": 3, "item": {**CALL, "arguments": "", "status": "in_progress"}}),
        ("response.function_call_arguments.delta", at(3, "fc_1", delta='{"at":')),
        ("response.function_call_arguments.delta", at(3, "fc_1", delta='"sky"}')),
        ("response.function_call_arguments.done", at(3, "fc_1", arguments='{"at":"sky"}')),
        ("response.output_item.done", {"output_index": 3, "item": CALL}),
        ("response.output_item.added", {"output_index": 4, "item": {**CUSTOM, "input": ""}}),
        ("response.custom_tool_call_input.delta", at(4, "ctc_1", delta="ls -l")),
        ("response.output_item.done", {"output_index": 4, "item": CUSTOM}),
        ("response.completed", {"response": _response("completed", OUTPUT, usage=USAGE, completed_at=1700000009)}),
    )
