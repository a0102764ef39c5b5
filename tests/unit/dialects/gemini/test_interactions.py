"""Google's interactions: what is read of requests, and what answers of either form tell."""

import json
from typing import Any

import pytest

from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.gemini.interactions import INTERACTIONS, InteractionTap
from headgate.dialects.side import Asked, Kept, Sent

ASKED = Asked(model="m", measured=Usage(input_tokens=1, is_estimated=True))
TOLD: dict[str, Any] = {"id": "v1_a", "object": "interaction", "status": "completed", "model": "m"}
USAGE = {
    "total_tokens": 110,
    "total_input_tokens": 50,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 20}, {"modality": "AUDIO", "tokens": 30}, {}],
    "total_cached_tokens": 10,
    "cached_tokens_by_modality": [{"modality": "audio", "tokens": 4}],
    "total_output_tokens": 40,
    "output_tokens_by_modality": [{"modality": "image", "tokens": 25}],
    "total_thought_tokens": 15,
    "total_tool_use_tokens": 5,
}
USED = Usage(
    input_tokens=55,
    cached_tokens=10,
    output_tokens=55,
    reasoning_tokens=15,
    input_audio_tokens=30,
    output_image_tokens=25,
    cached_audio_tokens=4,
)


def sent(**members: Any) -> Sent:
    return Sent(body=json.dumps(members).encode(), envelope=Envelope())


def stream(*events: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def heard(data: bytes) -> InteractionTap:
    tap = InteractionTap()
    tap.feed(data)
    tap.feed(b"")
    return tap


def test_a_request():
    body = sent(model="m", input="hello", stream=True, previous_interaction_id="v1_b", store=True, future=[1])
    asked = INTERACTIONS.peek(body)

    assert (asked.model, asked.is_stream, asked.refers, asked.format) == ("m", True, ("v1_b",), "")
    assert asked.measured.is_estimated
    assert INTERACTIONS.address(asked, Target(model="n")) == "/interactions"
    there = json.loads(INTERACTIONS.patch(body, asked, Target(model="n")))
    assert there == {**json.loads(body.body), "model": "n"}
    assert INTERACTIONS.patch(body, asked, Target(model="m")) == body.body


def test_an_agent_stands_in_the_models_place():
    body = sent(agent="deep", input=[{"type": "text", "text": "hello"}], background=True)
    asked = INTERACTIONS.peek(body)

    assert (asked.model, asked.is_stream, asked.refers) == ("deep", False, ())
    there = json.loads(INTERACTIONS.patch(body, asked, Target(model="deeper")))
    assert there == {**json.loads(body.body), "agent": "deeper"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": "x"}, "model"),
        ({"model": "m"}, "input"),
        ({"model": "m", "input": None}, "input"),
        ({"model": "m", "input": 5}, "input"),
        ({"model": "m", "agent": "a", "input": "x"}, "agent"),
        ({"model": 5, "input": "x"}, "model"),
        ({"model": "m", "input": "x", "stream": "yes"}, "stream"),
        ({"model": "m", "input": "x", "store": 1}, "store"),
        ({"model": "m", "input": "x", "background": 1}, "background"),
        ({"model": "m", "input": "x", "previous_interaction_id": 1}, "previous_interaction_id"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_request(members: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as caught:
        INTERACTIONS.peek(sent(**members))

    assert caught.value.problem.param == param


@pytest.mark.parametrize(
    ("members", "usage"),
    [
        ({"usage": USAGE}, USED),
        (
            {"usage": {"total_input_tokens": 3, "total_reasoning_tokens": 2}},
            Usage(input_tokens=3, output_tokens=2, reasoning_tokens=2),
        ),
        ({"usage": {"total_output_tokens": 3}, "service_tier": "flex"}, Usage(output_tokens=3, tier="flex")),
        ({}, None),
        ({"usage": {"total_tokens": 0}}, None),
        ({"status": "in_progress"}, Usage()),
    ],
)
def test_a_whole_answer(members: dict[str, Any], usage: Usage | None):
    assert INTERACTIONS.read(json.dumps({**TOLD, **members}).encode(), "application/json", ASKED) == usage


def test_what_is_kept():
    assert INTERACTIONS.kept is not None
    assert INTERACTIONS.kept(json.dumps(TOLD).encode()) == Kept("v1_a", is_pending=False)
    assert INTERACTIONS.kept(json.dumps({**TOLD, "status": "in_progress"}).encode()) == Kept("v1_a", is_pending=True)
    assert INTERACTIONS.kept(json.dumps({**TOLD, "id": ""}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"status": 5}'])
def test_no_answer(body: bytes):
    with pytest.raises(Malformed):
        INTERACTIONS.read(body, "application/json", ASKED)


STEPS = (
    {"event_type": "interaction.created", "interaction": {"id": "v1_a", "status": "in_progress"}},
    {"event_type": "interaction.status_update", "interaction_id": "v1_a", "status": "in_progress"},
    {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}},
    {"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "hello"}},
    {"event_type": "step.delta", "index": 0, "delta": {"type": "arguments_delta", "arguments": "{}"}},
    {"event_type": "step.delta", "index": 0, "delta": {"type": "thought_signature", "signature": "x"}},
    {"event_type": "step.delta", "index": 0},
)
DONE = {"event_type": "interaction.completed", "interaction": {**TOLD, "usage": USAGE}}


def test_a_stream():
    tap = heard(stream(*STEPS, DONE) + b"event: done\ndata: [DONE]\n\n")

    assert (tap.is_finished, tap.is_over, tap.failed, tap.events) == (True, True, None, 9)
    assert (tap.usage, tap.chars) == (USED, len("hello") + len('"{}"'))
    assert tap.kept == Kept("v1_a", is_pending=False)


def test_a_stream_of_the_former_form():
    told = [{**event, "event_type": str(event["event_type"]).replace("step.", "content.")} for event in STEPS[1:]]
    opening = {"event_type": "interaction.start", "interaction": {"id": "", "status": "in_progress"}}
    tap = heard(stream(opening, *told, {**DONE, "event_type": "interaction.complete"}))

    assert (tap.is_finished, tap.is_over, tap.usage, tap.kept) == (True, False, USED, None)


def test_what_is_told_in_the_midst_counts_where_the_end_is_missing():
    opening = {"event_type": "interaction.created", "metadata": {"usage": {"total_input_tokens": 7}}}
    tap = heard(stream(opening, {"event_type": "step.start", "metadata": {}}))

    assert (tap.is_finished, tap.usage) == (False, Usage(input_tokens=7))


@pytest.mark.parametrize(
    ("told", "outcome", "message"),
    [
        (
            {"event_type": "error", "error": {"code": 429, "message": "Slow", "status": "RESOURCE_EXHAUSTED"}},
            Outcome.RATE,
            "Slow",
        ),
        ({"event_type": "error", "error": {"code": "gateway_timeout", "message": "Late"}}, Outcome.SERVER, "Late"),
        ({"event_type": "error"}, Outcome.SERVER, ""),
        ({"event_type": "interaction.completed", "interaction": {"status": "failed"}}, Outcome.SERVER, ""),
        ({"event_type": "interaction.failed", "interaction": {"error": {"message": "No"}}}, Outcome.SERVER, "No"),
    ],
)
def test_an_error_in_the_midst(told: dict[str, Any], outcome: Outcome, message: str):
    tap = heard(stream(*STEPS, told))

    assert tap.failed is not None
    assert tap.failed.outcome is outcome
    assert message in tap.failed.message


def test_what_is_no_event():
    with pytest.raises(Malformed):
        heard(b"data: {torn\n\n")


def test_what_ends_a_stream_that_broke_off():
    streaming = INTERACTIONS.streaming
    assert streaming is not None
    data = streaming.fail(Problem(kind="upstream", message="gone", outcome=Outcome.CUT))
    tap = streaming.tap()
    tap.feed(data)

    assert data.startswith(b"event: error\n")
    assert tap.failed is not None
    assert tap.failed.message == "gone"
    passage = streaming.filter(ASKED)
    assert passage.feed(data + b"data: t") + passage.close() == data + b"data: t"
