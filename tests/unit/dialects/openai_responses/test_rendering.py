"""Answers written in the words of the Responses API: as they were, from other dialects, for the official SDK."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, ReplyTo
from headgate.dialects.openai_responses import (
    StreamParser,
    StreamRenderer,
    parse_request,
    parse_response,
    render_response,
)

Wire = Callable[..., bytes]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)

ECHO = parse_request(
    json.dumps(
        {
            "model": "fast",
            "instructions": "Be kind.",
            "input": "Add.",
            "temperature": 0.5,
            "metadata": {"a": "b"},
            "tools": [{"type": "function", "name": "add", "parameters": {}, "strict": False}],
            "tool_choice": "required",
            "text": {"verbosity": "low"},
        }
    ).encode(),
    Envelope(),
)
REPLY_TO = ReplyTo(id="resp_ours", model="fast", now_s=1700000000, is_stream=True, echo=ECHO)

FOREIGN: list[Event] = [
    Started(id="msg_abc", model="claude", dialect="anthropic", extras={"type": Raw(b'"message"')}),
    PartStarted(index=0, kind="reasoning", extras={"item_id": Raw(b'"rs_not_ours"')}),
    PartDelta(0, "Add "),
    PartDelta(0, "them."),
    PartEnded(index=0, signature=Signature("anthropic", "c2ln"), extras={"id": Raw(b'"x"')}),
    PartStarted(index=1, kind="reasoning", is_redacted=True),
    PartEnded(index=1, signature=Signature("anthropic", "c2VjcmV0")),
    PartStarted(index=2, kind="text"),
    PartDelta(2, "I add "),
    PartDelta(2, '"them".\n'),
    Opaque(name="citations", raw=Raw(b"{}"), dialect="anthropic", index=2),
    PartEnded(index=2),
    PartStarted(index=3, kind="tool_call", id="toolu_1", name="add"),
    PartDelta(3, '{"x":'),
    PartDelta(3, "1}"),
    PartEnded(index=3, signature=Signature("gemini", "dGhvdWdodA==")),
    PartStarted(index=4, kind="tool_call", id="toolu_2", name="now"),
    PartEnded(index=4),
    PartStarted(index=5, kind="tool_call", id="toolu_3", name="run", is_custom=True),
    PartDelta(5, "ls"),
    PartEnded(index=5),
    Finished(
        reason="tool_calls",
        usage=Usage(input_tokens=10, cached_tokens=4, output_tokens=7, reasoning_tokens=3, extras={"x": Raw(b"1")}),
    ),
]


def said(wire: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each named as its type says."""
    found: list[dict[str, Any]] = []
    for block in wire.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def stream_of(events: list[Event], reply_to: ReplyTo = REPLY_TO) -> tuple[list[dict[str, Any]], set[str]]:
    renderer = StreamRenderer(reply_to)
    return said(renderer.render(events)), renderer.dropped


def parsed(wire: bytes) -> list[Event]:
    parser = StreamParser()
    return parser.feed(wire) + parser.close()


def test_a_whole_comes_back_as_it_was(whole: dict[str, Any]):
    whole["output"].append({"type": "message", "id": "m", "role": "assistant", "content": [], "status": "completed"})
    whole["output"].append({"type": "item_of_tomorrow", "id": "i", "deep": {"a": None}})
    whole["a_member_of_tomorrow"] = [1]
    dropped: set[str] = set()

    back = render_response(parse_response(json.dumps(whole, indent=2).encode()), REPLY_TO, dropped)

    assert json.loads(back) == whole
    assert dropped == set()


@pytest.mark.parametrize(
    "members",
    [
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []},
        {"status": "queued", "usage": None, "output": []},
        {"status": "failed", "error": {"code": "server_error", "message": "Oh."}, "usage": {"input_tokens": 1}},
        {"status": "completed", "created_at": 1.5, "object": "response", "output": [{"type": "message"}]},
        {
            "created_at": 0,
            "object": "response",
            "output": [
                {"type": "message", "id": "m", "content": [{"type": "smell"}, {"type": "output_text", "text": "a"}]},
                {"type": "function_call", "call_id": "c", "name": "a", "arguments": ""},
                {"type": "reasoning", "id": "r", "content": [{"type": "reasoning_text", "text": "b"}]},
                {"type": "reasoning", "id": "q", "summary": [], "encrypted_content": None, "status": None},
            ],
            "status": "completed",
        },
    ],
)
def test_odd_wholes_come_back_too(members: dict[str, Any]):
    body = {"id": "resp_1", "model": "m", "created_at": 5, "object": "response", "output": [], **members}
    wire = json.dumps(body).encode()

    back = json.loads(render_response(parse_response(wire), REPLY_TO, set()))

    ids = [item.pop("id", None) for item in back["output"]]
    told = [item.pop("id", None) for item in body["output"]]
    assert all(now == was for now, was in zip(ids, told, strict=True) if was is not None)
    assert back == body


def test_a_stream_of_this_dialect_tells_the_same_again(stream: bytes):
    events = parsed(stream)
    renderer = StreamRenderer(REPLY_TO)

    again = parsed(renderer.render(events))

    assert fold(again) == fold(events)
    assert renderer.dropped == set()


def test_a_pretty_printed_whole_makes_a_stream_of_single_lines(whole: dict[str, Any]):
    events = parse_response(json.dumps(whole, indent=2).encode())

    again = parsed(StreamRenderer(REPLY_TO).render(events))

    assert fold(again).text == fold(events).text


def test_the_events_of_a_foreign_answer():
    events, dropped = stream_of(FOREIGN)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [(event["type"].removeprefix("response."), event.get("output_index")) for event in events] == [
        ("created", None),
        ("in_progress", None),
        ("output_item.added", 0),
        ("reasoning_summary_part.added", 0),
        ("reasoning_summary_text.delta", 0),
        ("reasoning_summary_text.delta", 0),
        ("reasoning_summary_text.done", 0),
        ("reasoning_summary_part.done", 0),
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("output_item.done", 1),
        ("output_item.added", 2),
        ("content_part.added", 2),
        ("output_text.delta", 2),
        ("output_text.delta", 2),
        ("output_text.done", 2),
        ("content_part.done", 2),
        ("output_item.done", 2),
        ("output_item.added", 3),
        ("function_call_arguments.delta", 3),
        ("function_call_arguments.delta", 3),
        ("function_call_arguments.done", 3),
        ("output_item.done", 3),
        ("output_item.added", 4),
        ("output_item.done", 4),
        ("output_item.added", 5),
        ("function_call_arguments.done", 5),
        ("output_item.done", 5),
        ("output_item.added", 6),
        ("custom_tool_call_input.delta", 6),
        ("custom_tool_call_input.done", 6),
        ("output_item.done", 6),
        ("completed", None),
    ]
    assert dropped == {"citations"}


RESPONSE_OF_THE_FOREIGN_ANSWER = {
    "id": "msg_abc",
    "object": "response",
    "created_at": 1700000000,
    "completed_at": 1700000000,
    "status": "completed",
    "model": "claude",
    "error": None,
    "incomplete_details": None,
    "instructions": "Be kind.",
    "metadata": {"a": "b"},
    "temperature": 0.5,
    "tools": [{"type": "function", "name": "add", "parameters": {}, "strict": False}],
    "tool_choice": "required",
    "text": {"verbosity": "low"},
    "background": False,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    },
    "output": [
        {
            "id": "rs_msg_abc_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Add them."}],
            "encrypted_content": "~hg.anthropic.c2ln",
        },
        {"id": "rs_msg_abc_1", "type": "reasoning", "summary": [], "encrypted_content": "~hg.anthropic.~c2VjcmV0"},
        {
            "id": "msg_msg_abc_2",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": 'I add "them".\n', "annotations": [], "logprobs": []}],
        },
        {
            "id": "fc_msg_abc_3",
            "type": "function_call",
            "status": "completed",
            "call_id": "toolu_1",
            "name": "add",
            "arguments": '{"x":1}',
        },
        {
            "id": "rs_msg_abc_4",
            "type": "reasoning",
            "summary": [],
            "encrypted_content": "~hg.gemini.^dGhvdWdodA==",
        },
        {
            "id": "fc_msg_abc_5",
            "type": "function_call",
            "status": "completed",
            "call_id": "toolu_2",
            "name": "now",
            "arguments": "{}",
        },
        {
            "id": "ctc_msg_abc_6",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "toolu_3",
            "name": "run",
            "input": "ls",
        },
    ],
}


def test_the_response_object_of_a_foreign_answer():
    *_, end = stream_of(FOREIGN)[0]

    assert end["response"] == RESPONSE_OF_THE_FOREIGN_ANSWER


def test_proofs_find_their_way_home_with_the_next_turn():
    *_, end = stream_of(FOREIGN)[0]
    turn = json.dumps({"model": "m", "input": end["response"]["output"]}).encode()

    (message,) = parse_request(turn, Envelope()).messages

    signatures = [(part.signature, getattr(part, "is_redacted", False)) for part in message.parts]  # type: ignore[union-attr]
    assert signatures == [
        (Signature("anthropic", "c2ln"), False),
        (Signature("anthropic", "c2VjcmV0"), True),
        (None, False),
        (Signature("gemini", "dGhvdWdodA=="), False),
        (None, False),
        (None, False),
    ]


def test_whole_and_stream_of_a_foreign_answer_end_alike():
    *_, end = stream_of(FOREIGN)[0]
    dropped: set[str] = set()

    assert json.loads(render_response(FOREIGN, REPLY_TO, dropped)) == end["response"]
    assert dropped == {"citations"}


def test_the_official_sdk_takes_every_event(stream: bytes):
    foreign, _ = stream_of(FOREIGN)
    picture: list[Event] = [
        PartStarted(index=0, kind="image", media_type="image/png"),
        PartDelta(0, "aGk="),
        PartEnded(index=0),
        Finished(reason="length", usage=Usage(input_tokens=1)),
    ]

    for event in [*foreign, *said(StreamRenderer(REPLY_TO).render(parsed(stream))), *stream_of(picture)[0]]:
        EVENT.validate_python(event)
    Response.model_validate(foreign[-1]["response"])


@pytest.mark.parametrize("wire_problem", [True, False])
def test_a_failure_after_the_start_never_looks_complete(wire_problem: bool):
    problem = Problem(kind="rate_limit", message="Slower.", outcome=Outcome.RATE, dialect="anthropic", code="x")
    start = FOREIGN[:9] if wire_problem else []

    events, _ = stream_of([*start, Failed(problem)])

    error, failed = events[-2:]
    EVENT.validate_python(error)
    EVENT.validate_python(failed)
    assert error["error"] == {
        "message": "Slower.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert (error["code"], error["message"], error["param"]) == ("rate_limit_exceeded", "Slower.", None)
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slower."}
    assert "response.completed" not in [event["type"] for event in events]
    assert not [event for event in events if event["type"] == "response.output_text.done"]


@pytest.mark.parametrize(
    ("reason", "event", "status", "details"),
    [
        ("stop", "completed", "completed", None),
        ("stop_sequence", "completed", "completed", None),
        ("pause", "completed", "completed", None),
        ("length", "incomplete", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", "incomplete", {"reason": "content_filter"}),
        ("refusal", "incomplete", "incomplete", {"reason": "content_filter"}),
        ("error", "failed", "failed", None),
    ],
)
def test_ends(reason: Any, event: str, status: str, details: object):
    events, _ = stream_of([Started(), Finished(reason=reason)])

    response = events[-1]["response"]
    assert events[-1]["type"] == f"response.{event}"
    assert (response["status"], response["incomplete_details"]) == (status, details)


def test_what_has_no_place_is_dropped_by_name():
    events: list[Event] = [
        Started(id="a", dialect="openai_chat"),
        PartStarted(index=0, kind="audio"),
        PartDelta(0, "aGk="),
        PartEnded(index=0),
        PartStarted(index=1, kind="text", choice=1),
        PartDelta(1, "other"),
        PartEnded(index=1),
        Opaque(name="logprobs", raw=Raw(b"[]"), dialect="openai_chat"),
        Finished(reason="stop", more_reasons=("stop",)),
    ]

    said_events, dropped = stream_of(events)

    assert dropped == {"audio", "choices", "logprobs"}
    assert said_events[-1]["response"]["output"] == []


def test_without_an_id_time_or_model_ours_are_told():
    events, _ = stream_of([Started(), Finished(reason="stop")])

    response = events[0]["response"]
    assert (response["id"], response["model"], response["created_at"]) == ("resp_ours", "fast", 1700000000)


def test_an_unknown_event_is_passed_on_with_a_number_of_ours(wire: Wire):
    unknown = wire(("response.smell.delta", {"smell": "sweet"}))

    events = said(StreamRenderer(REPLY_TO).render(parsed(unknown)[:-1]))

    assert events[-1] == {"type": "response.smell.delta", "sequence_number": 2, "smell": "sweet"}


def test_words_that_a_policy_changed_stay_changed(stream: bytes):
    """The summary's segments are put back only while they say what the events say."""
    events = [PartDelta(e.index, "*") if isinstance(e, PartDelta) and e.index == 0 else e for e in parsed(stream)]

    again = fold(parsed(StreamRenderer(REPLY_TO).render(events)))

    assert again.parts[0].text == "***"
    assert b"outside" not in bytes(again.parts[0].extras["summary"])


@ONCE
@given(texts=st.lists(st.text(), max_size=6))
def test_any_words_are_told_as_they_are(texts: list[str]):
    events: list[Event] = [Started(), PartStarted(index=0, kind="text"), *(PartDelta(0, text) for text in texts)]

    again = fold(parsed(StreamRenderer(REPLY_TO).render([*events, PartEnded(index=0), Finished(reason="stop")])))

    assert again.text == "".join(texts)


def test_the_start_of_a_stream_says_no_more_than_the_service_did():
    body = {"id": "r", "model": "m", "created_at": 5, "object": "response", "status": "completed", "output": [], "x": 1}

    start = said(StreamRenderer(REPLY_TO).render(parse_response(json.dumps(body).encode())))[0]

    assert start["response"] == {**body, "status": "in_progress", "usage": None}
