"""One request and one answer of Converse with everything in it, written by hand from the API's reference."""

import json

import pytest

PDF = {
    "format": "pdf",
    "name": "Report 1",
    "source": {"bytes": "JVBERg=="},
    "context": "c",
    "citations": {"enabled": True},
}

REQUEST: dict[str, object] = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "hi"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
                {"document": PDF},
                {"document": {"format": "txt", "name": "Notes", "source": {"text": "größe"}}},
                {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                {"audio": {"format": "wav", "source": {"bytes": "UklG"}}},
                {"guardContent": {"text": {"text": "guard me", "qualifiers": ["query"]}}},
                {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/x.png"}}}},
                {"document": {"format": "pdf", "name": "d", "source": {"content": [{"text": "t"}]}}},
                {"guardContent": {"image": {"format": "png", "source": {"bytes": "iVBO"}}}},
                {"searchResult": {"source": "s", "title": "t", "content": [{"text": "w"}]}},
                {"cachePoint": {"type": "default"}},
                {"somethingNew": {"a": 1}},
                {},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "SIG"}}},
                {"reasoningContent": {"redactedContent": "U0VBTEVE"}},
                {"cachePoint": {"type": "default"}},
                {"text": "Looking.", "type": "text"},
                {"citationsContent": {"content": [{"text": "Cited."}], "citations": [{"title": "t"}]}},
                {"citationsContent": {"content": [{"text": "In "}, {"text": "two."}]}},
                {"citationsContent": {"citations": []}},
                {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"q": [1, 2.5]}, "type": "tool_use"}},
                {"toolUse": {"toolUseId": "t2", "name": "find", "input": {}}},
                {"toolUse": {"toolUseId": "s1", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
                {"toolResult": {"toolUseId": "s1", "content": [], "type": "nova_grounding_result"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "t1",
                        "content": [
                            {"text": "found"},
                            {"json": {"n": 1e2}},
                            {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}},
                            {"document": {"format": "md", "name": "x", "source": {"bytes": "IyB4"}}},
                            {"video": {"format": "mov", "source": {"bytes": "AAAA"}}},
                            {"searchResult": {"source": "s", "title": "t", "content": []}},
                        ],
                        "status": "success",
                    }
                },
                {"toolResult": {"toolUseId": "t2", "content": [], "status": "error"}},
                {"toolResult": {"toolUseId": "t3", "content": [], "status": "odd"}},
            ],
        },
        {"role": "system", "content": [{"text": "From now on, rhyme."}]},
    ],
    "system": [{"text": "Be terse."}, {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default"}}],
    "inferenceConfig": {"maxTokens": 2000.0, "temperature": 0.5, "topP": 1, "stopSequences": ["END"], "topK": 3},
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "find",
                    "description": "Finds.",
                    "inputSchema": {"json": {"type": "object"}},
                    "strict": True,
                    "note": 1,
                }
            },
            {"cachePoint": {"type": "default"}},
            {"toolSpec": {"name": "bare", "description": ""}},
            {"toolSpec": {"name": "odd", "inputSchema": {"json": {}, "xml": ""}}},
            {"systemTool": {"name": "nova_grounding"}},
            {"cachePoint": {"type": "default"}},
            {},
        ],
        "toolChoice": {"tool": {"name": "find", "why": 1}},
        "more": None,
    },
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
    "additionalModelRequestFields": {
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "top_k": 5,
        "anthropic_beta": ["x"],
    },
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "requestMetadata": {"team": "a"},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
    "outputConfig": {
        "effort": "high",
        "textFormat": {
            "type": "json_schema",
            "structure": {
                "jsonSchema": {"schema": '{ "type": "object" }', "name": "shape", "description": "d", "x": 1}
            },
        },
    },
    "promptVariables": None,
}

USAGE = {
    "inputTokens": 10,
    "outputTokens": 7,
    "totalTokens": 30,
    "cacheReadInputTokens": 9,
    "cacheWriteInputTokens": 4,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 1}, {"ttl": "1h", "inputTokens": 3}],
}

SERVER_CALL = {"toolUseId": "s1", "name": "nova_code_interpreter", "type": "server_tool_use"}
SERVER_RESULT = {"toolUseId": "s1", "type": "nova_code_interpreter_result", "status": "success"}

WHOLE: dict[str, object] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "SIG=="}}},
                {"reasoningContent": {"redactedContent": "U0VBTEVE"}},
                {"toolUse": {**SERVER_CALL, "input": {"code": "1"}}},
                {"toolResult": {**SERVER_RESULT, "content": [{"json": {"stdOut": "1"}}]}},
                {"text": "Hello wörld"},
                {"citationsContent": {"content": [{"text": "A fact."}], "citations": [{"title": "t"}]}},
                {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
                {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"q": "a"}}},
                {"toolUse": {"toolUseId": "t2", "name": "now", "input": {}, "type": "tool_use"}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 12},
    "additionalModelResponseFields": {"stop_sequence": "END"},
    "trace": {"guardrail": {"actionReason": "No action."}},
}


def _start(index: int, start: object) -> tuple[str, dict[str, object]]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": start, "p": "abc"}


def _delta(index: int, delta: object) -> tuple[str, dict[str, object]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abcdef"}


def _stop(index: int) -> tuple[str, dict[str, object]]:
    return "contentBlockStop", {"contentBlockIndex": index, "p": "a"}


EVENTS: list[tuple[str, dict[str, object]]] = [
    ("messageStart", {"role": "assistant", "p": "ab"}),
    _delta(0, {"reasoningContent": {"text": "Let me "}}),
    _delta(0, {"reasoningContent": {"text": "see."}}),
    _delta(0, {"reasoningContent": {"signature": "SIG=="}}),
    _stop(0),
    _delta(1, {"reasoningContent": {"redactedContent": "U0VBTEVE"}}),
    _stop(1),
    _start(2, {"toolUse": SERVER_CALL}),
    _delta(2, {"toolUse": {"input": '{"code":'}}),
    _delta(2, {"toolUse": {"input": '"1"}'}}),
    _stop(2),
    _start(3, {"toolResult": SERVER_RESULT}),
    _delta(3, {"toolResult": [{"json": {"stdOut": "1"}}]}),
    _stop(3),
    _delta(4, {"text": "Hello "}),
    _delta(4, {"text": "wörld"}),
    _delta(4, {"text": ""}),
    _stop(4),
    _delta(5, {"text": "A fact."}),
    _delta(5, {"citation": {"title": "t"}}),
    _stop(5),
    _start(6, {"image": {"format": "png"}}),
    _delta(6, {"image": {"source": {"bytes": "iVBO"}}}),
    _stop(6),
    _start(7, {"toolUse": {"toolUseId": "t1", "name": "find"}}),
    _delta(7, {"toolUse": {"input": '{"q":'}}),
    _delta(7, {"toolUse": {"input": '"a"}'}}),
    _stop(7),
    _start(8, {"toolUse": {"toolUseId": "t2", "name": "now", "type": "tool_use"}}),
    _stop(8),
    ("messageStop", {"stopReason": "tool_use", "additionalModelResponseFields": {"stop_sequence": "END"}}),
    (
        "metadata",
        {
            "usage": USAGE,
            "metrics": {"latencyMs": 12},
            "trace": {"guardrail": {"actionReason": "No action."}},
            "p": "x",
        },
    ),
]


@pytest.fixture
def whole() -> bytes:
    return json.dumps(WHOLE, ensure_ascii=False).encode()


@pytest.fixture
def request_body() -> bytes:
    return json.dumps(REQUEST, ensure_ascii=False).encode()


@pytest.fixture
def wire() -> bytes:
    from headgate.dialects.eventstream import event

    return b"".join(event(kind, json.dumps(payload, ensure_ascii=False).encode()) for kind, payload in EVENTS)
