"""Realtime events are read for what they mean to the books, in the older and the newer names."""

import json
from typing import Any

import msgspec
import pytest

from headgate.core.problems import Outcome
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.realtime import (
    Begun,
    Ended,
    Heard,
    Session,
    Told,
    Wrong,
    read_event,
    session_update,
    with_model,
)

USAGE = {
    "total_tokens": 219,
    "input_tokens": 122,
    "output_tokens": 97,
    "input_token_details": {
        "text_tokens": 90,
        "audio_tokens": 26,
        "image_tokens": 6,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 50, "audio_tokens": 10, "image_tokens": 4},
    },
    "output_token_details": {"text_tokens": 28, "audio_tokens": 69, "reasoning_tokens": 3},
}


def read(kind: str, **members: Any):
    return read_event(json.dumps({"type": kind, "event_id": "e", **members}).encode())


def counts(usage: Usage | None) -> Usage | None:
    return None if usage is None else msgspec.structs.replace(usage, extras={})


def test_an_answer_is_followed_from_its_beginning_to_its_end():
    where = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    assert read("response.created", response={"id": "r", "status": "in_progress"}) == Begun("r")
    assert read("response.output_audio.delta", **where, delta="AAAA") == Told("r", audio_chars=4)
    assert read("response.audio.delta", **where, delta="") == Told("r", audio_chars=0)
    for kind in ("text", "output_text", "audio_transcript", "output_audio_transcript", "function_call_arguments"):
        assert read(f"response.{kind}.delta", **where, delta="word") == Told("r", text_chars=4)
    ended = read("response.done", response={"id": "r", "status": "completed", "usage": USAGE})
    assert isinstance(ended, Ended)
    assert (ended.response_id, ended.status, ended.reason) == ("r", "completed", "")
    assert counts(ended.usage) == Usage(
        input_tokens=122,
        cached_tokens=64,
        cached_audio_tokens=10,
        cached_image_tokens=4,
        output_tokens=97,
        reasoning_tokens=3,
        input_audio_tokens=26,
        output_audio_tokens=69,
        input_image_tokens=6,
    )
    assert ended.usage is not None
    assert {name: json.loads(bytes(raw)) for name, raw in ended.usage.extras.items()} == USAGE


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}])
def test_no_tokens_are_no_report(usage: object):
    assert read("response.done", response={"id": "r", "status": "completed", "usage": usage}) == Ended(
        "r", "completed", None
    )


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"type": "cancelled", "reason": "turn_detected"}, "turn_detected"),
        ({"type": "failed", "error": {"type": "x", "code": "quota", "message": None}}, "quota"),
        ({"type": "failed", "error": {"message": "broken", "code": "c"}}, "broken"),
        ({"type": "failed", "error": {}}, ""),
        ({"type": "failed"}, ""),
        ("completed", ""),
        (None, ""),
    ],
)
def test_why_an_answer_is_not_complete(details: object, reason: str):
    ended = read("response.done", response={"id": "r", "status": "failed", "status_details": details})
    assert ended == Ended("r", "failed", None, reason)


def test_what_is_missing_is_empty():
    assert read("response.created") == Begun("")
    assert read("response.done") == Ended("", "", None)
    assert read("response.done", response=None) == Ended("", "", None)
    assert read("error") == read("error", error=None)


def test_transcripts_are_told_in_tokens_or_in_seconds():
    kind = "conversation.item.input_audio_transcription.completed"
    heard = read(
        kind, item_id="i", usage={"type": "tokens", "input_tokens": 26, "output_tokens": 9, "total_tokens": 35}
    )
    assert isinstance(heard, Heard)
    assert counts(heard.usage) == Usage(input_tokens=26, output_tokens=9)
    assert read(kind, item_id="i", usage={"type": "duration", "seconds": 3}) == Heard("i", None, 3.0)
    assert read(kind, usage=None) == Heard("", None)


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (
            {"audio": {"input": {"transcription": {"model": "w"}}, "output": {"format": {"type": "audio/pcm"}}}},
            Session("w", "audio/pcm"),
        ),
        ({"audio": {"input": {"transcription": None}, "output": {"format": "pcm"}}}, Session("", "pcm")),
        ({"input_audio_transcription": {"model": "w"}, "output_audio_format": "g711_ulaw"}, Session("w", "g711_ulaw")),
        ({"audio": {"input": None, "output": {"format": None}}, "output_audio_format": None}, Session("", "")),
        (None, Session("", "")),
    ],
)
def test_a_session_tells_who_writes_down_and_how_it_sounds(session: object, expected: Session):
    for kind in ("session.created", "session.updated", "transcription_session.updated"):
        assert read(kind, session=session) == expected


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("invalid_request_error", Outcome.CLIENT), ("server_error", Outcome.SERVER), (None, Outcome.SERVER)],
)
def test_errors_are_kept_in_their_own_words(kind: str | None, outcome: Outcome):
    wrong = read("error", error={"type": kind, "code": "c", "message": "m", "param": "p"})
    assert isinstance(wrong, Wrong)
    problem = wrong.problem
    assert (problem.outcome, problem.code, problem.message, problem.param) == (outcome, "c", "m", "p")
    nameless = read("error", error={})
    assert isinstance(nameless, Wrong)
    assert nameless.problem.message


@pytest.mark.parametrize("kind", ["ping", "rate_limits.updated", "conversation.item.added", "of.tomorrow"])
def test_all_else_means_nothing(kind: str):
    assert read(kind, anything={"x": [1]}) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"type":1}', b'{"type":"response.done","response":7}', b"[" * 5000,
     b'{"type":"response.done","response":{"id":"r","usage":{"input_tokens":"x"}}}'],
)  # fmt: skip
def test_what_is_no_event_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        read_event(data)


def test_a_sessions_model_is_told_in_the_providers_words():
    asked = {"type": "session.update", "session": {"type": "realtime", "model": "voice", "tools": [{"x": 1.0}]}}
    told = with_model(json.dumps(asked).encode(), "voice", "gpt-realtime")
    asked["session"]["model"] = "gpt-realtime"  # type: ignore[index]
    assert json.loads(told) == asked
    for same in (
        b'{"type":"session.update","session":{"model":"other"}}',
        b'{"type":"session.update","session":{"model":7}}',
        b'{"type":"session.update","session":{"tools":["\\"model\\""]}}',
        b'{"type":"conversation.item.create","text":"\\"session \\"model\\""}',
        b'{"session","model"',
        b'{"session":7,"model"',
        b'{"type":"response.create"}',
    ):
        assert with_model(same, "voice", "gpt-realtime") == same


def test_what_headgate_itself_says():
    assert json.loads(session_update(msgspec.Raw(b'{"a": 1.0}'))) == {"type": "session.update", "session": {"a": 1.0}}
