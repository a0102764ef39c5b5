"""Embeddings as Cohere has them: vectors by type."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Tokens, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.cohere.embeddings import EMBEDDINGS

HALF = "AAAAPwAAgD8="  # 0.5 and 1.0


def read(tree: Any) -> EmbedRequest:
    return EMBEDDINGS.parse_request(json.dumps({"model": "m", **tree}).encode(), Envelope())


TEXTS = {"texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float", "int8"]}
REQUESTS = [
    TEXTS,
    {"texts": ["a"], "input_type": "image", "output_dimension": 256, "truncate": "END", "images": []},
    {"images": ["data:image/png;base64,aGk="], "input_type": "image"},
    {"inputs": [{"content": [{"type": "text", "text": "a"}]}, {"content": [{"type": "image_url", "image_url": {}}]}]},
    {"inputs": [{"content": [{"type": "text", "text": "a", "new": 1}]}, {"content": []}]},
]


@pytest.mark.parametrize("tree", REQUESTS)
def test_at_home_a_request_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_request(read(tree), Target(model="m"), dropped)

    assert (json.loads(back), dropped) == ({"model": "m", **tree}, set())


def test_a_request_in_words() -> None:
    assert read(TEXTS) == EmbedRequest(
        dialect="cohere",
        model="m",
        inputs=(Words(text="a"), Words(text="b")),
        purpose="query",
        form="texts",
        extras={"embedding_types": Raw(b'["float", "int8"]')},
    )
    assert read(REQUESTS[1]).dimensions == 256
    assert read(REQUESTS[2]).inputs == (Other("images", Raw(b'"data:image/png;base64,aGk="')),)
    assert [type(entry) for entry in read(REQUESTS[3]).inputs] == [Words, Other]
    assert [type(entry) for entry in read(REQUESTS[4]).inputs] == [Other, Other]
    assert EMBEDDINGS.address(read(TEXTS), Target(model="m")) == "/v2/embed"


@pytest.mark.parametrize(
    ("tree", "param"),
    [
        ({}, "texts"),
        ({"texts": []}, "texts"),
        ({"texts": "a"}, "texts"),
        ({"texts": ["a"], "images": ["b"]}, "texts"),
        ({"texts": [5]}, "texts[0]"),
        ({"texts": [None]}, "texts[0]"),
        ({"inputs": ["a"]}, "inputs[0]"),
    ],
)
def test_a_refusal_names_the_member(tree: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tree)
    assert refused.value.problem.param == param


@pytest.mark.parametrize(
    ("purpose", "word", "lost"),
    [
        (None, "search_document", set[str]()),
        ("query", "search_query", set[str]()),
        ("similarity", "clustering", {"purpose"}),
    ],
)
def test_a_request_of_another_dialect(purpose: Any, word: str, lost: set[str]) -> None:
    request = EmbedRequest(
        dialect="other",
        model="x",
        inputs=(Words(text="hi"),),
        dimensions=256,
        purpose=purpose,
        user="u",
        extras={"input_type": Raw(b'"x"')},
    )
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_request(request, Target(model="m"), dropped))

    assert body == {
        "model": "m",
        "output_dimension": 256,
        "texts": ["hi"],
        "input_type": word,
        "embedding_types": ["float"],
    }
    assert dropped == {"user", "input_type", *lost}


@pytest.mark.parametrize("dialect", ["other", "cohere"])
def test_tokens_cannot_be_embedded(dialect: str) -> None:
    request = EmbedRequest(dialect=dialect, model="x", inputs=(Tokens((1,)),), form="texts")

    with pytest.raises(Unrenderable, match="tokens"):
        EMBEDDINGS.render_request(request, Target(model="m"), set())


META = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3, "image_tokens": 2}}
ANSWERS = [
    {
        "id": "e",
        "embeddings": {"float": [[0.5], [1.0]]},
        "texts": ["a"],
        "meta": META,
        "response_type": "embeddings_by_type",
    },
    {"embeddings": {"float": [[0.5]], "int8": [[5]]}, "meta": None},
    {"embeddings": {"base64": [HALF]}, "meta": {}},
    {"embeddings": {"int8": [[5]]}},
    {"embeddings": [[0.5], [1.0]], "response_type": "embeddings_floats"},
]


@pytest.mark.parametrize("tree", ANSWERS)
def test_at_home_an_answer_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_response(EMBEDDINGS.parse_response(json.dumps(tree).encode()), read(TEXTS), dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_an_answer_in_words() -> None:
    answers = [EMBEDDINGS.parse_response(json.dumps(tree).encode()) for tree in ANSWERS]

    assert [answer.vectors for answer in answers] == [((0.5,), (1.0,)), ((0.5,),), ((0.5, 1.0),), (), ((0.5,), (1.0,))]
    assert [answer.usage for answer in answers] == [Usage(input_tokens=5, input_image_tokens=2), None, None, None, None]


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings":5}', b'{"embeddings":{"float":5}}', b'{"embeddings":[["a"]]}'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        EMBEDDINGS.parse_response(body)


@pytest.mark.parametrize(
    ("types", "vectors", "lost"),
    [
        (["float", "base64"], {"float": [[0.5, 1.0]], "base64": [HALF]}, set[str]()),
        (["int8"], {"float": [[0.5, 1.0]]}, {"embedding_types"}),
        ("odd", {"float": [[0.5, 1.0]]}, set[str]()),
    ],
)
def test_an_answer_of_another_dialect(types: Any, vectors: Any, lost: set[str]) -> None:
    answer = Embeddings(
        vectors=((0.5, 1.0),), id="x", usage=Usage(input_tokens=4), dialect="other", extras={"object": Raw(b'"list"')}
    )
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_response(answer, read({"texts": ["hi"], "embedding_types": types}), dropped))

    assert body == {
        "id": "x",
        "embeddings": vectors,
        "texts": ["hi"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 4}},
        "response_type": "embeddings_by_type",
    }
    assert dropped == {"object", *lost}


def test_an_answer_without_usage_to_a_question_of_another_dialect() -> None:
    asked = EmbedRequest(dialect="other", model="m", inputs=(Tokens((1,)),))

    body = json.loads(EMBEDDINGS.render_response(Embeddings(vectors=((0.5,),), dialect="other"), asked, set()))

    assert (body["embeddings"], body["texts"]) == ({"float": [[0.5]]}, [])
