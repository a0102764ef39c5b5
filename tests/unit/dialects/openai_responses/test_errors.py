"""Failures of the Responses API: read from any body, written in its words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import Outcome, Problem
from headgate.dialects.openai_responses import parse_error, render_error


def error(**members: object) -> bytes:
    return json.dumps({"error": members}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, error(message="No.", type="invalid_request_error"), "invalid_request", Outcome.CLIENT),
        (400, error(message="Long.", code="context_length_exceeded"), "invalid_request", Outcome.CONTEXT),
        (400, error(message="Bad.", code="content_policy_violation"), "invalid_request", Outcome.POLICY),
        (400, error(message="Bad.", code="invalid_prompt"), "invalid_request", Outcome.POLICY),
        (401, error(message="Key.", code="invalid_api_key"), "authentication", Outcome.ACCOUNT),
        (402, error(message="Pay."), "billing", Outcome.ACCOUNT),
        (403, error(message="No."), "permission", Outcome.ACCOUNT),
        (404, error(message="No.", code="model_not_found"), "not_found", Outcome.CLIENT),
        (413, b"too large", "too_large", Outcome.CLIENT),
        (429, error(message="Slow.", code="rate_limit_exceeded", type="tokens"), "rate_limit", Outcome.RATE),
        (429, error(message="Pay.", code="insufficient_quota"), "billing", Outcome.ACCOUNT),
        (429, b"", "rate_limit", Outcome.RATE),
        (500, error(message="Oh.", type="server_error"), "upstream", Outcome.SERVER),
        (502, b"<html><title>Bad gateway</title></html>", "upstream", Outcome.SERVER),
        (503, error(message="Busy.", code="server_is_overloaded"), "overloaded", Outcome.OVERLOAD),
        (400, b'{"code":"invalid-argument","error":"Incorrect API key provided."}', "invalid_request", Outcome.ACCOUNT),
        (418, b"[]", "invalid_request", Outcome.CLIENT),
        (599, b'{"error": 5}', "upstream", Outcome.SERVER),
    ],
)
def test_classes(status: int, body: bytes, kind: str, outcome: Outcome):
    problem = parse_error(status, {}, body)

    assert (problem.kind, problem.outcome, problem.status, problem.raw) == (kind, outcome, status, body)
    assert problem.message


def test_members_are_kept():
    body = error(message="Wrong.", type="invalid_request_error", param="input[0]", code="invalid_value")

    assert parse_error(400, {}, body) == Problem(
        kind="invalid_request",
        message="Wrong.",
        outcome=Outcome.CLIENT,
        status=400,
        code="invalid_value",
        type="invalid_request_error",
        param="input[0]",
        dialect="openai_responses",
        raw=body,
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"code":"invalid-argument","error":"Bad key."}', "Bad key."),
        (b'[{"error":{"message":"In a list."}}]', "In a list."),
        (b'{"detail":"Plain."}', "Plain."),
        (b"upstream connect error", "upstream connect error"),
        (b"<html><title> Bad gateway </title>", "the service answered 502 with a page (Bad gateway)"),
        (b"<p>x", "the service answered 502 with a page (no title)"),
        (b"  ", "the service answered 502 without a body"),
        (b'{"error":{}}', '{"error":{}}'),
    ],
)
def test_messages_of_odd_bodies(body: bytes, message: str):
    assert parse_error(502, {}, body).message == message


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
        ({"retry-after": "9"}, "Please try again in 1s.", 9.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "Please try again in 1.242s.", 1.242),
        ({}, "Please try again in 20ms.", 0.02),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "Please try again in 1h2m.", 3720.0),
        ({}, "Please try again in a while.", None),
        ({}, "Please try again in 1.2.3s.", None),
        ({}, "", None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], message: str, seconds: float | None):
    assert parse_error(429, headers, error(message=message)).retry_after_s == pytest.approx(seconds)


@given(st.binary(max_size=80), st.integers(400, 599))
def test_any_body_makes_a_problem(body: bytes, status: int):
    problem = parse_error(status, {}, body)

    assert problem.message
    assert render_error(problem) == (status, body) or not body


def test_our_own_body_goes_back_as_it_came():
    body = b'{ "error": {"message": "No.", "misalignment": {}} }'

    assert render_error(parse_error(400, {}, body)) == (400, body)


@pytest.mark.parametrize(
    ("problem", "status", "members"),
    [
        (
            Problem(kind="invalid_request", message="Wrong.", param="input", code="unsupported_feature"),
            400,
            {"type": "invalid_request_error", "param": "input", "code": "unsupported_feature"},
        ),
        (
            Problem(kind="billing", message="Wrong.", dialect="anthropic", type="billing_error", raw=b"x"),
            429,
            {"type": "insufficient_quota", "param": None, "code": "insufficient_quota"},
        ),
        (
            Problem(kind="invalid_request", message="Wrong.", outcome=Outcome.CONTEXT, dialect="gemini", code="3"),
            400,
            {"type": "invalid_request_error", "param": None, "code": "context_length_exceeded"},
        ),
        (
            Problem(kind="invalid_request", message="Wrong.", outcome=Outcome.POLICY, dialect="gemini"),
            400,
            {"type": "invalid_request_error", "param": None, "code": "content_policy_violation"},
        ),
        (
            Problem(kind="overloaded", message="Wrong.", status=529, dialect="anthropic"),
            529,
            {"type": "server_error", "param": None, "code": "server_is_overloaded"},
        ),
        (
            Problem(kind="upstream", message="Wrong.", metadata={"provider": "a"}),
            502,
            {"type": "server_error", "param": None, "code": "server_error", "metadata": {"provider": "a"}},
        ),
    ],
)
def test_problems_in_this_dialects_words(problem: Problem, status: int, members: dict[str, object]):
    shown, body = render_error(problem)

    assert (shown, json.loads(body)) == (status, {"error": {"message": "Wrong.", **members}})
