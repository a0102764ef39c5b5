"""Side operations over real recorded exchanges: embeddings and ranking, each back as it was, and told abroad."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from headgate.core.problems import ClientError
from headgate.dialects.base import Dialect, Envelope, Operation, Target
from headgate.dialects.halves import asked_nowhere
from headgate.dialects.registry import DIALECTS
from tests.conformance.traffic import FOLDER, Exchange, families, read_exchange, records

_OPERATIONS = (
    (re.compile(r"/v[12]/embed$"), "cohere", "embeddings"),
    (re.compile(r"(cohere\.\w+|lambda\.\w+)/v[12]/rerank$"), "cohere", "ranking"),
    (re.compile(r"/rerank$"), "openai_chat", "ranking"),
    (re.compile(r"/api/embed$"), "ollama", "embeddings"),
    (re.compile(r":(batchEmbedContents|embedContent)$"), "gemini", "embeddings"),
    (re.compile(r"/embeddings$"), "openai_chat", "embeddings"),
)

EXCEPTIONS = {
    "717e64164f7c3ccd9e9b": "bedrock: AWS's own rerank, which no dialect has",
    "0d25fbdafc2b5679e128": "perplexity: vectors in `base64_int8`, which no other dialect has",
    "fa61fd18645424d9c536": "perplexity: vectors in `base64_int8`, which no other dialect has",
}


@cache
def recorded() -> tuple[tuple[str, Exchange], ...]:
    """Every exchange of each operation, of all families."""
    return tuple(found for family in families() for record in records(family) for found in _read(record, family))


def operation_of(record: dict[str, Any]) -> tuple[str, str] | None:
    """The dialect and the operation that are asked for."""
    path = record["url"].partition("?")[0]
    found = next(((dialect, name) for rule, dialect, name in _OPERATIONS if rule.search(path)), None)
    return found if record["method"] == "POST" else None


def _read(record: dict[str, Any], family: str) -> Iterator[tuple[str, Exchange]]:
    found = operation_of(record)
    if found is not None:
        yield found[1], read_exchange(record, family, found[0])


def halves_of(dialect: Dialect, name: str) -> Operation[Any, Any] | None:
    side = dialect.sides.get(name)
    return None if side is None else side.halves


def envelope(exchange: Exchange) -> Envelope:
    return Envelope(model=exchange.path_model)


def body_of(exchange: Exchange) -> bytes:
    return json.dumps(exchange.request, ensure_ascii=False).encode()


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


def the_request_comes_back(exchange: Exchange, operation: Operation[Any, Any], _: str) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    asked = operation.parse_request(body_of(exchange), envelope(exchange))
    dropped: set[str] = set()
    back = json.loads(operation.render_request(asked, Target(model=asked.model), dropped))
    expected = {"model": asked.model, **exchange.request} if "model" in back else exchange.request
    if plain(back) != plain(expected) or dropped:
        return f"dropped {dropped}, rendered {json.dumps(back)[:300]}"
    path = exchange.url.partition("?")[0]
    address = operation.address(asked, Target(model=asked.model))
    return None if path.rpartition("/")[2] == address.rpartition("/")[2] else f"asked at {address}"


def the_answer_comes_back(exchange: Exchange, operation: Operation[Any, Any], _: str) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    asked = operation.parse_request(body_of(exchange), envelope(exchange))
    dropped: set[str] = set()
    back = json.loads(operation.render_response(operation.parse_response(exchange.body), asked, dropped))
    if plain(back) != plain(json.loads(exchange.body)) or dropped:
        return f"dropped {dropped}, rendered {json.dumps(back)[:300]}"
    return None


def every_answer_is_read(exchange: Exchange, operation: Operation[Any, Any], name: str) -> str | None:
    if exchange.status >= 400:
        return None
    answer = operation.parse_response(exchange.body)
    told = json.loads(exchange.body)
    count = len(answer.vectors if name == "embeddings" else answer.results)
    listed = [told[key] for key in ("data", "embeddings", "results") if key in told]
    wanted = 1 if not listed else len(listed[0].get("float", [])) if isinstance(listed[0], dict) else len(listed[0])
    usage = told.get("usage") or told.get("meta", {}).get("billed_units") or told.get("usageMetadata") or {}
    names = ("prompt_tokens", "input_tokens", "promptTokenCount", "total_tokens")
    tokens = next((usage[key] for key in names if key in usage), told.get("prompt_eval_count", 0))
    tokens += usage.get("image_tokens", 0)
    ours = answer.usage.input_tokens if answer.usage else 0
    return None if (count, ours) == (wanted, tokens) else f"{count} of {wanted}, {ours} tokens of {tokens}"


def others_are_asked_and_told(exchange: Exchange, operation: Operation[Any, Any], name: str) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    asked = operation.parse_request(body_of(exchange), envelope(exchange))
    answer = operation.parse_response(exchange.body)
    for other in DIALECTS.values():
        theirs = halves_of(other, name)
        if theirs is None or theirs is operation:
            continue
        try:
            wire = theirs.render_request(asked, Target(model="m"), set())
        except ClientError as error:
            if error.problem.code != "unsupported_feature":
                return f"{other.name} refuses: {error}"
            continue
        if theirs.parse_request is asked_nowhere:
            continue
        seen = theirs.parse_request(wire, Envelope(model="m"))
        told = theirs.parse_response(theirs.render_response(answer, seen, set()))
        field = "vectors" if name == "embeddings" else "results"
        if len(getattr(told, field)) != len(getattr(answer, field)):
            return f"{other.name} tells {len(getattr(told, field))} of {len(getattr(answer, field))}"
    return None


Check = Callable[[Exchange, Operation[Any, Any], str], str | None]
CHECKS: list[Check] = [
    the_request_comes_back,
    the_answer_comes_back,
    every_answer_is_read,
    others_are_asked_and_told,
]


def holds(exchange: Exchange, name: str) -> bool:
    """Whether every check of one exchange is passed."""
    operation = halves_of(DIALECTS[exchange.dialect], name)
    try:
        return operation is not None and not any(check(exchange, operation, name) for check in CHECKS)
    except Exception:
        return False


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_exchange(record_property: Callable[[str, object], None]):
    failures: list[str] = []
    excepted: set[str] = set()
    for name, exchange in recorded():
        operation = halves_of(DIALECTS[exchange.dialect], name)
        assert operation is not None
        for check in CHECKS:
            try:
                fault = check(exchange, operation, name)
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            if fault is not None and exchange.id in EXCEPTIONS:
                excepted.add(exchange.id)
            elif fault is not None:
                failures.append(f"{exchange.id} ({exchange.family}, {exchange.dialect}) {check.__name__}: {fault}")
    record_property("conformance", ["embeddings and ranking", len(recorded()), len(excepted)])

    assert {name for name, _ in recorded()} == {"embeddings", "ranking"}
    assert not failures, f"{len(failures)} of {len(recorded())}:\n" + "\n".join(failures[:25])
