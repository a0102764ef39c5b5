"""Embeddings at doors that no client speaks, over real recorded exchanges: answers read, usage as it was told."""

import re
from functools import cache
from typing import Any

import pytest

from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Asked
from tests.conformance.traffic import EMBEDS, FOLDER, Exchange, families, read_exchange, records

EXCEPTIONS = {"d4c89c0fd686ca328961": "another model's answer under the name of Cohere's"}
_ASKED = Asked(model="m", measured=Usage())


def dialect_of(record: dict[str, Any]) -> str | None:
    """The dialect of the door; None: it is another call."""
    path = record["url"].partition("?")[0]
    if record["method"] != "POST":
        return None
    if path.endswith("/invoke") and EMBEDS.search(f"{path} {str(record['response_body'])[:200]}"):
        return "bedrock_invoke"
    return "vertex_predict" if re.search(r"embedding[^/]*:predict$", path) else None


@cache
def recorded() -> tuple[Exchange, ...]:
    """Of all families."""
    return tuple(
        read_exchange(record, family, dialect)
        for family in families()
        for record in records(family)
        if (dialect := dialect_of(record)) is not None
    )


def the_answer_is_read(exchange: Exchange) -> str | None:
    dialect = DIALECTS[exchange.dialect]
    if exchange.status >= 400:
        problem = dialect.parse_error(exchange.status, exchange.headers, exchange.body)
        return None if problem.message else "an error without words"
    row = dialect.sides["embeddings"]
    assert row.halves is not None
    answer = row.halves.parse_response(exchange.body)
    usage = row.read(exchange.body, "application/json", _ASKED)
    told = exchange.headers.get(row.counted_in, "") if row.counted_in else ""
    if not answer.vectors:
        return "no vectors"
    if usage is None:
        return None if told else "nobody tells the usage"
    return None if not told or usage.input_tokens == int(told) else f"{usage.input_tokens} tokens of {told}"


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_exchange(record_property: Any):
    faults: dict[str, str] = {}
    for exchange in recorded():
        try:
            fault = the_answer_is_read(exchange)
        except Malformed as error:
            fault = str(error)
        if fault is not None:
            faults[exchange.id] = f"{exchange.url}: {fault:.200}"
    record_property("conformance", ["embeddings at foreign doors", len(recorded()), len(EXCEPTIONS)])

    assert {exchange.dialect for exchange in recorded()} == {"bedrock_invoke", "vertex_predict"}
    assert faults.keys() == EXCEPTIONS.keys(), faults
