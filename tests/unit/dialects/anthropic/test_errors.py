"""Anthropic's errors, read and written."""

import json

import pytest

from headgate.core.problems import Outcome, Problem
from headgate.dialects.anthropic import parse_error, render_error


def envelope(type: str, message: str, **more: object) -> bytes:
    return json.dumps({"type": "error", "error": {"type": type, "message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, envelope("invalid_request_error", "bad"), "invalid_request", Outcome.CLIENT),
        (401, envelope("authentication_error", "invalid x-api-key"), "authentication", Outcome.ACCOUNT),
        (402, envelope("billing_error", "pay"), "billing", Outcome.ACCOUNT),
        (403, envelope("permission_error", "no"), "permission", Outcome.ACCOUNT),
        (404, envelope("not_found_error", "model: x"), "not_found", Outcome.CLIENT),
        (413, envelope("request_too_large", "big"), "too_large", Outcome.CLIENT),
        (429, envelope("rate_limit_error", "slow down"), "rate_limit", Outcome.RATE),
        (500, envelope("api_error", "oops"), "upstream", Outcome.SERVER),
        (504, envelope("timeout_error", "late"), "timeout", Outcome.SERVER),
        (529, envelope("overloaded_error", "Overloaded"), "overloaded", Outcome.OVERLOAD),
        (400, envelope("invalid_request_error", "prompt is too long: 9 > 8"), "invalid_request", Outcome.CONTEXT),
        (
            400,
            envelope("invalid_request_error", "input length and `max_tokens` exceed context limit: 9"),
            "invalid_request",
            Outcome.CONTEXT,
        ),
        (
            400,
            envelope("invalid_request_error", "Your credit balance is too low to access the API"),
            "billing",
            Outcome.ACCOUNT,
        ),
        (
            400,
            envelope("invalid_request_error", "Output blocked by content filtering policy"),
            "invalid_request",
            Outcome.POLICY,
        ),
        (
            400,
            envelope("billing_error", "stop", details={"error_code": "enforced_spend_limit_reached"}),
            "billing",
            Outcome.ACCOUNT,
        ),
        (429, b'{"error":{"code":"rate_limit_error","message":"m","type":"x"}}', "rate_limit", Outcome.RATE),
        (503, b"upstream connect error", "overloaded", Outcome.OVERLOAD),
        (502, b"<html><head><style>p{}</style></head><h1>Bad gateway</h1></html>", "upstream", Outcome.SERVER),
        (418, b"", "invalid_request", Outcome.CLIENT),
        (500, b"[]", "upstream", Outcome.SERVER),
        (400, b'{"error":"plain words"}', "invalid_request", Outcome.CLIENT),
        (404, b'{"message":"gone"}', "not_found", Outcome.CLIENT),
        (500, b"\xff\xfe\x00", "upstream", Outcome.SERVER),
    ],
)
def test_the_class_of_an_error(status: int, body: bytes, kind: str, outcome: Outcome):
    problem = parse_error(status, {}, body)
    assert (problem.kind, problem.outcome, problem.status) == (kind, outcome, status)
    assert problem.message
    assert (problem.dialect, problem.raw) == ("anthropic", body)


def test_the_words_of_a_page_are_shown_without_its_markup():
    problem = parse_error(502, {}, b"<html><style>p{}</style><h1>Bad\n gateway</h1></html>")
    assert problem.message == "the upstream answered 502: Bad gateway"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "2m3s"}, 123),
        ({"retry-after": "20s"}, 20),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-4"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None):
    assert parse_error(429, headers, b"{}").retry_after_s == seconds


def test_an_error_of_this_dialect_goes_on_unmodified():
    body = b'{"type":"error", "error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}'
    assert render_error(parse_error(529, {}, body)) == (529, body)


@pytest.mark.parametrize(
    ("problem", "status", "type"),
    [
        (Problem(kind="invalid_request", message="m"), 400, "invalid_request_error"),
        (Problem(kind="authentication", message="m"), 401, "authentication_error"),
        (Problem(kind="billing", message="m"), 429, "billing_error"),
        (Problem(kind="permission", message="m"), 403, "permission_error"),
        (Problem(kind="not_found", message="m"), 404, "not_found_error"),
        (Problem(kind="too_large", message="m"), 413, "request_too_large"),
        (Problem(kind="rate_limit", message="m"), 429, "rate_limit_error"),
        (Problem(kind="internal", message="m"), 500, "api_error"),
        (Problem(kind="upstream", message="m"), 502, "api_error"),
        (Problem(kind="overloaded", message="m"), 529, "overloaded_error"),
        (Problem(kind="overloaded", message="m", status=503, dialect="gemini", raw=b"x"), 529, "overloaded_error"),
        (Problem(kind="timeout", message="m"), 504, "timeout_error"),
    ],
)
def test_our_own_errors(problem: Problem, status: int, type: str):
    told, body = render_error(problem)
    assert told == status
    assert json.loads(body) == {"type": "error", "error": {"type": type, "message": "m"}}


def test_an_overload_amid_a_stream_has_anthropics_own_status():
    body = envelope("overloaded_error", "Overloaded")
    problem = Problem(kind="overloaded", message="Overloaded", dialect="anthropic", raw=body)
    assert render_error(problem) == (529, body)
    assert render_error(parse_error(503, {}, body)) == (503, body)


def test_metadata_and_the_code_are_told():
    metadata: dict[str, object] = {"provider": "p", "request_id": "r1", "attempts": []}
    _, body = render_error(Problem(kind="not_found", message="m", code="model_not_found", metadata=metadata))
    assert json.loads(body) == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "m",
            "details": {"error_code": "model_not_found"},
            "metadata": metadata,
        },
        "request_id": "r1",
    }
