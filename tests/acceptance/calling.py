"""Calls as bytes on a socket, for what no SDK would ever send, and errors read in each surface's own words."""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from tests.acceptance.running import Gateway


class Surface(NamedTuple):
    """One of the four ways to ask for an answer: `{model}` in the path or `model` in the body."""

    path: str
    body: Mapping[str, Any]
    key_header: str

    def request(self, model: str, /, **members: Any) -> tuple[str, bytes]:
        """Path and body of a small call; a member that is `...` is left out."""
        body = {"model": model, **self.body, **members}
        if "{model}" in self.path:
            del body["model"]
        kept = {name: value for name, value in body.items() if value is not ...}
        return self.path.format(model=model), json.dumps(kept).encode()

    def key(self, key: str) -> dict[str, str]:
        """The header that carries a key."""
        return {self.key_header: f"Bearer {key}" if self.key_header == "authorization" else key}


HI = [{"role": "user", "content": "hi"}]
SURFACES = {
    "openai_chat": Surface("/v1/chat/completions", {"messages": HI}, "authorization"),
    "openai_responses": Surface("/v1/responses", {"input": "hi"}, "authorization"),
    "anthropic": Surface("/v1/messages", {"max_tokens": 16, "messages": HI}, "x-api-key"),
    "gemini": Surface(
        "/v1beta/models/{model}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}, "x-goog-api-key"
    ),
}


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(url: str, method: str, path: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] = b"") -> Reply:
    """One request on a connection of its own; a body in pieces is sent chunked, without a length."""
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)) as connection:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, fields, response.read())


def recorded(running: Gateway, query: str = "limit=500") -> list[Any]:
    """The calls that the administration lists, newest first."""
    key = {"authorization": f"Bearer {running.environment['HEADGATE_ADMIN_KEY']}"}
    reply = ask(running.admin_url, "GET", f"/admin/v1/calls?{query}", key)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)["data"]


def connect(url: str) -> socket.socket:
    """A bare connection."""
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def post(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it stands on the wire."""
    lines = [f"POST {path} HTTP/1.1", "host: gateway", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def eventually(is_so: Callable[[], object], s: float = 10.0) -> None:
    """Waits until something is true; fails when it does not come to be."""
    deadline = time.monotonic() + s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


class Told(NamedTuple):
    """What an error says, whatever the surface."""

    type: str
    code: str
    field: str
    message: str


def told(surface: str, body: bytes) -> Told:
    """Reads an error by the surface's own names, and fails on any other shape."""
    return _READERS[surface](json.loads(body))


def _openai(answer: Any) -> Told:
    error = answer["error"]
    assert list(answer) == ["error"]
    assert error.keys() - {"metadata"} == {"message", "type", "param", "code"}
    return Told(error["type"], error["code"] or "", error["param"] or "", error["message"])


def _anthropic(answer: Any) -> Told:
    assert answer.keys() - {"request_id"} == {"type", "error"}
    assert answer["type"] == "error"
    error = answer["error"]
    # The API names the field in the message alone
    return Told(error["type"], error.get("details", {}).get("error_code", ""), error["message"], error["message"])


def _gemini(answer: Any) -> Told:
    error = answer["error"]
    assert list(answer) == ["error"]
    assert isinstance(error["code"], int)
    details = {detail["@type"].rpartition(".")[2]: detail for detail in error.get("details", ())}
    violations = details.get("BadRequest", {}).get("fieldViolations", [{"field": ""}])
    reason = details.get("ErrorInfo", {}).get("reason", "")
    return Told(error["status"], reason.lower(), violations[0]["field"], error["message"])


_READERS: Mapping[str, Callable[[Any], Told]] = {
    "openai_chat": _openai,
    "openai_responses": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
}

TYPES: Mapping[str, Mapping[str, str]] = {
    # https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
    # https://ai.google.dev/gemini-api/docs/troubleshooting (2026-11)
    "invalid": {
        "openai_chat": "invalid_request_error",
        "openai_responses": "invalid_request_error",
        "anthropic": "invalid_request_error",
        "gemini": "INVALID_ARGUMENT",
    },
    "too_large": {
        "openai_chat": "invalid_request_error",
        "openai_responses": "invalid_request_error",
        "anthropic": "request_too_large",
        "gemini": "INVALID_ARGUMENT",
    },
    "authentication": {
        "openai_chat": "authentication_error",
        "openai_responses": "authentication_error",
        "anthropic": "authentication_error",
        "gemini": "UNAUTHENTICATED",
    },
    "permission": {
        "openai_chat": "permission_error",
        "openai_responses": "permission_error",
        "anthropic": "permission_error",
        "gemini": "PERMISSION_DENIED",
    },
    "not_found": {
        "openai_chat": "not_found_error",
        "openai_responses": "not_found_error",
        "anthropic": "not_found_error",
        "gemini": "NOT_FOUND",
    },
}
"""What each surface calls a fault."""
