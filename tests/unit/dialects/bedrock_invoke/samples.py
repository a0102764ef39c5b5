"""What the tests of InvokeModel talk about: bodies, answers and streams of several makers, and their frames."""

import base64
import json
from typing import Any

from headgate.core.events import Event
from headgate.core.request import Message, Request, Text
from headgate.dialects.base import Envelope, ReplyTo
from headgate.dialects.eventstream import Splitter, event
from headgate.dialects.registry import DIALECTS

INVOKE = DIALECTS["bedrock_invoke"]
REPLY_TO = ReplyTo(id="i", model="m")
METRICS = {"inputTokenCount": 5, "outputTokenCount": 2, "invocationLatency": 9, "firstByteLatency": 8}
HELLO = (Message(role="user", parts=(Text(text="hi"),)),)
CLAUDE, NOVA, CHAT = "us.anthropic.claude-x-v1:0", "amazon.nova-lite-v1:0", "openai.gpt-oss-20b-1:0"


def chunk(document: dict[str, Any]) -> bytes:
    payload = base64.b64encode(json.dumps(document, ensure_ascii=False).encode()).decode()
    return event("chunk", json.dumps({"bytes": payload, "p": "abc"}).encode())


def stream(*documents: dict[str, Any]) -> bytes:
    return b"".join(map(chunk, documents))


def streamed(*pieces: bytes) -> list[Event]:
    parser = INVOKE.stream_parser()
    return [told for piece in pieces for told in parser.feed(piece)] + parser.close()


def unframed(wire: bytes) -> list[Any]:
    told = Splitter().feed(wire)
    return [
        json.loads(base64.b64decode(json.loads(message.payload)["bytes"]))
        if message.text(":event-type")
        else (message.text(":exception-type"), json.loads(message.payload))
        for message in told
    ]


def asked(body: dict[str, Any], model: str, *, is_stream: bool = False) -> Request:
    return INVOKE.parse_request(json.dumps(body).encode(), Envelope(model=model, is_stream=is_stream))


CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "anthropic_beta": ["x"],
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
CLAUDE_STREAM = (
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
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS},
)
CLAUDE_WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Grüße"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
NOVA_BODY = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    "inferenceConfig": {"max_new_tokens": 9, "temperature": 0.5},
}
NOVA_STREAM = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 1}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "end_turn"}},
    {
        "metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokenCount": 3}, "metrics": {}},
        "amazon-bedrock-invocationMetrics": METRICS,
    },
)
NOVA_WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 10, "cacheReadInputTokenCount": 3},
    "amazon-bedrock-guardrailAction": "NONE",
}
CHAT_BODY = {"model": CHAT, "stream": True, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
CHAT_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
CHAT_STREAM = (
    {**CHAT_CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}}]},
    {
        **CHAT_CHUNK,
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "amazon-bedrock-invocationMetrics": METRICS,
    },
)
CHAT_WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}

BODIES = [
    (CLAUDE_BODY, CLAUDE),
    ({**CLAUDE_BODY, "model": "m", "stream": False}, "an-arn-that-does-not-tell"),
    (NOVA_BODY, NOVA),
    (CHAT_BODY, CHAT),
    ({"messages": CHAT_BODY["messages"]}, "ai21.jamba-1-5-mini-v1:0"),
    ({"inputText": "Q", "textGenerationConfig": {"maxTokenCount": 9, "topP": 1, "x": 1}}, "amazon.titan-text-lite-v1"),
    ({"inputText": "Q", "textGenerationConfig": {"maxTokenCount": 9}}, "an-arn"),
    ({"inputText": "Q", "textGenerationConfig": {}}, "an-arn"),
    ({"prompt": "Q", "max_gen_len": 9, "temperature": 0.5, "top_p": 1}, "meta.llama3-8b-instruct-v1:0"),
    ({"prompt": "Q", "max_tokens": 9, "top_k": 3, "stop": ["|"]}, "mistral.mistral-7b-instruct-v0:2"),
    ({"prompt": "Q", "max_tokens": 9, "p": 1, "k": 0, "stop_sequences": []}, "cohere.command-text-v14"),
    ({"message": "Q", "chat_history": [{"role": "USER", "message": "P"}]}, "cohere.command-r-v1:0"),
    ({"prompt": "Q", "maxTokens": 9, "countPenalty": {"scale": 0}}, "ai21.j2-mid-v1"),
    ({"prompt": "\n\nHuman: Q", "max_tokens_to_sample": 9, "top_k": 250}, "anthropic.claude-v2"),
    ({**CLAUDE_BODY}, "anthropic.claude-v2"),
    ({"prompt": "Q", "max_tokens": 9}, "arn:aws:sagemaker:us-east-1:1:endpoint/e"),
]  # fmt: skip
