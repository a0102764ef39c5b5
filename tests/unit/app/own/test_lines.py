"""A batch's input: what is a call, what is a fault, and where."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.app.own.lines import FAULTS_MAX, Line, can_be_batched, read_lines

CHAT = "/v1/chat/completions"


def line(**members: Any) -> bytes:
    whole = {"custom_id": "a", "method": "POST", "url": CHAT, "body": {"model": "m", "messages": []}, **members}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


def codes(*content: bytes, endpoint: str = CHAT) -> list[tuple[int, str]]:
    return [(fault.number, fault.code) for fault in read_lines(content, endpoint=endpoint, route="").faults]


def test_calls_as_they_are():
    found = read_lines([line() + b"\r\n", b"\n", line(custom_id="b", method=...)], endpoint=CHAT, route="")

    assert found.calls == [
        Line(1, "a", CHAT, b'{"model": "m", "messages": []}'),
        Line(3, "b", CHAT, b'{"model": "m", "messages": []}'),
    ]
    assert found.faults == []


def test_a_route_in_place_of_the_model():
    (call,) = read_lines([line()], endpoint="", route="smart").calls

    assert json.loads(call.body) == {"model": "smart", "messages": []}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"\xff", "invalid_json_line"),
        (line(body=5), "invalid_json_line"),
        (line(custom_id=...), "invalid_json_line"),
        (line(custom_id=""), "missing_custom_id"),
        (line(method="GET"), "invalid_method"),
        (line(url="/v1/responses"), "mismatched_endpoint"),
        (line(body={"model": "m", "stream": True}), "invalid_request"),
    ],
)
def test_a_fault_is_told_with_its_line(raw: bytes, code: str):
    assert codes(line(custom_id="z"), raw) == [(2, code)]


def test_names_are_given_once():
    assert codes(line(), line()) == [(2, "duplicate_custom_id")]


def test_where_nothing_can_be_batched():
    assert codes(line(url="/v1/files"), endpoint="") == [(1, "invalid_url")]


def test_an_empty_file_is_a_fault():
    assert codes(b"\n", b" ") == [(1, "empty_file")]


def test_not_every_fault_of_a_long_file_is_told():
    assert len(codes(*[b"{"] * 1000)) == FAULTS_MAX


@pytest.mark.parametrize(
    ("url", "can"),
    [
        (CHAT, True),
        ("/v1/responses", True),
        ("/v1/messages", True),
        ("/v1/embeddings", True),
        ("/v1/batches", False),
        ("/v1/models", False),
        ("/v1/audio/transcriptions", False),
        ("/v1beta/models/g:streamGenerateContent", False),
        ("http://evil/v1/chat/completions", False),
        ("", False),
    ],
)
def test_what_can_be_batched(url: str, can: bool):
    assert can_be_batched(url) is can


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_calls_or_faults(content: list[bytes]):
    found = read_lines(content, endpoint="", route="m")

    assert found.faults or found.calls
