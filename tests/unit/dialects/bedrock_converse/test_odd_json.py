"""Whatever the bytes: requests are read or refused, answers are read or malformed, and nothing read gets lost."""

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.fold import fold
from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope, Malformed, ReplyTo, Target
from headgate.dialects.bedrock_converse import (
    StreamParser,
    StreamRenderer,
    parse_error,
    parse_request,
    parse_response,
    peek,
    render_request,
    render_response,
)
from headgate.dialects.eventstream import event

ENVELOPE, TARGET = Envelope(model="m"), Target(model="m")
REPLY_TO = ReplyTo(id="i", model="m")

NAMES = re.findall(
    r"\w+",
    "messages role content text image format source bytes s3Location document name video audio toolUse toolUseId input "
    "type toolResult status json guardContent qualifiers cachePoint ttl reasoningContent reasoningText signature "
    "redactedContent citationsContent citations system inferenceConfig maxTokens temperature topP stopSequences "
    "toolConfig tools toolSpec inputSchema strict toolChoice auto any tool additionalModelRequestFields thinking "
    "budget_tokens reasoning_effort reasoningConfig maxReasoningEffort top_k outputConfig effort textFormat structure "
    "jsonSchema schema output message stopReason usage inputTokens outputTokens cacheDetails "
    "additionalModelResponseFields stop_sequence trace start delta contentBlockIndex citation new",
)
WORDS = [
    "user",
    "assistant",
    "png",
    "pdf",
    "txt",
    "default",
    "1h",
    "enabled",
    "disabled",
    "low",
    "server_tool_use",
    "{}",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(WORDS)
)
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=25,
)
TOPS = st.dictionaries(st.sampled_from(NAMES), OBJECTS, max_size=6)
BLOCKS = st.lists(st.dictionaries(st.sampled_from(NAMES), OBJECTS, max_size=2), max_size=4)


def like(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes):
    with contextlib.suppress(InvalidRequest):
        parse_request(body, ENVELOPE)
    with contextlib.suppress(Malformed):
        parse_response(body)
    assert parse_error(400, {}, body).message
    with contextlib.suppress(Malformed):
        StreamParser().feed(body)


@given(TOPS)
def test_any_request_comes_back_or_is_refused(body: dict[str, Any]):
    try:
        request = parse_request(like(body), ENVELOPE)
    except InvalidRequest:
        with pytest.raises(InvalidRequest):
            peek(like(body), ENVELOPE)
        return
    dropped: set[str] = set()
    assert json.loads(render_request(request, TARGET, dropped)) == body
    assert dropped == set()


@given(BLOCKS, st.sampled_from(["user", "assistant"]))
def test_any_blocks_come_back_or_are_refused(blocks: list[dict[str, Any]], role: str):
    body = {"messages": [{"role": role, "content": blocks}]}
    with contextlib.suppress(InvalidRequest):
        assert json.loads(render_request(parse_request(like(body), ENVELOPE), TARGET, set())) == body


@given(BLOCKS, TOPS)
def test_any_answer_comes_back(blocks: list[dict[str, Any]], more: dict[str, Any]):
    body = {"stopReason": "end_turn", **more, "output": {"message": {"role": "assistant", "content": blocks}}}
    body.pop("usage", None)
    body["stopReason"] = "end_turn"
    events = parse_response(like(body))
    fold(events)
    dropped: set[str] = set()
    assert fold(parse_response(render_response(events, REPLY_TO, dropped))) == fold(events)
    assert dropped == set()


KINDS = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "new"]


@given(st.lists(st.tuples(st.sampled_from(KINDS), TOPS), max_size=8), st.integers(0, 400))
def test_any_stream_is_read_and_written(told: list[tuple[str, dict[str, Any]]], cut: int):
    wire = b"".join(event(kind, like(payload)) for kind, payload in told)
    whole, parser = StreamParser(), StreamParser()
    events = whole.feed(wire) + whole.close()
    assert parser.feed(wire[:cut]) + parser.feed(wire[cut:]) + parser.close() == events
    fold(events)
    StreamRenderer(REPLY_TO).render(events)
    render_response(events, REPLY_TO, set())


def test_numbers_beyond_all_bounds_are_none():
    assert parse_error(400, {}, b'{"message":1e999}').message == 'Amazon Bedrock answered 400: {"message":1e999}'


def test_letters_that_are_no_utf8_are_replaced():
    assert parse_error(400, {}, b'{"message":"a\xff"}').message == "a\ufffd"


@pytest.mark.parametrize("content", [b"1", b"null", b'{"a":1}'])
def test_content_that_is_no_list_is_none(content: bytes):
    body = b'{"output":{"message":{"role":"assistant","content":%b}},"stopReason":"end_turn"}' % content
    assert fold(parse_response(body)).parts == []
