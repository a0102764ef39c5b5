"""Requests, read, and written again as they were."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    FileId,
    Foreign,
    Grammar,
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
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.openai_chat import parse_request, peek, render_request

HELLO = [{"role": "user", "content": "hello"}]
CALL: dict[str, Any] = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
WEATHER = {"name": "weather", "description": "Tells it", "parameters": {"type": "object"}, "strict": True}


def parse(**members: Any) -> Request:
    return parse_request(json.dumps({"model": "m", "messages": HELLO, **members}).encode(), Envelope())


def parts_of(**message: Any) -> tuple[Part, ...]:
    return parse(messages=[{"role": "assistant", **message}]).messages[0].parts


def again(body: dict[str, Any]) -> Any:
    """The body after being read and written by this dialect."""
    request = parse_request(json.dumps(body).encode(), Envelope())
    dropped: set[str] = set()
    wire = render_request(request, Target(model=request.model, is_stream=request.is_stream), dropped)
    assert dropped == set()
    return json.loads(wire)


def test_a_conversation_with_a_tool_is_understood() -> None:
    request = parse(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}], "name": "ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ],
        tools=[{"type": "function", "function": WEATHER}],
        tool_choice="required",
        max_completion_tokens=100,
        temperature=1,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert request == Request(
        dialect="openai_chat",
        model="m",
        messages=(
            Message(role="system", parts=(Text(text="Be brief."),)),
            Message(role="user", parts=(Text(text="Weather?"),), name="ann", form="list"),
            Message(
                role="assistant",
                parts=(ToolCall(id="c1", name="weather", arguments="{}"),),
                extras={"content": Raw(b"null")},
            ),
            Message(role="tool", parts=(ToolResult(call_id="c1", parts=(Text(text="rain"),)),)),
        ),
        tools=(Tool(name="weather", description="Tells it", parameters=Raw(b'{"type": "object"}'), is_strict=True),),
        tool_choice=ToolChoice(mode="any"),
        knobs=Knobs(max_tokens=100, temperature=1.0),
        is_stream=True,
        wants_usage=True,
        form="usage=true",
    )


CONTENT: list[tuple[dict[str, Any], Part]] = [
    (
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        Text(text="a", cache=CacheMark("1h")),
    ),
    (
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        Text(text="a", cache=CacheMark(), form="breakpoint"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        Image(source=Inline("image/png", "AAAA"), detail="low"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "size": 3}},
        Image(source=Link("https://a.test/b.png"), extras={"image_url": Raw(b'{"size":3}')}),
    ),
    (
        {"type": "image_url", "image_url": "https://a.test/b.png"},
        Image(source=Link("https://a.test/b.png"), form="plain"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        Audio(source=Inline("audio/wav", "AAAA")),
    ),
    ({"type": "input_audio", "input_audio": "UklGAA"}, Audio(source=Inline("audio/wav", "UklGAA"), form="plain")),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        File(source=Inline("application/pdf", "AAAA"), name="a.pdf"),
    ),
    ({"type": "input_audio", "input_audio": {"data": "AA"}}, Audio(source=Inline("audio/mp3", "AA"), form="unnamed")),
    (
        {"type": "input_audio", "input_audio": "https://a.test/b"},
        Audio(source=Link("https://a.test/b"), form="plain"),
    ),
    (
        {"type": "video_url", "video_url": "data:video/webm;base64,AA"},
        File(source=Inline("video/webm", "AA"), form="video_url plain"),
    ),
    ({"type": "file", "file": {"file_id": "file-1"}}, File(source=FileId("file-1"))),
    ({"type": "file", "file": {"file_data": "https://a.test/b.pdf"}}, File(source=Link("https://a.test/b.pdf"))),
    (
        {"type": "file", "file": {"file_data": "JVBERi0"}},
        File(source=Inline("application/pdf", "JVBERi0"), form="bare"),
    ),
    (
        {"type": "document_url", "document_url": "https://a.test/b.pdf", "document_name": "b"},
        File(source=Link("https://a.test/b.pdf"), name="b", form="document_url"),
    ),
    (
        {"type": "video_url", "video_url": {"url": "https://a.test/b.mp4"}},
        File(source=Link("https://a.test/b.mp4", "video/mp4"), form="video_url"),
    ),
    (
        {"type": "file_url", "file_url": {"url": "https://a.test/b"}},
        File(source=Link("https://a.test/b"), form="file_url"),
    ),
    (
        {"type": "hologram", "hologram": 1},
        Foreign(name="hologram", raw=Raw(b'{"type": "hologram", "hologram": 1}'), is_feature=True),
    ),
    (
        {"type": "document_url", "document_url": 1},
        Foreign(name="document_url", raw=Raw(b'{"type": "document_url", "document_url": 1}'), is_feature=True),
    ),
    ({"type": "file", "file": 1}, Foreign(name="file", raw=Raw(b'{"type": "file", "file": 1}'), is_feature=True)),
    (
        {"type": "video_url", "video_url": {"url": "u", "detail": "low"}},
        Foreign(
            name="video_url",
            raw=Raw(b'{"type": "video_url", "video_url": {"url": "u", "detail": "low"}}'),
            is_feature=True,
        ),
    ),
    ({"type": "file", "file": {}}, Foreign(name="file", raw=Raw(b'{"type": "file", "file": {}}'), is_feature=True)),
]


@pytest.mark.parametrize(("wire", "part"), CONTENT, ids=lambda value: str(value)[:40])
def test_content_is_read_and_written_again(wire: dict[str, Any], part: Part) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [wire]}]}
    assert parse_request(json.dumps(body).encode(), Envelope()).messages[0].parts == (part,)
    assert again(body) == body


def test_a_models_own_unknown_part_is_no_feature() -> None:
    (part,) = parts_of(content=[{"type": "hologram"}])
    assert part == Foreign(name="hologram", raw=Raw(b'{"type": "hologram"}'))


DETAIL = {"type": "reasoning.text", "text": "so", "signature": "S", "format": "anthropic-claude-v1", "index": 0}


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"reasoning_content": "so"}, [Reasoning(text="so")]),
        ({"reasoning": "so", "reasoning_content": "so"}, [Reasoning(text="so")]),
        (
            {"reasoning": "so", "reasoning_details": [DETAIL]},
            [
                Reasoning(
                    text="so",
                    signature=Signature("openai_chat", "S"),
                    form='detail {"type":"reasoning.text","format":"anthropic-claude-v1","index":0}',
                )
            ],
        ),
        (
            {
                "reasoning_content": "so",
                "reasoning_details": [{"type": "reasoning.text", "signature": "~hg.anthropic.S", "index": 0}],
            },
            [
                Reasoning(
                    text="so",
                    signature=Signature("anthropic", "S"),
                    form='signed {"type":"reasoning.text","index":0}',
                )
            ],
        ),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "id": "r"}]},
            [
                Reasoning(
                    signature=Signature("openai_chat", "D"),
                    is_redacted=True,
                    form='detail {"type":"reasoning.encrypted","id":"r"}',
                )
            ],
        ),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}], "closed": True}]},
            [Reasoning(text="so", form="thinking", extras={"closed": Raw(b"true")})],
        ),
    ],
    ids=["string", "twice", "signed", "signed-string", "sealed", "mistral"],
)
def test_thinking_comes_back_in_every_spelling(message: dict[str, Any], parts: list[Part]) -> None:
    assert list(parts_of(**message)) == parts
    body = {"model": "m", "messages": [{"role": "assistant", **message}]}
    assert again(body) == body


def test_googles_signatures_are_googles() -> None:
    signed = {"extra_content": {"google": {"thought_signature": "S"}}}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {
        "model": "m",
        "messages": [
            {"role": "assistant", "content": "hm", **signed},
            {"role": "assistant", "tool_calls": [{**call, **signed}]},
        ],
    }
    request = parse_request(json.dumps(body).encode(), Envelope())
    assert [message.parts for message in request.messages] == [
        (Text(text="hm", signature=Signature("gemini", "S")),),
        (ToolCall(id="c", name="f", arguments="{}", signature=Signature("gemini", "S")),),
    ]
    assert again(body) == body


def test_functions_of_old_become_tools() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            {"role": "function", "name": "weather", "content": "rain"},
        ],
        "functions": [{"name": "weather", "parameters": {"type": "object"}}],
        "function_call": {"name": "weather"},
    }
    request = parse_request(json.dumps(body).encode(), Envelope())
    assert [part for message in request.messages[1:] for part in message.parts] == [
        ToolCall(id="call_1", name="weather", arguments="{}", form="function_call"),
        ToolResult(call_id="call_1", name="weather", parts=(Text(text="rain"),), form="function no_id"),
    ]
    assert request.tools == (Tool(name="weather", parameters=Raw(b'{"type": "object"}'), form="functions"),)
    assert request.tool_choice == ToolChoice(mode="tool", name="weather", form="function_call")
    assert again(body) == body


def test_results_without_an_id_find_their_calls_in_order() -> None:
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    results = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    request = parse(messages=[{"role": "assistant", "tool_calls": calls}, *results])
    found = [part.call_id for message in request.messages[1:] for part in message.parts if isinstance(part, ToolResult)]
    assert found == ["a", "b"]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": ""},
        {"role": "user", "content": []},
        {"role": "user", "content": "a", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": "a", "cache_control": {"type": "eternal", "x": 1}},
        {"role": "user", "content": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"role": "user", "content": "a", "prompt_cache_breakpoint": {"mode": "new"}},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}],
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        {"role": "observer", "content": "a"},
        {"role": "assistant", "content": "a", "refusal": "no", "audio": {"id": "a1"}, "prefix": True},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "tool_calls": []},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": None}}]},
        {"role": "assistant", "tool_calls": [CALL | {"cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "so"}, {"type": "thinking", "thinking": []}],
        },
        {"role": "assistant", "content": "a", "extra_content": {"google": {}}},
        {"role": "assistant", "content": "a", "extra_content": {"google": 1, "thought": 2}},
        {"role": "assistant", "reasoning": "one", "reasoning_details": [{"type": "reasoning.encrypted", "data": "D"}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}, "index": 0}]},
        {"role": "assistant", "tool_calls": [{"id": "", "type": "function", "function": {"name": "f"}}]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
        {
            "role": "assistant",
            "reasoning": "one",
            "reasoning_details": [{"type": "reasoning.summary", "summary": "two"}],
        },
        {"role": "assistant", "reasoning_content": "", "reasoning_details": [7, {"type": "reasoning.new"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "reference", "ids": [1]}]}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"type": "text", "text": "c"},
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}], "name": "f", "x": None},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "user", "content": "a", "name": None, "tool_calls": None},
    ],
    ids=lambda message: str(message)[:60],
)
def test_a_message_is_written_as_it_was_read(message: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [message]}
    assert again(body) == body


@pytest.mark.parametrize(
    "members",
    [
        {"max_tokens": 5},
        {"max_tokens": 5, "max_completion_tokens": 6},
        {"temperature": 0.5, "top_p": 1, "top_k": 3, "n": 2, "seed": 1, "stop": "x"},
        {"random_seed": 4, "stop": ["x", "y"], "presence_penalty": 0.1, "frequency_penalty": -1},
        {"logprobs": True, "top_logprobs": 2, "parallel_tool_calls": False, "user": "u"},
        {"safety_identifier": "u"},
        {"user": "u", "safety_identifier": "v"},
        {"temperature": None, "stop": None, "n": None, "model": None, "tools": None},
        {"stream": False},
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
        {"stream": True, "stream_options": {}},
        {"stream": True, "stream_options": {"include_obfuscation": True}},
        {"response_format": {"type": "text"}},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_object", "schema": {"type": "object"}}},
        {"response_format": {"type": "json", "value": {"type": "object"}}},
        {"response_format": {"type": "grammar", "grammar": "root ::= x"}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": {}, "strict": True, "x": 1},
            }
        },
        {"reasoning_effort": "high"},
        {"reasoning_effort": "default"},
        {"reasoning": {"effort": "low", "exclude": True}},
        {"reasoning": {"max_tokens": 1000, "enabled": True}},
        {"reasoning": {"enabled": False}},
        {"reasoning": {}},
        {"thinking": {"type": "enabled", "budget_tokens": 5, "clear_thinking": False}},
        {"thinking": {"type": "disabled"}},
        {"enable_thinking": False},
        {"enable_thinking": True, "thinking_budget": 50},
        {"reasoning_effort": "low", "thinking": {"type": "enabled"}},
        {"tools": []},
        {"tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]},
        {"tools": [{"function": {"name": "f", "description": "", "parameters": None, "returns": {}}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}]},
        {"tools": [{"type": "custom", "custom": {"name": "f"}}, {"type": "browser_search"}]},
        {"tool_choice": "auto"},
        {"tool_choice": "none"},
        {"tool_choice": "any"},
        {"tool_choice": "f"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tool_choice": {"type": "custom", "custom": {"name": "f"}}},
        {"tool_choice": {"type": "tool", "name": "f"}},
        {"tool_choice": {"function": {"name": "f"}}},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{}]}}},
        {"tool_choice": {"type": "unheard"}},
        {"metadata": {"a": "b"}, "web_search_options": {}, "modalities": ["text"], "prediction": None},
    ],
    ids=lambda members: str(members)[:60],
)
def test_settings_are_written_as_they_were_read(members: dict[str, Any]) -> None:
    body = {"model": "m", "messages": HELLO, **members}
    assert again(body) == body


@pytest.mark.parametrize(
    ("members", "knob"),
    [
        ({"reasoning_effort": "minimal"}, ReasoningKnob(effort="minimal")),
        (
            {"reasoning": {"effort": "low", "exclude": True}},
            ReasoningKnob(effort="low", is_visible=False, form="reasoning"),
        ),
        ({"reasoning": {"max_tokens": 9}}, ReasoningKnob(budget_tokens=9, form="reasoning")),
        ({"thinking": {"type": "disabled"}}, ReasoningKnob(effort="none", form="thinking disabled")),
        ({"thinking": {"type": "enabled"}}, ReasoningKnob(form="thinking enabled")),
        ({"enable_thinking": False}, ReasoningKnob(effort="none", form="enable_thinking false")),
        ({"reasoning_effort": None}, None),
    ],
)
def test_how_hard_to_think_is_understood(members: dict[str, Any], knob: ReasoningKnob | None) -> None:
    assert parse(**members).knobs.reasoning == knob


def test_the_shape_of_the_answer_is_understood() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "description": "d"}}
    assert parse(response_format=schema).knobs.output_format == OutputFormat(
        schema=Raw(b'{"type": "object"}'), name="a", description="d"
    )
    assert parse(response_format={"type": "json_object"}).knobs.output_format == OutputFormat(form="json_object")
    assert parse(response_format={"type": "text"}).knobs.output_format is None


def test_a_custom_tool_is_understood() -> None:
    format_ = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[0-9]+"}}
    tools = [
        {"type": "custom", "custom": {"name": "f", "description": "d", "format": format_}, "cache": 1},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
        {"type": "custom", "custom": {"name": "h", "format": {"type": "poem"}}},
        {"type": "custom", "custom": {}},
    ]
    assert parse(tools=tools).tools == (
        Tool(
            name="f",
            description="d",
            is_custom=True,
            grammar=Grammar("regex", "[0-9]+"),
            form=json.dumps(tools[0]),
            extras={"cache": Raw(b"1")},
        ),
        Tool(name="g", is_custom=True, form=json.dumps(tools[1])),
        Tool(
            name="h",
            is_custom=True,
            form=json.dumps(tools[2]),
            extras={"custom": Raw(b'{"format":{"type":"poem"}}')},
        ),
        ServerTool(name="custom", raw=Raw(b'{"type": "custom", "custom": {}}')),
    )


def test_a_refusal_is_understood() -> None:
    assert parts_of(refusal="no") == (Refused(text="no"),)


def test_the_path_may_name_the_model() -> None:
    request = parse_request(json.dumps({"messages": HELLO}).encode(), Envelope(model="deployment"))
    assert request.model == "deployment"


def test_a_stream_shows_usage_only_when_asked() -> None:
    assert [parse(stream=True).wants_usage, parse(stream=False).wants_usage, parse().wants_usage] == [False, True, True]


REFUSED: list[tuple[Any, str | None, str]] = [
    ({"model": "m"}, "messages", "'messages' is required"),
    ({"model": "m", "input": "hi"}, "messages", "'input' is for /v1/responses"),
    ({"model": "m", "messages": "hi"}, "messages", "must be an array of objects, not a string"),
    ({"model": "m", "messages": []}, "messages", "at least one message"),
    ({"model": "m", "messages": ["hi"]}, "messages[0]", "must be an object, not a string"),
    ({"model": "m", "messages": [{"content": "hi"}]}, "messages[0].role", "is required"),
    ({"model": "m", "messages": [{"role": 1}]}, "messages[0].role", "must be a string, not a number"),
    ({"model": "m", "messages": [{"role": "user", "content": {}}]}, "messages[0].content", "a string or an array"),
    ({"model": "m", "messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type", "is required"),
    (
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "is required",
    ),
    (
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].image_url.url",
        "is required",
    ),
    (
        {"model": "m", "messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
        "messages[0].tool_calls[0].function.name",
        "is required",
    ),
    (
        {
            "model": "m",
            "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}],
        },
        "messages[0].tool_calls[0].function.arguments",
        "must be a string",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        "messages[0].content[0].image_url",
        "is required",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "messages[0].content[0].input_audio",
        "is",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        None,
        "data' is required",
    ),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function", "is required"),
    ({"messages": HELLO, "functions": [{}]}, "functions[0].name", "is required"),
    ({"model": 1, "messages": HELLO}, "model", "must be a string"),
    ({"messages": HELLO, "temperature": "hot"}, "temperature", "must be a number, not a string"),
    ({"messages": HELLO, "max_tokens": 1.5}, "max_tokens", "must be an integer"),
    ({"messages": HELLO, "stream": "yes"}, "stream", "must be a boolean"),
    ({"messages": HELLO, "stop": 3}, "stop", "must be an array of strings"),
    ({"messages": HELLO, "tools": {}}, "tools", "must be an array"),
    ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function", "is required"),
    ({"messages": HELLO, "tools": [{"function": {"name": "f", "parameters": []}}]}, None, "must be an object"),
    ({"messages": HELLO, "tool_choice": 1}, "tool_choice", "a string or an object"),
    ({"messages": HELLO, "response_format": "json"}, "response_format", "must be an object"),
    ({"messages": HELLO, "reasoning_effort": 3}, "reasoning_effort", "must be a string"),
    ([], None, "must be a JSON object"),
    (3, None, "must be a JSON object"),
]


@pytest.mark.parametrize(("body", "param", "message"), REFUSED, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("read", [parse_request, peek])
def test_what_is_wrong_is_told_with_its_place(read: Any, body: Any, param: str | None, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(json.dumps(body).encode(), Envelope())
    assert message in str(caught.value)
    if param is not None:
        assert caught.value.problem.param == param


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"messages": NaN}', "not JSON"),
        (b'{"messages": "\xff"}', "not UTF-8 at byte 14"),
        (b"[" * 100_000, "nested deeper than 64"),
    ],
)
@pytest.mark.parametrize("read", [parse_request, peek])
def test_what_is_no_json_is_told_as_such(read: Any, body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(body, Envelope())


def test_peek_knows_the_head_of_a_body() -> None:
    body = {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 7}
    assert peek(json.dumps(body).encode(), Envelope()) == Head(
        model="m", is_stream=True, wants_usage=False, max_tokens=7
    )


def test_peek_takes_what_parse_request_takes() -> None:
    body = {"messages": [{"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"name": "f"}}]}]}
    assert peek(json.dumps({**body, "max_tokens": 3.0}).encode(), Envelope(model="d")) == Head(
        model="d", is_stream=False, max_tokens=3
    )
