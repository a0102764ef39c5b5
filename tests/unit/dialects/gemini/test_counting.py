"""Gemini's countTokens, and the quirks of services that speak Gemini."""

import json

import pytest

from headgate.core.problems import InvalidRequest
from headgate.core.request import Message, Request, Text
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.gemini import DIALECT, parse_request, patch, render_request

ENVELOPE = Envelope(model="gemini-2.5-flash")
TARGET = Target(model="gemini-2.5-flash")
HI = {"role": "user", "parts": [{"text": "hi"}]}
COUNTING = DIALECT.counting
assert COUNTING is not None


@pytest.mark.parametrize(
    "told",
    [
        {"contents": [HI]},
        {"contents": [HI], "tools": [{"googleSearch": {}}]},
        {"generateContentRequest": {"model": "models/gemini-2.5-flash", "contents": [HI]}},
    ],
)
def test_a_count_is_asked_for_as_it_was(told: object):
    assert COUNTING is not None
    request = COUNTING.parse_request(json.dumps(told).encode(), ENVELOPE)

    assert json.loads(COUNTING.render_request(request, TARGET, set())) == told


def test_a_count_from_elsewhere_is_wrapped():
    assert COUNTING is not None
    request = Request(dialect="elsewhere", model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),))
    wrapped = {"generateContentRequest": {"model": "models/gemini-2.5-flash", "contents": [HI]}}

    assert json.loads(COUNTING.render_request(request, TARGET, set())) == wrapped
    flat = Target(model="gemini-2.5-flash", quirks=("flat_count_tokens",))
    assert json.loads(COUNTING.render_request(request, flat, set())) == {"contents": [HI]}


def test_counts_are_read_and_written():
    assert COUNTING is not None
    assert COUNTING.address(TARGET) == "/models/gemini-2.5-flash:countTokens"
    assert COUNTING.parse_response(b'{"totalTokens": 7, "promptTokensDetails": []}') == 7
    assert COUNTING.render_response(7) == b'{"totalTokens":7}'
    for body in (b"", b"[]", b"{}", b'{"totalTokens": "x"}'):
        with pytest.raises(Malformed):
            COUNTING.parse_response(body)
    with pytest.raises(InvalidRequest):
        COUNTING.parse_request(b"[]", ENVELOPE)


def test_call_ids_can_be_left_out():
    quirky = Target(model="gemini-2.5-flash", quirks=("no_call_ids", "flat_count_tokens", "of another dialect"))
    turns = [
        {"role": "model", "parts": {"functionCall": {"id": "1", "name": "f", "args": {"x": 1}}}},
        {"role": "user", "parts": [{"function_response": {"id": "1", "name": "f", "response": {}}}, {"text": "x"}]},
        {"role": "user"},
    ]
    body = json.dumps({"contents": turns, "labels": {"a": "b"}}).encode()
    expected = {
        "contents": [
            {"role": "model", "parts": {"functionCall": {"name": "f", "args": {"x": 1}}}},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {}}}, {"text": "x"}]},
            {"role": "user"},
        ],
        "labels": {"a": "b"},
    }

    assert json.loads(patch(body, quirky)) == expected
    assert json.loads(render_request(parse_request(body, ENVELOPE), quirky, set())) == expected
    assert patch(b'{"systemInstruction":"x"}', quirky) == b'{"systemInstruction":"x"}'


def test_every_quirk_has_its_source():
    assert all("https://" in quirk.source and "(20" in quirk.source for quirk in DIALECT.quirks.values())


def test_the_dialect_sends_no_headers_and_pings_with_an_empty_line():
    assert DIALECT.name == "gemini"
    assert DIALECT.headers(TARGET, {"x-goog-api-client": "x"}) == ()
    assert DIALECT.ping.strip() == b""
