"""Tools that only OpenAI has, offered to every dialect's services, and their calls brought home."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from headgate.core.events import Event, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.request import Request, ToolCall
from headgate.dialects.base import Dialect, Envelope, ReplyTo, Target
from headgate.dialects.registry import DIALECTS

ENVELOPE = Envelope(model="m")
TARGET = Target(model="m")
SCHEMA = {"type": "object", "properties": {"target": {"type": "string"}}}
GRAMMAR = {"syntax": "lark", "definition": 'start: "*** Begin Patch"'}

RESPONSES: dict[str, Any] = {
    "model": "m",
    "input": [
        {"role": "user", "content": "Close a, then patch."},
        {
            "type": "function_call",
            "call_id": "c1",
            "namespace": "agents",
            "name": "close",
            "arguments": '{"target":"a"}',
        },
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin Patch"},
        {"type": "function_call_output", "call_id": "c1", "namespace": "agents", "name": "close", "output": "closed"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "patched"},
        {"role": "user", "content": "Once more."},
    ],
    "tools": [
        {"type": "function", "name": "run", "description": "Runs.", "strict": False, "parameters": SCHEMA},
        {"type": "custom", "name": "patch", "description": "Patches.", "format": {"type": "grammar", **GRAMMAR}},
        {
            "type": "namespace",
            "name": "agents",
            "description": "Helpers.",
            "tools": [
                {"type": "function", "name": "close", "strict": False, "parameters": SCHEMA},
                {"type": "custom", "name": "tell", "description": "Tells."},
            ],
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
}

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "Patch."},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "*** Begin Patch"}}],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "patched"},
        {"role": "user", "content": "Once more."},
    ],
    "tools": [
        {
            "type": "custom",
            "custom": {
                "name": "patch",
                "description": "Patches.",
                "format": {"type": "grammar", "grammar": GRAMMAR},
            },
        },
    ],
}
CLIENTS = {"openai_responses": RESPONSES, "openai_chat": CHAT}


def parsed(client: str) -> Request:
    return DIALECTS[client].parse_request(json.dumps(CLIENTS[client]).encode(), ENVELOPE)


def as_seen_by(upstream: str, request: Request, dropped: set[str]) -> Request:
    """What a service of another dialect understands of the request."""
    dialect = DIALECTS[upstream]
    return dialect.parse_request(dialect.render_request(request, TARGET, dropped), ENVELOPE)


def calls_in(request: Request) -> list[tuple[str, str, Any]]:
    calls = [part for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    return [(call.id, call.name, json.loads(call.arguments)) for call in calls]


@pytest.mark.parametrize("client", CLIENTS)
def test_at_home_nothing_changes(client: str):
    dropped: set[str] = set()

    body = DIALECTS[client].render_request(parsed(client), TARGET, dropped)

    assert (json.loads(body), dropped) == (CLIENTS[client], set())


@pytest.mark.parametrize("upstream", ["openai_chat", "anthropic", "gemini", "cohere", "ollama"])
def test_the_tools_of_codex_become_functions(upstream: str):
    dropped: set[str] = set()

    seen = as_seen_by(upstream, parsed("openai_responses"), dropped)

    assert [tool.name for tool in seen.tools] == ["run", "patch", "agents__close", "agents__tell"]
    assert calls_in(seen) == [
        ("c1", "agents__close", {"target": "a"}),
        ("c2", "patch", {"input": "*** Begin Patch"}),
    ]
    assert dropped >= {"tools.web_search", "tools.format", "tools.namespace.description"}
    assert not any("name" in name.split(".") or "input" in name for name in dropped)


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "cohere", "ollama"])
def test_the_custom_tools_of_chat_become_functions(upstream: str):
    dropped: set[str] = set()

    seen = as_seen_by(upstream, parsed("openai_chat"), dropped)

    assert [tool.name for tool in seen.tools] == ["patch"]
    assert calls_in(seen) == [("c2", "patch", {"input": "*** Begin Patch"})]
    assert dropped == {"tools.format"}


def test_custom_tools_pass_between_the_two_apis_that_have_them():
    dropped: set[str] = set()

    body = json.loads(DIALECTS["openai_responses"].render_request(parsed("openai_chat"), TARGET, dropped))

    assert body["tools"] == [
        {"type": "custom", "name": "patch", "description": "Patches.", "format": {"type": "grammar", **GRAMMAR}}
    ]
    assert body["input"][1:3] == [
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "*** Begin Patch"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "patched"},
    ]
    assert dropped == set()


def test_a_choice_of_a_custom_tool_says_its_kind():
    chat = {**CHAT, "tool_choice": {"type": "custom", "custom": {"name": "patch"}}}
    request = DIALECTS["openai_chat"].parse_request(json.dumps(chat).encode(), ENVELOPE)

    body = json.loads(DIALECTS["openai_responses"].render_request(request, TARGET, set()))

    assert body["tool_choice"] == {"type": "custom", "name": "patch"}


CALLS = [
    ("run", '{"target":"a"}'),
    ("agents__close", '{"target":"b"}'),
    ("patch", '{"input":"*** Begin\\n\\u2603"}'),
    ("agents__tell", '{"input":"hello"}'),
]


def events_of(calls: Sequence[tuple[str, str]]) -> list[Event]:
    events: list[Event] = [Started(id="a", model="m")]
    for index, (name, arguments) in enumerate(calls):
        started = PartStarted(index=index, kind="tool_call", id=f"call_{index}", name=name)
        pieces = [PartDelta(index, arguments[at : at + 3]) for at in range(0, len(arguments), 3)]
        events += [started, *pieces, PartEnded(index=index)]
    return [*events, Finished(reason="tool_calls")]


def from_upstream(upstream: Dialect, calls: Sequence[tuple[str, str]]) -> tuple[list[Event], list[Event]]:
    """What a service of that dialect answers: streamed and whole."""
    reply_to = ReplyTo(id="a", model="m", is_stream=True)
    parser = upstream.stream_parser()
    streamed = parser.feed(upstream.stream_renderer(reply_to).render(events_of(calls))) + parser.close()
    return streamed, upstream.parse_response(upstream.render_response(events_of(calls), reply_to, set()))


def told_to(client: str, events: list[Event], *, is_stream: bool) -> Any:
    """The last thing that the client is told: for a stream of the Responses API, the whole response again."""
    dialect = DIALECTS[client]
    reply_to = ReplyTo(id="r", model="m", is_stream=is_stream, echo=parsed(client))
    if not is_stream:
        return json.loads(dialect.render_response(events, reply_to, set()))
    wire = dialect.stream_renderer(reply_to).render(events)
    return [json.loads(line[6:]) for line in wire.decode().splitlines() if line.startswith("data: {")]


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in item.items() if name not in ("id", "status", "call_id")} for item in items]


CODEX_ITEMS = [
    {"type": "function_call", "name": "run", "arguments": '{"target":"a"}'},
    {"type": "function_call", "namespace": "agents", "name": "close", "arguments": '{"target":"b"}'},
    {"type": "custom_tool_call", "name": "patch", "input": "*** Begin\n☃"},
    {"type": "custom_tool_call", "namespace": "agents", "name": "tell", "input": "hello"},
]


@pytest.mark.parametrize("upstream", ["openai_chat", "anthropic", "gemini", "cohere", "ollama"])
def test_codex_is_told_of_calls_as_it_expects(upstream: str):
    streamed, whole = from_upstream(DIALECTS[upstream], CALLS)

    chunks = told_to("openai_responses", streamed, is_stream=True)
    body = told_to("openai_responses", whole, is_stream=False)

    done = [chunk["item"] for chunk in chunks if chunk["type"] == "response.output_item.done"]
    added = [chunk["item"] for chunk in chunks if chunk["type"] == "response.output_item.added"]
    assert [item for item in without_ids(done) if item["type"] != "reasoning"] == CODEX_ITEMS
    assert [item.get("namespace") for item in added if item["type"] != "reasoning"] == [None, "agents", None, "agents"]
    assert done == chunks[-1]["response"]["output"]
    assert [item for item in without_ids(body["output"]) if item["type"] != "reasoning"] == CODEX_ITEMS
    assert body["tools"] == RESPONSES["tools"]


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "cohere", "ollama"])
def test_a_chat_client_is_told_of_custom_calls(upstream: str):
    streamed, whole = from_upstream(DIALECTS[upstream], CALLS[2:3])

    chunks = told_to("openai_chat", streamed, is_stream=True)
    body = told_to("openai_chat", whole, is_stream=False)

    deltas = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", [])]
    assert deltas[0]["custom"]["name"] == "patch"
    assert "".join(call["custom"]["input"] for call in deltas) == "*** Begin\n☃"
    (call,) = body["choices"][0]["message"]["tool_calls"]
    assert (call["type"], call["custom"]) == ("custom", {"name": "patch", "input": "*** Begin\n☃"})


def test_a_group_that_is_odd_is_the_services_own_affair():
    tools: list[dict[str, Any]] = [
        {"type": "namespace", "name": "a", "tools": []},
        {"type": "namespace", "name": "b", "tools": [{"type": "mcp"}]},
        {"type": "namespace", "name": "c", "tools": [{"type": "function"}]},
        {"type": "namespace", "tools": [{"type": "function", "name": "f"}]},
        {"type": "namespace", "name": "d", "tools": ["f"]},
        {"type": "custom"},
    ]
    body: dict[str, Any] = {"model": "m", "input": "hi", "tools": tools}
    dialect = DIALECTS["openai_responses"]
    dropped: set[str] = set()

    request = dialect.parse_request(json.dumps(body).encode(), ENVELOPE)

    assert json.loads(dialect.render_request(request, TARGET, set())) == body
    assert "tools" not in json.loads(DIALECTS["anthropic"].render_request(request, TARGET, dropped))
    assert dropped == {"tools.namespace", "tools.custom"}
