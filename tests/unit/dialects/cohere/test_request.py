"""Requests: read into words, written back as they stood, refused where they are of no use."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Foreign,
    Image,
    Inline,
    Knobs,
    Link,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningKnob,
    Request,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.cohere import parse_request, patch, peek, render_request

USER = {"role": "user", "content": "Hi"}


def body(*messages: Any, **members: Any) -> dict[str, Any]:
    return {"model": "command-a-03-2025", "messages": list(messages) or [USER], **members}


def read(tree: Any) -> Request:
    return parse_request(json.dumps(tree).encode(), Envelope())


def home(tree: Any) -> tuple[Any, set[str]]:
    """The body, read and written again."""
    request = read(tree)
    dropped: set[str] = set()
    target = Target(model=request.model, is_stream=request.is_stream)
    return json.loads(render_request(request, target, dropped)), dropped


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
TOOL = {
    "type": "function",
    "function": {"name": "f", "description": "Does.", "parameters": {"type": "object", "properties": {}}},
}

BODIES = [
    body(),
    body(stream=True),
    body(stream=False),
    body({"role": "system", "content": "Be brief."}, USER, {"role": "assistant", "content": "Ho"}, USER),
    body({"role": "user", "content": [{"type": "text", "text": "Hi"}]}),
    body({"role": "user", "content": [{"type": "text", "text": "Hi", "new": 1}]}),
    body({"role": "user", "content": ""}, {"role": "user", "content": []}, {"role": "user", "content": None}),
    body(
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}]}
    ),
    body(
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "x": 1}}]}
    ),
    body({"role": "user", "content": [{"type": "hologram", "hologram": 1}]}),
    body({"role": "narrator", "content": "Once"}),
    body(USER, {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]}),
    body(USER, {"role": "assistant", "tool_plan": "", "tool_calls": [], "content": [], "citations": []}),
    body(
        USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Ho"}]}
    ),
    body(USER, {"role": "assistant", "content": "Ho", "citations": [{"start": 0, "end": 2, "text": "Ho"}]}),
    body(USER, {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}),
    body(
        USER,
        {"role": "assistant", "tool_calls": [{"id": "", "type": "x", "function": {"name": "f", "arguments": None}}]},
    ),
    body(
        USER,
        {"role": "assistant", "tool_calls": [{"id": "c", "y": 1, "function": {"name": "f", "arguments": {"a": 1}}}]},
    ),
    body({"role": "tool", "tool_call_id": "c1", "content": "60"}),
    body({"role": "tool", "tool_call_id": "c1", "content": ""}),
    body({"role": "tool", "content": [{"type": "text", "text": "60"}]}),
    body({"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": {"n": 60}}}]}),
    body({"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": {"id": "d", "data": {}}}]}),
    body({"role": "tool", "tool_call_id": "c", "content": [{"type": "document", "document": "words"}]}),
    body(documents=[]),
    body(documents=["plain", {"data": {"title": "t", "text": "words"}, "id": "d1"}]),
    body(tools=[]),
    body(tools=[TOOL], tool_choice="REQUIRED", strict_tools=True),
    body(tools=[TOOL], tool_choice="NONE", strict_tools=False),
    body(tools=[{"function": {"name": "f", "description": "", "parameters": None}}], tool_choice="SOMETIMES"),
    body(tools=[{"type": "web", "deep": True}], strict_tools=None),
    body(strict_tools=True),
    body(max_tokens=9, temperature=0.3, p=0.5, k=4, stop_sequences=["a"], seed=3, logprobs=True),
    body(
        presence_penalty=0.1, frequency_penalty=0.2, safety_mode="STRICT", priority=3, citation_options={"mode": "FAST"}
    ),
    body(response_format={"type": "text"}),
    body(response_format={"type": "text", "more": 1}),
    body(response_format={"more": 1}),
    body(response_format={"type": "json_object"}),
    body(response_format={"type": "json_object", "schema": {"type": "object"}}),
    body(response_format={"type": "json_object", "json_schema": {"type": "object"}, "more": 1}),
    body(thinking={"type": "enabled", "token_budget": 100, "more": 1}),
    body(thinking={"type": "disabled"}),
    body(thinking={}),
    body(a_new_member={"deep": [1]}),
]


@pytest.mark.parametrize("tree", BODIES, ids=lambda tree: json.dumps(tree)[35:100])
def test_at_home_everything_comes_back(tree: Any) -> None:
    assert home(tree) == (tree, set())


@pytest.mark.parametrize("tree", BODIES, ids=lambda tree: json.dumps(tree)[35:100])
def test_peek_and_parse_agree(tree: Any) -> None:
    head, request = peek(json.dumps(tree).encode(), Envelope()), read(tree)

    limit = request.knobs.max_tokens
    assert head == Head(model=request.model, is_stream=request.is_stream, max_tokens=limit, needs=needs_of(request))


def test_a_talk_in_words() -> None:
    tree = body(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
        {"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "document", "document": {"data": {"n": 60}}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Ho"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}}]},
    )

    assert read(tree).messages == (
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Image(source=Inline("image/png", "aGk=")),), form="list"),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="I look.", form="cohere:tool_plan"),
                ToolCall(id="c1", name="f", arguments='{"a":1}'),
            ),
        ),
        Message(
            role="tool",
            parts=(ToolResult(call_id="c1", parts=(Text(text='{"n": 60}', form="document"),), form="list"),),
        ),
        Message(role="assistant", parts=(Reasoning(text="Hm"), Text(text="Ho")), form="list"),
        Message(role="user", parts=(Image(source=Link("https://a/b"), detail="low"),), form="list"),
    )


def test_documents_are_shown_before_the_talk() -> None:
    tree = body({"role": "system", "content": "Be brief."}, USER, documents=["plain", {"data": {"a": 1}, "id": "d"}])

    assert read(tree).messages[1:] == (
        Message(
            role="user",
            parts=(
                Text(text="plain", form="document said"),
                Text(text='{"a": 1}', form="document", extras={"id": Raw(b'"d"')}),
            ),
            form="documents",
        ),
        Message(role="user", parts=(Text(text="Hi"),)),
    )


def test_documents_alone_come_after_the_instructions() -> None:
    tree = body({"role": "system", "content": "Be brief."}, documents=["plain"])

    assert [message.role for message in read(tree).messages] == ["system", "user"]
    assert home(tree)[0] == tree


def test_a_document_whose_text_was_changed_on_its_way_stays_an_object() -> None:
    request = read(body(documents=[{"data": {"a": 1}}]))
    changed = Message(role="user", parts=(Text(text="hidden", form="document"),), form="documents")

    wire = render_request(
        Request(dialect="cohere", model="m", messages=(changed, request.messages[1])), Target(model="m"), set()
    )

    assert json.loads(wire)["documents"] == [{"data": {"text": "hidden"}}]


def test_settings_and_tools_in_words() -> None:
    tree = body(
        tools=[TOOL, {"type": "web", "deep": True}],
        strict_tools=True,
        tool_choice="REQUIRED",
        max_tokens=9,
        p=0.5,
        k=4,
        stop_sequences=["a"],
        response_format={"type": "json_object", "json_schema": {"a": 1}},
        thinking={"type": "disabled", "token_budget": 7},
    )

    request = read(tree)

    assert request.knobs == Knobs(
        max_tokens=9,
        top_p=0.5,
        top_k=4,
        stop=("a",),
        output_format=OutputFormat(schema=Raw(b'{"a": 1}')),
        reasoning=ReasoningKnob(effort="none", budget_tokens=7, form="disabled"),
    )
    assert request.tool_choice == ToolChoice(mode="any")
    assert request.tools == (
        Tool(
            name="f",
            description="Does.",
            parameters=Raw(b'{"type": "object", "properties": {}}'),
            is_strict=True,
        ),
        ServerTool(name="web", raw=Raw(b'{"type": "web", "deep": true}')),
    )


def test_what_a_user_shows_and_we_do_not_know_is_what_it_is_about() -> None:
    tree = body(
        {"role": "user", "content": [{"type": "hologram"}]}, {"role": "assistant", "content": [{"type": "hologram"}]}
    )

    parts = [message.parts[0] for message in read(tree).messages]

    raw = Raw(b'{"type": "hologram"}')
    assert parts == [Foreign(name="hologram", raw=raw, is_feature=True), Foreign(name="hologram", raw=raw)]


def test_the_path_may_say_model_and_stream() -> None:
    wire = json.dumps({"messages": [USER]}).encode()

    assert peek(wire, Envelope(model="m", is_stream=True)) == Head(model="m", is_stream=True)
    assert parse_request(wire, Envelope(model="m", is_stream=True)).is_stream


@pytest.mark.parametrize(
    ("tree", "param"),
    [
        ({"model": "m"}, "messages"),
        ({"model": "m", "message": "hi"}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        (body({"role": "user", "content": 5}), "messages[0].content"),
        (body({"role": "user", "content": ["hi"]}), "messages[0].content[0]"),
        (body({"role": "user", "content": [{}]}), "messages[0].content[0].type"),
        (body({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
        (body({"role": "user", "content": [{"type": "thinking"}]}), "messages[0].content[0].thinking"),
        (body({"role": "user", "content": [{"type": "image_url"}]}), "messages[0].content[0].image_url"),
        (
            body({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (body({"role": "tool", "content": [{"type": "document"}]}), "messages[0].content[0].document"),
        (
            body({"role": "tool", "content": [{"type": "document", "document": {"data": 1}}]}),
            "messages[0].content[0].document.data",
        ),
        (body(documents=[{"id": "d"}]), "documents[0].data"),
        (body(documents=[5]), "documents[0]"),
        (body({"role": "assistant", "tool_calls": [{}]}), "messages[0].tool_calls[0].function"),
        (body({"role": "assistant", "tool_calls": [{"function": {}}]}), "messages[0].tool_calls[0].function.name"),
        (
            body({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 5}}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (body(tools=[{}]), "tools[0].function"),
        (body(tools=[{"function": {}}]), "tools[0].function.name"),
        (body(tools=[{"function": {"name": "f", "parameters": "x"}}]), "tools[0].function.parameters"),
        (body(stream="yes"), "stream"),
        (body(max_tokens="9"), "max_tokens"),
        (body(max_tokens=0.5), "max_tokens"),
        (body(stop_sequences="a"), "stop_sequences"),
        (body(thinking="hard"), "thinking"),
        (body(response_format="json"), "response_format"),
    ],
)
def test_a_refusal_names_the_member(tree: Any, param: str) -> None:
    for reader in (peek, parse_request):
        with pytest.raises(InvalidRequest) as refused:
            reader(json.dumps(tree).encode(), Envelope())
        assert refused.value.problem.param == param


@pytest.mark.parametrize("wire", [b"", b"[]", b'{"a":', b'{"a":"\xff"}', b'"hi"'])
def test_what_is_no_object_is_refused(wire: bytes) -> None:
    for reader in (peek, parse_request):
        with pytest.raises(InvalidRequest, match="body"):
            reader(wire, Envelope())


@pytest.mark.parametrize(
    ("wire", "target", "patched"),
    [
        (b'{"model":"a","x": 1}', Target(model="b"), {"model": "b", "x": 1}),
        (b'{"model":"a"}', Target(model=""), {"model": "a"}),
        (b'{"model":"a"}', Target(model="b", is_stream=True), {"model": "b", "stream": True}),
        (b'{"model":"a","stream":true}', Target(model="b"), {"model": "b", "stream": False}),
        (b'{"model":"a","stream":true}', Target(model="b", is_stream=True), {"model": "b", "stream": True}),
    ],
)
def test_patching_touches_the_model_and_the_stream_alone(wire: bytes, target: Target, patched: Any) -> None:
    assert json.loads(patch(wire, target)) == patched
