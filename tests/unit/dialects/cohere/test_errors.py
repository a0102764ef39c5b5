"""Errors, both ways: their class, their words, and how long to wait."""

import json
from typing import Any

import pytest

from headgate.core.problems import Outcome, Problem
from headgate.dialects.cohere import parse_error, render_error


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, {"message": "invalid type"}, Outcome.CLIENT),
        (400, {"message": "size limit", "error_type": "TOO_MANY_TOKENS"}, Outcome.CONTEXT),
        (400, {"message": "too many tokens: total is over the limit"}, Outcome.CONTEXT),
        (422, {"message": "the prompt was blocked"}, Outcome.POLICY),
        (400, {"message": "invalid api token"}, Outcome.ACCOUNT),
        (401, {"message": "invalid api token"}, Outcome.ACCOUNT),
        (402, {"message": "add a card"}, Outcome.ACCOUNT),
        (404, {"message": "model 'x' not found"}, Outcome.CLIENT),
        (429, {"message": "slow down"}, Outcome.RATE),
        (429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, Outcome.ACCOUNT),
        (498, {"message": "blocked output"}, Outcome.POLICY),
        (499, {"message": "cancelled"}, Outcome.CLIENT),
        (500, {"message": "internal"}, Outcome.SERVER),
        (501, {"message": "not implemented"}, Outcome.CLIENT),
        (503, {"message": "busy"}, Outcome.OVERLOAD),
        (504, {"message": "timeout"}, Outcome.SERVER),
    ],
)
def test_the_class_of_an_error(status: int, body: Any, outcome: Outcome) -> None:
    wire = json.dumps(body).encode()
    problem = parse_error(status, {}, wire)

    assert (problem.outcome, problem.message, problem.status) == (outcome, body["message"], status)
    assert render_error(problem) == (status, wire)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"detail":"gone"}', "gone"),
        (b"<html><title> Bad  gateway </title></html>", "Bad gateway"),
        (b"<b>no</b> luck", "no luck"),
        (b'{"message":"\\ud800"}', '{"message":"\\ud800"}'),
        (b'{"message":"\xff"}', "\ufffd"),
        (b"", "Cohere answered with status 500 and no message"),
        (b'{"message":5}', "Cohere answered with status 500 and no message"),
    ],
)
def test_the_words_of_an_error(body: bytes, message: str) -> None:
    assert parse_error(500, {}, body).message == message


@pytest.mark.parametrize(("after", "wait"), [("7", 7.0), ("1.5", 1.5), ("soon", None), ("", None)])
def test_how_long_to_wait(after: str, wait: float | None) -> None:
    assert parse_error(429, {"retry-after": after}, b"{}").retry_after_s == wait


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (Problem(kind="rate_limit", message="slow"), (429, {"message": "slow"})),
        (
            Problem(kind="invalid_request", message="long", outcome=Outcome.CONTEXT, dialect="x", raw=b"{}"),
            (400, {"message": "long", "error_type": "TOO_MANY_TOKENS"}),
        ),
        (
            Problem(kind="upstream", message="no", type="T", dialect="cohere", metadata={"provider": "p"}),
            (502, {"message": "no", "error_type": "T", "metadata": {"provider": "p"}}),
        ),
    ],
)
def test_an_error_in_this_dialect(problem: Problem, answer: Any) -> None:
    status, body = render_error(problem)

    assert (status, json.loads(body)) == answer
