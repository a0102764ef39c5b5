"""Token counting in the Responses API's words."""

import json

import pytest

from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.openai_responses.counting import COUNTING


def test_a_count_is_asked_for_without_what_concerns_only_the_answer():
    body = json.dumps(
        {"model": "m", "input": "hi", "instructions": "short", "stream": True, "temperature": 1, "max_output_tokens": 5}
    )
    request = COUNTING.parse_request(body.encode(), Envelope())
    asked = json.loads(COUNTING.render_request(request, Target(model="theirs"), set()))
    assert asked.keys() == {"model", "input", "instructions"}
    assert asked["model"] == "theirs"
    assert COUNTING.address(Target(model="m")) == "/responses/input_tokens"


def test_a_count_is_read_and_told():
    assert COUNTING.parse_response(b'{"object":"response.input_tokens","input_tokens":11}') == 11
    assert json.loads(COUNTING.render_response(11)) == {"object": "response.input_tokens", "input_tokens": 11}
    assert COUNTING.absent == {404, 405, 501}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input_tokens":"x"}', b'{"input_tokens":1.5}', b"\xff"])
def test_what_is_no_count_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        COUNTING.parse_response(body)
