"""Requests of the Messages API: into canonical words and back, peeked at, patched, refused."""

import json

import pytest
from msgspec import Raw

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    CacheMark,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Link,
    Message,
    Reasoning,
    ReasoningKnob,
    ServerTool,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.anthropic import parse_request, patch, peek, render_request
from headgate.dialects.base import Envelope, Head, Target

PLAIN = {"model": "claude-x", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}

WEATHER = {
    "name": "weather",
    "description": "Looks out of the window",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}

FULL = {
    "model": "claude-x",
    "max_tokens": 2048,
    "stream": True,
    "temperature": 0.25,
    "top_p": 0.5,
    "top_k": 7,
    "stop_sequences": ["END", "STOP"],
    "metadata": {"user_id": "u-1", "team": "blue"},
    "service_tier": "standard_only",
    "system": [
        {"type": "text", "text": "billing: x"},
        {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "tools": [
        {**WEATHER, "cache_control": {"type": "ephemeral"}, "strict": True},
        {**WEATHER, "name": "sea", "type": "custom", "defer_loading": True, "description": ""},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
        {"type": "mcp_toolset", "mcp_server_name": "notes"},
    ],
    "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
    "output_config": {"effort": "high", "task_budget": {"total": 9}, "format": {"type": "json_schema", "schema": {}}},
    "mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "notes"}],
    "container": None,
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", "citations": None, "cache_control": None},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}, "transformations": {}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "grün"},
                    "title": "t",
                    "citations": {"enabled": True},
                },
                {"type": "document", "source": {"type": "content", "content": "loose"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
                {"type": "search_result", "source": "s", "title": "t", "content": []},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "SIG"},
                {"type": "redacted_thinking", "data": "SEALED"},
                {"type": "text", "text": "I look.", "cache_control": {"type": "ephemeral", "scope": "global"}},
                {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
                {
                    "type": "tool_use",
                    "id": "t1",
                    "name": "weather",
                    "input": {"city": "Köln"},
                    "caller": {"type": "direct"},
                },
                {"type": "tool_use", "id": "t2", "name": "sea", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "wet", "is_error": False},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "is_error": True,
                    "content": [{"type": "text", "text": "high"}, {"type": "tool_reference", "tool_name": "x"}],
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "tool_result", "tool_use_id": "t3"},
            ],
        },
        {"role": "system", "content": [{"type": "text", "text": "In Spanish."}]},
        {"role": "assistant", "content": "Vale"},
    ],
}


def body_of(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def test_a_full_request_comes_back_as_it_was():
    request = parse_request(body_of(FULL), Envelope())
    dropped: set[str] = set()
    out = render_request(request, Target(model="claude-x", is_stream=True), dropped)
    assert json.loads(out) == FULL
    assert dropped == set()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stream": False},
        {"stream": None, "tools": None, "system": None, "tool_choice": None, "thinking": None, "metadata": None},
        {"tools": [], "stop_sequences": [], "metadata": {}, "output_config": {}},
        {"system": "", "metadata": {"user_id": None}, "output_config": {"effort": None, "format": None}},
        {"thinking": {"type": "adaptive", "display": "later"}, "output_config": {"effort": "xhigh"}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "medium"}},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "between_tools"}, "output_config": {"effort": "unheard_of"}},
        {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
        {"output_format": {"type": "grammar", "text": "x"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
        {"tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
        {"tool_choice": {"type": "some_new_kind", "x": 1}},
        {"tools": [{**WEATHER, "input_schema": None, "description": None, "strict": None, "type": None}]},
        {"cache_control": {"type": "ephemeral"}, "context_management": {"edits": []}, "unheard_of": [1, {"a": None}]},
        {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": None}}]},
        {"system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": ""}}]},
        {"max_tokens": 64.0, "top_k": 3.0, "temperature": 1},
    ],
)
def test_every_spelling_comes_back(more: dict[str, object]):
    body = body_of({**PLAIN, **more})
    request = parse_request(body, Envelope())
    out = render_request(request, Target(model="claude-x"), set())
    assert json.loads(out) == json.loads(body)
    head = Head(model="claude-x", is_stream=False, max_tokens=64, needs=needs_of(request))
    assert peek(body, Envelope()) == head


def test_the_meaning_is_in_typed_fields():
    request = parse_request(body_of(FULL), Envelope())
    assert [message.role for message in request.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "system",
        "assistant",
    ]
    assert request.messages[0].parts[1] == Text(text="Be kind.", cache=CacheMark("1h"))
    user = request.messages[1].parts
    assert user[1] == Image(source=Inline("image/png", "AAAA"))
    assert user[2] == Image(source=Link("https://x.example/a.png"), extras={"transformations": Raw(b"{}")})
    assert user[3] == Image(source=FileId("file_1"))
    assert isinstance(user[4], File)
    assert (user[4].source, user[4].name) == (Inline("text/plain", "Z3LDvG4="), "t")
    assert isinstance(user[5], Foreign)
    assert user[5].is_feature
    assistant = request.messages[2].parts
    assert assistant[0] == Reasoning(text="hm", signature=Signature("anthropic", "SIG"))
    assert assistant[1] == Reasoning(signature=Signature("anthropic", "SEALED"), is_redacted=True)
    assert assistant[5] == ToolCall(id="t2", name="sea", arguments="{}")
    results = request.messages[3].parts
    assert results[0] == ToolResult(call_id="t1", parts=(Text(text="wet"),), form="is_error string")
    assert request.messages[5] == Message(role="assistant", parts=(Text(text="Vale"),), form="string")
    assert isinstance(request.tools[0], Tool)
    assert request.tools[0].is_strict is True
    assert isinstance(request.tools[2], ServerTool)
    assert request.tool_choice == ToolChoice(mode="tool", name="weather")
    assert request.knobs.parallel_tool_calls is False
    assert request.knobs.stop == ("END", "STOP")
    assert request.knobs.user == "u-1"
    assert request.knobs.reasoning == ReasoningKnob(
        effort="high", budget_tokens=1024, is_visible=True, form="enabled high"
    )
    assert set(request.extras) == {"metadata", "service_tier", "output_config", "mcp_servers", "container"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{}]}]}]},
            "messages[0].content[0].content[0].type",
        ),
        ({"system": 3}, "system"),
        ({"system": [{"type": "text", "text": None}]}, "system[0].text"),
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_k": 0.5}, "top_k"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"description": "x"}]}, "tools[0].name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024.5}}, "thinking.budget_tokens"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
    ],
)
def test_a_wrong_type_is_refused_by_its_path(change: dict[str, object], param: str):
    body = body_of({**PLAIN, **change})
    with pytest.raises(InvalidRequest) as parsed:
        parse_request(body, Envelope())
    with pytest.raises(InvalidRequest) as peeked:
        peek(body, Envelope())
    assert parsed.value.problem.param == param
    assert param in parsed.value.problem.message
    assert peeked.value.problem == parsed.value.problem


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"a":NaN}', b'{"model":"\xff"}', b'{"messages":' + b"[" * 99 + b"]" * 99 + b"}"],
)
def test_what_is_no_json_object_is_refused(body: bytes):
    for read in (parse_request, peek):
        with pytest.raises(InvalidRequest, match="request body"):
            read(body, Envelope())


def test_unknown_blocks_and_roles_of_fields_are_kept():
    wire = {
        **PLAIN,
        "messages": [
            {"role": "user", "content": [{"type": "hologram", "text": {"not": "text"}}], "id": "m1"},
        ],
    }
    request = parse_request(body_of(wire), Envelope())
    assert peek(body_of(wire), Envelope()).model == "claude-x"
    assert request.messages[0].parts == (
        Foreign(name="hologram", raw=Raw(b'{"type": "hologram", "text": {"not": "text"}}')),
    )
    assert json.loads(render_request(request, Target(model="claude-x"), set())) == wire


def test_the_model_of_the_path_counts_first():
    body = body_of({"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})
    assert peek(body, Envelope(model="from-path")).model == "from-path"
    assert parse_request(body, Envelope(model="from-path")).model == "from-path"


@pytest.mark.parametrize("content", ["x", [{"type": "unheard-of", "text": "x"}]])
def test_a_call_without_a_limit_is_refused(content: object):
    body = body_of({"model": "m", "messages": [{"role": "user", "content": content}]})
    with pytest.raises(InvalidRequest, match="max_tokens is missing") as refused:
        peek(body, Envelope())
    assert refused.value.problem.param == "max_tokens"


def test_a_patch_changes_the_model_and_nothing_else():
    body = (
        b'{ "model":"a" , "x": {"b":1,  "a":[2.50]},"messages":[ {"role":"user","content":"\\u00fc"} ],"stream":true}'
    )
    out = patch(body, Target(model="b", is_stream=True))
    assert (
        out
        == b'{"model":"b","x":{"b":1,  "a":[2.50]},"messages":[ {"role":"user","content":"\\u00fc"} ],"stream":true}'
    )


def test_a_patch_takes_out_proofs_that_only_other_services_can_read():
    wire = {
        **PLAIN,
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "a", "signature": "~hg.gemini.AAA"},
                    {"type": "thinking", "thinking": "b", "signature": "~hg.."},
                    {"type": "text", "text": "yes"},
                ],
            },
        ],
    }
    out = json.loads(patch(body_of(wire), Target(model="claude-x")))
    assert out["messages"][1]["content"] == [{"type": "text", "text": "yes"}]


def test_a_vertex_body_names_its_version_and_no_model():
    out = json.loads(patch(body_of(PLAIN), Target(model="claude-x", quirks=("vertex_body",))))
    assert out == {
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "hi"}],
        "anthropic_version": "vertex-2023-10-16",
    }


def test_the_later_version_loses_what_it_refuses_unless_the_caller_named_its_own():
    wire = {
        **PLAIN,
        "temperature": 1,
        "top_k": 4,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "document", "source": {"type": "url", "url": "https://x.example"}},
                    {"type": "text", "text": "y"},
                ],
            },
        ],
    }
    target = Target(model="claude-x", version="2026-10-21")
    dropped: set[str] = set()
    out = json.loads(render_request(parse_request(body_of(wire), Envelope()), target, dropped))
    assert out == {
        **PLAIN,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "y"}]},
        ],
    }
    assert dropped == {"temperature", "top_k", "messages.citations", "messages.document"}
    kept = render_request(parse_request(body_of(wire), Envelope(version="2023-06-01")), target, set())
    assert json.loads(kept) == wire
