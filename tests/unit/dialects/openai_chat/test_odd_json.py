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
from headgate.dialects.openai_chat import (
    StreamParser,
    StreamRenderer,
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
        """arguments audio cache_control choices content custom data delta error extra_content file file_data
        finish_reason format function function_call google id image_url images index input_audio json_schema
        max_tokens message messages model name reasoning reasoning_content reasoning_details refusal response_format
        role schema signature stop stream stream_options summary temperature text thinking thought_signature
        tool_call_id tool_calls tool_choice tools ttl type url usage user assistant tool system reasoning.text
        reasoning.encrypted x_groq""",
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
CHUNKS = st.builds(lambda rest, choices: {**rest, "choices": choices}, OBJECTS, st.lists(OBJECTS, max_size=3) | JSON)
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
def test_what_is_read_can_be_written_and_patched(body: Any) -> None:
    wire = json.dumps(body).encode()
    try:
        request = parse_request(wire, Envelope())
    except InvalidRequest:
        return
    target = Target(model="m", is_stream=request.is_stream)
    assert isinstance(json.loads(render_request(request, target, set())), dict)
    assert json.loads(patch(wire, target))["messages"] == body["messages"]


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(wire: bytes) -> None:
    for read in (peek, parse_request):
        with suppress(InvalidRequest):
            read(wire, Envelope())


@SLOW
@given(st.lists(CHUNKS, max_size=4), st.booleans())
def test_any_chunks_are_an_answer_that_ends_once(chunks: list[Any], is_done: bool) -> None:
    wire = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)
    parser = StreamParser()
    events = parser.feed(wire + b"data: [DONE]\n\n" * is_done) + parser.close()
    ends = [event for event in events if isinstance(event, Finished | Failed)]
    assert ends == events[-1:]
    fold(events)
    StreamRenderer(REPLY_TO).render(events)
    render_response(events, REPLY_TO, set())


@SLOW
@given(CHUNKS)
def test_any_object_is_a_whole_answer(body: Any) -> None:
    events = parse_response(json.dumps(body).encode())
    assert isinstance(events[-1], Finished | Failed)
    json.loads(render_response(events, REPLY_TO, set()))


@given(st.lists(st.binary(), max_size=5))
def test_any_bytes_are_a_stream(pieces: list[bytes]) -> None:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    assert isinstance(events[-1], Finished | Failed)


@given(st.binary())
def test_any_bytes_are_an_answer_or_malformed(body: bytes) -> None:
    with suppress(Malformed):
        assert parse_response(body)
