"""What passes as it is: patched bodies, and the one event that is withheld."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.base import Target
from headgate.dialects.openai_chat import UsageFilter, patch

BODY = b'{ "model" : "m", "messages": [ {"role":"user", "content":"\\u0041 \xe2\x82\xac"} ],"temperature":1.0 }'


def patched(members: dict[str, Any], **target: Any) -> Any:
    return json.loads(patch(json.dumps({"model": "m", **members}).encode(), Target(model="up", **target)))


def test_only_the_model_changes() -> None:
    assert patch(BODY, Target(model="up")) == (
        b'{"model":"up","messages":[ {"role":"user", "content":"\\u0041 \xe2\x82\xac"} ],"temperature":1.0}'
    )


@pytest.mark.parametrize(
    ("members", "wire"),
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream_options": None}, {"stream": True, "stream_options": {"include_usage": True}}),
        (
            {"stream_options": {"include_obfuscation": False, "include_usage": False}},
            {"stream": True, "stream_options": {"include_obfuscation": False, "include_usage": True}},
        ),
    ],
)
def test_a_stream_is_asked_for_its_usage(members: dict[str, Any], wire: dict[str, Any]) -> None:
    assert patched(members, is_stream=True) == {"model": "up", **wire}


def test_a_wish_that_is_there_is_left_alone() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    assert patch(body, Target(model="", is_stream=True)) == body


def test_a_whole_answer_is_asked_for_when_that_is_wanted() -> None:
    assert patched({"stream": True}) == {"model": "up", "stream": False}


@pytest.mark.parametrize(
    ("quirk", "members", "wire"),
    [
        ("max_tokens_only", {"max_completion_tokens": 3}, {"max_tokens": 3}),
        ("max_tokens_only", {"max_completion_tokens": 3, "max_tokens": 4}, {"max_tokens": 3}),
        ("max_completion_tokens_only", {"max_tokens": 3}, {"max_completion_tokens": 3}),
        ("no_stream_options", {"stream_options": {"include_usage": True}}, {}),
        (
            "developer_as_system",
            {"messages": [{"role": "developer", "content": "a", "x": 1}, {"role": "user"}]},
            {"messages": [{"role": "system", "content": "a", "x": 1}, {"role": "user"}]},
        ),
        (
            "reasoning_object",
            {"reasoning_effort": "low", "reasoning": {"exclude": True}},
            {"reasoning": {"effort": "low", "exclude": True}},
        ),
        ("reasoning_object", {"reasoning_effort": None}, {}),
        ("thinking_object", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("enable_thinking", {"reasoning_effort": "high"}, {"enable_thinking": True}),
        ("enable_thinking", {"reasoning_effort": None}, {}),
        ("reasoning_object", {"temperature": 1}, {"temperature": 1}),
        ("thinking_object", {"temperature": 1}, {"temperature": 1}),
        ("reasoning_content_field", {"temperature": 1}, {"temperature": 1}),
    ],
)
def test_quirks_are_patched_in(quirk: str, members: dict[str, Any], wire: dict[str, Any]) -> None:
    assert patched(members, quirks=(quirk,)) == {"model": "up", **wire}


def test_messages_without_a_developer_pass_byte_for_byte() -> None:
    body = b'{"model": "m", "messages": [ {"role":"user",  "content":"a"} ]}'
    sent = patch(body, Target(model="up", quirks=("developer_as_system",)))
    assert b'"messages":[ {"role":"user",  "content":"a"} ]' in sent


CHUNK = b'data: {"id":"a","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}\n\n'
BOTH = b'data: {"id":"a","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}\n\n'
USAGE = b'data: {"id":"a","choices": [ ],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
NO_USAGE = b'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n'
BROKEN = b'data: {"usage": {"cut\n\n'
QUOTED = b'data: {"choices":[{"delta":{"content":"\\"choices\\":[],\\"usage\\":{}"}}],"usage":{}}\n\n'
REST = b": keep-alive\n\n" + CHUNK + NO_USAGE + QUOTED + BROKEN + BOTH
DONE = b"data: [DONE]\n\n"


def filtered(*pieces: bytes) -> bytes:
    usage_filter = UsageFilter()
    return b"".join(usage_filter.feed(piece) for piece in pieces) + usage_filter.close()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_only_the_event_that_tells_usage_alone_is_withheld(line_end: bytes) -> None:
    wire = (REST + USAGE + DONE).replace(b"\n", line_end)
    passed = (REST + DONE).replace(b"\n", line_end)
    for cut in range(len(wire) + 1):
        assert filtered(wire[:cut], wire[cut:]) == passed, cut


@given(st.lists(st.integers(min_value=0, max_value=len(REST + USAGE + DONE)), max_size=8))
def test_many_cuts_change_nothing(cuts: list[int]) -> None:
    wire = REST + USAGE + DONE
    places = [0, *sorted(cuts), len(wire)]
    assert filtered(*(wire[start:end] for start, end in pairwise(places))) == REST + DONE


def test_an_event_passes_as_soon_as_it_is_complete() -> None:
    usage_filter = UsageFilter()
    assert usage_filter.feed(CHUNK[:-1]) == b""
    assert usage_filter.feed(b"\n" + USAGE) == CHUNK


def test_a_last_event_without_its_blank_line_is_looked_at_too() -> None:
    assert filtered(CHUNK, USAGE.rstrip()) == CHUNK
    assert filtered(CHUNK, b"data: [DO") == CHUNK + b"data: [DO"


@given(st.binary())
def test_bytes_that_are_no_events_pass(wire: bytes) -> None:
    assert filtered(wire) == wire


def test_an_endless_event_is_not_held_for_ever() -> None:
    wire = b"data: " + b"x" * (4 * 1024 * 1024)
    assert UsageFilter().feed(wire) == wire
