"""Requests of Gemini: read, judged, and put back as they were."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Link,
    Message,
    OutputFormat,
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
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.gemini import address, parse_request, patch, peek, render_request
from headgate.dialects.gemini.wire import refusal

ENVELOPE = Envelope(model="gemini-2.5-flash", is_stream=True)
TARGET = Target(model="gemini-2.5-flash", is_stream=True)

HI = {"role": "user", "parts": [{"text": "hi"}]}

LOSSLESS = {
    "least": {"contents": [HI]},
    "no role": {"contents": [{"parts": [{"text": "hi"}]}]},
    "no contents": {"contents": []},
    "no parts": {"contents": [{"role": "user"}, {"role": "user", "parts": []}]},
    "single objects": {
        "contents": {"role": "user", "parts": {"text": "hi"}},
        "systemInstruction": {"parts": {"text": "be kind"}},
        "tools": {"functionDeclarations": {"name": "f"}},
    },
    "system text": {"contents": [HI], "system_instruction": "be kind"},
    "odd roles": {
        "contents": [
            {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
            {"role": "x"},
        ],
        "systemInstruction": {"role": "system", "parts": [{"text": "a"}, {"text": "b"}]},
    },
    "snake case": {
        "system_instruction": {"parts": [{"text": "s"}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inline_data": {"mime_type": "image/png", "data": "AA=="}},
                    {"file_data": {"mime_type": "application/pdf", "file_uri": "https://example.com/a.pdf"}},
                ],
            },
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {}}, "thought_signature": "c2ln"}]},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"result": "x"}}}]},
        ],
        "tools": [{"function_declarations": [{"name": "f", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "any", "allowed_function_names": ["f", "g"]}},
        "generation_config": {
            "max_output_tokens": 9,
            "stop_sequences": ["a"],
            "response_mime_type": "application/json",
            "response_schema": {"type": "OBJECT", "nullable": True},
            "thinking_config": {"thinking_budget": -1, "include_thoughts": True},
        },
    },
    "both spellings": {"contents": [HI], "systemInstruction": None, "system_instruction": {"parts": []}},
    "thoughts": {
        "contents": [
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    {"text": "yes", "thought": False, "thoughtSignature": "c2ln"},
                    {"thoughtSignature": "c2ln"},
                    {"thought": True, "thoughtSignature": "c2ln"},
                ],
            }
        ]
    },
    "calls": {
        "contents": [
            {
                "role": "model",
                "parts": [
                    {"functionCall": {"id": "a", "name": "f", "args": {"x": 1.50}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "f"}},
                    {"functionCall": {"name": "g", "args": None}, "thought": False},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "b", "name": "g", "response": {"a": 1, "b": None}}},
                    {"functionResponse": {"id": "a", "name": "f", "response": {"error": "no"}, "willContinue": True}},
                    {
                        "functionResponse": {
                            "name": "f",
                            "response": {"output": {"deep": []}},
                            "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA==", "displayName": "p"}}],
                        }
                    },
                    {"functionResponse": {"name": "nobody asked"}},
                    {"text": "well?"},
                ],
            },
        ]
    },
    "other parts": {
        "contents": [
            {
                "role": "model",
                "parts": [
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                    {"fileData": {"fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 0.2}},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "c2ln"},
                    {},
                ],
            }
        ]
    },
    "odd media": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"data": "AA=="}},
                    {"inlineData": {"mimeType": "audio/wav"}, "thought": False},
                    {"fileData": {"mimeType": "audio/mpeg"}, "mediaResolution": {"level": "LOW"}},
                    {"functionResponse": {"name": "f", "response": {}, "parts": {"newKind": {}}}, "thought": False},
                    {"functionResponse": {"name": "f", "parts": [{"fileData": {"fileUri": "https://example.com/a"}}]}},
                ],
            }
        ]
    },
    "tools": {
        "contents": [HI],
        "tools": [
            {"functionDeclarations": [{"name": "a", "description": ""}, {"name": "b", "behavior": "BLOCKING"}]},
            {"functionDeclarations": [{"name": "c", "parameters": {"type": "OBJECT"}}], "codeExecution": None},
            {"googleSearch": {}},
            {"functionDeclarations": [{"name": "d", "parameters": {"type": "object"}}], "urlContext": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": True},
    },
    "no tools": {"contents": [HI], "tools": [], "toolConfig": {}, "generationConfig": {}},
    "nulls": {"contents": [HI], "tools": None, "toolConfig": None, "generationConfig": None, "safetySettings": None},
    "knobs": {
        "contents": [HI],
        "generationConfig": {
            "temperature": 0,
            "topP": 0.5,
            "topK": 40.0,
            "candidateCount": 2,
            "seed": 7,
            "presencePenalty": 1,
            "frequencyPenalty": -1.5,
            "responseLogprobs": True,
            "logprobs": 5,
            "stopSequences": "END",
            "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": ["a"]},
            "thinkingConfig": {"thinkingLevel": "HIGH", "more": 1},
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "1:1"},
            "nothing": None,
        },
        "safetySettings": [{"category": 10, "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
        "labels": {"team": "a"},
        "unknown": [1],
    },
    "plain text": {
        "contents": [HI],
        "generationConfig": {"responseMimeType": "text/plain", "response_modalities": ["TEXT"]},
    },
    "other mime": {"contents": [HI], "generationConfig": {"response_mime_type": "text/x.enum"}},
    "schema alone": {"contents": [HI], "generationConfig": {"responseJsonSchema": {"type": "object"}}},
    "named model": {"contents": [HI], "model": "models/gemini-2.5-flash"},
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_request_comes_back_as_it_was(name: str):
    body = json.dumps(LOSSLESS[name]).encode()
    dropped: set[str] = set()

    out = render_request(parse_request(body, ENVELOPE), TARGET, dropped)

    assert json.loads(out) == LOSSLESS[name]
    assert dropped == set()


def test_turns_are_read():
    body = json.dumps(
        {
            "systemInstruction": {"parts": [{"text": "be kind"}]},
            "contents": [
                {
                    "role": "user",
                    "parts": [
                        {"text": "see"},
                        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
                        {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
                    ],
                },
                {
                    "role": "model",
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"functionCall": {"name": "look up", "args": {"q": 1}}, "thoughtSignature": "c2ln"},
                        {"executableCode": {"code": "1"}},
                    ],
                },
                {"role": "user", "parts": [{"functionResponse": {"name": "look up", "response": {"result": "found"}}}]},
            ],
        }
    ).encode()

    messages = parse_request(body, ENVELOPE).messages

    assert messages == (
        Message(role="system", parts=(Text(text="be kind"),)),
        Message(
            role="user",
            parts=(
                Text(text="see"),
                Image(source=Inline("image/png", "AA==")),
                File(source=Link("https://example.com/a.pdf", "application/pdf")),
                Image(source=FileId("gs://bucket/a.png", "image/png")),
            ),
        ),
        Message(
            role="assistant",
            parts=(
                Reasoning(text="hm"),
                ToolCall(
                    id="call_0_look_up",
                    name="look up",
                    arguments='{"q":1}',
                    signature=Signature("gemini", "c2ln"),
                    form="=noid",
                ),
                Foreign(name="executableCode", raw=Raw(b'{"executableCode": {"code": "1"}}')),
            ),
        ),
        Message(
            role="tool",
            parts=(
                ToolResult(
                    call_id="call_0_look_up",
                    name="look up",
                    parts=(Text(text="found"),),
                    form='=noid\x1f=in:"result"',
                ),
            ),
        ),
    )


def test_results_are_matched_by_id_then_by_name_and_order():
    call = [
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "g"}},
        {"functionCall": {"name": "f", "id": "z"}},
    ]
    answer = [
        {"functionResponse": {"name": "f", "id": "z", "response": {}}},
        {"functionResponse": {"name": "g", "response": {}}},
        {"functionResponse": {"name": "f", "id": "other", "response": {}}},
    ]
    body = json.dumps({"contents": [{"role": "model", "parts": call}, {"role": "user", "parts": answer}]}).encode()

    calls, results = parse_request(body, ENVELOPE).messages

    assert [part.id for part in calls.parts if isinstance(part, ToolCall)] == ["call_0_f", "call_1_g", "z"]
    assert [part.call_id for part in results.parts if isinstance(part, ToolResult)] == ["z", "call_1_g", "call_0_f"]


def test_an_error_result_is_known():
    parts = [{"functionResponse": {"name": "f", "response": {"error": "no"}}}]
    body = json.dumps({"contents": [{"role": "user", "parts": parts}]}).encode()

    (message,) = parse_request(body, ENVELOPE).messages

    assert message.parts == (
        ToolResult(call_id="call_0_f", name="f", parts=(Text(text="no"),), is_error=True, form='=noid\x1f=in:"error"'),
    )


def test_knobs_are_read():
    config = {
        "maxOutputTokens": 5,
        "topK": 3.0,
        "stopSequences": ["a", "b"],
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
    }
    body = json.dumps({"contents": [HI], "generationConfig": config}).encode()

    knobs = parse_request(body, ENVELOPE).knobs

    assert (knobs.max_tokens, knobs.top_k, knobs.stop) == (5, 3, ("a", "b"))
    assert (knobs.logprobs, knobs.top_logprobs) == (True, 2)
    assert knobs.output_format == OutputFormat(schema=Raw(b'{"type": "object"}'))
    assert knobs.reasoning == ReasoningKnob(budget_tokens=1024, is_visible=True, form="=budget:1024")


@pytest.mark.parametrize(
    ("config", "effort", "budget"),
    [
        ({"thinkingBudget": 0}, "none", None),
        ({"thinkingBudget": -1}, None, None),
        ({"thinkingLevel": "low"}, "low", None),
        ({"thinkingLevel": "HIGH"}, "high", None),
        ({"thinkingLevel": 4}, "minimal", None),
        ({"thinkingLevel": "UNHEARD_OF"}, None, None),
    ],
)
def test_thinking_is_read(config: dict[str, object], effort: str | None, budget: int | None):
    body = json.dumps({"contents": [HI], "generationConfig": {"thinkingConfig": config}}).encode()

    knob = parse_request(body, ENVELOPE).knobs.reasoning

    assert knob is not None
    assert (knob.effort, knob.budget_tokens) == (effort, budget)
    out = render_request(parse_request(body, ENVELOPE), TARGET, set())
    assert json.loads(out)["generationConfig"]["thinkingConfig"] == config


def test_tools_are_read_with_schemas_as_json_schema():
    schema = {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING", "nullable": True, "maxLength": "5"}},
        "propertyOrdering": ["a"],
    }
    tools = [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": schema}]}, {"googleSearch": {}}]
    body = json.dumps({"contents": [HI], "tools": tools}).encode()

    function, search = parse_request(body, ENVELOPE).tools

    assert isinstance(function, Tool)
    assert (function.name, function.description) == ("f", "d")
    assert json.loads(bytes(function.parameters or b"")) == {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "maxLength": 5}},
    }
    assert search == ServerTool(name="googleSearch", raw=Raw(b'{"googleSearch": {}}'))


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto")),
        ({"mode": "NONE"}, ToolChoice(mode="none")),
        ({"mode": "ANY"}, ToolChoice(mode="any")),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, ToolChoice(mode="tool", name="f")),
        ({"mode": 2}, ToolChoice(mode="any", form="=mode:2")),
        ({"mode": "VALIDATED"}, ToolChoice(mode="auto", form='=mode:"VALIDATED"')),
        ({}, ToolChoice(mode="auto", form="=nomode")),
    ],
)
def test_the_choice_is_read(config: dict[str, object], choice: ToolChoice):
    body = json.dumps({"contents": [HI], "toolConfig": {"functionCallingConfig": config}}).encode()

    assert parse_request(body, ENVELOPE).tool_choice == choice


REFUSED = {
    b"": None,
    b"nope": None,
    b"[]": None,
    b'"text"': None,
    b"{}": "contents",
    b'{"contents": NaN}': None,
    b'{"contents": null}': "contents",
    b'{"contents": "hi"}': "contents",
    b'{"contents": [1]}': "contents[0]",
    b'{"contents": [{"parts": "hi"}]}': "contents[0].parts",
    b'{"contents": [{"parts": ["hi"]}]}': "contents[0].parts[0]",
    b'{"contents": [{"parts": [{"text": 1}]}]}': "contents[0].parts[0].text",
    b'{"contents": [{"role": 1}]}': "contents[0].role",
    b'{"contents": [], "generationConfig": {"temperature": "hot"}}': "generationConfig.temperature",
    b'{"contents": [], "generation_config": {"top_k": 1.5}}': "generation_config.top_k",
    b'{"contents": [], "generationConfig": {"maxOutputTokens": 1e300}}': "generationConfig.maxOutputTokens",
    b'{"contents": [], "tools": [{"functionDeclarations": [{}]}]}': "tools[0].functionDeclarations[0].name",
    b'{"contents": {"parts": {"functionCall": {"name": "f", "args": 1}}}}': "contents.parts.functionCall.args",
    b'{"contents": [], "x": "\xff"}': None,
    b'{"contents": ' + b"[" * 100 + b"]" * 100 + b"}": None,
}


def test_a_broken_escape_where_no_check_looks_is_refused():
    parameters = b'{"type": "OBJECT", "title": "\\ud800"}'
    body = b'{"contents": [], "tools": [{"functionDeclarations": [{"name": "f", "parameters": %b}]}]}' % parameters

    with pytest.raises(InvalidRequest):
        parse_request(body, ENVELOPE)


@pytest.mark.parametrize("body", REFUSED, ids=[repr(body[:60]) for body in REFUSED])
def test_what_is_not_a_request_is_refused(body: bytes):
    with pytest.raises(InvalidRequest) as parsed:
        parse_request(body, ENVELOPE)
    with pytest.raises(InvalidRequest) as peeked:
        peek(body, ENVELOPE)

    assert parsed.value.problem == peeked.value.problem
    assert parsed.value.problem.param == REFUSED[body]


def test_a_refusal_says_what_is_wanted():
    with pytest.raises(InvalidRequest) as refused:
        peek(b'{"contents": [], "generationConfig": {"temperature": "hot"}}', ENVELOPE)

    assert refused.value.problem.message == "`generationConfig.temperature` must be a number or null, not a string."


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("Object missing required field `contents`", "`contents` is missing; it is required."),
        ("Expected `object`, got `array`", "The request body must be an object, not a list."),
        ("Expected `float` <= 9 - at `$.a[0].b`", "`a[0].b` must be a whole number."),
        ("Expected `str | object` - at `$.a`", "`a` must be a string or an object."),
        ("Something new - at `$.a`", "`a` is not valid: Something new."),
    ],
)
def test_the_decoder_s_words_become_ours(told: str, message: str):
    assert refusal(told).problem.message == message


def test_a_request_needs_a_model():
    with pytest.raises(InvalidRequest) as refused:
        peek(b'{"contents": []}', Envelope())

    assert refused.value.problem.param == "model"


NAMES = """
contents parts text role functionCall functionResponse response args name id tools functionDeclarations
parameters generationConfig stopSequences responseSchema thought thoughtSignature inlineData data
toolConfig systemInstruction type topK
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES.split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(JSON, st.booleans())
def test_any_json_is_read_or_refused(value: object, is_wrapped: bool):
    whole = {"contents": value} if is_wrapped else value
    body = json.dumps(whole).encode()
    try:
        peek(body, ENVELOPE)
    except InvalidRequest:
        with pytest.raises(InvalidRequest):
            parse_request(body, ENVELOPE)
        return
    assert isinstance(whole, dict)
    assert json.loads(render_request(parse_request(body, ENVELOPE), TARGET, set())).keys() == whole.keys()


def test_peek_tells_the_head():
    body = b'{"contents": [], "generation_config": {"max_output_tokens": 7}}'

    head = peek(body, Envelope(model="models/gemini-2.5-pro", is_stream=False))

    assert head == Head(model="gemini-2.5-pro", is_stream=False, max_tokens=7)


def test_patch_leaves_the_bytes_alone():
    body = b'{ "contents": [{"role":"model"}] }'

    assert patch(body, TARGET) is body


def test_patch_renames_the_model_of_a_body_that_names_it():
    body = b'{"model": "models/fast", "contents": [ 1.50 ]}'

    assert patch(body, TARGET) == b'{"model":"models/gemini-2.5-flash","contents":[ 1.50 ]}'
    assert patch(b'{"model": "gemini-2.5-flash"}', TARGET) == b'{"model": "gemini-2.5-flash"}'


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target(model="gemini-2.5-pro"), "/models/gemini-2.5-pro:generateContent"),
        (Target(model="models/a b", is_stream=True), "/models/a%20b:streamGenerateContent?alt=sse"),
        (Target(model="tunedModels/mine"), "/tunedModels/mine:generateContent"),
    ],
)
def test_model_and_verb_are_in_the_path(target: Target, path: str):
    assert address(target) == path
