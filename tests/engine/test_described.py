"""The document of what clients may call is true: what it demands is demanded, the least that it allows is enough."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from headgate.dialects.described import ANSWERS, ERRORS, REQUESTS
from headgate.server import paths
from headgate.server.described import document
from tests.engine.harness import bench
from tests.engine.sending import looped

DOCUMENT: dict[str, Any] = json.loads(document())
NEEDS_MORE = {
    "/v1/responses": {"input": "x"},
    "/v1/responses/quote": {"input": "x"},
    "/v2/embed": {"texts": ["x"], "input_type": "search_query", "embedding_types": ["float"]},
    "/v1beta/models/{model}:countTokens": {"contents": [{"parts": [{"text": "x"}]}]},
    "/v1beta/models/{model}:embedContent": {"content": {"parts": [{"text": "x"}]}},
    "/v1beta/models/{model}:batchEmbedContents": {"requests": [{"content": {"parts": [{"text": "x"}]}}]},
    "/v1beta/models/{model}:generateContent": {"contents": [{"parts": [{"text": "x"}]}]},
    "/v1beta/models/{model}:streamGenerateContent": {"contents": [{"parts": [{"text": "x"}]}]},
    "/v1/responses/input_tokens": {"input": "x"},
}
"""What a schema cannot say, or says of one of several members."""


def described() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every path that takes JSON for a model, with the schema of its body."""
    for path, methods in DOCUMENT["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("properties") or path in NEEDS_MORE:
            yield path, schema


def least(schema: dict[str, Any]) -> Any:
    """The smallest value that fits."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return least(schema["anyOf"][0])
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    match kind:
        case "object":
            members = cast("dict[str, Any]", schema.get("properties", {}))
            return {name: least(members[name]) for name in schema.get("required", ())}
        case "array":
            return [least(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case "integer":
            return schema.get("minimum", 0)
        case _:
            return "x"


def asked(path: str, schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A call with the least that the document allows, to a route that all upstreams stand behind."""
    body = {**least(schema), **NEEDS_MORE.get(path, {})}
    if "messages" in body:
        body["messages"] = [{"role": "user", "content": "x"}]
    if "model" in schema.get("properties", {}):
        body["model"] = "every"
    return path.replace("{model}", "every"), body


def every() -> dict[str, Any]:
    """The route."""
    spoken = ("openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama")
    return {"every": {"targets": [f"a_{dialect}/m" for dialect in spoken]}}


@looped
async def test_the_least_is_enough(tmp_path: Path):
    async with bench(tmp_path, routes=every()) as on:
        refused: list[str] = []
        for path, schema in described():
            where, body = asked(path, schema)
            answer = await on.client.post(where, json=body)
            if answer.status_code != 200 and "FakeUpstream has no answer" not in answer.text:
                refused.append(f"{path} {body} {answer.status_code} {answer.text[:200]}")

    assert refused == []


@looped
async def test_what_is_demanded_is_missed_before_anybody_is_asked(tmp_path: Path):
    async with bench(tmp_path, routes=every()) as on:
        taken: list[str] = []
        for path, schema in described():
            where, body = asked(path, schema)
            for name in schema.get("required", ()):
                less = {key: value for key, value in body.items() if key != name}
                answer = await on.client.post(where, json=less)
                if answer.status_code != 400 or name not in answer.text:
                    taken.append(f"{path} without {name}: {answer.status_code} {answer.text[:200]}")
        asked_of = [attempt.path for upstream in on.upstreams.values() for attempt in upstream.log]

    assert taken == []
    assert asked_of == []


def test_nothing_is_left_out():
    listed = {(path, method.lower()) for method, path, _ in paths.listed()}
    shown = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert listed <= shown
    served = {(endpoint.dialect, endpoint.operation or endpoint.action) for _, _, endpoint in paths.listed()}
    assert set(ANSWERS) <= set(REQUESTS) <= served
    assert {dialect for dialect, _ in served} == set(ERRORS)


@pytest.mark.parametrize("name", ["operationId"])
def test_names_are_given_once(name: str):
    given = [operation[name] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(given) == len(set(given))


@looped
async def test_it_is_served_to_anybody(tmp_path: Path):
    async with bench(tmp_path) as on:
        answer = await on.client.get("/openapi.json", headers={"authorization": ""})

    assert (answer.status_code, answer.json()) == (200, DOCUMENT)
    assert "security" not in DOCUMENT["paths"]["/v1/models"]["get"]
    assert DOCUMENT["paths"]["/livez"]["get"]["security"] == []
