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
from headgate.dialects.ollama import render_request

HI = Message(role="user", parts=(Text(text="Hi"),))
SCHEMA = Raw(b'{"type":"object","properties":{"a":{}}}')
PICTURE = Image(source=Inline("image/png", "aGk="))


def talk(*messages: Message, model: str = "m", **members: Any) -> tuple[Any, set[str]]:
    request = Request(dialect="other", model="x", messages=messages or (HI,), **members)
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model=model, is_stream=request.is_stream), dropped)), dropped


def said(role: Any, *parts: Part) -> tuple[Any, set[str]]:
    wire, dropped = talk(Message(role=role, parts=parts))
    return wire["messages"], dropped


def test_a_small_talk() -> None:
    messages = (
        Message(role="developer", parts=(Text(text="Be brief."),), extras={"a": Raw(b"1"), "b": Raw(b"null")}),
        Message(role="user", parts=(Text(text="Hi"), PICTURE, Text(text=""), Text(text="there")), name="ann"),
        Message(role="assistant", parts=(Reasoning(text="Hm"), Text(text="Ho"), Text(text="!"))),
    )

    wire, dropped = talk(*messages, is_stream=True, extras={"store": Raw(b"true"), "tags": Raw(b"[]")})

    assert wire == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi\n\nthere", "images": ["aGk="]},
            {"role": "assistant", "content": "Ho!", "thinking": "Hm"},
        ],
        "stream": True,
    }
    assert dropped == {"messages.a", "messages.name", "store"}


def test_calls_and_their_results() -> None:
    messages = (
        Message(
            role="assistant",
            parts=(
                Reasoning(text="I look.", signature=Signature("anthropic", "s")),
                Reasoning(text=""),
                ToolCall(id="c1", name="f", arguments='{"a":1}'),
                ToolCall(id="", name="g", arguments=""),
                ToolCall(id="c3", name="h", arguments="free text"),
            ),
        ),
        Message(
            role="user",
            parts=(
                Text(text="Well?"),
                ToolResult(call_id="c1", parts=(Text(text="60"), PICTURE, Text(text="61")), is_error=True),
                ToolResult(call_id="c9", cache=CacheMark()),
                ToolResult(call_id="c3", name="told", parts=(Text(text="62"),)),
            ),
        ),
    )

    wire, dropped = talk(*messages)

    assert wire["messages"] == [
        {
            "role": "assistant",
            "content": "",
            "thinking": "I look.",
            "tool_calls": [
                {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
                {"id": "call_0_3", "function": {"name": "g", "arguments": {}}},
                {"id": "c3", "function": {"name": "h", "arguments": {"input": "free text"}}},
            ],
        },
        {"role": "tool", "content": "60\n\n61", "images": ["aGk="], "tool_name": "f", "tool_call_id": "c1"},
        {"role": "tool", "content": "", "tool_call_id": "c9"},
        {"role": "tool", "content": "62", "tool_name": "told", "tool_call_id": "c3"},
        {"role": "user", "content": "Well?"},
    ]
    assert dropped == {"reasoning.signature", "tool_result.is_error", "cache_control"}


def test_what_says_nothing_is_left_out_but_not_the_whole_talk() -> None:
    assert said("user", Text(text=""))[0] == [{"role": "user", "content": ""}]
    assert talk(Message(role="user", parts=(Text(text=""),)), HI)[0]["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("part", "wire", "dropped"),
    [
        (Text(text="a", cache=CacheMark(), extras={"x": Raw(b"1")}), {"content": "a"}, {"cache_control", "messages.x"}),
        (Refused(text="No."), {"content": "No."}, set()),
        (
            Image(source=Inline("image/png", "aGk="), detail="high"),
            {"content": "", "images": ["aGk="]},
            {"messages.detail"},
        ),
        (File(source=Inline("text/plain", "aGk="), name="a.txt"), {"content": "hi"}, {"messages.filename"}),
        (File(source=Inline("image/png", "aGk=")), {"content": "", "images": ["aGk="]}, set()),
    ],
)
def test_what_a_user_shows(part: Part, wire: Any, dropped: set[str]) -> None:
    assert said("user", part) == ([{"role": "user", **wire}], dropped)


@pytest.mark.parametrize(
    "part",
    [
        Image(source=Link("https://a/b")),
        Image(source=FileId("f")),
        Audio(source=Inline("audio/wav", "aGk=")),
        File(source=Inline("application/pdf", "aGk=")),
        File(source=Inline("text/plain", "a")),
        File(source=FileId("f")),
        Foreign(name="hologram", raw=Raw(b"{}"), is_feature=True),
    ],
)
def test_what_cannot_be_shown_is_refused(part: Part) -> None:
    with pytest.raises(Unrenderable) as refused:
        said("user", part)
    assert refused.value.problem.param == "messages"


def test_a_model_s_own_odd_part_is_dropped() -> None:
    messages, dropped = said("assistant", Text(text="Ho"), Foreign(name="search", raw=Raw(b"{}")))

    assert (messages, dropped) == ([{"role": "assistant", "content": "Ho"}], {"search"})


def tool(name: str, **members: Any) -> Tool:
    return Tool(name=name, parameters=SCHEMA, **members)


def function(name: str) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": json.loads(bytes(SCHEMA))}}


@pytest.mark.parametrize(
    ("tools", "choice", "names", "dropped"),
    [
        ((tool("f"), tool("g")), None, ["f", "g"], set()),
        ((tool("f"),), ToolChoice(mode="auto", extras={"x": Raw(b"1")}), ["f"], {"tool_choice.x"}),
        ((tool("f"),), ToolChoice(mode="none"), [], set()),
        ((tool("f"), tool("g")), ToolChoice(mode="any"), ["f", "g"], {"tool_choice"}),
        ((tool("f"), tool("g")), ToolChoice(mode="tool", name="g"), ["g"], {"tool_choice"}),
        (
            (tool("f", is_strict=True, cache=CacheMark(), extras={"x": Raw(b"1")}),),
            None,
            ["f"],
            {"tools.strict", "cache_control", "tools.x"},
        ),
    ],
)
def test_tools(tools: Any, choice: ToolChoice | None, names: list[str], dropped: set[str]) -> None:
    body, lost = talk(tools=tools, tool_choice=choice)

    assert (body.get("tools", []), lost) == ([function(name) for name in names], dropped)


def test_a_tool_that_takes_nothing() -> None:
    body, _ = talk(tools=(Tool(name="f", description="Does."),))

    assert body["tools"][0]["function"] == {
        "name": "f",
        "description": "Does.",
        "parameters": {"type": "object", "properties": {}},
    }


@pytest.mark.parametrize(
    ("knobs", "wire", "dropped"),
    [
        (
            Knobs(max_tokens=5, temperature=0.5, top_p=0.9, top_k=3, seed=4, stop=("a",)),
            {"options": {"num_predict": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "seed": 4, "stop": ["a"]}},
            set(),
        ),
        (Knobs(candidates=1, user="u", top_logprobs=3, logprobs=True), {"logprobs": True, "top_logprobs": 3}, {"user"}),
        (Knobs(parallel_tool_calls=False), {}, {"parallel_tool_calls"}),
        (Knobs(output_format=OutputFormat()), {"format": "json"}, set()),
        (
            Knobs(output_format=OutputFormat(schema=SCHEMA, description="d", extras={"x": Raw(b"1")})),
            {"format": json.loads(bytes(SCHEMA))},
            {"output_format.description", "output_format.x"},
        ),
        (Knobs(reasoning=ReasoningKnob(effort="none")), {"think": False}, set()),
        (Knobs(reasoning=ReasoningKnob(effort="low")), {"think": True}, {"reasoning.effort"}),
        (Knobs(reasoning=ReasoningKnob(budget_tokens=77)), {"think": True}, {"reasoning.budget_tokens"}),
        (Knobs(reasoning=ReasoningKnob(budget_tokens=0)), {"think": False}, set()),
        (
            Knobs(reasoning=ReasoningKnob(is_visible=True, extras={"x": Raw(b"1")})),
            {"think": True},
            {"reasoning.is_visible", "reasoning.x"},
        ),
    ],
)
def test_settings(knobs: Knobs, wire: Any, dropped: set[str]) -> None:
    body, lost = talk(knobs=knobs)

    assert ({name: body[name] for name in body if name not in ("model", "messages", "stream")}, lost) == (wire, dropped)


@pytest.mark.parametrize(
    ("knob", "think", "dropped"),
    [
        (ReasoningKnob(effort="low"), "low", set()),
        (ReasoningKnob(effort="xhigh"), "high", {"reasoning.effort"}),
        (ReasoningKnob(effort="none"), False, set()),
        (ReasoningKnob(budget_tokens=8000), "medium", {"reasoning.budget_tokens"}),
        (ReasoningKnob(budget_tokens=-1), True, {"reasoning.budget_tokens"}),
    ],
)
def test_one_family_takes_words(knob: ReasoningKnob, think: Any, dropped: set[str]) -> None:
    body, lost = talk(model="gpt-oss:20b", knobs=Knobs(reasoning=knob))

    assert (body["think"], lost) == (think, dropped)


def test_without_a_target_s_model_the_request_s_own_counts() -> None:
    request = Request(
        dialect="other", model="gpt-oss", messages=(HI,), knobs=Knobs(reasoning=ReasoningKnob(effort="low"))
    )

    body = json.loads(render_request(request, Target(model=""), set()))

    assert (body["think"], "model" in body, body["stream"]) == ("low", False, False)


def test_several_answers_are_refused() -> None:
    with pytest.raises(Unrenderable, match="n: 1"):
        talk(knobs=Knobs(candidates=2))
