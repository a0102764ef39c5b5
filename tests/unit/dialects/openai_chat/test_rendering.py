"""Requests of other dialects, said in this one."""

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
    ServerTool,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Target
from headgate.dialects.openai_chat import render_request

HELLO = (Message(role="user", parts=(Text(text="hello"),)),)


def render(*, quirks: tuple[str, ...] = (), is_stream: bool = False, **fields: Any) -> tuple[Any, set[str]]:
    request = Request(**{"dialect": "anthropic", "model": "theirs", "messages": HELLO, **fields})
    dropped: set[str] = set()
    wire = render_request(request, Target(model="ours", quirks=quirks, is_stream=is_stream), dropped)
    return json.loads(wire), dropped


def said(*parts: Part, role: Any = "user", quirks: tuple[str, ...] = ()) -> tuple[Any, set[str]]:
    wire, dropped = render(messages=(Message(role=role, parts=parts),), quirks=quirks)
    return wire["messages"], dropped


def test_a_whole_call_is_said() -> None:
    wire, dropped = render(
        messages=(
            Message(role="system", parts=(Text(text="One."), Text(text="Two."))),
            Message(role="user", parts=(Text(text="Look:"), Image(source=Inline("image/png", "AAAA"), detail="high"))),
        ),
        tools=(Tool(name="f", description="d", parameters=Raw(b'{"type":"object"}'), is_strict=True),),
        tool_choice=ToolChoice(mode="tool", name="f"),
        knobs=Knobs(
            max_tokens=9,
            temperature=0.5,
            top_p=0.9,
            stop=("a", "b"),
            candidates=2,
            seed=3,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
            top_logprobs=4,
            parallel_tool_calls=False,
            output_format=OutputFormat(schema=Raw(b'{"type":"object"}')),
            reasoning=ReasoningKnob(budget_tokens=2048),
            user="ann",
        ),
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}}
    assert (wire, dropped) == (
        {
            "model": "ours",
            "messages": [
                {"role": "system", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
                {"role": "user", "content": [{"type": "text", "text": "Look:"}, image]},
            ],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "max_completion_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["a", "b"],
            "n": 2,
            "seed": 3,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "logprobs": True,
            "top_logprobs": 4,
            "parallel_tool_calls": False,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": {"type": "object"}},
            },
            "reasoning_effort": "low",
            "user": "ann",
        },
        set(),
    )


def test_a_stream_asks_for_its_usage() -> None:
    wire, _ = render(is_stream=True)
    assert (wire["stream"], wire["stream_options"]) == (True, {"include_usage": True})
    wire, _ = render(is_stream=True, quirks=("no_stream_options",))
    assert (wire["stream"], "stream_options" in wire) == (True, False)


def test_results_follow_their_calls_and_the_rest_of_the_turn_follows_them() -> None:
    wire, dropped = render(
        messages=(
            Message(
                role="assistant",
                parts=(
                    Text(text="Wait."),
                    ToolCall(id="a", name="f", arguments='{"x":1}'),
                    ToolCall(id="b", name="g"),
                ),
            ),
            Message(
                role="user",
                parts=(
                    ToolResult(call_id="a", parts=(Text(text="1"), Image(source=Link("https://a.test/i.png")))),
                    Text(text="and?"),
                    ToolResult(call_id="b", is_error=True),
                ),
            ),
        )
    )
    assert wire["messages"] == [
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Output of tool call a:"},
                {"type": "image_url", "image_url": {"url": "https://a.test/i.png"}},
            ],
        },
        {"role": "user", "content": "and?"},
    ]
    assert dropped == {"tool_result.is_error"}


def test_what_a_tool_showed_waits_until_all_results_are_told() -> None:
    image = ToolResult(call_id="a", parts=(Image(source=Inline("image/png", "AAAA")),))
    wire, _ = render(
        messages=(
            Message(role="assistant", parts=(ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))),
            Message(role="tool", parts=(image,)),
            Message(role="tool", parts=(ToolResult(call_id="b", parts=(Text(text="2"),)),)),
        )
    )
    assert [message["role"] for message in wire["messages"]] == ["assistant", "tool", "tool", "user"]


def test_calls_without_ids_get_some_and_their_results_the_same() -> None:
    wire, _ = render(
        dialect="gemini",
        messages=(
            Message(role="assistant", parts=(ToolCall(id="", name="f"), ToolCall(id="", name="g"))),
            Message(
                role="user",
                parts=(
                    ToolResult(call_id="", name="g", parts=(Text(text="2"),)),
                    ToolResult(call_id="", name="f", parts=(Text(text="1"),)),
                ),
            ),
            Message(role="assistant", parts=(ToolCall(id="", name="f"),)),
        ),
    )
    first, result_g, result_f, second = wire["messages"]
    ids = [call["id"] for call in first["tool_calls"]]
    assert ids == ["call_0_0", "call_0_1"]
    assert [result_g["tool_call_id"], result_f["tool_call_id"]] == [ids[1], ids[0]]
    assert second["tool_calls"][0]["id"] not in ids


def test_an_id_that_is_too_long_is_shortened_on_call_and_result() -> None:
    wire, _ = render(
        messages=(
            Message(role="assistant", parts=(ToolCall(id="x" * 60, name="f"),)),
            Message(role="user", parts=(ToolResult(call_id="x" * 60, parts=(Text(text="1"),)),)),
        )
    )
    call_id = wire["messages"][0]["tool_calls"][0]["id"]
    assert (len(call_id) <= 40, wire["messages"][1]["tool_call_id"] == call_id) == (True, True)


def test_a_call_without_words_has_null_content() -> None:
    messages, _ = said(ToolCall(id="a", name="f"), role="assistant")
    assert messages[0]["content"] is None


def test_a_turn_of_which_nothing_is_left_is_empty_words() -> None:
    assert said(Reasoning(text="hm"), role="assistant") == ([{"role": "assistant", "content": ""}], {"reasoning"})


def test_thinking_goes_back_where_the_host_wants_it() -> None:
    thought = Reasoning(text="hm", signature=Signature("anthropic", "S"))
    messages, dropped = said(thought, Text(text="a"), role="assistant", quirks=("reasoning_content_field",))
    assert (messages, dropped) == (
        [{"role": "assistant", "content": "a", "reasoning_content": "hm"}],
        {"reasoning.signature"},
    )


def test_our_own_signatures_go_home_where_the_host_wants_them() -> None:
    thoughts = (
        Reasoning(text="hm", signature=Signature("openai_chat", "S")),
        Reasoning(signature=Signature("openai_chat", "D"), is_redacted=True),
    )
    messages, dropped = said(*thoughts, role="assistant", quirks=("reasoning_details_field",))
    assert (messages[0]["reasoning_details"], dropped) == (
        [
            {"type": "reasoning.text", "format": "unknown", "text": "hm", "signature": "S"},
            {"type": "reasoning.encrypted", "format": "unknown", "data": "D"},
        ],
        set(),
    )


def test_googles_signature_goes_to_google_alone() -> None:
    call = ToolCall(id="a", name="f", signature=Signature("gemini", "S"))
    messages, dropped = said(call, role="assistant")
    assert ("extra_content" in messages[0]["tool_calls"][0], dropped) == (False, {"reasoning.signature"})
    messages, dropped = said(call, role="assistant", quirks=("google_signatures",))
    assert messages[0]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "S"}}
    assert dropped == set()


def test_cache_marks_are_told_where_the_host_knows_them() -> None:
    marked = Text(text="a", cache=CacheMark("1h"))
    assert said(marked) == ([{"role": "user", "content": "a"}], {"cache_control"})
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert said(marked, quirks=("cache_control",)) == ([{"role": "user", "content": [part]}], set())


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        (
            File(source=Inline("application/pdf", "AAAA"), name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        ),
        (File(source=Inline("text/plain", "aGk=")), {"type": "text", "text": "hi"}),
        (
            Audio(source=Inline("audio/mpeg", "AAAA")),
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ),
        (Image(source=Link("https://a.test/i")), {"type": "image_url", "image_url": {"url": "https://a.test/i"}}),
    ],
)
def test_media_are_said(part: Part, wire: dict[str, Any]) -> None:
    messages, dropped = said(Text(text="see"), part)
    assert (messages[0]["content"][1], dropped) == (wire, set())


def test_a_file_of_openais_other_api_keeps_its_id() -> None:
    wire, _ = render(
        dialect="openai_responses", messages=(Message(role="user", parts=(File(source=FileId("file-1")),)),)
    )
    assert wire["messages"][0]["content"] == [{"type": "file", "file": {"file_id": "file-1"}}]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": (Message(role="user", parts=(File(source=Link("https://a.test/b.pdf")),)),)},
        {"messages": (Message(role="user", parts=(File(source=FileId("f")),)),)},
        {"messages": (Message(role="user", parts=(Image(source=FileId("f")),)),)},
        {"messages": (Message(role="user", parts=(File(source=Inline("video/mp4", "A")),)),)},
        {"messages": (Message(role="user", parts=(File(source=Inline("text/plain", "A")),)),)},
        {"messages": (Message(role="user", parts=(Audio(source=Inline("audio/ogg", "A")),)),)},
        {"messages": (Message(role="system", parts=(Image(source=Link("https://a.test")),)),)},
        {"messages": (Message(role="user", parts=(Foreign(name="x", raw=Raw(b"{}"), is_feature=True),)),)},
        {"tools": (ServerTool(name="web_search", raw=Raw(b"{}")),), "tool_choice": ToolChoice(mode="any")},
    ],
)
def test_a_feature_that_cannot_be_said_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Unrenderable, match=r"this API|base64"):
        render(**fields)


def test_tools_that_another_service_runs_are_dropped_by_name() -> None:
    wire, dropped = render(
        tools=(ServerTool(name="web_search", raw=Raw(b"{}")),), knobs=Knobs(parallel_tool_calls=True)
    )
    assert wire.keys().isdisjoint({"tools", "tool_choice", "parallel_tool_calls"})
    assert dropped == {"tools.web_search"}


def test_what_cannot_be_said_is_told() -> None:
    extras = {"x": Raw(b"1"), "nothing": Raw(b"null")}
    wire, dropped = render(
        messages=(
            Message(
                role="user", parts=(Text(text="a", extras=extras), Foreign(name="aside", raw=Raw(b"{}"))), extras=extras
            ),
        ),
        tools=(Tool(name="f", extras=extras, cache=CacheMark()),),
        tool_choice=ToolChoice(mode="auto", extras=extras),
        knobs=Knobs(
            top_k=3,
            output_format=OutputFormat(extras=extras),
            reasoning=ReasoningKnob(is_visible=False, extras=extras),
        ),
        extras={**extras, "safety": Raw(b"{}")},
    )
    assert dropped == {
        "x",
        "safety",
        "messages.x",
        "aside",
        "tools.x",
        "cache_control",
        "tool_choice.x",
        "top_k",
        "output_format.x",
        "reasoning.x",
        "reasoning.is_visible",
    }
    assert wire == {
        "model": "ours",
        "messages": [{"role": "user", "content": "a"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
    }


def test_what_openais_two_apis_share_is_kept() -> None:
    wire, dropped = render(dialect="openai_responses", extras={"store": Raw(b"true"), "truncation": Raw(b'"auto"')})
    assert (wire["store"], dropped) == (True, {"truncation"})


def test_a_refusal_is_said_by_the_model_alone() -> None:
    assert said(Refused(text="no"), role="assistant")[0] == [{"role": "assistant", "refusal": "no", "content": ""}]
    assert said(Refused(text="no"))[0] == [{"role": "user", "content": "no"}]


def test_a_result_without_any_call_keeps_its_id_or_gets_one() -> None:
    wire, _ = render(
        messages=(Message(role="user", parts=(ToolResult(call_id="z"), ToolResult(call_id="", name="f"))),)
    )
    assert [message["tool_call_id"] for message in wire["messages"]] == ["z", "call_f"]


def test_a_file_may_be_a_link_where_the_host_takes_it() -> None:
    messages, _ = said(File(source=Link("https://a.test/b.pdf")), quirks=("file_data_url",))
    assert messages[0]["content"] == [
        {"type": "file", "file": {"filename": "document", "file_data": "https://a.test/b.pdf"}}
    ]


def test_a_choice_among_no_tools_is_not_said() -> None:
    wire, _ = render(tool_choice=ToolChoice(mode="auto"))
    assert "tool_choice" not in wire


@pytest.mark.parametrize(
    ("quirk", "knobs", "wire"),
    [
        ("max_tokens_only", Knobs(max_tokens=3), {"max_tokens": 3}),
        ("random_seed", Knobs(seed=3), {"random_seed": 3}),
        ("no_user", Knobs(user="u"), {}),
        ("reasoning_object", Knobs(reasoning=ReasoningKnob(effort="low")), {"reasoning": {"effort": "low"}}),
        ("thinking_object", Knobs(reasoning=ReasoningKnob(effort="low")), {"thinking": {"type": "enabled"}}),
        ("thinking_object", Knobs(reasoning=ReasoningKnob(effort="none")), {"thinking": {"type": "disabled"}}),
        ("enable_thinking", Knobs(reasoning=ReasoningKnob(effort="low")), {"enable_thinking": True}),
        ("enable_thinking", Knobs(reasoning=ReasoningKnob(effort="none")), {"enable_thinking": False}),
        ("enable_thinking", Knobs(), {}),
    ],
)
def test_quirks_change_the_top_level(quirk: str, knobs: Knobs, wire: dict[str, Any]) -> None:
    body, _ = render(knobs=knobs, quirks=(quirk,))
    assert body == {"model": "ours", "messages": [{"role": "user", "content": "hello"}], **wire}


def test_a_host_without_developers_has_systems() -> None:
    messages, _ = said(Text(text="a"), role="developer", quirks=("developer_as_system",))
    assert messages == [{"role": "system", "content": "a"}]
