"""Counting of tokens over real recorded exchanges: the request back as it was, the count as it was told."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from headgate.core.problems import ClientError
from headgate.dialects.base import Counting, Envelope, Target
from headgate.dialects.registry import DIALECTS
from tests.conformance.traffic import FOLDER, Exchange, families, read_exchange, records

_COUNTING = (
    (re.compile(r"/v1/messages/count_tokens$"), "anthropic", "input_tokens"),
    (re.compile(r":countTokens$"), "gemini", "totalTokens"),
    (re.compile(r"/v1/responses/input_tokens$"), "openai_responses", "input_tokens"),
)


def dialect_of(record: dict[str, Any]) -> tuple[str, str] | None:
    """The dialect that is asked to count, and where its answers have the count."""
    path = record["url"].partition("?")[0]
    found = next(((dialect, name) for rule, dialect, name in _COUNTING if rule.search(path)), None)
    return found if record["method"] == "POST" else None


@cache
def recorded() -> tuple[tuple[Exchange, str], ...]:
    """Every good answer, and where it has the count."""
    return tuple(
        (read_exchange(record, family, found[0]), found[1])
        for family in families()
        for record in records(family)
        if (found := dialect_of(record)) and (record.get("status") or 200) < 400
    )


def the_request_comes_back(exchange: Exchange, counting: Counting) -> str | None:
    if exchange.request is None:
        return None
    body = json.dumps(exchange.request).encode()
    asked = counting.parse_request(body, Envelope(model=exchange.path_model))
    dropped: set[str] = set()
    back = json.loads(counting.render_request(asked, Target(model=asked.model), dropped))
    return None if (back, dropped) == (exchange.request, set()) else f"dropped {dropped}, rendered {back}"


def others_are_asked(exchange: Exchange, counting: Counting) -> str | None:
    if exchange.request is None:
        return None
    asked = counting.parse_request(json.dumps(exchange.request).encode(), Envelope(model=exchange.path_model))
    for other in DIALECTS.values():
        if other.counting is not None and other.counting is not counting:
            try:
                wire = other.counting.render_request(asked, Target(model="m"), set())
            except ClientError as error:
                if error.problem.code != "unsupported_feature":
                    return f"{other.name} refuses: {error}"
                continue
            other.counting.parse_request(wire, Envelope(model="m"))
    return None


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_exchange(record_property: Callable[[str, object], None]):
    faults: list[str] = []
    for exchange, name in recorded():
        counting = DIALECTS[exchange.dialect].counting
        assert counting is not None
        told = json.loads(exchange.body)[name]
        assert counting.parse_response(exchange.body) == told
        assert json.loads(counting.render_response(told))[name] == told
        for check in (the_request_comes_back, others_are_asked):
            if fault := check(exchange, counting):
                faults.append(f"{exchange.id} {exchange.url} {check.__name__}: {fault:.300}")
    record_property("conformance", ["counting", len(recorded()), 0])

    assert {exchange.dialect for exchange, _ in recorded()} == {"anthropic", "gemini", "openai_responses"}
    assert not faults, "\n".join(faults)
