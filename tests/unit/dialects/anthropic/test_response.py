"""Whole answers, read and written."""

import json

import pytest
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started, StopReason
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.anthropic import parse_response, render_response
from headgate.dialects.base import Malformed, ReplyTo

REPLY_TO = ReplyTo(id="call_9", model="route-a")


def rendered(events: list[Event]) -> tuple[dict, set[str]]:
    dropped: set[str] = set()
    return json.loads(render_response(events, REPLY_TO, dropped)), dropped


def test_an_answer_comes_back_as_it_was(whole: bytes):
    out, dropped = rendered(parse_response(whole))
    assert out == json.loads(whole)
    assert dropped == set()


@pytest.mark.parametrize(
    "more",
    [
        {"usage": None},
        {"stop_reason": "stop_sequence", "stop_sequence": "END"},
        {"stop_reason": "unheard_of", "unheard_of": {"x": None}},
        {"stop_reason": None},
        {"content": [{"type": "text", "text": "", "citations": None}]},
        {"content": [{"type": "thinking", "thinking": "", "signature": "S"}, {"type": "thinking", "thinking": "x"}]},
        {"content": [{"type": "hologram", "x": 1}, {"type": "text", "text": "a"}, {"type": "hologram", "x": 2}]},
    ],
)
def test_every_spelling_comes_back(more: dict[str, object]):
    body = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "c",
        "content": [],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
        **more,
    }
    out, dropped = rendered(parse_response(json.dumps(body).encode()))
    assert out == body
    assert dropped == set()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("stop_sequence", "stop_sequence"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("brand_new", "other"),
    ],
)
def test_why_an_answer_ended(word: str, reason: StopReason):
    body = json.dumps({"content": [], "stop_reason": word}).encode()
    assert fold(parse_response(body)).reason == reason


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff"])
def test_what_is_no_answer_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        parse_response(body)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', Outcome.OVERLOAD),
        (b'{"error":"words"}', Outcome.SERVER),
        (b"{}", Outcome.PROTOCOL),
    ],
)
def test_an_error_with_status_200(body: bytes, outcome: Outcome):
    (failed,) = parse_response(body)
    assert isinstance(failed, Failed)
    assert failed.problem.outcome is outcome


def test_members_of_other_types_do_no_harm():
    body = (
        b'{"id":5,"model":null,"content":[null,3,{"type":"text","text":null},{"type":"tool_use"}],'
        b'"usage":[],"stop_reason":7}'
    )
    answer = fold(parse_response(body))
    assert (answer.id, answer.model, answer.reason, answer.text) == ("", "", "other", "")


def test_an_answer_of_another_dialect():
    out, dropped = rendered(
        [
            Started(id="chat_1", model="m", dialect="elsewhere", extras={"fingerprint": Raw(b"1")}),
            PartStarted(index=0, kind="reasoning"),
            PartDelta(0, "Hm."),
            PartEnded(index=0, signature=Signature("elsewhere", "S")),
            PartStarted(index=1, kind="text", form="citations"),
            PartDelta(1, "Wet."),
            Opaque(name="logprobs", raw=Raw(b"[]"), dialect="elsewhere", index=1),
            PartEnded(index=1),
            PartStarted(index=2, kind="tool_call", id="call/1", name="weather"),
            PartDelta(2, '{"city":'),
            PartDelta(2, '"Bonn"}'),
            PartEnded(index=2, signature=Signature("gemini", "G")),
            PartStarted(index=3, kind="image", media_type="image/png"),
            PartEnded(index=3),
            PartStarted(index=4, kind="text", choice=1),
            PartEnded(index=4),
            Opaque(name="grounding", raw=Raw(b"{}"), dialect="elsewhere"),
            Finished(
                reason="tool_calls",
                wire_reason="tool_calls",
                usage=Usage(
                    input_tokens=20,
                    cached_tokens=5,
                    cache_write_tokens=3,
                    cache_write_1h_tokens=1,
                    output_tokens=7,
                    reasoning_tokens=2,
                    web_searches=1,
                    extras={"prompt_tokens": Raw(b"20")},
                ),
            ),
        ]
    )
    call_id = out["content"][3]["id"]
    assert out == {
        "id": "chat_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "~hg.elsewhere.S"},
            {"type": "text", "text": "Wet."},
            {"type": "thinking", "thinking": "", "signature": "~hg.gemini.next:G"},
            {"type": "tool_use", "id": call_id, "name": "weather", "input": {"city": "Bonn"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 3,
            "cache_read_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 2},
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        },
    }
    assert call_id.startswith("call_1_")
    assert dropped == {"logprobs", "image", "choices", "grounding"}


def test_the_rest_of_what_another_dialect_may_answer():
    out, dropped = rendered(
        [
            Started(dialect="elsewhere"),
            PartStarted(index=0, kind="reasoning"),
            PartEnded(index=0),
            PartStarted(index=1, kind="reasoning", is_redacted=True),
            PartEnded(index=1, signature=Signature("anthropic", "D")),
            PartStarted(index=2, kind="text"),
            PartEnded(index=2, signature=Signature("gemini", "S")),
            PartStarted(index=3, kind="refusal"),
            PartDelta(3, "No."),
            PartEnded(index=3, signature=Signature("gemini", "T")),
            PartStarted(index=4, kind="tool_call", id="c", name="f", is_custom=True),
            PartDelta(4, "free"),
            PartEnded(index=4),
            Finished(reason="content_filter"),
        ]
    )
    assert out["content"] == [
        {"type": "redacted_thinking", "data": "D"},
        {"type": "thinking", "thinking": "", "signature": "~hg.gemini.next:T"},
        {"type": "text", "text": "No."},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"input": "free"}},
    ]
    assert out["stop_reason"] == "refusal"
    assert dropped == {"reasoning.signature"}


def test_a_failed_answer_is_told_as_an_error():
    out, _ = rendered([Started(), Failed(Problem(kind="timeout", message="late"))])
    assert out == {"type": "error", "error": {"type": "timeout_error", "message": "late"}}


def test_what_the_upstream_did_not_tell_is_ours():
    out, _ = rendered([Started(), Finished(reason="stop")])
    assert (out["id"], out["model"]) == ("call_9", "route-a")
    assert out["usage"] == {"input_tokens": 0, "output_tokens": 0}
