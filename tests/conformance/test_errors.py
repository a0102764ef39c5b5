"""Every error that any host was recorded to answer with, whatever was asked: read into the class that it should have.

The classes expected here are read from the bodies by rules of their own, which know neither hosts nor dialects; an
error that no rule fits fails, so that each new one is looked at by somebody.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import structs

from headgate.core.problems import Outcome, Problem
from headgate.dialects.registry import DIALECTS
from tests.conformance.traffic import FOLDER, Exchange, dialect_of, families, read_exchange, records

_RULES: tuple[tuple[str, str, Outcome], ...] = (
    (r"40[0-3]", r"credit|billing|payment|quota", Outcome.ACCOUNT),
    (r"40[13]|400", r"usage guidelines|sensitive words|content.policy|flagged", Outcome.POLICY),
    (r"401", r"", Outcome.ACCOUNT),
    (r"403", r"not found \(or permission denied\)", Outcome.CLIENT),
    (r"403", r"", Outcome.ACCOUNT),
    (r"400", r"api key|location is not supported", Outcome.ACCOUNT),
    # the account lacks an inference profile for a model that others may have
    (r"400", r"on-demand throughput", Outcome.ACCOUNT),
    (
        r"400|413|422",
        r"context (?:length|size|window)|too (?:many tokens|long)|token count|`max_new_tokens`",
        Outcome.CONTEXT,
    ),
    # the model wrote a call that its own host refuses: nothing that the caller could mend
    (r"400", r"tool call validation failed", Outcome.SERVER),
    (r"400|404|405|409|415|422", r"", Outcome.CLIENT),
    (r"429", r"insufficient_quota|credits? (?:are|is)", Outcome.ACCOUNT),
    (r"429", r"", Outcome.RATE),
    (r"503|529", r"", Outcome.OVERLOAD),
    (r"5\d\d", r"", Outcome.SERVER),
)
"""Statuses, words of the body, and the class: the first that fits."""

_SPOKEN: tuple[tuple[str, str], ...] = (
    (r"anthropic\w* ", "anthropic"),
    (r"(gemini|vertex) ", "gemini"),
    (r"cohere ", "cohere"),
    (r"bedrock\w* ", "bedrock_converse"),
    (r"ollama .*/api/", "ollama"),
    (r"", "openai_chat"),
)
"""What is spoken where something else than a talk was asked for: by family and URL, the first that fits."""


@cache
def recorded() -> tuple[Exchange, ...]:
    """Every error, in the dialect that Headgate would read it in."""
    return tuple(found for family in families() for record in records(family) for found in _read(record, family))


def is_error(record: dict[str, Any]) -> bool:
    """Whether it is one."""
    return (record.get("status") or 200) >= 400


def _read(record: dict[str, Any], family: str) -> Iterator[Exchange]:
    if is_error(record):
        call = f"{family} {record['url']}"
        spoken = next(dialect for rule, dialect in _SPOKEN if re.match(rule, call))
        yield read_exchange(record, family, dialect_of(record) or spoken)


def expected(status: int, body: str) -> Outcome | None:
    """The class that an error should have."""
    for statuses, words, outcome in _RULES:
        if re.fullmatch(statuses, str(status)) and re.search(words, body, re.I):
            return outcome
    return None


def the_class_is_right(error: Exchange, problem: Problem) -> str | None:
    wanted = expected(error.status, error.body.decode("utf-8", "replace"))
    return None if problem.outcome is wanted else f"is {problem.outcome}, should be {wanted}"


def it_is_told(error: Exchange, problem: Problem) -> str | None:
    return None if problem.message and problem.status == error.status else f"{problem.status} {problem.message!r}"


def it_goes_home_as_it_came(error: Exchange, problem: Problem) -> str | None:
    told = DIALECTS[error.dialect].render_error(problem)
    return None if not error.body or told == (error.status, error.body) else f"rendered {told!r:.300}"


def other_dialects_tell_it(_error: Exchange, problem: Problem) -> str | None:
    """Each in its own words, of the same class as far as it has words, with the same message."""
    for other in DIALECTS.values():
        status, body = other.render_error(structs.replace(problem, raw=b"", dialect=""))
        again = other.parse_error(status, {}, body)
        if not 400 <= status < 600 or problem.message.strip()[:80] not in again.message:
            return f"{other.name} tells {status} {body!r:.300}"
    return None


CHECKS: list[Callable[[Exchange, Problem], str | None]] = [
    the_class_is_right,
    it_is_told,
    it_goes_home_as_it_came,
    other_dialects_tell_it,
]


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_error(record_property: Callable[[str, object], None]):
    faults: list[str] = []
    table: Counter[tuple[str, int, str]] = Counter()
    for error in recorded():
        problem = DIALECTS[error.dialect].parse_error(error.status, error.headers, error.body)
        table[urlsplit(error.url).hostname or "", error.status, problem.outcome.value] += 1
        for check in CHECKS:
            if fault := check(error, problem):
                faults.append(f"{error.id} {error.url} {error.status} {check.__name__}: {fault}: {error.body!r:.300}")
    record_property("errors", [[*row, count] for row, count in sorted(table.items())])

    assert not faults, f"{len(faults)} faults in {len(recorded())} errors:\n" + "\n".join(faults[:25])


QUOTED = FOLDER.parent / "error_bodies_from_issues.jsonl"
_DIALECTS_QUOTED = {
    "anthropic_messages": "anthropic",
    "gemini": "gemini",
    "vertex": "gemini",
    "bedrock": "bedrock_converse",
}


def quoted() -> list[dict[str, Any]]:
    """Errors that no recording has, as users have quoted them in public; some of them are not whole."""
    return [json.loads(line) for line in QUOTED.read_text().splitlines()] if QUOTED.exists() else []


@pytest.mark.skipif(not quoted(), reason=f"no quoted errors at {QUOTED}")
def test_errors_that_users_have_quoted():
    faults: list[str] = []
    for error in quoted():
        told, body = str(error["dialect"]), str(error["response_body"])
        spoken = next((name for begin, name in _DIALECTS_QUOTED.items() if told.startswith(begin)), "openai_chat")
        problem = DIALECTS[spoken].parse_error(error["status"], error["response_headers"], body.encode())
        status = 429 if "stream_error" in told else error["status"]  # within a stream there is none of its own
        if problem.outcome is not expected(status, body) or not problem.message:
            faults.append(f"{told} {status} {problem.outcome} {body:.200}")
    assert not faults, faults
