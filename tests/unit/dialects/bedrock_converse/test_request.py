"""Requests of Converse, read and written again."""

import json

import pytest
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    Foreign,
    Image,
    Inline,
    Knobs,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningKnob,
    Request,
    ServerTool,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.dialects.base import Envelope, Target
from headgate.dialects.bedrock_converse import DIALECT, parse_request, patch, peek, render_request

ENVELOPE = Envelope(model="us.anthropic.claude-x", is_stream=True)
TARGET = Target(model="us.anthropic.claude-x", is_stream=True)
HI = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def read(body: dict[str, object]) -> Request:
    return parse_request(json.dumps(body).encode(), ENVELOPE)


def test_everything_comes_back_as_it_was(request_body: bytes):
    dropped: set[str] = set()
    back = render_request(parse_request(request_body, ENVELOPE), TARGET, dropped)
    assert (json.loads(back), dropped) == (json.loads(request_body), set())


def test_a_text_keeps_its_letters_byte_for_byte(request_body: bytes):
    back = render_request(parse_request(request_body, ENVELOPE), TARGET, set())
    assert b'"schema":"{ \\"type\\": \\"object\\" }"' in back


def test_the_callers_turn(request_body: bytes):
    parts = parse_request(request_body, ENVELOPE).messages[1].parts
    assert parts[:7] == (
        Text(text="hi", cache=CacheMark(ttl="1h")),
        Image(source=Inline("image/png", "iVBO")),
        File(
            source=Inline("application/pdf", "JVBERg=="),
            name="Report 1",
            extras={"context": Raw(b'"c"'), "citations": Raw(b'{"enabled": true}')},
        ),
        File(source=Inline("text/plain", "Z3LDtsOfZQ=="), name="Notes", form="text"),
        File(source=Inline("video/mp4", "AAAA")),
        Audio(source=Inline("audio/wav", "UklG")),
        Text(text="guard me", form="guard", extras={"qualifiers": Raw(b'["query"]')}),
    )
    assert [(part.name, part.is_feature) for part in parts[7:] if isinstance(part, Foreign)] == [
        ("image", True),
        ("document", True),
        ("guardContent", True),
        ("searchResult", True),
        ("cachePoint", False),
        ("somethingNew", False),
        ("block", False),
    ]


def test_the_models_turn(request_body: bytes):
    parts = parse_request(request_body, ENVELOPE).messages[2].parts
    assert parts[0:2] == (
        Reasoning(text="Hm.", signature=Signature("bedrock_converse", "SIG")),
        Reasoning(signature=Signature("bedrock_converse", "U0VBTEVE"), is_redacted=True),
    )
    assert parts[3:6] == (
        Text(text="Looking.", extras={"type": Raw(b'"text"')}),
        Text(text="Cited.", form="cited", extras={"citations": Raw(b'[{"title": "t"}]')}),
        Text(text="In two.", form="cited", extras={"content": Raw(b'[{"text": "In "}, {"text": "two."}]')}),
    )
    assert parts[7:9] == (
        ToolCall(id="t1", name="find", arguments='{"q": [1, 2.5]}', extras={"type": Raw(b'"tool_use"')}),
        ToolCall(id="t2", name="find", arguments="{}"),
    )
    assert [part.name for part in parts if isinstance(part, Foreign)] == [
        "cachePoint",
        "citationsContent",
        "server_tool_use",
        "nova_grounding_result",
    ]


def test_results_of_tools(request_body: bytes):
    parts = parse_request(request_body, ENVELOPE).messages[3].parts
    search = Raw(b'{"searchResult":{"source": "s", "title": "t", "content": []}}')
    assert parts == (
        ToolResult(
            call_id="t1",
            parts=(
                Text(text="found"),
                Text(text='{"n": 100.0}', form="json"),
                Image(source=Inline("image/jpeg", "/9j/")),
                File(source=Inline("text/markdown", "IyB4"), name="x"),
                File(source=Inline("video/quicktime", "AAAA")),
                Foreign(name="searchResult", raw=search, is_feature=True),
            ),
            form="success",
        ),
        ToolResult(call_id="t2", is_error=True),
        ToolResult(call_id="t3", extras={"status": Raw(b'"odd"')}),
    )


def test_settings(request_body: bytes):
    request = parse_request(request_body, ENVELOPE)
    assert request.knobs == Knobs(
        max_tokens=2000,
        temperature=0.5,
        top_p=1,
        top_k=5,
        stop=("END",),
        output_format=OutputFormat(
            schema=Raw(b'{ "type": "object" }'),
            name="shape",
            description="d",
            form="json_schema",
            extras={"x": Raw(b"1")},
        ),
        reasoning=ReasoningKnob(
            effort="high",
            budget_tokens=1024,
            form="thinking|enabled|high",
            extras={"display": Raw(b'"omitted"')},
        ),
    )
    assert request.messages[0] == Message(
        role="system",
        parts=(
            Text(text="Be terse.", cache=CacheMark()),
            Foreign(name="cachePoint", raw=Raw(b'{"cachePoint":{"type": "default"}}')),
        ),
        form="system",
    )
    assert request.messages[4] == Message(role="system", parts=(Text(text="From now on, rhyme."),))
    assert sorted(request.extras) == [
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "inferenceConfig",
        "performanceConfig",
        "promptVariables",
        "requestMetadata",
        "serviceTier",
        "toolConfig",
    ]


def test_tools(request_body: bytes):
    request = parse_request(request_body, ENVELOPE)
    assert request.tools == (
        Tool(
            name="find",
            description="Finds.",
            parameters=Raw(b'{"type": "object"}'),
            is_strict=True,
            cache=CacheMark(),
            extras={"note": Raw(b"1")},
        ),
        Tool(name="bare", form="described"),
        Tool(name="odd", parameters=Raw(b"{}"), extras={"inputSchema": Raw(b'{"json": {}, "xml": ""}')}),
        ServerTool(name="nova_grounding", raw=Raw(b'{"systemTool":{"name": "nova_grounding"}}')),
        ServerTool(name="cachePoint", raw=Raw(b'{"cachePoint":{"type": "default"}}')),
        ServerTool(name="tool", raw=Raw(b"{}")),
    )
    assert request.tool_choice == ToolChoice(mode="tool", name="find", extras={"why": Raw(b"1")})


EMPTIES: dict[str, object] = {
    "messages": [],
    "system": [],
    "inferenceConfig": {},
    "toolConfig": {"tools": []},
    "outputConfig": {},
    "additionalModelRequestFields": {},
}

ODD_BODIES: list[dict[str, object]] = [
    {},
    EMPTIES,
    {**HI, "toolConfig": {}},
    {**HI, "toolConfig": {"toolChoice": {"auto": {}}}},
    {**HI, "toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {}}}], "toolChoice": {"any": {}}}},
    {**HI, "toolConfig": {"toolChoice": {"new": {}}}},
    {**HI, "toolConfig": {"toolChoice": {"auto": {}, "any": {}}}},
    {**HI, "additionalModelRequestFields": None, "system": None},
    {**HI, "additionalModelRequestFields": [1]},
    {**HI, "additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
    {**HI, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": True}}},
    {**HI, "additionalModelRequestFields": {"thinking": {"type": "often"}, "top_k": "many"}},
    {
        **HI,
        "additionalModelRequestFields": {"reasoning_config": {"type": "adaptive"}},
        "outputConfig": {"effort": "low"},
    },
    {**HI, "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
    {**HI, "additionalModelRequestFields": {"reasoningConfig": {"type": "disabled"}}},
    {**HI, "additionalModelRequestFields": {"reasoningConfig": {"type": "off"}}},
    {**HI, "additionalModelRequestFields": {"reasoning_effort": "medium"}},
    {**HI, "additionalModelRequestFields": {"reasoning_effort": "huge"}},
    {**HI, "outputConfig": {"effort": "huge"}},
    {**HI, "outputConfig": {"effort": "max"}},
    {**HI, "outputConfig": {"textFormat": {"type": "json_schema"}}},
    {
        **HI,
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{no"}}}},
    },
    {
        **HI,
        "outputConfig": {"textFormat": {"type": "new", "structure": {"jsonSchema": {"schema": "{}", "name": ""}}}},
    },
    {"messages": [{"role": "user", "content": [{"cachePoint": {"type": "default"}}]}]},
    {"messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "rare"}}]}]},
    {"messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "default", "ttl": ""}}]}]},
    {"messages": [{"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "default", "x": 1}}]}]},
    {"messages": [{"role": "user", "content": [{"image": {"format": "tiff", "source": {"bytes": "a"}}}]}]},
    {"messages": [{"role": "user", "content": [{"audio": {"format": "new", "source": {"bytes": "a"}}}]}]},
    {"messages": [{"role": "user", "content": [{"video": {"format": "mp4", "source": {}}}]}]},
    {
        "messages": [
            {"role": "user", "content": [{"document": {"format": "pdf", "name": "", "source": {"bytes": "a"}}}]}
        ]
    },
    {"messages": [{"role": "user", "content": [{"document": {"name": "n", "source": {"text": "a"}}}]}]},
    {"messages": [{"role": "user", "content": [{"guardContent": {"text": {"text": 1}}}]}]},
    {"messages": [{"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "x"}}}]}]},
    {"messages": [{"role": "assistant", "content": [{"reasoningContent": {}}]}]},
    {"messages": [{"role": "assistant", "content": [{"reasoningContent": {"new": 1}, "b": 1}]}]},
    {"messages": [{"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "b"}}]}]},
    {"messages": [{"role": "assistant", "content": [{"text": "a"}, {"toolResult": {"toolUseId": "", "content": []}}]}]},
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_odd_requests_come_back_as_they_were(body: dict[str, object]):
    dropped: set[str] = set()
    assert (json.loads(render_request(read(body), TARGET, dropped)), dropped) == (body, set())


@pytest.mark.parametrize(
    ("fields", "knob"),
    [
        ({"thinking": {"type": "disabled"}}, ReasoningKnob(effort="none", form="thinking|disabled|")),
        ({"reasoning_config": "high"}, ReasoningKnob(effort="high", form="reasoning_config|word|")),
        ({"reasoning_effort": "low"}, ReasoningKnob(effort="low", form="reasoning_effort|word|")),
        ({"reasoningConfig": {"type": "disabled"}}, ReasoningKnob(effort="none", form="reasoningConfig|disabled|")),
        (
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            ReasoningKnob(effort="high", form="reasoningConfig|enabled|"),
        ),
    ],
)
def test_makers_spellings_of_thinking(fields: dict[str, object], knob: ReasoningKnob):
    assert read({**HI, "additionalModelRequestFields": fields}).knobs.reasoning == knob


def test_peek_tells_what_parsing_tells(request_body: bytes):
    head = peek(request_body, ENVELOPE)
    assert (head.model, head.is_stream, head.max_tokens) == ("us.anthropic.claude-x", True, 2000)


def test_a_body_passes_as_it_is(request_body: bytes):
    assert patch(request_body, TARGET) is request_body


def test_proofs_of_other_services_do_not_pass():
    body = json.dumps(
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {"reasoningContent": {"reasoningText": {"text": "x", "signature": "~hg.gemini.S"}}},
                        {"reasoningContent": {"redactedContent": "fmhnLmFudGhyb3BpYy5T"}},
                        {"reasoningContent": {"redactedContent": "fmhnL!"}},
                        {"text": "y"},
                    ],
                }
            ]
        }
    ).encode()
    assert json.loads(patch(body, TARGET)) == {
        "messages": [
            {"role": "assistant", "content": [{"reasoningContent": {"redactedContent": "fmhnL!"}}, {"text": "y"}]}
        ]
    }


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"\xff", None, "not valid UTF-8"),
        (b"{", None, "not valid JSON"),
        (b"[]", "", "the request body must be an object, not a list"),
        (b'{"messages": 1}', "messages", "messages must be a list, not a number"),
        (b'{"messages": [{"content": []}]}', "messages[0].role", "role is missing; add it"),
        (b'{"messages": [{"role": "tool", "content": []}]}', "messages[0].role", "not allowed"),
        (b'{"inferenceConfig": {"maxTokens": 1.5}}', "inferenceConfig.maxTokens", "a whole number, not 1.5"),
        (b'{"inferenceConfig": {"topP": "x"}}', "inferenceConfig.topP", "must be a number, not a string"),
        (
            b'{"messages": [{"role": "user", "content": [{"text": 1}]}]}',
            "messages[0].content[0].text",
            "must be a string",
        ),
        (
            b'{"messages": [{"role": "user", "content": [{"toolUse": {"name": "n"}}]}]}',
            "messages[0].content[0].toolUse.toolUseId",
            "is missing; add it",
        ),
        (b'{"toolConfig": {"toolChoice": {"tool": {}}}}', "toolConfig.toolChoice.tool.name", "name the tool"),
        (b'{"toolConfig": {"tools": [{"toolSpec": {}}]}}', "toolConfig.tools[0].toolSpec.name", "is missing"),
    ],
)
def test_faults_are_named(body: bytes, param: str | None, words: str):
    with pytest.raises(InvalidRequest, match=words) as raised:
        parse_request(body, ENVELOPE)
    assert raised.value.problem.param == param


def test_the_path_names_the_model():
    with pytest.raises(InvalidRequest, match="names no model"):
        parse_request(b"{}", Envelope())


@pytest.mark.parametrize(
    ("target", "address"),
    [
        (Target(model="amazon.nova-lite-v1:0"), "/model/amazon.nova-lite-v1%3A0/converse"),
        (
            Target(model="arn:aws:bedrock:us-east-1:1:inference-profile/us.x", is_stream=True),
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse-stream",
        ),
    ],
)
def test_addresses(target: Target, address: str):
    assert (DIALECT.address(target), DIALECT.headers(target, {})) == (address, ())
