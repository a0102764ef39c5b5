"""Whatever the bytes: requests are read or refused, answers are read or malformed."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.fold import fold
from headgate.core.problems import InvalidRequest
from headgate.dialects.anthropic import (
    StreamParser,
    StreamRenderer,
    parse_error,
    parse_request,
    parse_response,
    peek,
    render_request,
    render_response,
)
from headgate.dialects.base import Envelope, Malformed, ReplyTo, Target

REPLY_TO = ReplyTo(id="i", model="m")

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
NAMES = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "text",
        "thinking",
        "signature",
        "data",
        "id",
        "name",
        "input",
        "tool_use_id",
        "is_error",
        "source",
        "media_type",
        "url",
        "file_id",
        "cache_control",
        "ttl",
        "citations",
        "title",
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "budget_tokens",
        "display",
        "effort",
        "format",
        "schema",
        "user_id",
        "stop_reason",
        "stop_sequence",
        "usage",
        "input_tokens",
        "output_tokens",
        "index",
        "delta",
        "content_block",
        "message",
        "partial_json",
        "error",
    ]
)
WORDS = st.sampled_from(
    [
        "text",
        "image",
        "document",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "base64",
        "url",
        "file",
        "user",
        "assistant",
        "system",
        "ephemeral",
        "enabled",
        "adaptive",
        "auto",
        "any",
        "tool",
        "json_schema",
        "message",
        "message_start",
        "content_block_start",
        "error",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "text_delta",
        "input_json_delta",
        "end_turn",
    ]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=14,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
BLOCKS = st.fixed_dictionaries({"type": WORDS}, optional={"text": VALUES, "source": OBJECTS, "id": VALUES})
REQUESTS = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "messages": st.lists(
            st.fixed_dictionaries({"role": WORDS, "content": VALUES | st.lists(OBJECTS | BLOCKS, max_size=3)})
        ),
    },
    optional={
        "system": VALUES,
        "tools": st.lists(OBJECTS),
        "tool_choice": OBJECTS,
        "thinking": OBJECTS,
        "output_config": OBJECTS,
        "metadata": OBJECTS,
        "temperature": VALUES,
        "max_tokens": VALUES,
    },
)


@given(REQUESTS | VALUES)
def test_a_request_is_read_or_refused_and_peeked_at_alike(value: object):
    body = json.dumps(value).encode()
    try:
        request = parse_request(body, Envelope())
    except InvalidRequest as refused:
        with pytest.raises(InvalidRequest) as peeked:
            peek(body, Envelope())
        assert str(peeked.value) == str(refused)  # noqa: PT017
        return
    if request.knobs.max_tokens is None:  # which a count needs not, and a call does
        with pytest.raises(InvalidRequest, match="max_tokens is missing"):
            peek(body, Envelope())
        return
    head = peek(body, Envelope())
    assert (head.model, head.is_stream, head.max_tokens) == (
        request.model,
        request.is_stream,
        request.knobs.max_tokens,
    )
    render_request(request, Target(model="m"), set())


@given(st.binary(max_size=60))
def test_any_bytes_as_a_request(body: bytes):
    for read in (parse_request, peek):
        with contextlib.suppress(InvalidRequest):
            read(body, Envelope())


@given(st.lists(OBJECTS, max_size=6))
def test_any_events_are_read_and_written(datas: list[object]):
    parser = StreamParser()
    stream = b"".join(b"data: %b\n\n" % json.dumps(data).encode() for data in datas)
    events = parser.feed(stream) + parser.close()
    fold(events)
    StreamRenderer(REPLY_TO).render(events)
    render_response(events, REPLY_TO, set())


@given(st.binary(max_size=200))
def test_any_bytes_as_a_stream(data: bytes):
    parser = StreamParser()
    with contextlib.suppress(Malformed):
        parser.feed(data)
        parser.close()


@given(OBJECTS | VALUES, st.integers(400, 599))
def test_any_json_as_an_answer_or_an_error(value: object, status: int):
    body = json.dumps(value).encode()
    assert parse_error(status, {}, body).message
    try:
        events = parse_response(body)
    except Malformed:
        return
    fold(events)
    render_response(events, REPLY_TO, set())
