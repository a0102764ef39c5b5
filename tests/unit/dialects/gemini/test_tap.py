import json
from typing import Any

import pytest
from msgspec import structs

from headgate.core.events import Finished
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.gemini import DIALECT
from headgate.dialects.gemini.tap import tap

USAGE: dict[str, Any] = {
    "promptTokenCount": 10,
    "toolUsePromptTokenCount": 2,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 20,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
}
CANDIDATE: dict[str, Any] = {
    "content": {"parts": [{"text": "Hi."}], "role": "model"},
    "finishReason": "STOP",
    "index": 0,
}
CALL = {"functionCall": {"name": "f", "args": {}}}
ANSWER = {"candidates": [CANDIDATE], "usageMetadata": USAGE, "modelVersion": "gemini", "responseId": "r"}


def of(**members: Any) -> dict[str, Any]:
    return {"candidates": [{**CANDIDATE, **members}]}


ORDINARY: list[dict[str, Any]] = [
    {},
    of(finishReason="MAX_TOKENS"),
    of(finishReason="SAFETY", safetyRatings=[]),
    of(content={"parts": [{"text": "Wait."}, CALL], "role": "model"}),
    of(finishReason="MAX_TOKENS", content={"parts": [CALL]}),
    of(content={}),
    {"candidates": [{"finishReason": "STOP"}]},
    {"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}},
    {"usageMetadata": {**USAGE, "serviceTier": "standard"}},
]
ODD: list[dict[str, Any]] = [
    of(finishReason=None),
    of(finishReason=1),
    of(finishReason="BORED"),
    of(content=None),
    of(content={"parts": [{"text": "a", **CALL}]}),
    of(content={"parts": [{"functionCall": []}]}),
    of(groundingMetadata={"webSearchQueries": ["a", "b"]}),
    of(index=1),
    {"candidates": [CANDIDATE, CANDIDATE]},
    {"candidates": []},
    {"candidates": [], "promptFeedback": {"blockReason": "SAFETY"}},
    {"candidates": None, "error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}},
    {"usageMetadata": None},
    {"usageMetadata": {**USAGE, "candidatesTokenCount": 8}},
    {"usageMetadata": {**USAGE, "serviceTier": "priority"}},
    {"usageMetadata": {**USAGE, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}]}},
    {"usageMetadata": {**USAGE, "newTokenCount": 1}},
]


def answer(**changes: Any) -> bytes:
    return json.dumps({**ANSWER, **changes}).encode()


def end(body: bytes) -> object:
    """The last event of the whole reading, without what the tap need not tell."""
    last = DIALECT.parse_response(body)[-1]
    if not isinstance(last, Finished):
        return last
    return structs.replace(last, extras={}, usage=bare(last.usage))


def bare(usage: Usage | None) -> Usage | None:
    return usage and structs.replace(usage, extras={})


def tapped(body: bytes) -> object:
    event = tap(body)
    return structs.replace(event, extras={}, usage=bare(event.usage)) if isinstance(event, Finished) else event


def test_an_ordinary_answer_ends_as_it_says():
    assert tap(answer()) == Finished(
        reason="stop",
        wire_reason="STOP",
        usage=Usage(input_tokens=12, cached_tokens=4, output_tokens=8, reasoning_tokens=5),
    )


def test_the_dialect_has_it():
    assert DIALECT.tap is tap


@pytest.mark.parametrize("changes", ORDINARY + ODD, ids=str)
def test_the_end_is_that_of_the_whole_reading(changes: dict[str, Any]):
    assert tapped(answer(**changes)) == end(answer(**changes))


@pytest.mark.parametrize("changes", ORDINARY, ids=str)
def test_ordinary_answers_are_not_read_whole(changes: dict[str, Any]):
    event = tap(answer(**changes))

    assert isinstance(event, Finished)
    assert event.usage is not None
    assert event.usage.extras == {}  # the whole reading keeps what the wire said


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff"])
def test_what_is_no_answer_is_refused(body: bytes):
    with pytest.raises(Malformed):
        tap(body)
