"""One answer with everything in it, as a stream and as its whole twin, written by hand from the documentation."""

import json

import pytest

FOUND = {
    "type": "web_search_result",
    "url": "https://x.example",
    "title": "t",
    "encrypted_content": "e",
    "page_age": None,
}

CITED = {
    "type": "page_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": None,
    "start_page_number": 1,
    "end_page_number": 2,
}

CONTAINER = {"id": "c1", "expires_at": "2026-11-22T00:00:00Z"}

EVENTS: list[dict[str, object]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 4,
                "cache_read_input_tokens": 6,
                "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
                "output_tokens": 1,
                "service_tier": "standard",
            },
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "SIG=="}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "DATA"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"query":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"köln"}'}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "content_block_start",
        "index": 3,
        "content_block": {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [FOUND]},
    },
    {"type": "content_block_stop", "index": 3},
    {"type": "content_block_start", "index": 4, "content_block": {"type": "text", "text": "", "citations": []}},
    {"type": "content_block_delta", "index": 4, "delta": {"type": "text_delta", "text": 'Grüße 🌧 \\ "wet"\n'}},
    {
        "type": "content_block_delta",
        "index": 4,
        "delta": {"type": "citations_delta", "citation": CITED},
    },
    {"type": "content_block_delta", "index": 4, "delta": {"type": "text_delta", "text": "there."}},
    {"type": "content_block_stop", "index": 4},
    {
        "type": "content_block_start",
        "index": 5,
        "content_block": {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "weather",
            "input": {},
            "caller": {"type": "direct"},
        },
    },
    {"type": "content_block_delta", "index": 5, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 5, "delta": {"type": "input_json_delta", "partial_json": '{"city":"K'}},
    {"type": "content_block_delta", "index": 5, "delta": {"type": "input_json_delta", "partial_json": 'öln"}'}},
    {"type": "content_block_stop", "index": 5},
    {
        "type": "content_block_start",
        "index": 6,
        "content_block": {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    },
    {"type": "content_block_stop", "index": 6},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None, "container": CONTAINER},
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 6,
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 9},
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        },
        "context_management": {"applied_edits": []},
    },
    {"type": "message_stop"},
]

WHOLE: dict[str, object] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "SIG=="},
        {"type": "redacted_thinking", "data": "DATA"},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "köln"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": [FOUND]},
        {
            "type": "text",
            "text": 'Grüße 🌧 \\ "wet"\nthere.',
            "citations": [CITED],
        },
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "weather",
            "input": {"city": "Köln"},
            "caller": {"type": "direct"},
        },
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "stop_details": None,
    "container": CONTAINER,
    "context_management": {"applied_edits": []},
    "usage": {
        "input_tokens": 12,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 6,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 40,
        "service_tier": "standard",
        "output_tokens_details": {"thinking_tokens": 9},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    },
}


def compact(value: object) -> bytes:
    """JSON as the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture(scope="session")
def stream() -> bytes:
    """The answer, streamed."""
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), compact(event)) for event in EVENTS)


@pytest.fixture(scope="session")
def whole() -> bytes:
    """The same answer in one piece."""
    return compact(WHOLE)
