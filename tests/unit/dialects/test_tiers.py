"""The tier of service that a provider says it served: read alike from whole answers, quick looks and streams."""

import json

import pytest

from headgate.core.events import Finished
from headgate.dialects.registry import DIALECTS

CHAT = {
    "id": "c",
    "model": "m",
    "created": 1,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "status": "completed",
    "model": "m",
    "output": [],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}


def message(**usage: str) -> dict[str, object]:
    return {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "a"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1, **usage},
    }


def spoken(**usage: str) -> dict[str, object]:
    candidate = {"content": {"role": "model", "parts": [{"text": "a"}]}, "finishReason": "STOP", "index": 0}
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2, **usage}
    return {"candidates": [candidate], "usageMetadata": counts}


def conversed(**members: object) -> dict[str, object]:
    message = {"role": "assistant", "content": [{"text": "a"}]}
    counts = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": counts, **members}


@pytest.mark.parametrize(
    ("dialect", "answer", "tier"),
    [
        ("openai_chat", CHAT, ""),
        ("openai_chat", {**CHAT, "service_tier": "default"}, ""),
        ("openai_chat", {**CHAT, "service_tier": "flex"}, "flex"),
        ("openai_chat", {**CHAT, "service_tier": None}, ""),
        ("openai_responses", {**RESPONSE, "service_tier": "priority"}, "priority"),
        ("openai_responses", {**RESPONSE, "service_tier": "auto"}, ""),
        ("anthropic", message(service_tier="standard"), ""),
        ("anthropic", message(service_tier="batch"), "batch"),
        ("anthropic", message(service_tier="standard", speed="fast"), "fast"),
        ("gemini", spoken(), ""),
        ("gemini", spoken(serviceTier="standard"), ""),
        ("gemini", spoken(serviceTier="PRIORITY"), "priority"),
        ("gemini", spoken(serviceTier="flex"), "flex"),
        ("bedrock_converse", conversed(), ""),
        ("bedrock_converse", conversed(serviceTier={"type": "default"}), ""),
        ("bedrock_converse", conversed(serviceTier={"type": "flex"}), "flex"),
    ],
)
def test_a_whole_answer_tells_its_tier(dialect: str, answer: dict[str, object], tier: str):
    body = json.dumps(answer).encode()
    tap = DIALECTS[dialect].tap

    whole = DIALECTS[dialect].parse_response(body)[-1]
    quick = tap(body) if tap is not None else whole

    for end in (whole, quick):
        assert isinstance(end, Finished)
        assert end.usage is not None
        assert end.usage.tier == tier


def test_a_stream_tells_its_tier():
    chunk = {"id": "c", "model": "m", "created": 1, "object": "chat.completion.chunk", "service_tier": "flex"}
    events = [
        {**chunk, "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
        {**chunk, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
    ]
    wire = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"

    end = DIALECTS["openai_chat"].stream_parser().feed(wire)[-1]

    assert isinstance(end, Finished)
    assert end.usage is not None
    assert end.usage.tier == "flex"
