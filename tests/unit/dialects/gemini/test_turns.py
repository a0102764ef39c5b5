"""Requests from other dialects, said in Gemini's words."""

import json
from base64 import b64encode

import pytest
from msgspec import Raw

from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import (
    Audio,
    CacheMark,
    Effort,
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
from headgate.dialects.gemini import parse_request, render_request

TARGET = Target(model="gemini-2.5-flash")
SKIP = "skip_thought_signature_validator"


def rendered(request: Request, model: str = "gemini-2.5-flash") -> tuple[dict[str, object], set[str]]:
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model=model), dropped)), dropped


def of(*messages: Message, **rest: object) -> Request:
    return Request(dialect="elsewhere", model="m", messages=messages, **rest)  # type: ignore[arg-type]


def user(*parts: object) -> Message:
    return Message(role="user", parts=parts)  # type: ignore[arg-type]


def test_leading_instructions_become_the_system_instruction():
    request = of(
        Message(role="system", parts=(Text(text="a"), Text(text="b"))),
        Message(role="developer", parts=(Text(text="c"),)),
        user(Text(text="hi")),
        Message(role="system", parts=(Text(text="later"),)),
    )

    body, dropped = rendered(request)

    assert body == {
        "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "user", "parts": [{"text": "later"}]},
        ],
    }
    assert dropped == {"messages.role"}


def test_instructions_alone_are_said_by_the_user():
    body, dropped = rendered(of(Message(role="system", parts=(Text(text="a"),))))

    assert body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}
    assert dropped == {"messages.role"}


def test_results_of_parallel_calls_share_a_turn_in_the_order_of_the_calls():
    request = of(
        user(Text(text="hi")),
        Message(
            role="assistant",
            parts=(
                Text(text=""),
                ToolCall(id="1", name="f", arguments='{"a": 1.0}'),
                ToolCall(id="2", name="g", arguments=""),
                ToolCall(id="3", name="h", arguments="not json"),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="2", parts=(Text(text="two"),)),)),
        Message(role="tool", parts=(ToolResult(call_id="1", parts=(Text(text='{"one": 1}'),)),)),
        Message(
            role="user",
            parts=(ToolResult(call_id="3", parts=(Text(text="bad"),), is_error=True), Text(text="and now?")),
        ),
    )

    body, dropped = rendered(request)

    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "1", "name": "f", "args": {"a": 1.0}}, "thoughtSignature": SKIP},
                {"functionCall": {"id": "2", "name": "g", "args": {}}},
                {"functionCall": {"id": "3", "name": "h", "args": {"input": "not json"}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": {"one": 1}}},
                {"functionResponse": {"id": "2", "name": "g", "response": {"result": "two"}}},
                {"functionResponse": {"id": "3", "name": "h", "response": {"error": "bad"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "and now?"}]},
    ]
    assert dropped == set()


def test_an_error_told_as_an_object_is_wrapped_once():
    call = Message(role="assistant", parts=(ToolCall(id="1", name="f"),))
    plain = ToolResult(call_id="1", parts=(Text(text='{"code": 1}'),), is_error=True)
    wrapped = ToolResult(call_id="1", parts=(Text(text='{"error": 1}'),), is_error=True)

    body, _ = rendered(of(call, Message(role="tool", parts=(plain, wrapped))))

    said = [part["functionResponse"]["response"] for part in body["contents"][1]["parts"]]  # type: ignore[index]
    assert said == [{"error": {"code": 1}}, {"error": 1}]


def test_a_result_without_its_call_is_refused():
    request = of(Message(role="tool", parts=(ToolResult(call_id="lost", parts=(Text(text="x"),)),)))

    with pytest.raises(InvalidRequest) as refused:
        rendered(request)

    assert refused.value.problem.param == "messages"


def test_pictures_in_results_go_inside_or_behind():
    call = Message(role="assistant", parts=(ToolCall(id="1", name="f"),))
    picture = Image(source=Inline("image/png", "AA=="))
    result = Message(role="tool", parts=(ToolResult(call_id="1", parts=(Text(text="see"), picture)),))
    blob = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    said = {"id": "1", "name": "f", "response": {"result": "see"}}

    older, _ = rendered(of(call, result), "gemini-2.5-flash")
    newer, _ = rendered(of(call, result), "gemini-3-pro-preview")

    assert older["contents"][1:] == [  # type: ignore[index]
        {"role": "user", "parts": [{"functionResponse": said}]},
        {"role": "user", "parts": [blob]},
    ]
    assert newer["contents"][1:] == [  # type: ignore[index]
        {"role": "user", "parts": [{"functionResponse": {**said, "parts": [blob]}}]}
    ]


def test_media_are_said():
    body, dropped = rendered(
        of(
            user(
                Image(source=Inline("image/png", "AA=="), detail="high"),
                Image(source=Link("https://example.com/a.JPG?x=1")),
                Audio(source=Inline("audio/wav", "AA==")),
                File(source=Inline("application/pdf", "AA=="), name="a.pdf", cache=CacheMark()),
                File(source=FileId("files/abc")),
            )
        )
    )

    assert body["contents"] == [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}},
                {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
                {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
                {"fileData": {"fileUri": "files/abc"}},
            ],
        }
    ]
    assert dropped == {"messages.detail", "messages.filename", "cache_control"}


@pytest.mark.parametrize(
    "request_",
    [
        of(user(File(source=FileId("file-123")))),
        of(user(Foreign(name="computer_screenshot", raw=Raw(b"{}"), is_feature=True))),
        of(Message(role="system", parts=(Image(source=Link("https://example.com/a.png")),))),
        of(
            user(Text(text="hi")),
            tools=(ServerTool(name="web_search", raw=Raw(b"{}")),),
            tool_choice=ToolChoice(mode="any"),
        ),
    ],
)
def test_features_that_gemini_has_not_are_refused(request_: Request):
    with pytest.raises(Unrenderable) as refused:
        rendered(request_)

    assert refused.value.problem.param in ("messages", "tools")


def test_tools_that_another_service_runs_are_dropped_by_name():
    body, dropped = rendered(of(user(Text(text="hi")), tools=(ServerTool(name="web_search", raw=Raw(b"{}")),)))

    assert ("tools" in body, dropped) == (False, {"tools.web_search"})


def test_foreign_parts_and_leftovers_are_reported():
    request = of(
        Message(
            role="user",
            name="Ann",
            parts=(Text(text="hi", extras={"citations": Raw(b"[]")}), Foreign(name="search_result", raw=Raw(b"{}"))),
            extras={"weight": Raw(b"1"), "refusal": Raw(b"null")},
        ),
        Message(role="assistant", parts=(Refused(text="no"),)),
        extras={"logit_bias": Raw(b"{}"), "metadata": Raw(b"null")},
        knobs=Knobs(user="u", parallel_tool_calls=False, seed=2**40, candidates=1),
    )

    body, dropped = rendered(request)

    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "no"}]}]
    }
    assert dropped == {
        "messages.name",
        "messages.weight",
        "messages.citations",
        "search_result",
        "logit_bias",
        "user",
        "parallel_tool_calls",
        "seed",
    }


def test_asking_for_words_is_nothing_to_report():
    body = b'{"contents": [], "generationConfig": {"responseModalities": ["TEXT"], "responseMimeType": "text/plain"}}'

    assert parse_request(body, Envelope(model="m")).extras == {}


def test_only_gemini_reads_its_signatures():
    request = of(
        Message(
            role="assistant",
            parts=(
                Reasoning(text="hm", signature=Signature("anthropic", "s")),
                Reasoning(signature=Signature("anthropic", "s"), is_redacted=True),
                Reasoning(text="aha", signature=Signature("gemini", "c2ln")),
                ToolCall(id="1", name="f", signature=Signature("gemini", "c2ln")),
            ),
        )
    )

    body, dropped = rendered(request)

    assert body["contents"] == [
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True},
                {"text": "aha", "thought": True, "thoughtSignature": "c2ln"},
                {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"},
            ],
        }
    ]
    assert dropped == {"reasoning.signature"}


@pytest.mark.parametrize("alphabet", ["standard", "url"])
def test_a_sealed_signature_finds_its_way_home(alphabet: str):
    sealed = b64encode(b"~hg.redacted.~hg.anthropic.???>>>").decode()
    assert "/" in sealed
    text = sealed.replace("+", "-").replace("/", "_") if alphabet == "url" else sealed
    parts = [{"text": "", "thought": True, "thoughtSignature": text}]
    body = json.dumps({"contents": [{"role": "model", "parts": parts}]}).encode()

    (message,) = parse_request(body, Envelope(model="m")).messages

    assert message.parts == (Reasoning(signature=Signature("anthropic", "???>>>"), is_redacted=True),)


@pytest.mark.parametrize("text", ["fmhnL!", "fmhnLmFudA==", "fmhnLv////8="])
def test_what_only_looks_sealed_is_gemini_s_own(text: str):
    parts = [{"text": "x", "thoughtSignature": text}]
    body = json.dumps({"contents": [{"role": "model", "parts": parts}]}).encode()

    (message,) = parse_request(body, Envelope(model="m")).messages

    assert isinstance(message.parts[0], Text)
    assert message.parts[0].signature is not None
    assert message.parts[0].signature.minted_by == "gemini"


def test_knobs_are_said():
    request = of(
        user(Text(text="hi")),
        knobs=Knobs(
            max_tokens=5,
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            stop=("a",),
            candidates=2,
            seed=1,
            presence_penalty=0.1,
            frequency_penalty=0.2,
            logprobs=True,
            top_logprobs=2,
            output_format=OutputFormat(schema=Raw(b'{"type":"object"}'), name="n", description="d", is_strict=True),
        ),
    )

    body, dropped = rendered(request)

    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "stopSequences": ["a"],
        "candidateCount": 2,
        "seed": 1,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
    }
    assert dropped == {"output_format.description"}


@pytest.mark.parametrize(
    ("model", "effort", "budget", "config", "dropped"),
    [
        ("gemini-2.5-flash", "none", None, {"thinkingBudget": 0}, set()),
        ("gemini-2.5-flash", "medium", None, {"thinkingBudget": 8192}, set()),
        ("gemini-2.5-flash", "max", None, {"thinkingBudget": 24576}, {"reasoning.effort"}),
        ("gemini-2.5-flash", None, 2000, {"thinkingBudget": 2000}, set()),
        ("gemini-2.5-flash", None, 60_000, {"thinkingBudget": 24576}, {"reasoning.budget_tokens"}),
        ("gemini-3-flash-preview", "none", None, {"thinkingLevel": "minimal"}, set()),
        ("gemini-3.1-pro-preview", "minimal", None, {"thinkingLevel": "low"}, set()),
        ("gemini-3-flash-preview", "xhigh", None, {"thinkingLevel": "high"}, {"reasoning.effort"}),
        ("gemini-3-flash-preview", None, 8000, {"thinkingLevel": "medium"}, set()),
    ],
)
def test_thinking_is_said_in_the_words_of_the_model(
    model: str, effort: Effort | None, budget: int | None, config: object, dropped: set[str]
):
    request = of(user(Text(text="hi")), knobs=Knobs(reasoning=ReasoningKnob(effort=effort, budget_tokens=budget)))

    body, seen = rendered(request, model)

    assert body["generationConfig"] == {"thinkingConfig": config}
    assert seen == dropped


def test_thinking_as_the_model_likes_is_not_said():
    body, _ = rendered(of(user(Text(text="hi")), knobs=Knobs(reasoning=ReasoningKnob())))

    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="any"), {"mode": "ANY"}),
        (ToolChoice(mode="tool", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tools_and_the_choice_are_said(choice: ToolChoice, config: object):
    tools = (
        Tool(name="f", description="d", parameters=Raw(b'{"type":"object"}'), is_strict=True),
        Tool(name="g", form="=new", cache=CacheMark()),
    )

    body, dropped = rendered(of(user(Text(text="hi")), tools=tools, tool_choice=choice))

    assert body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}},
                {"name": "g"},
            ]
        }
    ]
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert dropped == {"tools.strict", "cache_control"}


def test_a_choice_among_no_functions_is_not_said():
    body, dropped = rendered(of(user(Text(text="hi")), tool_choice=ToolChoice(mode="auto")))

    assert "toolConfig" not in body
    assert dropped == {"tool_choice"}


def test_what_was_added_at_home_is_said():
    body = b'{"systemInstruction": "a", "contents": [{"role": "user", "parts": [{"text": "hi"}]}]}'
    request = parse_request(body, Envelope(model="m"))
    added = Message(role="system", parts=(Text(text="b"),))
    more = Request(
        dialect="gemini",
        model="m",
        messages=(request.messages[0], added, *request.messages[1:]),
        knobs=Knobs(reasoning=ReasoningKnob(effort="low")),
        form=request.form,
    )

    out = json.loads(render_request(more, TARGET, set()))

    assert out["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert out["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 2048}}


def test_a_model_without_numbers_keeps_its_own_measure():
    request = of(user(Text(text="hi")), knobs=Knobs(reasoning=ReasoningKnob(is_visible=True)))

    body, _ = rendered(request, "gemini-3-flash-preview")

    assert body["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
