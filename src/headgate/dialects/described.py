"""What bodies must have, as JSON Schema, by dialect and what is asked for: the table that the document of the client
surface is made of. It says what is checked here before anything is sent, and no more: what else a body has is the
provider's affair, and goes on to it.
"""

from collections.abc import Mapping
from typing import Final

Schema = Mapping[str, object]

TEXT: Final[Schema] = {"type": "string"}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "description": "A route, a model, or `provider/model`."}
_FLAG: Final[Schema] = {"type": ["boolean", "null"]}
_NUMBER: Final[Schema] = {"type": ["number", "null"]}
_COUNT: Final[Schema] = {"type": ["integer", "null"]}
_FILE: Final[Schema] = {"type": "string", "format": "binary"}
ANYTHING: Final[Schema] = {"type": "object"}


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least} if least else {"type": "array", "items": items}


def _any(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


_CHAT_TURN: Final = _object(("role",), role=TEXT)
_TURNS: Final = _list(_CHAT_TURN, 1)
_ROLE: Final[Schema] = {"enum": ["user", "assistant", "system"]}
_ANTHROPIC_TURN: Final = _object(("role", "content"), role=_ROLE, content=_any(TEXT, _list(ANYTHING)))
_CONTENTS: Final = _any(_object(), _list(_object(), 1))
_TEXTS: Final = _any(TEXT, _list(_any(TEXT, {"type": "integer"}, _list({"type": "integer"})), 1))
_DOCUMENTS: Final = _list(_any(TEXT, ANYTHING), 1)
_PICTURE: Final = _object(("prompt",), model=TEXT, prompt={"type": "string", "minLength": 1}, n=_COUNT, stream=_FLAG)
_SOUND: Final = _object(("file", "model"), file=_FILE, model=_NAME, temperature={"type": "number"})

REQUESTS: Final[Mapping[tuple[str, str], Schema]] = {
    ("openai_chat", "generate"): _object(
        ("model", "messages"), model=_NAME, messages=_TURNS, stream=_FLAG, temperature=_NUMBER, top_p=_NUMBER
    ),
    ("openai_responses", "generate"): _object(("model",), model=_NAME, input=_any(TEXT, _list(ANYTHING)), stream=_FLAG),
    ("openai_responses", "count"): _object(("model",), model=_NAME, input=_any(TEXT, _list(ANYTHING))),
    ("openai_responses", "compaction"): _object(("model",), model=_NAME),
    ("anthropic", "generate"): _object(
        ("model", "max_tokens", "messages"),
        model=_NAME,
        max_tokens={"type": "integer", "minimum": 1},
        messages=_list(_ANTHROPIC_TURN, 1),
        stream=_FLAG,
    ),
    ("anthropic", "count"): _object(("model", "messages"), model=_NAME, messages=_list(_ANTHROPIC_TURN, 1)),
    ("gemini", "generate"): _object(("contents",), contents=_CONTENTS),
    ("gemini", "count"): _object(),
    ("gemini", "embeddings"): _object(),
    ("gemini", "interactions"): _object(
        ("input",), model=_NAME, agent=_NAME, input=_any(TEXT, _list(ANYTHING), ANYTHING), stream=_FLAG, store=_FLAG
    ),
    ("cohere", "generate"): _object(("model", "messages"), model=_NAME, messages=_TURNS, stream=_FLAG),
    ("cohere", "embeddings"): _object(("model",), model=_NAME),
    ("cohere", "ranking"): _object(("model", "query", "documents"), model=_NAME, query=TEXT, documents=_DOCUMENTS),
    ("ollama", "generate"): _object(("model", "messages"), model=_NAME, messages=_list(_CHAT_TURN), stream=_FLAG),
    ("ollama", "embeddings"): _object(("model", "input"), model=_NAME, input=_any(TEXT, _list(TEXT))),
    ("openai_chat", "embeddings"): _object(("model", "input"), model=_NAME, input=_TEXTS),
    ("openai_chat", "ranking"): _object(("model", "query", "documents"), model=_NAME, query=TEXT, documents=_DOCUMENTS),
    ("openai_chat", "moderations"): _object(("input",), model=TEXT, input=_any(TEXT, _list(_any(TEXT, ANYTHING), 1))),
    ("openai_chat", "completions"): _object(("model", "prompt"), model=_NAME, prompt=_TEXTS, stream=_FLAG),
    ("openai_chat", "image_generations"): _PICTURE,
    ("openai_chat", "image_edits"): _object(
        ("image", "prompt"), image=_FILE, prompt={"type": "string", "minLength": 1}
    ),
    ("openai_chat", "image_variations"): _object(("image",), image=_FILE),
    ("openai_chat", "speech"): _object(
        ("model", "input", "voice"), model=_NAME, input={"type": "string", "minLength": 1}, voice=_any(TEXT, ANYTHING)
    ),
    ("openai_chat", "transcriptions"): _SOUND,
    ("openai_chat", "translations"): _SOUND,
}
"""Bodies of requests."""

ANSWERS: Final[Mapping[tuple[str, str], Schema]] = {
    ("openai_chat", "generate"): _object(("choices",), choices=_list(ANYTHING)),
    ("openai_responses", "generate"): _object(("id", "output"), id=TEXT, output=_list(ANYTHING)),
    ("openai_responses", "count"): _object(("input_tokens",), input_tokens={"type": "integer"}),
    ("openai_responses", "compaction"): _object(("output",), output=_list(ANYTHING)),
    ("anthropic", "generate"): _object(
        ("type", "role", "content", "usage"), type={"const": "message"}, content=_list(ANYTHING), usage=ANYTHING
    ),
    ("anthropic", "count"): _object(("input_tokens",), input_tokens={"type": "integer"}),
    ("gemini", "generate"): _object(),
    ("gemini", "count"): _object(("totalTokens",), totalTokens={"type": "integer"}),
    ("gemini", "interactions"): _object(("status",), status=TEXT),
    ("cohere", "generate"): _object(("message", "finish_reason"), message=ANYTHING, finish_reason=TEXT),
    ("cohere", "embeddings"): _object(("embeddings",)),
    ("cohere", "ranking"): _object(("results",), results=_list(ANYTHING)),
    ("ollama", "generate"): _object(("message", "done"), message=ANYTHING, done={"type": "boolean"}),
    ("ollama", "embeddings"): _object(("embeddings",), embeddings=_list(_list({"type": "number"}))),
    ("openai_chat", "embeddings"): _object(("data",), data=_list(ANYTHING)),
    ("openai_chat", "moderations"): _object(("results",), results=_list(ANYTHING)),
    ("openai_chat", "completions"): _object(("choices",), choices=_list(ANYTHING)),
}
"""Whole answers, where more is promised than that they are what the provider says."""

ERRORS: Final[Mapping[str, Schema]] = {
    "openai_chat": _object(("error",), error=_object(("message",), message=TEXT)),
    "openai_responses": _object(("error",), error=_object(("message",), message=TEXT)),
    "anthropic": _object(
        ("type", "error"), type={"const": "error"}, error=_object(("type", "message"), type=TEXT, message=TEXT)
    ),
    "gemini": _object(
        ("error",),
        error=_object(("code", "message", "status"), code={"type": "integer"}, message=TEXT, status=TEXT),
    ),
    "cohere": _object(("message",), message=TEXT),
    "ollama": _object(("error",), error=TEXT),
}
"""Errors, by the dialect that they are told in."""
