"""Google's errors, read and written."""

import json

import pytest

from headgate.core.problems import Outcome, Problem
from headgate.dialects.gemini import parse_error, render_error


def body(code: int, status: str, message: str, *details: object) -> bytes:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    return json.dumps({"error": {**error, **({"details": details} if details else {})}}).encode()


def info(reason: str) -> object:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def quota(*ids: str) -> object:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name} for name in ids]}


SPENT = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("status", "told", "outcome", "kind"),
    [
        (400, body(400, "INVALID_ARGUMENT", "bad role"), Outcome.CLIENT, "invalid_request"),
        (400, body(400, "INVALID_ARGUMENT", "no", info("API_KEY_INVALID")), Outcome.ACCOUNT, "permission"),
        (400, body(400, "INVALID_ARGUMENT", "API key expired. Renew it."), Outcome.ACCOUNT, "permission"),
        (
            400,
            body(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            Outcome.CONTEXT,
            "invalid_request",
        ),
        (
            400,
            body(400, "INVALID_ARGUMENT", "the input token count is 9 but model only supports up to 8"),
            Outcome.CONTEXT,
            "invalid_request",
        ),
        (400, body(400, "INVALID_ARGUMENT", "It violates our policies."), Outcome.POLICY, "invalid_request"),
        (400, body(400, "FAILED_PRECONDITION", "User location is not supported"), Outcome.ACCOUNT, "permission"),
        (401, body(401, "UNAUTHENTICATED", "who?"), Outcome.ACCOUNT, "authentication"),
        (403, body(403, "PERMISSION_DENIED", "no", info("SERVICE_DISABLED")), Outcome.ACCOUNT, "permission"),
        (
            403,
            body(403, "PERMISSION_DENIED", "CachedContent not found (or permission denied)"),
            Outcome.CLIENT,
            "invalid_request",
        ),
        (404, body(404, "NOT_FOUND", "models/x is not found"), Outcome.CLIENT, "not_found"),
        (429, body(429, "RESOURCE_EXHAUSTED", "Try again later."), Outcome.RATE, "rate_limit"),
        (429, body(429, "RESOURCE_EXHAUSTED", SPENT), Outcome.ACCOUNT, "permission"),
        (429, body(429, "RESOURCE_EXHAUSTED", SPENT + " Please retry in 7.5s."), Outcome.RATE, "rate_limit"),
        (429, body(429, "RESOURCE_EXHAUSTED", SPENT, quota("RequestsPerMinute-FreeTier")), Outcome.RATE, "rate_limit"),
        (429, body(429, "RESOURCE_EXHAUSTED", SPENT, quota("RequestsPerDay-FreeTier")), Outcome.ACCOUNT, "permission"),
        (
            429,
            body(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
            Outcome.ACCOUNT,
            "permission",
        ),
        (429, b"[" + body(429, "RESOURCE_EXHAUSTED", "later") + b"]", Outcome.RATE, "rate_limit"),
        (500, body(500, "INTERNAL", "oh"), Outcome.SERVER, "upstream"),
        (503, body(503, "UNAVAILABLE", "The model is overloaded."), Outcome.OVERLOAD, "overloaded"),
        (504, body(504, "DEADLINE_EXCEEDED", "slow"), Outcome.SERVER, "timeout"),
        (418, body(418, "BREWING", "tea"), Outcome.CLIENT, "invalid_request"),
    ],
)
def test_errors_are_told_apart(status: int, told: bytes, outcome: Outcome, kind: str):
    problem = parse_error(status, {}, told)

    assert (problem.outcome, problem.kind, problem.status) == (outcome, kind, status)
    assert (problem.dialect, problem.raw) == ("gemini", told)
    assert render_error(problem) == (status, told)


@pytest.mark.parametrize(
    ("status", "told", "message", "outcome"),
    [
        (502, b"<html><h1>Bad  Gateway</h1></html>", "Bad Gateway", Outcome.OVERLOAD),
        (500, b"", "Google answered with status 500 and no message", Outcome.SERVER),
        (500, b"[]", "[]", Outcome.SERVER),
        (503, b"\xff\xfe", "��", Outcome.OVERLOAD),
        (401, b'{"error": "invalid_grant", "error_description": "Bad Request"}', "Bad Request", Outcome.ACCOUNT),
        (400, b'{"error": {"message": 7, "details": [1, {"violations": 2}]}}', None, Outcome.CLIENT),
        (429, b'"slow"', '"slow"', Outcome.RATE),
        (400, b"[" * 9999, None, Outcome.CLIENT),
    ],
)
def test_any_body_tells_something(status: int, told: bytes, message: str | None, outcome: Outcome):
    problem = parse_error(status, {}, told)

    assert problem.outcome == outcome
    assert problem.message == message if message is not None else problem.message


@pytest.mark.parametrize(
    ("headers", "told", "seconds"),
    [
        ({"retry-after": "3"}, b"", 3.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, b"", 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"", None),
        ({}, body(429, "RESOURCE_EXHAUSTED", "x", {"@type": "RetryInfo", "retryDelay": "17.5s"}), 17.5),
        ({}, body(429, "RESOURCE_EXHAUSTED", "Please retry in 43.2s."), 43.2),
        ({}, body(429, "RESOURCE_EXHAUSTED", "Please retry in 500ms."), 0.5),
        ({}, body(429, "RESOURCE_EXHAUSTED", "x", {"retryDelay": 7}), None),
    ],
)
def test_the_wait_is_read(headers: dict[str, str], told: bytes, seconds: float | None):
    assert parse_error(429, headers, told).retry_after_s == seconds


def test_code_and_field_are_read():
    violation = {"fieldViolations": [{"field": "contents[0]", "description": "no"}]}

    problem = parse_error(400, {}, body(400, "INVALID_ARGUMENT", "no", violation, info("FIELD_INVALID")))

    assert (problem.type, problem.code, problem.param) == ("INVALID_ARGUMENT", "FIELD_INVALID", "contents[0]")


def test_our_own_problem_is_said_in_google_s_words():
    problem = Problem(
        kind="rate_limit",
        message="slow down",
        code="limit_reached",
        param="contents",
        retry_after_s=1.5,
        metadata={"provider": "x"},
    )

    status, told = render_error(problem)

    assert status == 429
    assert json.loads(told) == {
        "error": {
            "code": 429,
            "message": "slow down",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "LIMIT_REACHED"},
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "contents", "description": "slow down"}],
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"},
            ],
            "metadata": {"provider": "x"},
        }
    }


@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        ("authentication", 401, "UNAUTHENTICATED"),
        ("billing", 429, "RESOURCE_EXHAUSTED"),
        ("too_large", 413, "INVALID_ARGUMENT"),
        ("internal", 500, "INTERNAL"),
        ("upstream", 502, "UNAVAILABLE"),
    ],
)
def test_every_kind_has_a_status(kind: str, status: int, word: str):
    seen, told = render_error(Problem(kind=kind, message="m"))  # type: ignore[arg-type]

    assert (seen, json.loads(told)["error"]["status"]) == (status, word)
