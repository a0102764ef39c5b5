"""Requests of other dialects as requests of Converse."""

import json
import zlib
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
    Role,
    ServerTool,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Target
from headgate.dialects.bedrock_converse import render_request

HELLO = (Message(role="user", parts=(Text(text="hi"),)),)
FIND = Tool(name="find", parameters=Raw(b'{"type":"object"}'))
CLAUDE_45, CLAUDE_46, CLAUDE_47 = (
    "us.anthropic.claude-sonnet-4-5-x",
    "anthropic.claude-opus-4-6-v1",
    "claude-opus-4-7",
)
NOVA_2, LLAMA = "us.amazon.nova-2-lite-v1:0", "meta.llama3-3-70b-instruct-v1:0"


def sent(request: Request, model: str = LLAMA) -> tuple[dict[str, Any], set[str]]:
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model=model), dropped)), dropped


def talk(*messages: Message, model: str = LLAMA) -> tuple[dict[str, Any], set[str]]:
    return sent(Request(dialect="gemini", model="m", messages=messages), model)


def blocks(*parts: Part, role: Role = "user", model: str = LLAMA) -> tuple[object, set[str]]:
    """The content of the last message when it has these parts."""
    turns = (*HELLO, Message(role=role, parts=parts)) if role == "assistant" else (Message(role=role, parts=parts),)
    body, dropped = talk(*turns, model=model)
    return body["messages"][-1]["content"], dropped


def knobs(settings: Knobs, model: str = LLAMA, **more: Any) -> tuple[dict[str, Any], set[str]]:
    request = Request(dialect="openai_chat", model="m", messages=HELLO, knobs=settings, **more)
    body, dropped = sent(request, model)
    del body["messages"]
    return body, dropped


def test_turns_are_joined_and_instructions_stand_apart():
    assert talk(
        Message(role="system", parts=(Text(text="a"), Refused(text="b"), Text(text=" "))),
        Message(role="developer", parts=(Text(text="c"),)),
        Message(role="user", parts=(Text(text="one"),), name="Ann", extras={"x": Raw(b"1"), "y": Raw(b"null")}),
        Message(role="user", parts=(Text(text="two"),)),
        Message(role="assistant", parts=(Text(text=""),)),
        Message(role="user", parts=(Text(text="three"),)),
        Message(role="developer", parts=(Text(text="late", cache=CacheMark()),)),
        model=CLAUDE_45,
    ) == (
        {
            "system": [{"text": "a"}, {"text": "b"}, {"text": "c"}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"text": "one"},
                        {"text": "two"},
                        {"text": "three"},
                        {"text": "<system>\nlate\n</system>"},
                        {"cachePoint": {"type": "default"}},
                    ],
                }
            ],
        },
        {"messages.name", "messages.x", "messages.system (moved)"},
    )


def test_a_conversation_begins_with_the_user():
    assert talk(Message(role="assistant", parts=(Text(text="Hello"),))) == (
        {
            "messages": [
                {"role": "user", "content": [{"text": "."}]},
                {"role": "assistant", "content": [{"text": "Hello"}]},
            ]
        },
        {"messages (a first user turn was added)"},
    )


def test_instructions_alone_get_a_turn():
    assert talk(Message(role="system", parts=(Text(text="s"),)))[0]["messages"] == [
        {"role": "user", "content": [{"text": "."}]}
    ]


def test_instructions_are_text():
    with pytest.raises(Unrenderable, match="only text as instructions"):
        talk(Message(role="system", parts=(Image(source=Inline("image/png", "a")),)))


def test_media():
    assert blocks(
        Image(source=Inline("image/JPG; q=1", "a"), detail="high"),
        Image(source=Link("data:image/png;base64,b")),
        Image(source=Link("s3://bucket/c.webp")),
        Image(source=Link("s3://bucket/d", media_type="image/gif")),
        Audio(source=Inline("audio/wav", "e")),
        File(source=Inline("video/mp4", "f"), name="film"),
        File(source=Inline("image/png", "g")),
        File(source=Inline("", "h"), name="Q1/Q2 report.pdf"),
        File(source=Inline("text/plain; charset=utf-8", "aQ==")),
        File(source=Inline("application/pdf", "j"), extras={"z": Raw(b"1")}),
    ) == (
        [
            {"image": {"format": "jpeg", "source": {"bytes": "a"}}},
            {"image": {"format": "png", "source": {"bytes": "b"}}},
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/c.webp"}}}},
            {"image": {"format": "gif", "source": {"s3Location": {"uri": "s3://bucket/d"}}}},
            {"audio": {"format": "wav", "source": {"bytes": "e"}}},
            {"video": {"format": "mp4", "source": {"bytes": "f"}}},
            {"image": {"format": "png", "source": {"bytes": "g"}}},
            {"document": {"format": "pdf", "source": {"bytes": "h"}, "name": "Q1 Q2 report pdf"}},
            {"document": {"format": "txt", "source": {"bytes": "aQ=="}, "name": "document"}},
            {"document": {"format": "pdf", "source": {"bytes": "j"}, "name": "document 2"}},
            {"text": "."},
        ],
        {
            "messages.image.detail",
            "messages.document.name (letters were replaced)",
            "messages.z",
            "messages (a text was added beside a document)",
        },
    )


def test_a_document_beside_words_is_enough():
    assert blocks(Text(text="Read."), File(source=Inline("application/pdf", "a"), name="a"))[1] == set()


def test_pictures_of_the_model_stay_behind():
    picture = Image(source=Inline("image/png", "a"), cache=CacheMark())
    assert blocks(Text(text="See:"), picture, File(source=Inline("application/pdf", "b")), role="assistant") == (
        [{"text": "See:"}],
        {"messages.image", "messages.document"},
    )


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (Image(source=Link("https://x.example/a.png")), "fetches no picture from 'https://x.example/a.png'"),
        (Image(source=Link("s3://bucket/a.tiff")), "takes no picture of type ''"),
        (Image(source=FileId("file-1")), "'file-1' was uploaded to another service"),
        (Image(source=Inline("image/tiff", "a")), "takes no picture of type 'image/tiff'; it takes"),
        (Audio(source=Inline("audio/midi", "a")), "takes no sound of type 'audio/midi'"),
        (File(source=Inline("application/zip", "a")), "takes no document of type 'application/zip'"),
        (File(source=Link("https://x.example/a.pdf")), "fetches no document"),
        (Foreign(name="compaction", raw=Raw(b"{}"), is_feature=True), "no equal of 'compaction'"),
    ],
)
def test_what_cannot_be_said_is_refused(part: Part, words: str):
    with pytest.raises(Unrenderable, match=words) as raised:
        blocks(part)
    assert raised.value.problem.code == "unsupported_feature"


def test_thinking_goes_home_alone():
    assert blocks(
        Reasoning(text="mine", signature=Signature("bedrock_converse", "S")),
        Reasoning(signature=Signature("bedrock_converse", "R"), is_redacted=True),
        Reasoning(text="theirs", signature=Signature("anthropic", "S")),
        Reasoning(text="unsigned"),
        Text(text="said", signature=Signature("gemini", "S"), extras={"e": Raw(b"1")}),
        Refused(text="no", extras={"f": Raw(b"1")}),
        Refused(text=""),
        Foreign(name="web_search_call", raw=Raw(b"{}")),
        role="assistant",
    ) == (
        [
            {"reasoningContent": {"reasoningText": {"text": "mine", "signature": "S"}}},
            {"reasoningContent": {"redactedContent": "R"}},
            {"text": "said"},
            {"text": "no"},
        ],
        {"reasoning", "reasoning.signature", "messages.e", "messages.f", "messages.web_search_call"},
    )


def marked(letters: str, id: str) -> str:
    return f"{letters}_{zlib.crc32(id.encode()):08x}"


def test_calls_and_results():
    long = "call_" + "x" * 70
    body, dropped = talk(
        *HELLO,
        Message(
            role="assistant",
            parts=(
                ToolCall(id="a.1", name="find", arguments='{"q": 1}', signature=Signature("gemini", "S")),
                ToolCall(id="a_1", name="find", arguments="null"),
                ToolCall(id="a_1", name="find", arguments="[1]"),
                ToolCall(id=long, name="find", arguments="not json"),
                ToolCall(id="", name="now"),
            ),
        ),
        Message(
            role="tool",
            parts=(
                Text(text="and"),
                ToolResult(
                    call_id="a.1", parts=(Text(text="one"), Text(text=""), Image(source=Inline("image/png", "p")))
                ),
                ToolResult(call_id="a_1", is_error=True, form="success"),
                ToolResult(call_id=long),
                ToolResult(call_id="unknown:id"),
            ),
        ),
    )
    calls = [block["toolUse"] for block in body["messages"][1]["content"]]
    assert [(call["toolUseId"], call["input"]) for call in calls] == [
        (marked("a_1", "a.1"), {"q": 1}),
        ("a_1", {}),
        ("a_1_2", {"arguments": "[1]"}),
        (marked(long[:55], long), {"arguments": "not json"}),
        ("tooluse_unnamed", {}),
    ]
    results = body["messages"][2]["content"]
    assert results == [
        {
            "toolResult": {
                "toolUseId": marked("a_1", "a.1"),
                "content": [{"text": "one"}, {"image": {"format": "png", "source": {"bytes": "p"}}}],
            }
        },
        {"toolResult": {"toolUseId": "a_1_2", "content": [], "status": "error"}},
        {"toolResult": {"toolUseId": marked(long[:55], long), "content": []}},
        {"toolResult": {"toolUseId": marked("unknown_id", "unknown:id"), "content": []}},
        {"text": "and"},
    ]
    assert dropped == {"reasoning.signature", "tools (those of earlier turns were declared)"}
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["find", "now"]


def test_results_without_their_call_are_declared_too():
    result = Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="1"),)),))
    assert talk(result)[0]["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "tool", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]
    }


def test_tools():
    request = Request(
        dialect="anthropic",
        model="m",
        messages=HELLO,
        tools=(
            Tool(name="a", description="A.", parameters=Raw(b'{"properties":{}}'), is_strict=True, cache=CacheMark()),
            Tool(name="b", parameters=FIND.parameters, is_strict=False, extras={"defer_loading": Raw(b"true")}),
            ServerTool(name="web_search", raw=Raw(b"{}")),
        ),
        tool_choice=ToolChoice(mode="tool", name="b", extras={"x": Raw(b"1")}),
    )
    body, dropped = sent(request, CLAUDE_45)
    assert body["toolConfig"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "a",
                    "description": "A.",
                    "inputSchema": {"json": {"properties": {}, "type": "object"}},
                    "strict": True,
                }
            },
            {"cachePoint": {"type": "default"}},
            {"toolSpec": {"name": "b", "inputSchema": {"json": {"type": "object"}}}},
        ],
        "toolChoice": {"tool": {"name": "b"}},
    }
    assert dropped == {"tools.defer_loading", "tools.web_search", "tool_choice.x"}


@pytest.mark.parametrize(
    ("model", "cache", "point", "lost"),
    [
        (CLAUDE_45, CacheMark(ttl="1h"), [{"cachePoint": {"type": "default", "ttl": "1h"}}], set()),
        (NOVA_2, CacheMark(ttl="1h"), [{"cachePoint": {"type": "default"}}], {"cache_control.ttl"}),
        (NOVA_2, CacheMark(ttl="5m"), [{"cachePoint": {"type": "default", "ttl": "5m"}}], set()),
        (LLAMA, CacheMark(), [], {"cache_control"}),
    ],
)
def test_cache_marks(model: str, cache: CacheMark, point: list[object], lost: set[str]):
    assert blocks(Text(text="a", cache=cache), model=model) == ([{"text": "a"}, *point], lost)


def test_cache_marks_of_tools_are_claudes():
    tools = (Tool(name="a", cache=CacheMark()),)
    body, dropped = knobs(Knobs(), NOVA_2, tools=tools)
    assert (len(body["toolConfig"]["tools"]), dropped) == (1, {"tools.cache_control"})


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (ToolChoice(mode="auto"), {"auto": {}}),
        (ToolChoice(mode="any"), {"any": {}}),
        (ToolChoice(mode="tool", name="find"), {"tool": {"name": "find"}}),
    ],
)
def test_choices(choice: ToolChoice, wire: object):
    body, dropped = knobs(Knobs(), tools=(FIND,), tool_choice=choice)
    assert (body["toolConfig"]["toolChoice"], dropped) == (wire, set())


def test_no_tool_at_all_is_said_by_leaving_them_out():
    assert knobs(Knobs(), tools=(FIND,), tool_choice=ToolChoice(mode="none")) == ({}, set())


def test_tools_that_were_called_stay_though_none_may_be():
    turns = (*HELLO, Message(role="assistant", parts=(ToolCall(id="a", name="find"),)))
    request = Request(dialect="x", model="m", messages=turns, tools=(FIND,), tool_choice=ToolChoice(mode="none"))
    body, dropped = sent(request)
    assert (list(body["toolConfig"]), dropped) == (["tools"], {"tool_choice"})


def test_sampling():
    settings = Knobs(
        max_tokens=5,
        temperature=1.5,
        top_p=0.5,
        stop=("END", " "),
        candidates=2,
        seed=1,
        presence_penalty=0,
        logprobs=True,
        parallel_tool_calls=False,
        user="u",
    )
    assert knobs(settings, extras={"metadata": Raw(b"{}"), "store": Raw(b"null")}) == (
        {"inferenceConfig": {"maxTokens": 5, "temperature": 1, "topP": 0.5, "stopSequences": ["END"]}},
        {"temperature>1", "stop", "n", "seed", "logprobs", "parallel_tool_calls", "user", "metadata"},
    )


@pytest.mark.parametrize(
    ("model", "kept", "lost"),
    [
        (LLAMA, {"temperature": 0.5, "topP": 0.9}, {"top_k"}),
        ("anthropic.claude-3-haiku", {"temperature": 0.5, "topP": 0.9}, set()),
        (CLAUDE_46, {"temperature": 0.5}, {"top_p"}),
        (CLAUDE_47, None, {"temperature", "top_p", "top_k"}),
    ],
)
def test_sampling_is_the_models_affair(model: str, kept: object, lost: set[str]):
    body, dropped = knobs(Knobs(temperature=0.5, top_p=0.9, top_k=4), model)
    assert (body.get("inferenceConfig"), dropped) == (kept, lost)


@pytest.mark.parametrize(
    ("model", "fields"),
    [(CLAUDE_45, {"top_k": 4}), (NOVA_2, {"inferenceConfig": {"topK": 4}})],
)
def test_top_k_has_its_makers_place(model: str, fields: object):
    assert knobs(Knobs(top_k=4), model) == ({"additionalModelRequestFields": fields}, set())


def test_the_answers_shape():
    shape = OutputFormat(
        schema=Raw(b'{ "type": "object" }'), name="n", description="d", extras={"x": Raw(b"1")}, form="ignored"
    )
    assert knobs(Knobs(output_format=shape)) == (
        {
            "outputConfig": {
                "textFormat": {
                    "type": "json_schema",
                    "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n", "description": "d"}},
                }
            }
        },
        {"response_format.x"},
    )


def test_json_without_a_schema_has_no_equal():
    assert knobs(Knobs(output_format=OutputFormat())) == ({}, {"response_format.json_object"})


def thinking(knob: ReasoningKnob, model: str, **settings: Any) -> tuple[dict[str, Any], set[str]]:
    return knobs(Knobs(reasoning=knob, **settings), model)


BUDGET = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}


@pytest.mark.parametrize(
    ("knob", "model", "body", "lost"),
    [
        (ReasoningKnob(extras={"x": Raw(b"1")}), CLAUDE_45, {}, {"reasoning.x"}),
        (ReasoningKnob(effort="high"), LLAMA, {}, {"reasoning"}),
        (ReasoningKnob(effort="none"), LLAMA, {}, set()),
        (ReasoningKnob(budget_tokens=0), CLAUDE_45, {}, set()),
        (ReasoningKnob(effort="low"), CLAUDE_45, {"inferenceConfig": {"maxTokens": 6144}, **BUDGET}, set()),
        (ReasoningKnob(budget_tokens=2048), CLAUDE_45, {"inferenceConfig": {"maxTokens": 6144}, **BUDGET}, set()),
        (
            ReasoningKnob(effort="minimal"),
            CLAUDE_46,
            {
                "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
                "outputConfig": {"effort": "low"},
            },
            set(),
        ),
        (
            ReasoningKnob(budget_tokens=30000),
            CLAUDE_47,
            {
                "additionalModelRequestFields": {"thinking": {"type": "adaptive"}},
                "outputConfig": {"effort": "high"},
            },
            set(),
        ),
        (
            ReasoningKnob(is_visible=True),
            CLAUDE_47,
            {"additionalModelRequestFields": {"thinking": {"type": "adaptive"}}},
            set(),
        ),
        (
            ReasoningKnob(effort="none"),
            CLAUDE_46,
            {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
            set(),
        ),
        (
            ReasoningKnob(effort="xhigh"),
            NOVA_2,
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}},
            set(),
        ),
        (
            ReasoningKnob(is_visible=True),
            NOVA_2,
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}},
            set(),
        ),
        (
            ReasoningKnob(effort="none"),
            NOVA_2,
            {"additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
            set(),
        ),
        (
            ReasoningKnob(effort="none"),
            "openai.gpt-oss-120b-1:0",
            {"additionalModelRequestFields": {"reasoning_effort": "low"}},
            {"reasoning.effort (none became low)"},
        ),
        (
            ReasoningKnob(effort="medium"),
            "openai.gpt-oss-120b-1:0",
            {"additionalModelRequestFields": {"reasoning_effort": "medium"}},
            set(),
        ),
    ],
)
def test_thinking(knob: ReasoningKnob, model: str, body: object, lost: set[str]):
    assert thinking(knob, model) == (body, lost)


@pytest.mark.parametrize(
    ("settings", "inference", "word", "lost"),
    [
        ({"max_tokens": 9}, {"maxTokens": 9}, "medium", {"reasoning.effort (high became medium)"}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3}, {}, "high", {"temperature", "top_p", "top_k"}),
    ],
)
def test_novas_highest_effort_stands_alone(settings: dict[str, Any], inference: object, word: str, lost: set[str]):
    body, dropped = thinking(ReasoningKnob(effort="high"), NOVA_2, **settings)
    fields = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
    assert (body["inferenceConfig"], body["additionalModelRequestFields"], dropped) == (inference, fields, lost)


@pytest.mark.parametrize(
    ("limit", "inference", "fields", "lost"),
    [
        (
            4000,
            {"maxTokens": 4000},
            {"thinking": {"type": "enabled", "budget_tokens": 3000}},
            {"reasoning.budget_tokens"},
        ),
        (1024, {"maxTokens": 1024}, None, {"reasoning"}),
        (9000, {"maxTokens": 9000}, {"thinking": {"type": "enabled", "budget_tokens": 8192}}, set()),
    ],
)
def test_a_budget_leaves_room(limit: int, inference: object, fields: object, lost: set[str]):
    body, dropped = thinking(ReasoningKnob(budget_tokens=8192), CLAUDE_45, max_tokens=limit)
    assert (body["inferenceConfig"], body.get("additionalModelRequestFields"), dropped) == (inference, fields, lost)


@pytest.mark.parametrize(("temperature", "lost"), [(1.0, set[str]()), (0.5, {"temperature"})])
def test_thinking_wants_the_usual_sampling(temperature: float, lost: set[str]):
    request = Request(
        dialect="x",
        model="m",
        messages=HELLO,
        tools=(FIND,),
        tool_choice=ToolChoice(mode="any"),
        knobs=Knobs(temperature=temperature, top_k=3, max_tokens=9000, reasoning=ReasoningKnob(effort="low")),
    )
    body, dropped = sent(request, CLAUDE_45)
    assert body["inferenceConfig"] == {"maxTokens": 9000}
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert body["toolConfig"]["toolChoice"] == {"auto": {}}
    assert dropped == {"top_k", "tool_choice", *lost}


CALL = ToolCall(id="a", name="find")
THOUGHT = Reasoning(text="t", signature=Signature("bedrock_converse", "S"))


@pytest.mark.parametrize(
    ("parts", "lost"),
    [((CALL,), {"reasoning"}), ((THOUGHT, CALL), set[str]()), ((Text(text="x"),), set[str]())],
)
def test_a_turn_that_began_without_thinking_goes_on_without(parts: tuple[Part, ...], lost: set[str]):
    result = Message(role="tool", parts=(ToolResult(call_id="a"),)) if CALL in parts else HELLO[0]
    request = Request(
        dialect="x",
        model="m",
        messages=(*HELLO, Message(role="assistant", parts=parts), result),
        tools=(FIND,),
        knobs=Knobs(reasoning=ReasoningKnob(effort="low")),
    )
    assert sent(request, CLAUDE_45)[1] == lost


def test_a_conversation_that_ends_with_the_user_twice_may_think():
    turns = (*HELLO, Message(role="user", parts=(Text(text="again"),)))
    request = Request(dialect="x", model="m", messages=turns, knobs=Knobs(reasoning=ReasoningKnob(effort="low")))
    assert sent(request, CLAUDE_45)[1] == set()
