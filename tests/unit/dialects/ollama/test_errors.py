"""Errors, both ways: their class, their words, and how long to wait."""

import json
from typing import Any

import pytest

from headgate.core.problems import Outcome, Problem
from headgate.dialects.ollama import parse_error, render_error


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (400, "invalid options", Outcome.CLIENT),
        (400, "the input length exceeds the context length", Outcome.CONTEXT),
        (400, "prompt too long; exceeded max context length by 5 tokens", Outcome.CONTEXT),
        (401, "unauthorized", Outcome.ACCOUNT),
        (404, "model 'x' not found", Outcome.CLIENT),
        (429, "slow down", Outcome.RATE),
        (500, "llama runner process has terminated", Outcome.SERVER),
        (500, "server busy, please try again. maximum pending requests exceeded", Outcome.OVERLOAD),
        (503, "busy", Outcome.OVERLOAD),
    ],
)
def test_the_class_of_an_error(status: int, message: str, outcome: Outcome) -> None:
    wire = json.dumps({"error": message}).encode()
    problem = parse_error(status, {}, wire)

    assert (problem.outcome, problem.message, problem.status) == (outcome, message, status)
    assert render_error(problem) == (status, wire)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"deep"}}', "deep"),
        (b'{"message":"flat"}', "flat"),
        (b'"bare"', "bare"),
        (b"<html><title> Bad  gateway </title></html>", "Bad gateway"),
        (b"<b>no</b> luck", "no luck"),
        (b"", "Ollama answered with status 500 and no message"),
        (b"{}", "Ollama answered with status 500 and no message"),
    ],
)
def test_the_words_of_an_error(body: bytes, message: str) -> None:
    assert parse_error(500, {}, body).message == message


@pytest.mark.parametrize(("after", "wait"), [("7", 7.0), ("soon", None), ("", None)])
def test_how_long_to_wait(after: str, wait: float | None) -> None:
    assert parse_error(429, {"retry-after": after}, b"{}").retry_after_s == wait


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (Problem(kind="rate_limit", message="slow"), (429, {"error": "slow"})),
        (Problem(kind="upstream", message="no", dialect="ollama"), (502, {"error": "no"})),
        (
            Problem(kind="upstream", message="no", dialect="x", raw=b"{}", status=500, metadata={"provider": "p"}),
            (500, {"error": "no", "metadata": {"provider": "p"}}),
        ),
    ],
)
def test_an_error_in_this_dialect(problem: Problem, answer: Any) -> None:
    status, body = render_error(problem)

    assert (status, json.loads(body)) == answer
