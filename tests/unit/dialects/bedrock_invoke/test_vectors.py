"""Embeddings and ranking by InvokeModel, in each maker's format."""

import json
from typing import Any

import pytest

from headgate.core.embedding import Embeddings, EmbedRequest, Purpose, Tokens, Words
from headgate.core.problems import NotFound, Unrenderable
from headgate.core.ranking import RankedDocument, RankRequest
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.bedrock_invoke.vectors import EMBEDDINGS, RANKING, usage_of
from headgate.dialects.registry import DIALECTS

TITAN, NOVA = "amazon.titan-embed-text-v2:0", "us.amazon.nova-2-multimodal-embeddings-v1:0"
COHERE = "arn:aws:bedrock:us-east-1:1:inference-profile/eu.cohere.embed-v4:0"


def asked(*texts: str, dimensions: int | None = None, purpose: Purpose | None = None) -> EmbedRequest:
    return EmbedRequest(
        dialect="openai_chat",
        model="m",
        inputs=tuple(Words(text=text) for text in texts),
        dimensions=dimensions,
        purpose=purpose,
        user="u",
    )


def target(model: str) -> Target:
    return Target(model=model)


@pytest.mark.parametrize(
    ("request_", "model", "wire", "dropped"),
    [
        (asked("a"), TITAN, {"inputText": "a"}, {"user"}),
        (
            asked("a", dimensions=256, purpose="query"),
            TITAN,
            {"inputText": "a", "dimensions": 256},
            {"user", "purpose"},
        ),
        (
            asked("a", dimensions=384, purpose="query"),
            NOVA,
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_RETRIEVAL",
                    "text": {"value": "a", "truncationMode": "NONE"},
                    "embeddingDimension": 384,
                },
            },
            {"user"},
        ),
        (
            asked("a", purpose="code"),
            NOVA,
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "GENERIC_INDEX",
                    "text": {"value": "a", "truncationMode": "NONE"},
                },
            },
            {"user", "purpose"},
        ),
        (asked("a", "b"), COHERE, {"texts": ["a", "b"], "input_type": "search_document"}, {"user"}),
        (
            asked("a", dimensions=512, purpose="fact"),
            COHERE,
            {"texts": ["a"], "input_type": "search_document", "output_dimension": 512},
            {"user", "purpose"},
        ),
    ],
)
def test_a_request_in_the_makers_format(request_: EmbedRequest, model: str, wire: Any, dropped: set[str]):
    lost: set[str] = set()

    assert json.loads(EMBEDDINGS.render_request(request_, target(model), lost)) == wire
    assert lost == dropped


@pytest.mark.parametrize(
    ("request_", "model", "told"),
    [
        (asked("a", "b"), TITAN, "Titan embeds one text in a call, not 2"),
        (asked("a", "b"), NOVA, "Nova embeds one text"),
        (asked("a"), "meta.llama3", "not known"),
        (EmbedRequest(dialect="openai_chat", model="m", inputs=(Tokens((1,)),)), COHERE, "tokens"),
    ],
)
def test_what_a_model_does_not_take_is_refused(request_: EmbedRequest, model: str, told: str):
    with pytest.raises(Unrenderable, match=told):
        EMBEDDINGS.render_request(request_, target(model), set())


@pytest.mark.parametrize(
    ("body", "vectors", "usage"),
    [
        (
            {"embedding": [0.5, 1], "inputTextTokenCount": 2, "embeddingsByType": {"float": [0.5, 1]}},
            ((0.5, 1.0),),
            Usage(input_tokens=2),
        ),
        ({"embeddings": [[0.5], [1]], "id": "x", "response_type": "y", "texts": ["a", "b"]}, ((0.5,), (1.0,)), None),
        ({"embeddings": {"float": [[0.5]], "int8": [[1]]}}, ((0.5,),), None),
        ({"embeddings": [{"embeddingType": "TEXT", "embedding": [0.25]}]}, ((0.25,),), None),
    ],
)
def test_an_answer_of_each_maker(body: Any, vectors: Any, usage: Usage | None):
    assert EMBEDDINGS.parse_response(json.dumps(body).encode()) == Embeddings(
        vectors=vectors, usage=usage, dialect="bedrock_invoke"
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"embeddings": 5}, {"embeddings": {"int8": [[1]]}}, {"embeddings": [{"x": 1}]}, {"embedding": "?"}],
)
def test_an_answer_that_is_none(body: Any):
    with pytest.raises(Malformed):
        EMBEDDINGS.parse_response(json.dumps(body).encode())


def test_a_count_that_is_none_counts_nothing():
    assert usage_of(json.loads("{}")) is None
    side = DIALECTS["bedrock_invoke"].sides["embeddings"]
    assert side.read(b'{"embedding":[1],"inputTextTokenCount":"x"}', "application/json", None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("model", "more"), [("cohere.rerank-v3-5:0", {"api_version": 2}), ("amazon.rerank-v1:0", {})])
def test_ranking(model: str, more: dict[str, Any]):
    documents = (RankedDocument(text="x"), RankedDocument(text="y"))
    request = RankRequest(dialect="openai_chat", model="m", query="q", documents=documents, top_n=1)
    wire = json.loads(RANKING.render_request(request, target(model), set()))

    assert wire == {"query": "q", "documents": ["x", "y"], "top_n": 1, **more}
    assert RANKING.address(request, target(model)) == f"/model/{model.replace(':', '%3A')}/invoke"
    found = RANKING.parse_response(b'{"results":[{"index":1,"relevance_score":0.5}]}')
    assert [(each.index, each.score) for each in found.results] == [(1, 0.5)]


def test_nobody_asks_here():
    with pytest.raises(NotFound):
        EMBEDDINGS.parse_request(b"{}", Envelope())
    with pytest.raises(NotFound):
        EMBEDDINGS.render_response(Embeddings(vectors=()), asked("a"), set())
    assert EMBEDDINGS.address(asked("a"), target(COHERE)).count("/") == 3
