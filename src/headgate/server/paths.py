"""Which endpoint a method and path mean, however the client spelt the base URL. Pure.

One table; what is not in it does not exist. Clients get base URLs wrong in a few well-known ways (`/v1` twice or not
at all, `/openai/v1`, OpenRouter's `/api/v1`, Azure's `/openai/deployments/{name}`), and those are understood.
"""

import re
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct, structs

from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import COLLECTIONS, GEMINI
from headgate.dialects.side import FORM, SideOperation

Action = Literal[
    "generate",
    "count",
    "quote",
    "operate",
    "keep",
    "pass",
    "models",
    "model",
    "generation",
    "live",
    "ready",
    "hello",
    "document",
    "converse",
    "realtime",
    "secret",
]


class Endpoint(Struct, frozen=True):
    """What a path means. `dialect` is whose words errors are told in; `argument` is the variable part."""

    action: Action
    dialect: str = "openai_chat"
    argument: str = ""
    is_stream: bool | None = None
    operation: str = ""
    """Of `operate`: the row in the dialect's table."""
    takes_files: bool = False


class WrongMethod(Struct, frozen=True):
    """The path exists, for these methods."""

    allowed: tuple[str, ...]
    dialect: str = "openai_chat"


def _operate(dialect: str, side: SideOperation) -> Endpoint:
    return Endpoint("operate", dialect, operation=side.name, takes_files=FORM in side.bodies)


_EXACT: dict[str, dict[str, Endpoint]] = {
    "/v1/chat/completions": {
        "POST": Endpoint("generate", "openai_chat"),
        "GET": Endpoint("keep", "openai_chat", "/chat/completions"),
    },
    "/v1/responses": {
        "POST": Endpoint("generate", "openai_responses"),
        "GET": Endpoint("converse", "openai_responses"),
    },
    "/v1/quote": {"POST": Endpoint("quote", "openai_chat")},
    "/v1/responses/quote": {"POST": Endpoint("quote", "openai_responses")},
    "/v1/messages/quote": {"POST": Endpoint("quote", "anthropic")},
    "/v1/responses/input_tokens": {"POST": Endpoint("count", "openai_responses")},
    "/v1/realtime": {"GET": Endpoint("realtime")},
    "/v1/realtime/client_secrets": {"POST": Endpoint("secret", argument="client_secret")},
    "/v1/realtime/sessions": {"POST": Endpoint("secret", argument="session")},
    "/v1/realtime/transcription_sessions": {"POST": Endpoint("secret", argument="transcription_session")},
    "/v1/messages": {"POST": Endpoint("generate", "anthropic")},
    "/v1/messages/count_tokens": {"POST": Endpoint("count", "anthropic")},
    "/v2/chat": {"POST": Endpoint("generate", "cohere")},
    "/api/chat": {"POST": Endpoint("generate", "ollama")},
    "/v1/models": {"GET": Endpoint("models")},
    "/v1beta/models": {"GET": Endpoint("models", "gemini")},
    "/livez": {"GET": Endpoint("live"), "HEAD": Endpoint("live")},
    "/readyz": {"GET": Endpoint("ready"), "HEAD": Endpoint("ready")},
    "/openapi.json": {"GET": Endpoint("document"), "HEAD": Endpoint("document")},
    "/api/hello": {"GET": Endpoint("hello"), "HEAD": Endpoint("hello")},
    "/": {"GET": Endpoint("hello"), "HEAD": Endpoint("hello")},
}

for _dialect in DIALECTS.values():
    for _side in _dialect.sides.values():
        for _path in _side.paths:
            _EXACT[_path] = {"POST": _operate(_dialect.name, _side)}

_VERBS: dict[str, Endpoint] = {
    "generateContent": Endpoint("generate", "gemini", is_stream=False),
    "streamGenerateContent": Endpoint("generate", "gemini", is_stream=True),
    "countTokens": Endpoint("count", "gemini"),
    "embedContent": Endpoint("operate", "gemini", operation="embeddings"),
    "batchEmbedContents": Endpoint("operate", "gemini", operation="embeddings"),
}

_GEMINI = re.compile(r"/(?:v1|v1beta|v1alpha)/models/(?P<model>.+):(?P<verb>[A-Za-z]+)")
_AZURE = re.compile(r"/openai/deployments/(?P<model>[^/]+)(?P<rest>/.+)")
_ITEM = re.compile(r"/(?P<version>v1|v1beta)/(?P<kind>models|generations)/(?P<id>.+)")
_KEPT = re.compile(
    r"(?:/v1)?(?P<path>/(?:files|batches|batch/jobs|uploads|conversations|containers|vector_stores|videos|fine_tuning/jobs|evals|skills"
    r"|assistants|threads|responses|chat/completions|messages/batches)(?:/.+)?)"
)
"""Things that providers keep: see `dialects/resources.py`."""
_KEPT_AT_GOOGLE = re.compile(r"(?P<path>/v1beta/(?:interactions|batches)/.+)")
_MADE_AT_GOOGLE = re.compile(r"(?P<path>/(?:v1|v1beta|v1alpha)/models/[^/:]+:batchGenerateContent)")
_KEEPING = ("GET", "POST", "DELETE")
_PREFIXES = (("/api/v1/", "/v1/"), ("/openai/v1/", "/v1/"), ("/v1/v1/", "/v1/"), ("/v1/v1beta/", "/v1beta/"))
_BARE = frozenset(path.removeprefix("/v1") for path in _EXACT if path.startswith("/v1/"))


def listed() -> list[tuple[str, str, Endpoint]]:
    """Every method and path with what it means; `{model}` and `{id}` stand for the variable parts."""
    exact = [(method, path, endpoint) for path, methods in _EXACT.items() for method, endpoint in methods.items()]
    verbs = [("POST", f"/v1beta/models/{{model}}:{verb}", endpoint) for verb, endpoint in _VERBS.items()]
    items = [
        ("GET", "/v1/models/{id}", Endpoint("model")),
        ("GET", "/v1beta/models/{id}", Endpoint("model", "gemini")),
        ("GET", "/v1/generations/{id}", Endpoint("generation")),
    ]
    return [*exact, *verbs, *items]


def kept() -> list[str]:
    """Where things that providers keep are, each with what is below it."""
    found = [
        path if path.startswith("/v1beta/") else f"{'/v1beta' if each.dialect == GEMINI else '/v1'}{path}"
        for path, each in COLLECTIONS.items()
    ]
    return [path for path in found if isinstance(find("GET", f"{path}/id"), Endpoint)]


@lru_cache(maxsize=4096)
def find(method: str, path: str) -> Endpoint | WrongMethod | None:
    """The endpoint, or the methods that the path does have, or None."""
    path = _plain(path)
    methods = _EXACT.get(path)
    if methods is not None:
        return methods.get(method) or WrongMethod(tuple(methods), next(iter(methods.values())).dialect)
    if match := _KEPT.fullmatch(path):
        dialect = "anthropic" if match["path"].startswith("/messages/") else "openai_chat"
        return Endpoint("keep", dialect, match["path"]) if method in _KEEPING else WrongMethod(_KEEPING, dialect)
    if match := _KEPT_AT_GOOGLE.fullmatch(path):
        return Endpoint("keep", "gemini", match["path"]) if method in _KEEPING else WrongMethod(_KEEPING, "gemini")
    if match := _MADE_AT_GOOGLE.fullmatch(path):
        return Endpoint("keep", "gemini", match["path"]) if method == "POST" else WrongMethod(("POST",), "gemini")
    found = _variable(path)
    if found is None:
        return None
    wanted, endpoint = found
    return endpoint if method == wanted else WrongMethod((wanted,), endpoint.dialect)


def _plain(path: str) -> str:
    """The path without the usual slips."""
    if len(path) > 1 and path.endswith("/"):
        path = path.rstrip("/") or "/"
    for wrong, right in _PREFIXES:
        while path.startswith(wrong):
            path = right + path[len(wrong) :]
    return "/v1" + path if path in _BARE else path


def _variable(path: str) -> tuple[str, Endpoint] | None:
    """The endpoints with a name in their path, with their method."""
    if (match := _GEMINI.fullmatch(path)) and (verb := _VERBS.get(match["verb"])):
        return "POST", structs.replace(verb, argument=unquote(match["model"]))
    if match := _AZURE.fullmatch(path):
        endpoint = _EXACT.get("/v1" + match["rest"], {}).get("POST")
        if endpoint is not None and endpoint.dialect == "openai_chat":
            return "POST", structs.replace(endpoint, argument=unquote(match["model"]))
    if match := _ITEM.fullmatch(path):
        dialect = "gemini" if match["version"] == "v1beta" else "openai_chat"
        action: Action = "model" if match["kind"] == "models" else "generation"
        return "GET", Endpoint(action, dialect, unquote(match["id"]))
    return None
