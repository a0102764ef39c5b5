"""Requests of other dialects as requests of the Messages API."""

import json

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
from headgate.dialects.anthropic import render_request
from headgate.dialects.base import Target

HELLO = (Message(role="user", parts=(Text(text="hi"),)),)
SEARCH = Tool(name="search", parameters=Raw(b'{"type":"object"}'))


def request_of(*messages: Message, **more: object) -> Request:
    return Request(dialect="elsewhere", model="m", messages=messages or HELLO, **more)  # type: ignore[arg-type]


def rendered(request: Request, model: str = "claude-sonnet-4-5", version: str = "") -> tuple[dict, set[str]]:
    dropped: set[str] = set()
    out = render_request(request, Target(model=model, version=version, max_tokens_default=500), dropped)
    return json.loads(out), dropped


def user(*parts: Part) -> Message:
    return Message(role="user", parts=parts)


def assistant(*parts: Part) -> Message:
    return Message(role="assistant", parts=parts)


def test_a_conversation_with_tools():
    out, dropped = rendered(
        request_of(
            Message(role="system", parts=(Text(text="Be brief."),)),
            user(Text(text="Compare"), Text(text="  ")),
            assistant(Text(text=""), ToolCall(id="call.1", name="search", arguments='{"q": "a"}')),
            assistant(ToolCall(id="call.2", name="search", arguments="")),
            Message(role="tool", parts=(ToolResult(call_id="call.1", parts=(Text(text="one"),)),)),
            Message(
                role="tool",
                parts=(ToolResult(call_id="call.2", is_error=True, parts=(Image(source=Inline("image/jpg", "AA")),)),),
            ),
            user(Text(text="Now?")),
            tools=(SEARCH,),
        )
    )
    first, second = (block["id"] for block in out["messages"][1]["content"])
    assert first != second
    assert not set(first + second) - set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert out == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 500,
        "system": "Be brief.",
        "tools": [{"name": "search", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Compare"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": first, "name": "search", "input": {"q": "a"}},
                    {"type": "tool_use", "id": second, "name": "search", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": first, "content": [{"type": "text", "text": "one"}]},
                    {
                        "type": "tool_result",
                        "tool_use_id": second,
                        "is_error": True,
                        "content": [
                            {
                                "type": "image",
                                "source": {"type": "base64", "media_type": "image/jpeg", "data": "AA"},
                            }
                        ],
                    },
                    {"type": "text", "text": "Now?"},
                ],
            },
        ],
    }
    assert dropped == set()


def test_a_call_id_used_again_becomes_another_for_its_own_result():
    turn = (
        assistant(ToolCall(id="call_0", name="search", arguments="{}")),
        Message(role="tool", parts=(ToolResult(call_id="call_0", parts=(Text(text="x"),)),)),
    )
    out, _ = rendered(request_of(*HELLO, *turn, *turn))
    ids = [(m["content"][0].get("id") or m["content"][0].get("tool_use_id")) for m in out["messages"][1:]]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2"]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (ToolCall(id="a", name="n", arguments="[1]"), {"arguments": "[1]"}),
        (ToolCall(id="a", name="n", arguments="null"), {}),
        (ToolCall(id="a", name="n", arguments='{"q": tru'), {"arguments": '{"q": tru'}),
        (ToolCall(id="a", name="n", arguments="free text", is_custom=True), {"input": "free text"}),
    ],
)
def test_arguments_that_are_no_object_are_put_into_one(call: ToolCall, wanted: object):
    out, _ = rendered(request_of(*HELLO, assistant(call)))
    assert out["messages"][1]["content"][0]["input"] == wanted


def test_instructions_in_several_blocks_keep_their_order_and_marks():
    out, _ = rendered(
        request_of(
            Message(role="system", parts=(Text(text="a", cache=CacheMark("1h")), Text(text="b"))),
            Message(role="developer", parts=(Text(text="c", cache=CacheMark("12h")),)),
            *HELLO,
        )
    )
    assert out["system"] == [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b"},
        {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}},
    ]


def test_instructions_amid_the_conversation():
    messages = (*HELLO, Message(role="system", parts=(Text(text="In Spanish."),)), assistant(Text(text="Vale")))
    new, dropped_new = rendered(request_of(*messages), model="claude-opus-4-8")
    old, dropped_old = rendered(request_of(*messages), model="claude-opus-4-1")
    assert new["messages"][1] == {"role": "system", "content": [{"type": "text", "text": "In Spanish."}]}
    assert dropped_new == set()
    assert [message["role"] for message in old["messages"]] == ["user", "assistant"]
    assert "In Spanish." in old["messages"][0]["content"][1]["text"]
    assert dropped_old == {"messages.system (moved)"}


def test_instructions_where_their_role_may_not_stand_are_moved_in_any_model():
    messages = (*HELLO, Message(role="system", parts=(Text(text="S"),)), user(Text(text="more")))
    out, dropped = rendered(request_of(*messages), model="claude-opus-5")
    assert [message["role"] for message in out["messages"]] == ["user"]
    assert dropped == {"messages.system (moved)"}


def test_a_conversation_begins_with_the_user():
    out, dropped = rendered(request_of(assistant(Text(text="Hello!")), user(Text(text="hi"))))
    assert [message["role"] for message in out["messages"]] == ["user", "assistant", "user"]
    assert dropped == {"messages (a first user turn was added)"}


def test_only_thinking_that_anthropic_signed_travels():
    out, dropped = rendered(
        request_of(
            *HELLO,
            assistant(
                Reasoning(text="mine", signature=Signature("anthropic", "SIG")),
                Reasoning(signature=Signature("anthropic", "DATA"), is_redacted=True),
                Reasoning(text="theirs", signature=Signature("gemini", "X")),
                Reasoning(text="unsigned"),
                ToolCall(id="a", name="n", arguments="{}", signature=Signature("gemini", "Y")),
            ),
        )
    )
    assert [block["type"] for block in out["messages"][1]["content"]] == ["thinking", "redacted_thinking", "tool_use"]
    assert dropped == {"reasoning", "reasoning.signature"}


def test_pictures_and_documents():
    out, dropped = rendered(
        request_of(
            user(
                Image(source=Link("https://x.example/a.png"), detail="high"),
                Image(source=Link("data:image/webp;base64,QUJD")),
                File(source=Inline("application/pdf", "JVBE"), name="a.pdf"),
                File(source=Inline("text/markdown", "SGk="), name="a.md"),
                File(source=Link("https://x.example/a.pdf")),
                Refused(text="No."),
            )
        )
    )
    assert out["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "QUJD"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}, "title": "a.md"},
        {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}},
        {"type": "text", "text": "No."},
    ]
    assert dropped == {"messages.image.detail"}


@pytest.mark.parametrize(
    "part",
    [
        Audio(source=Inline("audio/wav", "AA")),
        Image(source=Inline("image/tiff", "AA")),
        Image(source=FileId("file-abc")),
        Image(source=Link("gs://bucket/a.png")),
        File(source=Inline("video/mp4", "AA")),
        File(source=Inline("text/plain", "/w==")),
        Foreign(name="computer_call_output", raw=Raw(b"{}"), is_feature=True),
    ],
)
def test_a_feature_without_an_equal_is_refused(part: Part):
    with pytest.raises(Unrenderable) as refused:
        rendered(request_of(user(part)))
    assert refused.value.problem.param == "messages"


def test_tools_that_another_service_runs_are_dropped_by_name():
    search = ServerTool(name="web_search_preview", raw=Raw(b"{}"))

    body, dropped = rendered(request_of(tools=(search, Tool(name="add"))))

    assert [tool["name"] for tool in body["tools"]] == ["add"]
    assert dropped == {"tools.web_search_preview"}


def test_a_choice_of_such_a_tool_is_refused():
    search = ServerTool(name="web_search_preview", raw=Raw(b"{}"))

    with pytest.raises(Unrenderable, match="web_search_preview"):
        rendered(request_of(tools=(search,), tool_choice=ToolChoice(mode="any")))


def test_leftovers_are_reported_but_nulls_are_not():
    _, dropped = rendered(
        request_of(
            Message(
                role="user",
                name="ann",
                parts=(Text(text="hi", extras={"mood": Raw(b"1")}), Foreign(name="odd", raw=Raw(b"{}"))),
                extras={"id": Raw(b'"m"')},
            ),
            extras={"logit_bias": Raw(b"{}"), "store": Raw(b"null")},
            knobs=Knobs(seed=1, candidates=2, logprobs=True, presence_penalty=0, frequency_penalty=0.5),
        )
    )
    assert dropped == {
        "messages.name",
        "messages.mood",
        "messages.odd",
        "messages.id",
        "logit_bias",
        "seed",
        "n",
        "logprobs",
        "frequency_penalty",
    }


@pytest.mark.parametrize(
    ("knobs", "model", "version", "wanted", "lost"),
    [
        (Knobs(temperature=0.5, top_k=3), "claude-sonnet-4-5", "", {"temperature": 0.5, "top_k": 3}, set()),
        (Knobs(temperature=2), "claude-sonnet-4-5", "", {"temperature": 1}, {"temperature>1"}),
        (Knobs(temperature=0.5, top_p=0.9), "claude-sonnet-4-5", "", {"temperature": 0.5}, {"top_p"}),
        (Knobs(temperature=0.5, top_p=0.9), "claude-3-haiku", "", {"temperature": 0.5, "top_p": 0.9}, set()),
        (Knobs(temperature=1, top_p=1), "claude-sonnet-4-5", "2026-10-21", {}, {"temperature", "top_p"}),
        (Knobs(temperature=0.5), "claude-opus-4-7", "", {}, {"temperature"}),
        (Knobs(temperature=0.5), "deepseek-chat", "", {"temperature": 0.5}, set()),
        (Knobs(stop=("a", "\n")), "claude-sonnet-4-5", "", {"stop_sequences": ["a"]}, {"stop"}),
        (Knobs(user="u"), "claude-sonnet-4-5", "", {"metadata": {"user_id": "u"}}, set()),
        (Knobs(parallel_tool_calls=False), "claude-sonnet-4-5", "", {}, set()),
    ],
)
def test_settings(knobs: Knobs, model: str, version: str, wanted: dict[str, object], lost: set[str]):
    out, dropped = rendered(request_of(knobs=knobs), model=model, version=version)
    plain = {
        "model": model,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert out == plain | wanted
    assert dropped == lost


@pytest.mark.parametrize(
    ("knob", "limit", "model", "wanted", "lost"),
    [
        (ReasoningKnob(effort="low"), None, "claude-sonnet-4-5", {"budget": 2048, "max_tokens": 2548}, set()),
        (ReasoningKnob(budget_tokens=100), None, "claude-sonnet-4-5", {"budget": 1024, "max_tokens": 1524}, set()),
        (ReasoningKnob(effort="high"), 4096, "claude-sonnet-4-5", {"budget": 3072, "max_tokens": 4096}, set()),
        (
            ReasoningKnob(budget_tokens=9000),
            4096,
            "claude-sonnet-4-5",
            {"budget": 3072, "max_tokens": 4096},
            {"reasoning.budget_tokens"},
        ),
        (ReasoningKnob(effort="high"), 800, "claude-sonnet-4-5", {"max_tokens": 800}, {"reasoning"}),
        (ReasoningKnob(effort="high"), None, "claude-3-haiku", {"max_tokens": 500}, {"reasoning"}),
        (ReasoningKnob(effort="none"), None, "claude-sonnet-5", {"max_tokens": 500, "type": "disabled"}, set()),
        (ReasoningKnob(is_visible=True), None, "claude-sonnet-4-5", {"budget": 8192, "max_tokens": 8692}, set()),
        (ReasoningKnob(), None, "claude-sonnet-4-5", {"max_tokens": 500}, set()),
    ],
)
def test_thinking_within_a_budget(
    knob: ReasoningKnob, limit: int | None, model: str, wanted: dict[str, object], lost: set[str]
):
    out, dropped = rendered(request_of(knobs=Knobs(reasoning=knob, max_tokens=limit)), model=model)
    thinking = out.get("thinking", {})
    seen = {"max_tokens": out["max_tokens"]}
    if thinking.get("type") == "enabled":
        seen["budget"] = thinking["budget_tokens"]
    elif thinking:
        seen["type"] = thinking["type"]
    assert seen == wanted
    assert dropped == lost


@pytest.mark.parametrize(
    ("knob", "model", "thinking", "effort"),
    [
        (ReasoningKnob(effort="minimal"), "claude-opus-4-8", {"type": "adaptive"}, "low"),
        (ReasoningKnob(effort="xhigh"), "claude-opus-4-6", {"type": "adaptive"}, "high"),
        (ReasoningKnob(effort="xhigh"), "claude-opus-5-5", {"type": "adaptive"}, "xhigh"),
        (ReasoningKnob(budget_tokens=8000), "claude-opus-4-8", {"type": "adaptive"}, "medium"),
        (ReasoningKnob(is_visible=True), "claude-opus-4-8", {"type": "adaptive", "display": "summarized"}, None),
    ],
)
def test_thinking_as_much_as_seems_right(knob: ReasoningKnob, model: str, thinking: object, effort: str | None):
    out, _ = rendered(request_of(knobs=Knobs(reasoning=knob)), model=model)
    assert out["thinking"] == thinking
    assert out.get("output_config", {}).get("effort") == effort


def test_thinking_loosens_what_cannot_go_with_it():
    out, dropped = rendered(
        request_of(
            tools=(SEARCH,),
            tool_choice=ToolChoice(mode="any"),
            knobs=Knobs(
                reasoning=ReasoningKnob(effort="low"), temperature=0.5, top_k=2, top_p=0.99, parallel_tool_calls=False
            ),
        )
    )
    assert out["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert out["top_p"] == 0.99
    assert dropped == {"tool_choice", "temperature", "top_k"}


def test_thinking_is_given_up_where_a_tool_was_called_without_it():
    out, dropped = rendered(
        request_of(
            *HELLO,
            assistant(ToolCall(id="a", name="search", arguments="{}")),
            Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="x"),)),)),
            tools=(SEARCH,),
            knobs=Knobs(reasoning=ReasoningKnob(effort="low")),
        )
    )
    assert "thinking" not in out
    assert dropped == {"reasoning"}


def test_a_schema_is_closed_and_loses_the_bounds_that_are_refused():
    schema = (
        b'{"type":"object","properties":{"n":{"type":"integer","minimum":1},'
        b'"l":{"type":"array","items":{"type":"object"}}}}'
    )
    out, dropped = rendered(request_of(knobs=Knobs(output_format=OutputFormat(schema=Raw(schema), name="x"))))
    assert out["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {
                    "n": {"type": "integer"},
                    "l": {"type": "array", "items": {"type": "object", "additionalProperties": False}},
                },
                "additionalProperties": False,
            },
        }
    }
    assert dropped == {"response_format.minimum"}


def test_json_without_a_schema_has_no_equal():
    out, dropped = rendered(request_of(knobs=Knobs(output_format=OutputFormat())))
    assert "output_config" not in out
    assert dropped == {"response_format.json_object"}


@pytest.mark.parametrize(
    ("tool", "model", "wanted", "lost"),
    [
        (Tool(name="a"), "claude-sonnet-4-5", {"name": "a", "input_schema": {"type": "object"}}, set()),
        (
            Tool(name="a", description="d", is_strict=True, cache=CacheMark()),
            "claude-sonnet-4-5",
            {
                "name": "a",
                "description": "d",
                "input_schema": {"type": "object", "additionalProperties": False},
                "strict": True,
                "cache_control": {"type": "ephemeral"},
            },
            set(),
        ),
        (
            Tool(name="a", is_strict=True),
            "claude-opus-4-1",
            {"name": "a", "input_schema": {"type": "object"}},
            {"tools.strict"},
        ),
        (
            Tool(name="a", extras={"odd": Raw(b"1")}),
            "claude-opus-4-1",
            {"name": "a", "input_schema": {"type": "object"}},
            {"tools.odd"},
        ),
    ],
)
def test_tools(tool: Tool, model: str, wanted: dict[str, object], lost: set[str]):
    out, dropped = rendered(request_of(tools=(tool,)), model=model)
    assert out["tools"] == [wanted]
    assert dropped == lost


@pytest.mark.parametrize(
    ("choice", "parallel", "wanted"),
    [
        (ToolChoice(mode="any"), None, {"type": "any"}),
        (ToolChoice(mode="none"), False, {"type": "none"}),
        (ToolChoice(mode="tool", name="search"), True, {"type": "tool", "name": "search"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, wanted: dict[str, object]):
    out, dropped = rendered(request_of(tools=(SEARCH,), tool_choice=choice, knobs=Knobs(parallel_tool_calls=parallel)))
    assert out["tool_choice"] == wanted
    assert dropped == set()


def test_pictures_of_an_assistant_are_dropped_and_reported():
    out, dropped = rendered(request_of(*HELLO, assistant(Image(source=Inline("image/png", "AA")), Text(text="Here."))))
    assert out["messages"][1]["content"] == [{"type": "text", "text": "Here."}]
    assert dropped == {"messages.image"}


def test_what_cannot_be_an_instruction_is_refused_or_reported():
    _, dropped = rendered(request_of(Message(role="system", parts=(Foreign(name="odd", raw=Raw(b"{}")),)), *HELLO))
    assert dropped == {"messages.odd"}
    for part in (Foreign(name="prompt", raw=Raw(b"{}"), is_feature=True), Image(source=Inline("image/png", "AA"))):
        with pytest.raises(Unrenderable):
            rendered(request_of(Message(role="system", parts=(part,)), *HELLO))


def test_documents_of_an_assistant_are_dropped_and_turns_join_around_what_is_gone():
    out, dropped = rendered(
        request_of(
            *HELLO,
            assistant(File(source=Inline("application/pdf", "JVBE"))),
            user(File(source=Inline("image/png", "AA")), Text(text="b", signature=Signature("gemini", "S"))),
        )
    )
    assert out["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                {"type": "text", "text": "b"},
            ],
        }
    ]
    assert dropped == {"messages.document", "reasoning.signature"}


def test_quirks_and_the_stream_reach_a_translated_request():
    out = render_request(request_of(), Target(model="claude-x", is_stream=True, quirks=("vertex_body",)), set())
    members = json.loads(out)
    assert members["stream"] is True
    assert "model" not in members
    assert members["anthropic_version"] == "vertex-2023-10-16"


def test_a_schema_in_all_its_corners():
    schema = {
        "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "array", "minItems": 2}],
        "items": True,
        "$defs": {"a": {"type": "string", "maxLength": 3}},
    }
    shape = OutputFormat(schema=Raw(json.dumps(schema).encode()))
    out, dropped = rendered(request_of(knobs=Knobs(output_format=shape)))
    assert out["output_config"]["format"]["schema"] == {
        "anyOf": [{"type": "object", "additionalProperties": False}, {"type": "array"}],
        "items": True,
        "$defs": {"a": {"type": "string"}},
    }
    assert dropped == {"response_format.minItems", "response_format.maxLength"}
