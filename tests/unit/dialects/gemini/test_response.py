"""Whole answers of Gemini: read, and put back as they were."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.events import Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.gemini import parse_response, render_response

REPLY_TO = ReplyTo(id="call-1", model="asked")

TEXT = {"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}

LOSSLESS = {
    "least": {"candidates": [TEXT]},
    "full": {
        "candidates": [{**TEXT, "avgLogprobs": -0.1, "safetyRatings": [{"blocked": True}], "citationMetadata": {}}],
        "promptFeedback": {"safetyRatings": []},
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 4, "trafficType": "ON_DEMAND", "new": [1]},
        "modelVersion": "gemini-2.5-flash",
        "createTime": "2026-01-02T03:04:05.678Z",
        "responseId": "abc",
        "new": {"x": 1.50},
    },
    "parts": {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "a", "thought": True, "thoughtSignature": "c2ln"},
                        {"text": "b", "thought": False},
                        {"text": "c"},
                        {"text": ""},
                        {"functionCall": {"name": "f", "args": {}}},
                        {"functionCall": {"id": "1", "name": "f"}, "thoughtSignature": "c2ln"},
                        {"functionCall": {"name": "f", "args": None, "more": 1}},
                        {"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"},
                        {"thoughtSignature": "c2ln"},
                        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AA==", "displayName": "d"}},
                        {"text": 7},
                        {},
                    ]
                },
                "finishReason": "MALFORMED_FUNCTION_CALL",
            }
        ]
    },
    "odd": {
        "candidates": [
            {"content": {}, "index": 0, "finishReason": None},
            {"content": None, "finishReason": 2, "index": 1},
            {"content": {"parts": [], "role": "model"}},
            {"content": {"parts": None}, "groundingMetadata": None},
        ],
        "usageMetadata": None,
        "modelVersion": 3,
    },
    "blocked": {"promptFeedback": {"blockReason": "OTHER"}, "usageMetadata": {"promptTokenCount": 3}},
    "empty": {"candidates": [], "modelVersion": "m"},
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_an_answer_comes_back_as_it_was(name: str):
    dropped: set[str] = set()

    out = render_response(parse_response(json.dumps(LOSSLESS[name]).encode()), REPLY_TO, dropped)

    assert json.loads(out) == LOSSLESS[name]
    assert dropped == set()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("UNHEARD_OF", "other"),
        (1, "stop"),
        (3, "content_filter"),
        ([], "other"),
    ],
)
def test_reasons_are_read(told: object, reason: str):
    body = json.dumps({"candidates": [{**TEXT, "finishReason": told}]}).encode()

    assert fold(parse_response(body)).reason == reason


def test_when_and_by_whom_is_read():
    events = parse_response(json.dumps(LOSSLESS["full"]).encode())

    answer = fold(events)
    assert (answer.id, answer.model, answer.created) == ("abc", "gemini-2.5-flash", 1767323045)


@pytest.mark.parametrize(("told", "created"), [("2026-01-02T03:04:05", 1767323045), ("soon", 0)])
def test_a_time_is_read_if_it_is_one(told: str, created: int):
    assert fold(parse_response(json.dumps({"candidates": [TEXT], "createTime": told}).encode())).created == created


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[]", b"[1]", b"3", b"{}", b'{"predictions": []}', b"[" * 9999, b'{"candidates": '],
)
def test_what_is_no_answer_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        parse_response(body)


def test_an_error_in_an_answer_is_a_failure():
    (event,) = parse_response(b'{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}')

    assert isinstance(event, Failed)
    assert event.problem.outcome is Outcome.RATE


def test_a_list_of_chunks_is_read_as_one():
    body = json.dumps([{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, {"candidates": [TEXT]}]).encode()

    assert fold(parse_response(body)).text == "ahi"


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_malformed(body: bytes):
    with pytest.raises(Malformed):
        parse_response(body)


def test_an_answer_from_elsewhere_is_said():
    dropped: set[str] = set()
    events = [
        Started(dialect="elsewhere", id="", model="m", extras={"object": Raw(b'"x"')}),
        PartStarted(index=0, kind="reasoning", is_redacted=True),
        PartEnded(index=0, signature=Signature("anthropic", "s")),
        PartStarted(index=1, kind="refusal"),
        PartDelta(1, "no"),
        PartEnded(index=1),
        PartStarted(index=2, kind="audio", media_type="audio/wav"),
        PartDelta(2, "AA"),
        PartDelta(2, "=="),
        PartEnded(index=2),
        PartStarted(index=3, kind="text", choice=1),
        PartDelta(3, "other"),
        PartEnded(index=3),
        Opaque(name="logprobs", raw=Raw(b"{}"), dialect="elsewhere"),
        Finished(
            reason="refusal",
            more_reasons=("length",),
            usage=Usage(input_tokens=1, output_tokens=2, output_audio_tokens=1),
            wire_reason="refusal",
            extras={"native": Raw(b"1")},
        ),
    ]

    out = render_response(events, REPLY_TO, dropped)

    assert json.loads(out) == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {
                            "text": "",
                            "thought": True,
                            "thoughtSignature": "fmhnLnJlZGFjdGVkLn5oZy5hbnRocm9waWMucw==",
                        },
                        {"text": "no"},
                        {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
                    ],
                    "role": "model",
                },
                "finishReason": "SAFETY",
                "index": 0,
            },
            {
                "content": {"parts": [{"text": "other"}], "role": "model"},
                "finishReason": "MAX_TOKENS",
                "index": 1,
            },
        ],
        "usageMetadata": {
            "promptTokenCount": 1,
            "candidatesTokenCount": 2,
            "totalTokenCount": 3,
            "candidatesTokensDetails": [
                {"modality": "TEXT", "tokenCount": 1},
                {"modality": "AUDIO", "tokenCount": 1},
            ],
        },
        "modelVersion": "m",
        "responseId": "call-1",
    }
    assert dropped == {"logprobs"}


def test_a_failed_answer_is_an_error():
    out = render_response([Failed(Problem(kind="upstream", message="m"))], REPLY_TO, set())

    assert json.loads(out) == {"error": {"code": 502, "message": "m", "status": "UNAVAILABLE"}}
