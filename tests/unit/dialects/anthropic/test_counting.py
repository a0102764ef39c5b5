"""Token counting."""

import json

import pytest

from headgate.dialects.anthropic.counting import COUNTING
from headgate.dialects.base import Envelope, Malformed, Target


def test_a_count_asks_without_what_concerns_only_the_answer():
    body = (
        b'{"model":"a","max_tokens":5,"stream":true,"temperature":0.1,"system":"s",'
        b'"messages":[{"role":"user","content":"x"}]}'
    )
    request = COUNTING.parse_request(body, Envelope())
    out = json.loads(COUNTING.render_request(request, Target(model="b"), set()))
    assert out == {"model": "b", "system": "s", "messages": [{"role": "user", "content": "x"}]}
    assert COUNTING.address(Target(model="b")) == "/v1/messages/count_tokens"


def test_the_count():
    assert COUNTING.parse_response(b'{"input_tokens":14}') == 14
    assert COUNTING.render_response(14) == b'{"input_tokens":14}'


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tokens":1}'])
def test_what_is_no_count(body: bytes):
    with pytest.raises(Malformed):
        COUNTING.parse_response(body)
