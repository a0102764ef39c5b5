"""Converse as AWS's own library has it: what we send is valid by its model, what we answer is read by its parser."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Problem
from headgate.core.request import (
    CacheMark,
    File,
    Image,
    Inline,
    Knobs,
    Message,
    OutputFormat,
    ReasoningKnob,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.usage import Usage
from headgate.dialects.base import ReplyTo, Target
from headgate.dialects.bedrock_converse import DIALECT, render_error, render_request, render_response

REPLY_TO = ReplyTo(id="i", model="m")
SERVICE = botocore.session.Session().get_service_model("bedrock-runtime")
EVERYTHING = Request(
    dialect="anthropic",
    model="m",
    messages=(
        Message(role="system", parts=(Text(text="Be terse.", cache=CacheMark(ttl="1h")),)),
        Message(
            role="user",
            parts=(
                Image(source=Inline("image/png", "iVBO")),
                File(source=Inline("application/pdf", "JVBERg=="), name="Q1/Q2"),
            ),
        ),
        Message(role="assistant", parts=(ToolCall(id="a.b", name="find", arguments='{"q":1}', cache=CacheMark()),)),
        Message(role="tool", parts=(ToolResult(call_id="a.b", parts=(Text(text="1"),), is_error=True),)),
    ),
    tools=(Tool(name="find", description="", cache=CacheMark()), Tool(name="b", is_strict=True)),
    tool_choice=ToolChoice(mode="any"),
    knobs=Knobs(
        max_tokens=9000,
        temperature=2,
        top_k=3,
        stop=("a",),
        output_format=OutputFormat(schema=Raw(b'{"type":"object"}'), name="n"),
        reasoning=ReasoningKnob(effort="high"),
    ),
)


@pytest.mark.parametrize(
    "model",
    ["us.anthropic.claude-opus-4-6-v1", "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-20b-1:0", "meta.llama4-x"],
)
def test_requests_are_valid(model: str):
    body = json.loads(render_request(EVERYTHING, Target(model=model), set()))
    shape = SERVICE.operation_model("Converse").input_shape
    assert ParamValidator().validate({**body, "modelId": model}, shape).generate_report() == ""


def read(status: int, body: bytes) -> dict[str, Any]:
    response = {"status_code": status, "headers": {}, "body": body}
    parsed = create_parser("rest-json").parse(response, SERVICE.operation_model("Converse").output_shape)
    del parsed["ResponseMetadata"]
    return parsed


ANSWER: list[Event] = [
    Started(dialect="gemini"),
    PartStarted(index=0, kind="text"),
    PartDelta(0, "Grüße"),
    PartEnded(index=0),
    PartStarted(index=1, kind="tool_call", id="a", name="find"),
    PartDelta(1, '{"q":1}'),
    PartEnded(index=1),
    Finished(reason="tool_calls", usage=Usage(input_tokens=3, output_tokens=2)),
]


def test_whole_answers_are_read():
    assert read(200, render_response(ANSWER, REPLY_TO, set())) == {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "Grüße"},
                    {"toolUse": {"toolUseId": "a", "name": "find", "input": {"q": 1}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        "metrics": {"latencyMs": 0},
    }


def test_errors_are_read():
    parsed = read(*render_error(Problem(kind="rate_limit", message="slow down")))
    assert parsed["Error"] == {"Code": "ThrottlingException", "Message": "slow down"}


class Wire:
    """A body, as urllib3 hands it out."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body[at : at + 100] for at in range(0, len(self._body), 100)]

    def close(self) -> None:
        pass


def heard(events: list[Event]) -> list[dict[str, Any]]:
    shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    parser = create_parser("rest-json")._event_stream_parser  # pyright: ignore[reportPrivateUsage]
    wire = DIALECT.stream_renderer(REPLY_TO).render(events)
    return list(EventStream(Wire(wire), shape, parser, "ConverseStream"))


def test_streams_are_read():
    assert heard(ANSWER) == [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Grüße"}}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "a", "name": "find"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"q":1}'}}}},
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        {
            "metadata": {
                "metrics": {"latencyMs": 0},
                "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
            }
        },
    ]


def test_failures_are_raised():
    with pytest.raises(EventStreamError, match="slow down"):
        heard([*ANSWER[:3], Failed(Problem(kind="rate_limit", message="slow down"))])
