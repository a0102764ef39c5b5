"""Amazon Bedrock's errors, and its count of tokens."""

import json

import pytest

from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.core.request import Knobs, Message, Request, Text
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.bedrock_converse import parse_error, render_error
from headgate.dialects.bedrock_converse.counting import COUNTING

CORAL = "http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("status", "type", "message", "kind", "outcome"),
    [
        (400, "ValidationException", "bad", "invalid_request", Outcome.CLIENT),
        (400, "ValidationException", "Input is too long for requested model.", "invalid_request", Outcome.CONTEXT),
        (400, "ValidationException", "Invocation of x with on-demand throughput isn’t", "permission", Outcome.ACCOUNT),
        (400, "ServiceQuotaExceededException", "quota", "billing", Outcome.ACCOUNT),
        (403, "AccessDeniedException", "no access", "permission", Outcome.ACCOUNT),
        (403, "ExpiredTokenException", "expired", "authentication", Outcome.ACCOUNT),
        (404, "ResourceNotFoundException", "gone", "not_found", Outcome.CLIENT),
        (408, "ModelTimeoutException", "slow", "timeout", Outcome.SLOW),
        (424, "ModelErrorException", "broke", "upstream", Outcome.SERVER),
        (429, "ThrottlingException", "slow down", "rate_limit", Outcome.RATE),
        (429, "ModelNotReadyException", "wait", "overloaded", Outcome.OVERLOAD),
        (500, "InternalServerException", "broke", "upstream", Outcome.SERVER),
        (503, "ServiceUnavailableException", "busy", "overloaded", Outcome.OVERLOAD),
        (401, "", "who", "authentication", Outcome.ACCOUNT),
        (413, "", "big", "too_large", Outcome.CLIENT),
        (429, "", "many", "rate_limit", Outcome.RATE),
        (502, "", "gateway", "upstream", Outcome.SERVER),
    ],
)
def test_classes(status: int, type: str, message: str, kind: str, outcome: Outcome):
    body = json.dumps({"message": message}).encode()
    problem = parse_error(status, {"x-amzn-errortype": f"{type}:{CORAL}"} if type else {}, body)
    assert (problem.kind, problem.outcome, problem.message, problem.type) == (kind, outcome, message, type or None)
    assert render_error(problem) == (status, body)


@pytest.mark.parametrize(
    ("body", "type", "message"),
    [
        (b'{"__type":"com.amazon.coral#ThrottlingException","Message":"m"}', "ThrottlingException", "m"),
        (b'{"code":"ThrottlingException"}', "ThrottlingException", 'Amazon Bedrock answered 429: {"code":'),
        (b"<html><b>Too many</b></html>", None, "Amazon Bedrock answered 429: Too many"),
        (b"", None, "Amazon Bedrock answered 429"),
    ],
)
def test_other_shapes(body: bytes, type: str | None, message: str):
    problem = parse_error(429, {}, body)
    assert (problem.type, problem.outcome) == (type, Outcome.RATE)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(("said", "seconds"), [("2", 2.0), ("soon", None), ("-1", None), ("nan", None), (None, None)])
def test_when_to_come_again(said: str | None, seconds: float | None):
    headers = {} if said is None else {"retry-after": said}
    assert parse_error(429, headers, b"{}").retry_after_s == seconds


def test_errors_of_others_in_bedrocks_words():
    problem = Problem(kind="not_found", message="no such model", dialect="anthropic", raw=b"{}")
    assert render_error(problem) == (404, b'{"__type":"ResourceNotFoundException","message":"no such model"}')


CONVERSE = b'{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{}}}}'
ENVELOPE = Envelope(model="anthropic.claude-x")
TARGET = Target(model="anthropic.claude-x")


def test_counting():
    request = COUNTING.parse_request(CONVERSE, ENVELOPE)
    assert COUNTING.address(TARGET) == "/model/anthropic.claude-x/count-tokens"
    assert json.loads(COUNTING.render_request(request, TARGET, set())) == {
        "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}}
    }
    assert (COUNTING.parse_response(b'{"inputTokens":7}'), COUNTING.render_response(7)) == (7, b'{"inputTokens":7}')


def test_counting_for_others():
    turn = Message(role="user", parts=(Text(text="hi"),))
    request = Request(dialect="anthropic", model="m", messages=(turn,), knobs=Knobs(max_tokens=5))
    assert json.loads(COUNTING.render_request(request, TARGET, set())) == {
        "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}}
    }


@pytest.mark.parametrize("body", [b"{}", b'{"input":{"invokeModel":{"body":""}}}'])
def test_what_is_not_counted_is_refused(body: bytes):
    with pytest.raises(InvalidRequest, match=r"input\.converse is missing"):
        COUNTING.parse_request(body, ENVELOPE)


@pytest.mark.parametrize("body", [b"{}", b"[", b"\xff"])
def test_a_count_that_tells_none_is_malformed(body: bytes):
    with pytest.raises(Malformed, match="tells no `inputTokens`"):
        COUNTING.parse_response(body)
