"""The OpenAPI document of what clients may call, made of the table of paths and the table of bodies. Pure.

Served at `/openapi.json` to anybody, since it is the same for everybody and tells no model, provider or key.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import msgspec

from headgate import __version__
from headgate.dialects.described import ANSWERS, ANYTHING, ERRORS, REQUESTS, TEXT, Schema
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import place_of
from headgate.dialects.side import FORM, TITLES
from headgate.server import paths

_OPEN: Final = frozenset({"live", "ready", "hello", "document"})
"""Actions that need no key."""
ACTIONS: Final[Mapping[str, str]] = {
    "generate": "answer, whole or streamed",
    "count": "count tokens",
    "quote": "what a call would cost, without making it",
    "models": "list of models",
    "model": "one model",
    "generation": "what a call was and cost",
    "live": "whether the process runs",
    "ready": "whether calls can be served",
    "hello": "who answers here",
    "document": "what clients may call, as OpenAPI 3.1",
    "converse": "the same over a WebSocket",
    "realtime": "a live session, over a WebSocket",
    "secret": "a client secret for live sessions",
    "keep": "what a provider keeps: a list of it",
}
_KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    "x-goog-api-key": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "key": {"type": "apiKey", "in": "query", "name": "key"},
}
"""Where a key of Headgate's may stand: wherever clients of each dialect put theirs."""
_SOCKETS: Final = frozenset({"converse", "realtime"})
_VARIABLE = re.compile(r"\{(\w+)\}")


@cache
def document() -> bytes:
    """The document, as JSON."""
    found: dict[str, dict[str, object]] = {}
    for method, path, endpoint in (*paths.listed(), *_kept()):
        found.setdefault(path, {}).setdefault(method.lower(), _operation(method, path, endpoint))
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Headgate",
                "version": __version__,
                "description": "What clients call, in each dialect's own words. Only what is checked here before a "
                "provider is asked is described; every other member of a body goes on to the provider.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": dict(sorted(found.items())),
            "components": {
                "securitySchemes": _KEYS,
                "schemas": {_error_name(dialect): schema for dialect, schema in ERRORS.items()},
            },
            "security": [{name: ()} for name in _KEYS],
        }
    )


def _kept() -> Iterator[tuple[str, str, paths.Endpoint]]:
    """Things that providers keep: the collection where it has no endpoint of its own, and one of it."""
    for path in paths.kept():
        for method in ("GET", "POST", "DELETE"):
            for where in (path, f"{path}/{{id}}"):
                found = paths.find(method, where.replace("{id}", "id"))
                if isinstance(found, paths.Endpoint) and found.action == "keep":
                    yield method, where, found


def _operation(method: str, path: str, endpoint: paths.Endpoint) -> dict[str, object]:
    what = _what(endpoint)
    told: dict[str, object] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}_{path}").strip("_") or "root",
        "summary": _summary(method, endpoint),
        "tags": [endpoint.dialect],
        "responses": _responses(method, endpoint, what),
    }
    if variables := _VARIABLE.findall(path):
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in variables
        ]
    if method == "POST":
        told["requestBody"] = _request(endpoint, what)
    if endpoint.action in _OPEN:
        told["security"] = ()
    return told


def _what(endpoint: paths.Endpoint) -> tuple[str, str]:
    return endpoint.dialect, endpoint.operation or endpoint.action


def _summary(method: str, endpoint: paths.Endpoint) -> str:
    if endpoint.operation:
        return _sentence(TITLES[endpoint.operation])
    if endpoint.action != "keep":
        return _sentence(ACTIONS[endpoint.action])
    place = place_of(endpoint.argument)
    verbs = {"GET": "Look at", "POST": "Make or change", "DELETE": "Delete"}
    return f"{verbs[method]} what a provider keeps ({place.collection.kind if place else ''})"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _request(endpoint: paths.Endpoint, what: tuple[str, str]) -> dict[str, object]:
    if endpoint.action == "keep":
        return {"content": {"application/json": {"schema": {}}, FORM: {"schema": ANYTHING}}}
    if endpoint.action == "secret":
        return {"content": {"application/json": {"schema": ANYTHING}}}
    side = DIALECTS[endpoint.dialect].sides.get(endpoint.operation)
    kinds = side.bodies if side is not None else ("application/json",)
    return {"required": True, "content": {kind: {"schema": _body(what, kind)} for kind in kinds}}


def _body(what: tuple[str, str], kind: str) -> Schema:
    """Of what may come as a form or as JSON, the table has the form, and JSON is the provider's affair."""
    schema = REQUESTS[what if what[1] != "quote" else (what[0], "generate")]
    is_form = "binary" in str(schema)
    return schema if is_form == (kind == FORM) else ANYTHING


def _responses(method: str, endpoint: paths.Endpoint, what: tuple[str, str]) -> dict[str, object]:
    schema: Schema = {"$ref": f"#/components/schemas/{_error_name(endpoint.dialect)}"}
    if endpoint.action == "keep":  # the provider's own words, which are passed on
        schema = ANYTHING
    refused = {
        "description": "Refused, or failed; in words of the caller's own dialect.",
        "content": {"application/json": {"schema": schema}},
    }
    if endpoint.action in _SOCKETS:
        return {"101": {"description": "The connection goes on as a WebSocket."}, "4XX": refused, "5XX": refused}
    if method == "HEAD":
        return {"200": {"description": "It is so."}, "503": {"description": "It is not."}}
    if endpoint.action == "ready":
        not_ready = {"description": "Not now, and why.", "content": {"application/json": {"schema": ANYTHING}}}
        return {"200": _told(endpoint, what), "503": not_ready}
    if endpoint.action in _OPEN:
        return {"200": _told(endpoint, what)}
    return {"200": _told(endpoint, what), "4XX": refused, "5XX": refused}


def _told(endpoint: paths.Endpoint, what: tuple[str, str]) -> dict[str, object]:
    """A good answer: JSON as far as is promised, events where it may be streamed, or whatever it is."""
    side = DIALECTS[endpoint.dialect].sides.get(endpoint.operation)
    content: dict[str, object] = {"application/json": {"schema": ANSWERS.get(what, ANYTHING)}}
    streams = endpoint.action == "generate" or (side is not None and side.streaming is not None)
    if endpoint.is_stream:  # a list, unless `alt=sse` asks for events
        content = {"application/json": {"schema": {"type": "array", "items": ANYTHING}}}
    if streams and endpoint.is_stream is not False:
        content[DIALECTS[endpoint.dialect].stream_type.partition(";")[0]] = {}
    if endpoint.action == "keep" or (side is not None and side.is_binary):
        content = {"*/*": {}}
    elif side is not None and side.name in ("transcriptions", "translations"):
        content["text/plain"] = content["text/vtt"] = {"schema": TEXT}
    return {"description": "The answer.", "content": content}


def _error_name(dialect: str) -> str:
    return f"error_{dialect}"
