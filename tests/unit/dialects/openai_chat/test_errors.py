"""Errors of many hosts, and the one shape that clients know."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import Outcome, Problem
from headgate.dialects.openai_chat import parse_error, render_error

ACCOUNT, CLIENT, CONTEXT, OVERLOAD, POLICY, RATE, SERVER = (
    Outcome.ACCOUNT,
    Outcome.CLIENT,
    Outcome.CONTEXT,
    Outcome.OVERLOAD,
    Outcome.POLICY,
    Outcome.RATE,
    Outcome.SERVER,
)


def parse(status: int, body: Any, **headers: str) -> Problem:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_error(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def error(message: str = "no", **members: Any) -> dict[str, Any]:
    return {"error": {"message": message, **members}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, error(type="invalid_request_error"), "invalid_request", CLIENT),
        (400, error(code="context_length_exceeded"), "invalid_request", CONTEXT),
        (400, error("This model's maximum context length is 8 tokens"), "invalid_request", CONTEXT),
        (400, error(code=400, type="exceed_context_size_error"), "invalid_request", CONTEXT),
        (
            400,
            error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}),
            "invalid_request",
            POLICY,
        ),
        (400, error("Your content was flagged"), "invalid_request", POLICY),
        (400, {"code": "bad", "error": "Incorrect API key provided: x"}, "invalid_request", ACCOUNT),
        (400, error("prompt too long; exceeded max context length by 9 tokens"), "invalid_request", CONTEXT),
        (422, error("`inputs` tokens + `max_new_tokens` must be <= 9"), "invalid_request", CONTEXT),
        (400, error(code="tool_use_failed"), "invalid_request", SERVER),
        (403, {"error": "Content violates usage guidelines. Failed check: X"}, "permission", POLICY),
        (403, error("Your token limit is 8"), "permission", ACCOUNT),
        (404, error('model "m" not found, try pulling it first', type="api_error"), "not_found", CLIENT),
        (401, error(code="invalid_api_key"), "authentication", ACCOUNT),
        (402, error("Insufficient credits", code=402), "billing", ACCOUNT),
        (403, error(), "permission", ACCOUNT),
        (404, error(code="model_not_found"), "not_found", CLIENT),
        (413, error("too many tokens"), "too_large", CONTEXT),
        (429, error(code="rate_limit_exceeded", type="tokens"), "rate_limit", RATE),
        (429, error(type="insufficient_quota", code="insufficient_quota"), "billing", ACCOUNT),
        (429, error(type="server_error"), "rate_limit", RATE),
        (500, error(type="server_error"), "upstream", SERVER),
        (503, error(type="server_error"), "overloaded", OVERLOAD),
        (529, b"", "overloaded", OVERLOAD),
        (498, error(), "invalid_request", RATE),
    ],
    ids=str,
)
def test_who_is_at_fault(status: int, body: Any, kind: str, outcome: Outcome) -> None:
    problem = parse(status, body)
    assert (problem.kind, problem.outcome, problem.status) == (kind, outcome, status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (error("plain"), "plain"),
        ({"error": "bare"}, "bare"),
        ({"error": {"error": {"message": "nested"}}}, "nested"),
        ({"message": "outside", "request_id": "r"}, "outside"),
        ({"detail": "fast"}, "fast"),
        ({"detail": [{"loc": ["body"], "msg": "field required"}]}, "field required"),
        ([{"error": {"message": "listed"}}], "listed"),
        ({"error": {"message": "kept", "details": [{"message": "finer"}]}}, "kept"),
        ("text", "text"),
        (b"plain text", "plain text"),
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>", "502 Bad Gateway"),
        (b"<p>no <b>title</b></p>", "no title"),
        (b"", "the provider answered with status 500 and no message"),
        ([], "the provider answered with status 500 and no message"),
        (None, "the provider answered with status 500 and no message"),
        ({}, "the provider answered with status 500 and no message"),
        (b'{"error": {"message": "\xff"', '{"error": {"message": "�"'),
    ],
    ids=str,
)
def test_there_is_always_something_to_read(body: Any, message: str) -> None:
    assert parse(500, body).message == message


def test_the_words_and_the_body_are_kept() -> None:
    body = error("no", type="t", code="c", param="p")
    problem = parse(400, body)
    assert (problem.type, problem.code, problem.param) == ("t", "c", "p")
    assert (problem.dialect, json.loads(problem.raw)) == ("openai_chat", body)


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        (error(), {"retry_after": "3"}, 3.0),
        (error(), {"retry_after": "1.5"}, 1.5),
        (error(), {"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        (error(), {"retry_after": "Sun, 22 Nov 2026 10:00:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30.0),
        (error(), {"retry_after": "Sun, 22 Nov 2026 10:00:30 GMT"}, None),
        (error(), {"retry_after": "soon"}, None),
        (error("Rate limit reached. Please try again in 1m2.5s. Visit"), {}, 62.5),
        (error("Please try again in 20ms."), {}, 0.02),
        (error("Please retry after 7 seconds."), {}, 7.0),
        (error("try again later"), {}, None),
        (error(details=[{"@type": "RetryInfo", "retryDelay": "33s"}]), {}, 33.0),
        (error(metadata={"retry_after_seconds": 4}), {}, 4.0),
    ],
    ids=str,
)
def test_how_long_to_wait(body: Any, headers: dict[str, str], wait: float | None) -> None:
    assert parse(429, body, **headers).retry_after_s == wait


@given(st.integers(min_value=400, max_value=599), st.binary())
def test_any_bytes_are_a_problem(status: int, body: bytes) -> None:
    assert parse(status, body).message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "detail", "details", "metadata", "type"]), inner)
    ),
)


@given(JSON)
def test_any_json_is_a_problem(body: object) -> None:
    assert parse(500, body).message


def test_our_own_problem_is_told_in_the_shape_that_clients_know() -> None:
    problem = Problem(
        kind="rate_limit", message="slow", outcome=RATE, param="model", metadata={"provider": "p"}, code="mine"
    )
    status, body = render_error(problem)
    assert (status, json.loads(body)) == (
        429,
        {
            "error": {
                "message": "slow",
                "type": "rate_limit_error",
                "param": "model",
                "code": "mine",
                "metadata": {"provider": "p"},
            }
        },
    )


@pytest.mark.parametrize(
    ("kind", "outcome", "type_", "code"),
    [
        ("invalid_request", CONTEXT, "invalid_request_error", "context_length_exceeded"),
        ("invalid_request", POLICY, "invalid_request_error", "content_policy_violation"),
        ("billing", ACCOUNT, "insufficient_quota", "insufficient_quota"),
        ("overloaded", OVERLOAD, "server_error", None),
    ],
)
def test_anothers_words_are_translated(kind: Any, outcome: Outcome, type_: str, code: str | None) -> None:
    problem = Problem(
        kind=kind, message="m", outcome=outcome, dialect="anthropic", type="theirs", code="theirs", raw=b"x"
    )
    told = json.loads(render_error(problem)[1])["error"]
    assert (told["type"], told["code"]) == (type_, code)


def test_our_own_dialects_error_passes_as_it_was() -> None:
    assert render_error(parse(418, b"<teapot>")) == (418, b"<teapot>")


@pytest.mark.parametrize(
    ("raw", "outcome", "message", "code"),
    [
        ('{"code": "no", "error": "Content violates usage guidelines."}', POLICY, "Content violates usage", "no"),
        (
            '{"error": {"code": "context_length_exceeded", "message": "Long"}}',
            CONTEXT,
            "Long",
            "context_length_exceeded",
        ),
        ("busy upstream", CLIENT, "busy upstream", None),
    ],
)
def test_what_a_host_behind_a_router_said(raw: str, outcome: Outcome, message: str, code: str | None) -> None:
    problem = parse(400, error("Provider returned error", code=400, metadata={"raw": raw, "provider_name": "p"}))
    assert problem.outcome is outcome
    assert problem.message.startswith(f"Provider returned error: {message}")
    assert problem.code == code


def test_a_router_that_tells_nothing_more() -> None:
    assert parse(400, error("no", code="c", metadata={"provider_name": "p"})).message == "no"
    assert parse(400, error("no", metadata={"raw": ""})).message == "no"
    assert parse(400, {"error": {"code": "c", "metadata": {"raw": "words"}}}).message == "words"
