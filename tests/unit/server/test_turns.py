"""A WebSocket's turns become bodies of calls, and what came before is put in where it is known."""

import json

import pytest
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.server.turns import history_of, parse_turn, with_lane

USER = {"type": "message", "role": "user", "content": "hi"}


def turn(**members: object):
    return parse_turn(json.dumps({"type": "response.create", "model": "m", **members}).encode())


def test_a_turn_is_a_streamed_call_with_every_other_member_as_it_came():
    body = turn(input=[USER], tools=[{"x": 1.50}], generate=True, stream_id="a", unknown=None).body()
    assert json.loads(body) == {"model": "m", "tools": [{"x": 1.5}], "unknown": None, "input": [USER], "stream": True}
    assert b'{"x": 1.5}' in body


@pytest.mark.parametrize(
    ("given", "items"),
    [("hi", [USER]), ([], []), ([USER], [USER]), (None, []), (..., [])],
    ids=["text", "empty", "items", "null", "missing"],
)
def test_any_input_is_a_list_of_items(given: object, items: list[object]):
    asked = turn(**({} if given is ... else {"input": given}))
    assert json.loads(asked.body())["input"] == items


def test_what_came_before_takes_the_place_of_its_id():
    first = turn(input="hi")
    kept = history_of(b"", first, [Raw(b'{"type":"message","id":"o"}')])
    second = turn(input=[{"n": 2}], previous_response_id="resp_1")
    assert second.previous == "resp_1"
    body = json.loads(second.body(kept))
    assert body["input"] == [USER, {"type": "message", "id": "o"}, {"n": 2}]
    assert "previous_response_id" not in body
    assert json.loads(second.body())["previous_response_id"] == "resp_1"
    third = history_of(kept, second, [])
    assert json.loads(turn(input=[]).body(third))["input"] == body["input"]


@pytest.mark.parametrize(
    ("item", "store", "is_kept"),
    [
        ({"type": "reasoning", "summary": []}, False, False),
        ({"type": "reasoning", "encrypted_content": "x"}, False, True),
        ({"type": "reasoning", "summary": []}, True, True),
        ({"type": "message"}, False, True),
        ([1], False, True),
    ],
)
def test_a_thought_that_nobody_keeps_is_not_shown_again(item: object, store: bool, is_kept: bool):
    kept = history_of(b"", turn(store=store, input=[]), [Raw(json.dumps(item).encode())])
    assert bool(kept) is is_kept


def test_what_is_stored_is_what_is_not_said_not_to_be():
    assert [turn().is_stored, turn(store=None).is_stored, turn(store=False).is_stored] == [True, True, False]
    assert [turn().is_warming, turn(generate=None).is_warming, turn(generate=False).is_warming] == [False, False, True]


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "type"),
        (b'{"type":1}', "type"),
        (b'{"type":"response.steer"}', "type"),
        (b'{"type":"response.create","background":true}', "background"),
        (b'{"type":"response.create","stream":false}', "stream"),
        (b'{"type":"response.create","generate":1}', "generate"),
        (b'{"type":"response.create","stream_id":7}', "stream_id"),
        (b'{"type":"response.create","previous_response_id":[]}', "previous_response_id"),
        (b'{"type":"response.create","input":7}', "input"),
        (b"[" * 5000, None),
    ],
)
def test_what_is_no_turn_is_told_by_the_member(data: bytes, param: str | None):
    with pytest.raises(InvalidRequest) as caught:
        parse_turn(data)
    assert caught.value.problem.param == param


def test_events_are_marked_with_their_lane():
    assert with_lane(b'{"type":"x"}', "") == b'{"type":"x"}'
    assert with_lane(b"[DONE]", "a") == b"[DONE]"
    assert json.loads(with_lane(b'{"type":"x"}', 'a"b')) == {"stream_id": 'a"b', "type": "x"}
