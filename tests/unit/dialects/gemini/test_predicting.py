"""Embeddings at Vertex AI's `:predict`."""

import json
from typing import Any

import pytest

from headgate.core.embedding import Embeddings, EmbedRequest, Words
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, Target
from headgate.dialects.registry import DIALECTS

SIDE = DIALECTS["vertex_predict"].sides["embeddings"]
TARGET = Target(model="gemini-embedding-001")


def prediction(tokens: float | None, *values: float) -> dict[str, Any]:
    counts = {} if tokens is None else {"statistics": {"token_count": tokens, "truncated": False}}
    return {"embeddings": {"values": values, **counts}}


def test_a_request():
    assert SIDE.halves is not None
    asked = EmbedRequest(
        dialect="openai_chat",
        model="m",
        inputs=(Words(text="a"), Words(text="b")),
        dimensions=768,
        purpose="document",
        user="u",
    )
    dropped: set[str] = set()

    assert json.loads(SIDE.halves.render_request(asked, TARGET, dropped)) == {
        "instances": [
            {"content": "a", "task_type": "RETRIEVAL_DOCUMENT"},
            {"content": "b", "task_type": "RETRIEVAL_DOCUMENT"},
        ],
        "parameters": {"outputDimensionality": 768},
    }
    assert dropped == {"user"}
    plain = EmbedRequest(dialect="openai_chat", model="m", inputs=(Words(text="a"),))
    assert json.loads(SIDE.halves.render_request(plain, TARGET, set())) == {"instances": [{"content": "a"}]}
    assert SIDE.halves.address(asked, TARGET) == "/models/gemini-embedding-001:predict"


@pytest.mark.parametrize(
    ("predictions", "usage"),
    [
        ([prediction(3.0, 0.5, 1), prediction(4, 2)], Usage(input_tokens=7)),
        ([prediction(None, 0.5, 1), prediction(None, 2)], None),
    ],
)
def test_an_answer(predictions: Any, usage: Usage | None):
    assert SIDE.halves is not None
    body = json.dumps({"predictions": predictions, "metadata": {"billableCharacterCount": 9}}).encode()

    assert SIDE.halves.parse_response(body) == Embeddings(
        vectors=((0.5, 1.0), (2.0,)), usage=usage, dialect="vertex_predict"
    )


@pytest.mark.parametrize("body", [b"{}", b'{"predictions":[{"mimeType":"image/png"}]}', b"x"])
def test_an_answer_that_is_none(body: bytes):
    assert SIDE.halves is not None
    with pytest.raises(Malformed):
        SIDE.halves.parse_response(body)
