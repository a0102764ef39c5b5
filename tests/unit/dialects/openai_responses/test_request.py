"""Requests of the Responses API: read, written back as they stood, peeked at, patched."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.needs import Needs
from headgate.core.problems import InvalidRequest, Problem
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
    Reasoning,
    ReasoningKnob,
    Refused,
    ServerTool,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.openai_responses import parse_request, patch, peek, render_request

ENVELOPE = Envelope()


def body(**members: Any) -> bytes:
    return json.dumps({"model": "gpt-6", **members}).encode()


def back(wire: bytes, **target: Any) -> dict[str, Any]:
    request = parse_request(wire, ENVELOPE)
    dropped: set[str] = set()
    rendered = render_request(request, Target(model=request.model, is_stream=request.is_stream, **target), dropped)
    assert dropped == set()
    return json.loads(rendered)


def plain(message: Message) -> Message:
    """The message without its spelling."""
    return msgspec.structs.replace(message, form="", parts=tuple(_plain(part) for part in message.parts))


def _plain(part: Any) -> Any:
    if isinstance(part, ToolResult):
        part = msgspec.structs.replace(part, parts=tuple(_plain(inner) for inner in part.parts))
    return part if isinstance(part, Foreign) else msgspec.structs.replace(part, form="")


def parsed(*items: Any) -> list[Message]:
    return [plain(message) for message in parse_request(body(input=list(items)), ENVELOPE).messages]


def test_a_bare_string_is_a_user_turn_behind_the_instructions():
    wire = body(instructions="Be brief.", input="Why is rain wet?")

    request = parse_request(wire, ENVELOPE)

    assert [plain(message) for message in request.messages] == [
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="Why is rain wet?"),)),
    ]
    assert back(wire) == json.loads(wire)


def test_what_the_model_said_in_a_row_is_one_turn():
    items = [
        {"role": "user", "content": "Add 1 and 2, and 3 and 4."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbA=="},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "phase": "commentary",
            "content": [
                {"type": "output_text", "text": "I add.", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "But not more."},
            ],
        },
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "add", "arguments": '{"x":1,"y":2}'},
        {"type": "function_call", "call_id": "b", "name": "add", "arguments": '{"x":3,"y":4}', "namespace": "maths"},
        {"type": "function_call_output", "call_id": "a", "output": "3"},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "7"}]},
    ]

    assert parsed(*items) == [
        Message(role="user", parts=(Text(text="Add 1 and 2, and 3 and 4."),)),
        Message(
            role="assistant",
            parts=(
                Reasoning(signature=Signature("openai_responses", "c2VhbA==")),
                Text(text="I add.", extras={"message.phase": Raw(b'"commentary"')}),
                Refused(text="But not more."),
                ToolCall(id="a", name="add", arguments='{"x":1,"y":2}'),
                ToolCall(id="b", name="add", namespace="maths", arguments='{"x":3,"y":4}'),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="a", parts=(Text(text="3"),)),)),
        Message(role="tool", parts=(ToolResult(call_id="b", parts=(Text(text="7"),)),)),
    ]
    assert back(body(input=items))["input"] == items


def test_pictures_files_and_sound():
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "file_id": None},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
        {"type": "input_file", "filename": "a.csv", "file_data": "aGk="},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "file_data": "data:text/plain;charset=utf-8;base64,aGk=", "filename": ""},
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
        {"type": "input_text", "text": "so far", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_smell", "smell": "sweet"},
    ]

    (message,) = parsed({"role": "user", "content": content})

    assert message.parts == (
        Image(source=Inline("image/png", "aGk="), detail="low"),
        Image(source=Link("https://example.com/a.png"), extras={"file_id": Raw(b"null")}),
        Image(source=FileId("file-1")),
        File(source=Inline("application/pdf", "aGk="), name="a.pdf"),
        File(source=Inline("text/csv", "aGk="), name="a.csv"),
        File(source=Link("https://example.com/a.pdf")),
        File(source=Inline("text/plain", "aGk=")),
        Audio(source=Inline("audio/wav", "aGk=")),
        Text(text="so far", cache=CacheMark()),
        Foreign(name="input_smell", raw=Raw(b'{"type": "input_smell", "smell": "sweet"}'), is_feature=True),
    )
    wire = body(input=[{"role": "user", "content": content}])
    assert back(wire) == json.loads(wire)


def test_items_of_provider_tools_are_foreign_and_traces_are_dispensable():
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    reference = {"id": "msg_1", "type": "item_reference"}
    shell = {"type": "shell_call_output", "call_id": "s", "output": []}
    tools = {"type": "additional_tools", "role": "developer", "tools": []}

    messages = parsed(search, reference, shell, tools)

    assert [(m.role, [(p.name, p.is_feature) for p in m.parts if isinstance(p, Foreign)]) for m in messages] == [
        ("assistant", [("web_search_call", False), ("item_reference", True)]),
        ("tool", [("shell_call_output", True)]),
        ("developer", [("additional_tools", True)]),
    ]
    wire = body(input=[search, reference, shell, tools])
    assert back(wire) == json.loads(wire)


def test_settings_become_knobs():
    wire = body(
        input="hi",
        temperature=1,
        top_p=0.5,
        max_output_tokens=200,
        top_logprobs=3,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        parallel_tool_calls=False,
        safety_identifier="someone",
        reasoning={"effort": "high", "summary": "detailed", "context": "auto"},
        text={
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "strict": True},
        },
        store=False,
        stream=True,
        truncation="disabled",
        service_tier="flex",
        metadata=None,
    )

    request = parse_request(wire, ENVELOPE)

    assert request.knobs == Knobs(
        max_tokens=200,
        temperature=1.0,
        top_p=0.5,
        logprobs=True,
        top_logprobs=3,
        parallel_tool_calls=False,
        output_format=OutputFormat(
            schema=Raw(b'{"type": "object"}'),
            name="answer",
            is_strict=True,
            form="json_schema",
            extras={"verbosity": Raw(b'"low"')},
        ),
        reasoning=ReasoningKnob(
            effort="high", is_visible=True, form='{"summary":"detailed"}', extras={"context": Raw(b'"auto"')}
        ),
        user="someone",
    )
    assert request.is_stream
    assert request.extras == {"service_tier": Raw(b'"flex"'), "metadata": Raw(b"null")}
    assert back(wire) == json.loads(wire)


def test_tools_and_the_choice_among_them():
    tools = [
        {"type": "function", "name": "add", "description": "Adds.", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "now", "parameters": None, "description": "", "defer_loading": True},
        {"type": "web_search"},
        {"type": "custom", "name": "shout"},
    ]
    wire = body(input="hi", tools=tools, tool_choice={"type": "function", "name": "add"})

    request = parse_request(wire, ENVELOPE)

    assert request.tools == (
        Tool(name="add", description="Adds.", parameters=Raw(b'{"type": "object"}'), is_strict=False),
        Tool(
            name="now",
            form='{"description":""}',
            extras={"parameters": Raw(b"null"), "defer_loading": Raw(b"true")},
        ),
        ServerTool(name="web_search", raw=Raw(b'{"type": "web_search"}')),
        Tool(name="shout", is_custom=True, form='{"whole":{"type": "custom", "name": "shout"}}'),
    )
    assert request.tool_choice == ToolChoice(mode="tool", name="add", form='{"type": "function", "name": "add"}')
    assert back(wire) == json.loads(wire)


@pytest.mark.parametrize(
    ("wire", "mode"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "any"),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "add"}]}, "any"),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, "auto"),
        ({"type": "file_search"}, "tool"),
        ({"type": "function", "function": {"name": "add"}}, "tool"),
    ],
)
def test_tool_choices(wire: object, mode: str):
    sent = body(input="hi", tool_choice=wire)

    choice = parse_request(sent, ENVELOPE).tool_choice

    assert choice is not None
    assert choice.mode == mode
    assert back(sent) == json.loads(sent)


def test_a_tool_in_the_shape_of_chat_completions_is_understood_and_comes_back_as_it_stood():
    wire = body(input="hi", tools=[{"type": "function", "function": {"name": "add", "parameters": {}}}])

    assert parse_request(wire, ENVELOPE).tools[0].name == "add"
    assert back(wire) == json.loads(wire)


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt", "background"])
def test_state_at_one_service_is_a_feature(name: str):
    wire = body(**{name: True if name == "background" else "abc_1"})

    request = parse_request(wire, ENVELOPE)

    assert [part for part in request.messages[0].parts if isinstance(part, Foreign)] == [
        Foreign(name=name, raw=Raw(b"true" if name == "background" else b'"abc_1"'), is_feature=True)
    ]
    assert back(wire) == json.loads(wire)


@pytest.mark.parametrize(
    "members",
    [
        {"input": []},
        {"input": None, "prompt": {"id": "p"}},
        {"input": "hi", "tools": [], "stream": False, "instructions": None, "previous_response_id": None},
        {"input": "hi", "text": {"format": {"type": "text"}}},
        {"input": "hi", "text": {"verbosity": "high"}},
        {"input": "hi", "text": {"format": {"type": "json_object", "note": 1}}},
        {"input": "hi", "reasoning": {"effort": "colossal", "summary": None}},
        {"input": "hi", "tool_choice": "perhaps"},
        {"input": "hi", "user": "a", "safety_identifier": "b"},
        {"input": "hi", "a_member_of_tomorrow": {"deep": [1]}},
        {"input": [{"role": "assistant", "content": ""}, {"role": "assistant", "content": [], "type": "message"}]},
        {"input": [{"role": "user", "content": [], "type": "message"}, {"role": "system", "content": "x"}]},
        {"input": [{"type": "custom_tool_call", "call_id": "a", "name": "sh", "input": "ls"}]},
        {"input": [{"type": "custom_tool_call_output", "call_id": "a", "output": "x", "status": "completed"}]},
        {"input": [{"type": "function_call_output", "call_id": None, "name": "a", "output": "x"}]},
        {"input": [{"type": "reasoning", "encrypted_content": "x"}]},
        {"input": [{"type": "function_call_output", "call_id": "a"}]},
        {"input": [{"type": "function_call_output", "call_id": "a", "output": [{"type": "refusal", "refusal": "x"}]}]},
        {"input": [{"role": "user"}, {"role": "user", "content": None}]},
        {"input": [{"role": "user", "content": [{"type": "input_image"}, {"type": "input_file", "filename": "a"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "a"}}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_audio"}, {"type": "refusal", "refusal": None}]}]},
        {"input": [{"role": "user", "content": [{"type": "refusal", "refusal": "no"}]}]},
        {
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;x=1;base64,aGk="}]}
            ]
        },
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in "ab"]}]},
        {"input": [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "a"}]}]},
        {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "?", "b": 1}]}]},
    ],
    ids=lambda members: ",".join(members),
)
def test_every_spelling_comes_back(members: dict[str, object]):
    wire = body(**members)

    assert back(wire) == json.loads(wire)


@pytest.mark.parametrize(
    ("members", "param", "message"),
    [
        ({"model": None, "input": "hi"}, "model", "`model` is required: name the model that is to answer."),
        ({"model": 3, "input": "hi"}, "model", "`model` must be a string, not a number."),
        ({}, "input", "`input` is required: send the prompt as a string, or an array of items."),
        ({"input": 3}, "input", "`input` must be a string or an array of items, not a number."),
        ({"input": ["hi"]}, "input[0]", "`input[0]` must be an object, not a string."),
        (
            {"input": [{"content": "hi"}]},
            "input[0].role",
            '`input[0].role` is required: a message has a role and a content, another item a "type".',
        ),
        (
            {"input": [{"role": "tool", "content": "hi"}]},
            "input[0].role",
            "`input[0].role` must be one of user, assistant, system, developer, not 'tool'.",
        ),
        (
            {"input": [{"role": "user", "content": 5}]},
            "input[0].content",
            "`input[0].content` must be a string or an array of parts, not a number.",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": ["hi"]}]}]},
            "input[0].content[0].text",
            "`input[0].content[0].text` must be a string, not an array.",
        ),
        (
            {"input": [{"type": "function_call", "name": "add"}]},
            "input[0].call_id",
            "`input[0].call_id` is required: a tool call has the id that its output names.",
        ),
        ({"input": "hi", "temperature": "hot"}, "temperature", "`temperature` must be a number, not a string."),
        ({"input": "hi", "stream": "yes"}, "stream", "`stream` must be a boolean, not a string."),
        (
            {"input": "hi", "tools": [{}]},
            "tools[0].type",
            '`tools[0].type` is required: say what the tool is, such as "function".',
        ),
        (
            {"input": "hi", "tool_choice": 1},
            "tool_choice",
            "`tool_choice` must be a string or an object, not a number.",
        ),
        ({"input": "hi", "reasoning": "high"}, "reasoning", "`reasoning` must be an object, not a string."),
        ({"input": "hi", "include": "all"}, "include", "`include` must be an array of strings, not a string."),
        ({"input": "hi", "include": [1]}, "include", "`include` must be an array of strings."),
        (
            {"input": "hi", "tools": [{"type": "function"}]},
            "tools[0].name",
            "`tools[0].name` is required: a function tool has a name.",
        ),
        (
            {"input": [{"role": "user", "content": [{"text": "hi"}]}]},
            "input[0].content[0].type",
            '`input[0].content[0].type` is required: say what the part is, such as "input_text".',
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
            "`input[0].content[0].text` is required: a text part holds a string.",
        ),
        (
            {"input": [{"type": "function_call", "call_id": "a"}]},
            "input[0].name",
            "`input[0].name` is required: a tool call names its tool.",
        ),
        (
            {"input": [{"type": "function_call_output", "output": "x"}]},
            "input[0].call_id",
            "`input[0].call_id` is required: an output names the call that it answers.",
        ),
    ],
)
def test_a_wrong_member_is_named_with_its_remedy(members: dict[str, object], param: str, message: str):
    wire = body(**members)

    for verb in (parse_request, peek):
        with pytest.raises(InvalidRequest) as refusal:
            verb(wire, ENVELOPE)
        assert (refusal.value.problem.param, refusal.value.problem.message) == (param, message)


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"{",
        b"[]",
        b'"hi"',
        b'{"model": "m", "input": NaN}',
        b'{"model": "m", "input": "\xff"}',
        b'{"model": "m", "input": "\\ud83d"}',
        b'{"model": "m", "input": "hi", "x": ' + b"[" * 100 + b"]" * 100 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused_in_our_own_words(wire: bytes):
    for verb in (parse_request, peek):
        with pytest.raises(InvalidRequest, match=r"(?i)body|input"):
            verb(wire, ENVELOPE)


def test_peek_tells_the_head():
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "1"}]},
        {"type": "web_search_call", "id": "ws"},
    ]
    tools = [{"type": "function", "name": "add"}, {"type": "web_search"}]
    wire = body(input=items, tools=tools, stream=True, max_output_tokens=50)

    tools = Needs(frozenset({"tools"}))
    assert peek(wire, ENVELOPE) == Head(model="gpt-6", is_stream=True, max_tokens=50, needs=tools, is_kept=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "input_text", "user", "x"])
PARTS = st.dictionaries(st.sampled_from(["type", "text", "image_url", "file_data", "detail"]), WORDS | JSON, max_size=3)
ITEMS = st.dictionaries(
    st.sampled_from(["type", "role", "content", "call_id", "name", "arguments", "output", "summary", "id"]),
    WORDS | st.lists(PARTS, max_size=2) | JSON,
    max_size=5,
)
REQUESTS = st.fixed_dictionaries(
    {"model": st.just("m")},
    optional={
        "input": st.text() | st.lists(ITEMS, max_size=3) | JSON,
        "tools": st.lists(ITEMS, max_size=2) | JSON,
        "text": PARTS | JSON,
        "reasoning": PARTS | JSON,
        "tool_choice": WORDS | PARTS,
        "stream": st.booleans() | JSON,
        "temperature": JSON,
        "include": JSON,
    },
)


def refused(verb: Any, wire: bytes) -> Problem | None:
    try:
        verb(wire, ENVELOPE)
    except InvalidRequest as refusal:
        return refusal.problem
    return None


@given(REQUESTS | JSON)
def test_any_json_is_read_and_written_back_or_refused(value: object):
    wire = json.dumps(value).encode()
    refusal = refused(peek, wire)
    assert refused(parse_request, wire) == refusal
    if refusal is not None:
        return

    head = peek(wire, ENVELOPE)
    request = parse_request(wire, ENVELOPE)

    assert (head.model, head.is_stream, head.max_tokens) == (request.model, request.is_stream, request.knobs.max_tokens)
    assert back(wire) == json.loads(wire)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_politely(wire: bytes):
    for verb in (parse_request, peek):
        with pytest.raises(InvalidRequest):
            verb(wire, ENVELOPE)


def test_patch_changes_the_model_and_nothing_else():
    wire = b'{"input":[ {"role" : "user","content":"caf\\u00e9"} ], "model":"a", "x":1.0}'

    assert (
        patch(wire, Target(model="b")) == b'{"input":[ {"role" : "user","content":"caf\\u00e9"} ],"model":"b","x":1.0}'
    )


def test_patch_applies_quirks():
    wire = body(input="hi", max_output_tokens=20, store=True)

    patched = patch(wire, Target(model="b", quirks=("no_max_output_tokens", "store_false")))

    assert json.loads(patched) == {"model": "b", "input": "hi", "store": False}


def test_a_foreign_proof_does_not_pass_even_verbatim():
    foreign = {"type": "reasoning", "summary": [], "encrypted_content": "~hg.anthropic.x"}
    wire = body(input=[foreign, {"role": "user", "content": "a"}], stream=True)

    patched = patch(wire, Target(model="b"))

    assert json.loads(patched) == {"model": "b", "input": [{"role": "user", "content": "a"}], "stream": True}


def test_an_effort_yet_unknown_stays_a_leftover():
    knob = parse_request(body(input="hi", reasoning={"effort": "colossal"}), ENVELOPE).knobs.reasoning

    assert knob == ReasoningKnob(extras={"effort": Raw(b'"colossal"')})
