"""Compaction is one request and one answer, whose usage is told like a response's."""

import json

import pytest

from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.openai_responses.compacting import SIDES
from headgate.dialects.side import Asked, Sent

COMPACTION = SIDES["compaction"]


def sent(**members: object) -> Sent:
    return Sent(body=json.dumps(members).encode(), envelope=Envelope())


def asked() -> Asked:
    return COMPACTION.peek(sent(model="m", input="hi"))


def test_a_request_is_looked_at_and_sent_with_the_upstreams_model():
    request = sent(model="m", input="x" * 400, previous_response_id="resp_1")
    found = COMPACTION.peek(request)
    assert (found.model, found.refers, found.measured.is_estimated) == ("m", ("resp_1",), True)
    assert found.measured.input_tokens > 100
    assert json.loads(COMPACTION.patch(request, found, Target(model="theirs")))["model"] == "theirs"
    assert COMPACTION.address(found, Target(model="m")) == "/responses/compact"
    assert COMPACTION.peek(Sent(body=b"{}", envelope=Envelope(model="of the path"))).model == "of the path"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":7}', b"\xff"])
def test_what_is_no_request_is_refused(body: bytes):
    with pytest.raises(InvalidRequest):
        COMPACTION.peek(Sent(body=body, envelope=Envelope()))


def test_an_answer_tells_what_it_used():
    usage = {"input_tokens": 9, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}}
    told = COMPACTION.read(json.dumps({"output": [{}], "usage": usage}).encode(), "application/json", asked())
    assert told is not None
    assert (told.input_tokens, told.output_tokens, told.reasoning_tokens) == (9, 3, 1)
    assert COMPACTION.read(b'{"output":[]}', "application/json", asked()) is None


@pytest.mark.parametrize("body", [b"", b"{}", b'{"output":7}', b"\xff"])
def test_what_is_no_answer_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        COMPACTION.read(body, "application/json", asked())
