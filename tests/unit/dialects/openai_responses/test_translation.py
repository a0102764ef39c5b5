"""Requests of other dialects, written as the Responses API takes them."""

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
from headgate.dialects.openai_responses import render_request

USER = Message(role="user", parts=(Text(text="hi"),))
SEARCH = ServerTool(name="web_search_20260209", raw=Raw(b"{}"))


def sent(
    *messages: Message, dialect: str = "anthropic", is_stream: bool = False, **members: Any
) -> tuple[Any, set[str]]:
    request = Request(dialect=dialect, model="route", messages=messages or (USER,), **members)
    dropped: set[str] = set()
    wire = render_request(request, Target(model="gpt-6", is_stream=is_stream), dropped)
    return json.loads(wire), dropped


def items(*parts: Part, role: Any = "user", **members: Any) -> list[Any]:
    return sent(Message(role=role, parts=parts), **members)[0]["input"]


def test_a_plain_call_is_not_stored():
    assert sent(is_stream=True) == (
        {
            "model": "gpt-6",
            "stream": True,
            "store": False,
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        },
        set(),
    )


def test_a_conversation_with_tools():
    wire, dropped = sent(
        Message(role="system", parts=(Text(text="Be"), Text(text="brief.", cache=CacheMark()))),
        Message(
            role="user", parts=(Text(text="Add."),), name="Ann", form="x", extras={"a": Raw(b"1"), "b": Raw(b"null")}
        ),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="abroad", signature=Signature("anthropic", "s")),
                Reasoning(text="unsigned"),
                Reasoning(text="home", signature=Signature("openai_responses", "seal")),
                Text(text="I add."),
                Refused(text="Not more."),
                ToolCall(id="a", name="add", arguments='{"x":1}', signature=Signature("gemini", "t")),
                ToolCall(id="b", name="run", arguments="ls", is_custom=True),
                ToolCall(id="c", name="now"),
            ),
        ),
        Message(
            role="user",
            parts=(
                ToolResult(call_id="a", parts=(Text(text="1"),), is_error=True),
                ToolResult(call_id="c", parts=(Text(text="a"), Image(source=Link("https://a/b.png")))),
                ToolResult(call_id="b"),
                Text(text="And?"),
            ),
        ),
    )

    assert wire["input"] == [
        {
            "type": "message",
            "role": "system",
            "content": [{"type": "input_text", "text": "Be"}, {"type": "input_text", "text": "brief."}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Add."}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "home"}], "encrypted_content": "seal"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I add."}, {"type": "refusal", "refusal": "Not more."}],
        },
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": '{"x":1}'},
        {"type": "custom_tool_call", "call_id": "b", "name": "run", "input": "ls"},
        {"type": "function_call", "call_id": "c", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://a/b.png"}],
        },
        {"type": "custom_tool_call_output", "call_id": "b", "output": ""},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And?"}]},
    ]
    assert dropped == {
        "cache_control",
        "messages.name",
        "messages.a",
        "reasoning.signature",
        "reasoning",
        "is_error",
    }


def test_calls_without_ids_get_one_and_their_results_find_it():
    wire, _ = sent(
        Message(
            role="assistant", parts=(ToolCall(id="", name="a"), ToolCall(id="", name="b"), ToolCall(id="", name="a"))
        ),
        Message(role="tool", parts=(ToolResult(call_id="", name="b"), ToolResult(call_id="", name="a"))),
        Message(role="tool", parts=(ToolResult(call_id="", name="?"), ToolResult(call_id="", name="?"))),
        dialect="gemini",
    )

    assert [(item["type"], item["call_id"]) for item in wire["input"]] == [
        ("function_call", "call_1"),
        ("function_call", "call_2"),
        ("function_call", "call_3"),
        ("function_call_output", "call_2"),
        ("function_call_output", "call_1"),
        ("function_call_output", "call_3"),
        ("function_call_output", "call_4"),
    ]


def test_pictures_files_and_sound():
    (message,) = items(
        Image(source=Inline("image/png", "aGk="), detail="high"),
        Image(source=Link("https://a/b.png")),
        File(source=Inline("application/pdf", "aGk=")),
        File(source=Inline("application/pdf", "aGk="), name="a.pdf"),
        File(source=Link("https://a/b.pdf")),
        File(source=FileId("file-1")),
        Audio(source=Inline("audio/mpeg", "aGk=")),
        dialect="openai_chat",
    )

    assert message["content"] == [
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "high"},
        {"type": "input_image", "image_url": "https://a/b.png"},
        {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
    ]


def test_settings():
    wire, dropped = sent(
        tools=(
            Tool(name="add", description="Adds.", parameters=Raw(b'{"type":"object"}'), extras={"eager": Raw(b"1")}),
            Tool(name="now", is_strict=True, cache=CacheMark()),
        ),
        tool_choice=ToolChoice(mode="tool", name="add", form="x", extras={"y": Raw(b"1")}),
        knobs=Knobs(
            max_tokens=300,
            temperature=0.2,
            top_p=0.9,
            top_k=4,
            stop=("END",),
            candidates=2,
            seed=1,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
            top_logprobs=2,
            parallel_tool_calls=False,
            output_format=OutputFormat(schema=Raw(b"{}")),
            reasoning=ReasoningKnob(budget_tokens=8000, is_visible=True, extras={"z": Raw(b"1")}),
            user="someone",
        ),
        extras={"container": Raw(b'"c"'), "metadata": Raw(b"null")},
        form="?",
    )

    del wire["input"]
    assert wire == {
        "model": "gpt-6",
        "store": False,
        "max_output_tokens": 300,
        "temperature": 0.2,
        "top_p": 0.9,
        "top_logprobs": 2,
        "parallel_tool_calls": False,
        "safety_identifier": "someone",
        "tools": [
            {
                "type": "function",
                "name": "add",
                "description": "Adds.",
                "parameters": {"type": "object"},
                "strict": False,
            },
            {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": True},
        ],
        "tool_choice": {"type": "function", "name": "add"},
        "text": {"format": {"type": "json_schema", "name": "response", "schema": {}}},
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    }
    assert dropped == {
        "top_k",
        "stop",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "cache_control",
        "tools.eager",
        "tool_choice.y",
        "reasoning.z",
        "container",
    }


@pytest.mark.parametrize(
    ("knobs", "expected", "lost"),
    [
        (Knobs(max_tokens=1), {"max_output_tokens": 16}, {"max_tokens"}),
        (Knobs(user="u" * 65), {}, {"user"}),
        (Knobs(reasoning=ReasoningKnob(effort="none")), {"reasoning": {"effort": "none"}}, set()),
        (Knobs(reasoning=ReasoningKnob(budget_tokens=0)), {"reasoning": {"effort": "none"}}, set()),
        (Knobs(reasoning=ReasoningKnob()), {"include": ["reasoning.encrypted_content"]}, set()),
        (Knobs(output_format=OutputFormat()), {"text": {"format": {"type": "json_object"}}}, set()),
        (Knobs(candidates=1, stop=()), {}, set()),
    ],
)
def test_single_knobs(knobs: Knobs, expected: dict[str, object], lost: set[str]):
    wire, dropped = sent(knobs=knobs)

    assert {name: wire[name] for name in wire if name not in ("model", "input", "store")} == expected
    assert dropped == lost


@pytest.mark.parametrize(("mode", "word"), [("auto", "auto"), ("none", "none"), ("any", "required")])
def test_plain_tool_choices(mode: Any, word: str):
    assert sent(tools=(Tool(name="f"),), tool_choice=ToolChoice(mode=mode))[0]["tool_choice"] == word


def test_members_of_the_same_service_pass():
    extras = {
        "metadata": Raw(b'{"a":"b"}'),
        "store": Raw(b"true"),
        "logit_bias": Raw(b"{}"),
        "service_tier": Raw(b"null"),
    }

    wire, dropped = sent(dialect="openai_chat", extras=extras)

    assert (wire["metadata"], wire["store"], "service_tier" in wire, dropped) == (
        {"a": "b"},
        True,
        False,
        {"logit_bias"},
    )


def test_a_tool_that_another_service_runs_is_dropped_by_name():
    wire, dropped = sent(USER, tools=(SEARCH,), tool_choice=ToolChoice(mode="auto"))

    assert ("tools" in wire, "tool_choice" in wire, dropped) == (False, False, {"tools.web_search_20260209"})


@pytest.mark.parametrize(
    ("message", "members"),
    [
        (USER, {"tools": (SEARCH,), "tool_choice": ToolChoice(mode="any")}),
        (USER, {"tools": (SEARCH, Tool(name="f")), "tool_choice": ToolChoice(mode="tool", name="web_search")}),
        (Message(role="user", parts=(Foreign(name="video", raw=Raw(b"{}"), is_feature=True),)), {}),
        (Message(role="user", parts=(Image(source=FileId("file_1")),)), {}),
        (Message(role="user", parts=(Audio(source=Link("https://a/b.wav")),)), {}),
        (Message(role="user", parts=(Audio(source=Inline("audio/flac", "aGk=")),)), {}),
        (Message(role="assistant", parts=(Image(source=Link("https://a/b.png")),)), {}),
    ],
)
def test_a_feature_that_cannot_be_said_is_refused(message: Message, members: dict[str, Any]):
    with pytest.raises(Unrenderable) as refusal:
        sent(message, **members)

    assert refusal.value.problem.param in ("tools", "input")


def test_a_dispensable_part_is_dropped_by_name():
    wire, dropped = sent(Message(role="user", parts=(Text(text="a"), Foreign(name="citation", raw=Raw(b"{}")))))

    assert (len(wire["input"][0]["content"]), dropped) == (1, {"citation"})
