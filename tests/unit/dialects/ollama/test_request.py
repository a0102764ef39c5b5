"""Requests: read into words, written back as they stood, refused where they are of no use."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Image,
    Inline,
    Knobs,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningKnob,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.ollama import parse_request, patch, peek, render_request

USER = {"role": "user", "content": "Hi"}
CALL = {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "Does.", "parameters": {"type": "object"}}}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": "qwen3:4b", "messages": list(messages) or [USER], **members}


def assistant(**members: Any) -> dict[str, Any]:
    return {"role": "assistant", **members}


def read(tree: Any) -> Request:
    return parse_request(json.dumps(tree).encode(), Envelope())


BODIES = [
    body(),
    body(stream=True),
    body(stream=False),
    body(stream=None),
    body({"role": "system", "content": "Be brief."}, USER, assistant(content="Ho"), USER),
    body({"role": "user", "content": ""}, {"role": "user"}, {"role": "user", "content": None}),
    body({"role": "user", "content": "See", "images": ["iVBORw0KGgo=", "/9j/4AAQ"], "new": 1}),
    body({"role": "user", "content": "See", "images": []}),
    body({"role": "narrator", "content": "Once"}),
    body(assistant(content="", thinking="Hm", tool_calls=[CALL])),
    body(assistant(content="Ho", thinking="", tool_calls=[])),
    body(
        assistant(
            tool_calls=[
                {"function": {"name": "f"}},
                {"id": "", "type": "function", "function": {"name": "g", "arguments": {}}},
            ]
        )
    ),
    body(assistant(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}])),
    body(assistant(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": ""}}])),
    body(assistant(tool_calls=[{"id": 5, "function": {"name": "f", "arguments": None}}])),
    body({"role": "tool", "content": "60", "tool_name": "f"}),
    body({"role": "tool", "content": "60", "tool_call_id": "c1", "new": 1}),
    body({"role": "tool", "content": "", "tool_name": "f", "tool_call_id": "c1", "images": ["R0lGODlh"]}),
    body({"role": "tool"}),
    body(tools=[]),
    body(tools=[TOOL, {"function": {"name": "g", "description": "", "parameters": None, "new": 1}}]),
    body(tools=[{"type": "action", "function": {"name": "g"}}]),
    body(options={}),
    body(options=None),
    body(options={"num_predict": 9, "temperature": 0.3, "top_p": 0.5, "top_k": 4, "seed": 3, "num_ctx": 4096}),
    body(options={"num_predict": -1, "stop": "a", "presence_penalty": 0.1, "frequency_penalty": 0.2}),
    body(options={"stop": ["a", "b"]}),
    body(format=""),
    body(format=None),
    body(format="json"),
    body(format="yaml"),
    body(format={"type": "object"}),
    body(think=True),
    body(think=False),
    body(think="high"),
    body(think="feverishly"),
    body(think=None),
    body(logprobs=True, top_logprobs=3),
    body(keep_alive="5m", truncate=False, a_new_member={"deep": [1]}),
]


@pytest.mark.parametrize("tree", BODIES, ids=lambda tree: json.dumps(tree)[22:90])
def test_at_home_everything_comes_back(tree: Any) -> None:
    request = read(tree)
    dropped: set[str] = set()

    back = render_request(request, Target(model=request.model, is_stream=request.is_stream), dropped)

    assert (json.loads(back), dropped) == (tree, set())


@pytest.mark.parametrize("tree", BODIES, ids=lambda tree: json.dumps(tree)[22:90])
def test_peek_and_parse_agree(tree: Any) -> None:
    head, request = peek(json.dumps(tree).encode(), Envelope()), read(tree)

    limit = request.knobs.max_tokens
    assert head == Head(model=request.model, is_stream=request.is_stream, max_tokens=limit, needs=needs_of(request))


def test_a_call_streams_unless_it_says_otherwise() -> None:
    assert [read(body(stream=told)).is_stream for told in (None, True, False)] == [True, True, False]
    assert read(body()).is_stream


def test_a_talk_in_words() -> None:
    tree = body(
        {"role": "user", "content": "See", "images": ["iVBORw0KGgo=", "/9j/4AAQ", "UklGRg==", "R0lGODlh"]},
        assistant(content="Ho", thinking="Hm", tool_calls=[CALL, {"function": {"name": "g", "arguments": {}}}]),
        {"role": "tool", "content": "60", "tool_name": "g"},
        {"role": "tool", "content": "61"},
        {"role": "tool", "content": "62", "tool_call_id": "c9"},
        {"role": "tool", "content": "63"},
    )

    def picture(media_type: str, data: str) -> Image:
        return Image(source=Inline(media_type, data))

    def result(call_id: str, text: str, form: str, name: str = "") -> Message:
        return Message(
            role="tool", parts=(ToolResult(call_id=call_id, name=name, parts=(Text(text=text),), form=form),)
        )

    assert read(tree).messages == (
        Message(
            role="user",
            parts=(
                Text(text="See"),
                picture("image/png", "iVBORw0KGgo="),
                picture("image/jpeg", "/9j/4AAQ"),
                picture("image/webp", "UklGRg=="),
                picture("image/gif", "R0lGODlh"),
            ),
        ),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="Hm"),
                Text(text="Ho"),
                ToolCall(id="c1", name="f", arguments='{"a": 1}', extras={"function": Raw(b'{"index":0}')}),
                ToolCall(id="call_1_1", name="g", arguments="{}", form="no_id"),
            ),
        ),
        result("call_1_1", "60", "no_id", "g"),
        result("c1", "61", "no_name no_id"),
        result("c9", "62", "no_name"),
        result("", "63", "no_name no_id"),
    )


def test_a_result_may_name_its_call() -> None:
    tree = body(
        assistant(tool_calls=[{"id": "c1", "function": {"name": "f"}}, {"id": "c2", "function": {"name": "f"}}]),
        {"role": "tool", "content": "a", "tool_call_id": "c2", "tool_name": "f"},
        {"role": "tool", "content": "b", "tool_name": "f"},
    )

    results = [part for message in read(tree).messages for part in message.parts if isinstance(part, ToolResult)]

    assert [part.call_id for part in results] == ["c2", "c1"]


def test_settings_and_tools_in_words() -> None:
    tree = body(
        tools=[TOOL],
        options={"num_predict": 9, "stop": "a", "num_ctx": 5},
        format={"a": 1},
        think="high",
        keep_alive=0,
    )

    request = read(tree)

    assert request.knobs == Knobs(
        max_tokens=9,
        stop=("a",),
        output_format=OutputFormat(schema=Raw(b'{"a": 1}')),
        reasoning=ReasoningKnob(effort="high", form="word"),
    )
    assert request.tools == (Tool(name="f", description="Does.", parameters=Raw(b'{"type": "object"}')),)
    assert request.extras == {"options.num_ctx": Raw(b"5"), "keep_alive": Raw(b"0")}
    assert read(body(think=False)).knobs.reasoning == ReasoningKnob(effort="none")
    assert read(body(options={"num_predict": -2})).extras == {"options.num_predict": Raw(b"-2")}


def test_the_path_may_say_model_and_stream() -> None:
    wire = json.dumps({"messages": [USER]}).encode()

    assert peek(wire, Envelope(model="m", is_stream=False)) == Head(model="m", is_stream=False)
    assert not parse_request(wire, Envelope(model="m", is_stream=False)).is_stream


@pytest.mark.parametrize(
    ("tree", "param"),
    [
        ({"model": "m"}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        (body({"role": "user", "content": [{"type": "text", "text": "hi"}]}), "messages[0].content"),
        (body({"role": "user", "images": "x"}), "messages[0].images"),
        (body({"role": "user", "images": [5]}), "messages[0].images[0]"),
        (body({"role": "user", "images": [None]}), "messages[0].images[0]"),
        (body(assistant(thinking=5)), "messages[0].thinking"),
        (body(assistant(tool_calls=[{}])), "messages[0].tool_calls[0].function"),
        (body(assistant(tool_calls=[{"function": {}}])), "messages[0].tool_calls[0].function.name"),
        (
            body(assistant(tool_calls=[{"function": {"name": "f", "arguments": 5}}])),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (body(tools=[{}]), "tools[0].function"),
        (body(tools=[{"function": {}}]), "tools[0].function.name"),
        (body(tools=[{"function": {"name": "f", "parameters": "x"}}]), "tools[0].function.parameters"),
        (body(stream="yes"), "stream"),
        (body(options="hot"), "options"),
        (body(options={"temperature": "hot"}), "options.temperature"),
        (body(options={"stop": 5}), "options.stop"),
        (body(logprobs=1), "logprobs"),
    ],
)
def test_a_refusal_names_the_member(tree: Any, param: str) -> None:
    for reader in (peek, parse_request):
        with pytest.raises(InvalidRequest) as refused:
            reader(json.dumps(tree).encode(), Envelope())
        assert refused.value.problem.param == param


@pytest.mark.parametrize("wire", [b"", b"[]", b'{"a":"\xff"}'])
def test_what_is_no_object_is_refused(wire: bytes) -> None:
    for reader in (peek, parse_request):
        with pytest.raises(InvalidRequest, match="body"):
            reader(wire, Envelope())


@pytest.mark.parametrize(
    ("wire", "target", "patched"),
    [
        (b'{"model":"a","x": 1}', Target(model="b", is_stream=True), {"model": "b", "x": 1}),
        (b'{"model":"a"}', Target(model="", is_stream=True), {"model": "a"}),
        (b'{"model":"a"}', Target(model="b"), {"model": "b", "stream": False}),
        (b'{"model":"a","stream":false}', Target(model="b"), {"model": "b", "stream": False}),
        (b'{"model":"a","stream":false}', Target(model="b", is_stream=True), {"model": "b", "stream": True}),
    ],
)
def test_patching_touches_the_model_and_the_stream_alone(wire: bytes, target: Target, patched: Any) -> None:
    assert json.loads(patch(wire, target)) == patched
