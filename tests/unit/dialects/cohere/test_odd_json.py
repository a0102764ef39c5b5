"""Any JSON and any bytes: client faults are told as such, answers are never a crash."""

import json
import re
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.core.events import Failed, Finished
from headgate.core.fold import fold
from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope, Malformed, ReplyTo, Target
from headgate.dialects.cohere import (
    StreamParser,
    StreamRenderer,
    parse_error,
    parse_request,
    parse_response,
    patch,
    peek,
    render_request,
    render_response,
)

WORDS = st.sampled_from(
    re.findall(
        r"\S+",
        """arguments assistant billed_units citations content content-delta content-end content-start data delta
        document documents error error_type finish_reason function id image_url index input_tokens json_object
        json_schema logprobs max_tokens message message-end message-start messages model name output_tokens
        response_format role stream strict_tools system text thinking token_budget tokens tool tool-call-delta
        tool-call-start tool-plan-delta tool_call_id tool_calls tool_choice tool_plan tools type url usage user
        COMPLETE ERROR""",
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=9)
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=12
)
OBJECTS = st.dictionaries(WORDS, JSON, max_size=6)
MESSAGES = st.lists(st.fixed_dictionaries({"role": WORDS}, optional={"content": JSON, "tool_calls": JSON}), min_size=1)
BODIES = st.builds(lambda rest, messages: {**rest, "messages": messages}, OBJECTS, MESSAGES | JSON)
KINDS = ("message-start", "content-start", "content-delta", "content-end", "tool-plan-delta", "tool-call-start")
MORE_KINDS = ("tool-call-delta", "tool-call-end", "citation-start", "message-end", "debug")
EVENTS = st.builds(
    lambda kind, rest, delta: {**rest, "type": kind, "delta": {"message": delta, **delta}},
    st.sampled_from(KINDS + MORE_KINDS),
    OBJECTS,
    OBJECTS,
)
REPLY_TO = ReplyTo(id="a", model="m")
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@SLOW
@given(BODIES)
def test_peek_refuses_exactly_what_parse_request_refuses(body: Any) -> None:
    wire = json.dumps(body).encode()
    complaints: list[str] = []
    for read in (peek, parse_request):
        try:
            read(wire, Envelope())
            complaints.append("")
        except InvalidRequest as complaint:
            complaints.append(str(complaint))
    assert complaints[0] == complaints[1]


@SLOW
@given(BODIES)
def test_what_is_read_is_written_as_it_was(body: Any) -> None:
    wire = json.dumps(body).encode()
    try:
        request = parse_request(wire, Envelope())
    except InvalidRequest:
        return
    target = Target(model=request.model, is_stream=request.is_stream)
    assert json.loads(render_request(request, target, set())) == body
    assert json.loads(patch(wire, target)) == body


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(wire: bytes) -> None:
    for read in (peek, parse_request):
        with suppress(InvalidRequest):
            read(wire, Envelope())


@SLOW
@given(st.lists(EVENTS | OBJECTS, max_size=5))
def test_any_events_are_an_answer_that_ends_once(events: list[Any]) -> None:
    wire = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    parser = StreamParser()
    told = parser.feed(wire) + parser.close()
    ends = [event for event in told if isinstance(event, Finished | Failed)]
    assert ends == told[-1:]
    fold(told)
    StreamRenderer(REPLY_TO).render(told)
    render_response(told, REPLY_TO, set())


@SLOW
@given(OBJECTS, OBJECTS)
def test_any_object_is_a_whole_answer(body: Any, message: Any) -> None:
    events = parse_response(json.dumps({**body, "message": message}).encode())
    assert isinstance(events[-1], Finished | Failed)
    json.loads(render_response(events, REPLY_TO, set()))


@given(st.lists(st.binary(), max_size=5))
def test_any_bytes_are_a_stream(pieces: list[bytes]) -> None:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    assert isinstance(events[-1], Finished | Failed)


@given(st.binary(), st.sampled_from([400, 429, 500]))
def test_any_bytes_are_an_answer_or_malformed_and_an_error(body: bytes, status: int) -> None:
    with suppress(Malformed):
        assert parse_response(body)
    assert parse_error(status, {}, body).message
