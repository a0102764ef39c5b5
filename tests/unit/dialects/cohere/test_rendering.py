"""Requests of other dialects, written in this one: what is said, what is refused, what is told as dropped."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Knobs,
    Link,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    ReasoningKnob,
    Refused,
    Request,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Target
from headgate.dialects.cohere import render_request

HI = Message(role="user", parts=(Text(text="Hi"),))
SCHEMA = Raw(b'{"type":"object","properties":{"a":{}}}')


def written(request: Request) -> tuple[Any, set[str]]:
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model="m", is_stream=request.is_stream), dropped)), dropped


def talk(*messages: Message, **members: Any) -> tuple[Any, set[str]]:
    wire, dropped = written(Request(dialect="other", model="x", messages=messages or (HI,), **members))
    return wire, dropped


def said(role: Any, *parts: Part) -> tuple[Any, set[str]]:
    wire, dropped = talk(Message(role=role, parts=parts))
    return wire["messages"], dropped


def test_a_small_talk() -> None:
    messages = (
        Message(role="developer", parts=(Text(text="Be brief."),), extras={"a": Raw(b"1"), "b": Raw(b"null")}),
        Message(role="user", parts=(Text(text="Hi"), Text(text="")), name="ann"),
        Message(role="assistant", parts=(Reasoning(text="Hm"), Text(text="Ho"))),
    )

    wire, dropped = talk(*messages, is_stream=True, extras={"store": Raw(b"true"), "tags": Raw(b"[]")})

    assert wire == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Ho"}]},
        ],
        "stream": True,
    }
    assert dropped == {"messages.a", "messages.name", "store"}


def test_thoughts_before_calls_are_the_plan_and_results_follow_the_calls() -> None:
    messages = (
        Message(
            role="assistant",
            parts=(
                Reasoning(text="I look.", signature=Signature("anthropic", "s")),
                Reasoning(text=""),
                ToolCall(id="c1", name="f", arguments='{"a":1}'),
                ToolCall(id="", name="g", arguments=""),
            ),
        ),
        Message(
            role="user",
            parts=(
                Text(text="Well?"),
                ToolResult(
                    call_id="c1", parts=(Text(text="60"), Image(source=Inline("image/png", "aGk="))), is_error=True
                ),
                ToolResult(call_id="c2", cache=CacheMark()),
            ),
        ),
    )

    wire, dropped = talk(*messages)

    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert wire["messages"] == [
        {
            "role": "assistant",
            "tool_plan": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "call_0_3", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "60"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "Output of tool call c1:"}, picture]},
        {"role": "user", "content": "Well?"},
    ]
    assert dropped == {"reasoning.signature", "tool_result.is_error", "cache_control"}


def test_results_alone_show_their_pictures_at_the_end() -> None:
    result = ToolResult(call_id="c", parts=(Image(source=Link("https://a/b")), Text(text="60")))

    wire, _ = talk(Message(role="tool", parts=(result,)))

    assert [message["role"] for message in wire["messages"]] == ["tool", "user"]


def test_what_says_nothing_is_left_out_but_not_the_whole_talk() -> None:
    assert said("user", Text(text=""))[0] == [{"role": "user", "content": ""}]
    wire, _ = talk(Message(role="user", parts=(Text(text=""),)), HI)
    assert wire["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("part", "wire", "dropped"),
    [
        (Text(text="a", cache=CacheMark(), extras={"x": Raw(b"1")}), "a", {"cache_control", "messages.x"}),
        (Refused(text="No."), "No.", set()),
        (
            Image(source=Link("https://a/b"), detail="high"),
            [{"type": "image_url", "image_url": {"url": "https://a/b", "detail": "high"}}],
            set(),
        ),
        (
            Image(source=Link("https://a/b"), detail="original"),
            [{"type": "image_url", "image_url": {"url": "https://a/b"}}],
            {"messages.detail"},
        ),
        (File(source=Inline("text/plain", "aGk="), name="a.txt"), "hi", {"messages.filename"}),
        (
            File(source=Inline("image/png", "aGk=")),
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
            set(),
        ),
    ],
)
def test_what_a_user_shows(part: Part, wire: Any, dropped: set[str]) -> None:
    messages, lost = said("user", part)

    assert (messages, lost) == ([{"role": "user", "content": wire}], dropped)


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("assistant", Image(source=Link("https://a/b"))),
        ("user", Image(source=FileId("f"))),
        ("user", Audio(source=Inline("audio/wav", "aGk="))),
        ("user", File(source=Inline("application/pdf", "aGk="))),
        ("user", File(source=Inline("text/plain", "a"))),
        ("user", File(source=FileId("f"))),
        ("user", Foreign(name="hologram", raw=Raw(b"{}"), is_feature=True)),
    ],
)
def test_what_cannot_be_shown_is_refused(role: Any, part: Part) -> None:
    with pytest.raises(Unrenderable) as refused:
        said(role, part)
    assert refused.value.problem.param == "messages"


def test_a_model_s_own_odd_part_is_dropped() -> None:
    messages, dropped = said("assistant", Text(text="Ho"), Foreign(name="search", raw=Raw(b"{}")))

    assert (messages, dropped) == ([{"role": "assistant", "content": "Ho"}], {"search"})


def test_an_audio_in_our_own_words_is_a_bug_told_as_unrenderable() -> None:
    message = Message(role="user", parts=(Audio(source=Inline("audio/wav", "aGk=")),))

    with pytest.raises(Unrenderable):
        written(Request(dialect="cohere", model="m", messages=(message,)))


def tool(name: str, **members: Any) -> Tool:
    return Tool(name=name, parameters=SCHEMA, **members)


def function(name: str) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": json.loads(bytes(SCHEMA))}}


@pytest.mark.parametrize(
    ("tools", "choice", "wire", "dropped"),
    [
        ((tool("f"), tool("g")), None, {"tools": [function("f"), function("g")]}, set()),
        ((tool("f"),), ToolChoice(mode="auto"), {"tools": [function("f")]}, set()),
        ((tool("f"),), ToolChoice(mode="none"), {"tools": [function("f")], "tool_choice": "NONE"}, set()),
        (
            (tool("f"), tool("g")),
            ToolChoice(mode="any", extras={"x": Raw(b"1")}),
            {"tools": [function("f"), function("g")], "tool_choice": "REQUIRED"},
            {"tool_choice.x"},
        ),
        (
            (tool("f"), tool("g")),
            ToolChoice(mode="tool", name="g"),
            {"tools": [function("g")], "tool_choice": "REQUIRED"},
            set(),
        ),
        ((tool("f", is_strict=True),), None, {"tools": [function("f")], "strict_tools": True}, set()),
        ((tool("f", is_strict=True), tool("g")), None, {"tools": [function("f"), function("g")]}, {"tools.strict"}),
        (
            (tool("f", cache=CacheMark(), extras={"x": Raw(b"1")}),),
            None,
            {"tools": [function("f")]},
            {"cache_control", "tools.x"},
        ),
        (
            (Tool(name="f"),),
            None,
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
                ]
            },
            set(),
        ),
        ((), ToolChoice(mode="auto"), {}, set()),
    ],
)
def test_tools(tools: Any, choice: ToolChoice | None, wire: Any, dropped: set[str]) -> None:
    body, lost = talk(tools=tools, tool_choice=choice)

    assert ({name: body[name] for name in body if "tool" in name}, lost) == (wire, dropped)


@pytest.mark.parametrize(
    ("knobs", "wire", "dropped"),
    [
        (
            Knobs(max_tokens=5, temperature=0.5, top_p=0.9, top_k=3, seed=4),
            {"max_tokens": 5, "temperature": 0.5, "p": 0.9, "k": 3, "seed": 4},
            set(),
        ),
        (
            Knobs(temperature=1.5, top_p=1.0, top_k=900),
            {"temperature": 1.0, "p": 0.99, "k": 500},
            {"temperature>1.0", "top_p>0.99", "top_k>500"},
        ),
        (Knobs(top_p=0.0), {"p": 0.01}, {"top_p<0.01"}),
        (Knobs(seed=-1), {}, {"seed"}),
        (Knobs(candidates=1, user="u", top_logprobs=3, logprobs=True), {"logprobs": True}, {"user", "top_logprobs"}),
        (Knobs(parallel_tool_calls=False), {}, {"parallel_tool_calls"}),
        (Knobs(parallel_tool_calls=True), {}, set()),
        (Knobs(stop=("a", "b"), presence_penalty=0.5), {"stop_sequences": ["a", "b"], "presence_penalty": 0.5}, set()),
        (Knobs(output_format=OutputFormat()), {"response_format": {"type": "json_object"}}, set()),
        (
            Knobs(output_format=OutputFormat(schema=SCHEMA, description="d", extras={"x": Raw(b"1")})),
            {"response_format": {"type": "json_object", "json_schema": json.loads(bytes(SCHEMA))}},
            {"output_format.description", "output_format.x"},
        ),
        (Knobs(reasoning=ReasoningKnob(effort="none")), {"thinking": {"type": "disabled"}}, set()),
        (Knobs(reasoning=ReasoningKnob(effort="low")), {"thinking": {"type": "enabled", "token_budget": 2048}}, set()),
        (
            Knobs(reasoning=ReasoningKnob(budget_tokens=77)),
            {"thinking": {"type": "enabled", "token_budget": 77}},
            set(),
        ),
        (
            Knobs(reasoning=ReasoningKnob(is_visible=True, extras={"x": Raw(b"1")})),
            {},
            {"reasoning.is_visible", "reasoning.x"},
        ),
    ],
)
def test_settings(knobs: Knobs, wire: Any, dropped: set[str]) -> None:
    body, lost = talk(knobs=knobs)

    assert ({name: body[name] for name in body if name not in ("model", "messages")}, lost) == (wire, dropped)


def test_several_answers_are_refused() -> None:
    with pytest.raises(Unrenderable, match="n: 1"):
        talk(knobs=Knobs(candidates=2))
