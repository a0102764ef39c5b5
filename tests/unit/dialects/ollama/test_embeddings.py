"""Embeddings as Ollama has them."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Tokens, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.ollama.embeddings import EMBEDDINGS


def read(tree: Any) -> EmbedRequest:
    return EMBEDDINGS.parse_request(json.dumps(tree).encode(), Envelope())


REQUESTS = [
    {"model": "m", "input": "hi"},
    {"model": "m", "input": ["hi"], "dimensions": 3},
    {"model": "m", "input": ["a", "b"], "truncate": False, "options": {"num_ctx": 9}, "keep_alive": None},
]


@pytest.mark.parametrize("tree", REQUESTS)
def test_at_home_a_request_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_request(read(tree), Target(model="m"), dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_a_request_in_words() -> None:
    assert read(REQUESTS[1]) == EmbedRequest(
        dialect="ollama", model="m", inputs=(Words(text="hi"),), dimensions=3, form="list"
    )
    assert EMBEDDINGS.address(read(REQUESTS[0]), Target(model="m")) == "/api/embed"


@pytest.mark.parametrize("tree", [{}, {"input": 5}, {"input": [5]}, {"input": None}])
def test_a_refusal_names_the_input(tree: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tree)
    assert refused.value.problem.param == "input"


def test_a_request_of_another_dialect() -> None:
    request = EmbedRequest(
        dialect="other",
        model="x",
        inputs=(Words(text="hi"),),
        dimensions=3,
        purpose="query",
        user="u",
        extras={"truncate": Raw(b'"END"')},
    )
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_request(request, Target(model="m"), dropped))

    assert (body, dropped) == ({"model": "m", "input": ["hi"], "dimensions": 3}, {"purpose", "user", "truncate"})


def test_tokens_cannot_be_embedded() -> None:
    request = EmbedRequest(dialect="other", model="x", inputs=(Tokens((1,)),))

    with pytest.raises(Unrenderable, match="tokens"):
        EMBEDDINGS.render_request(request, Target(model="m"), set())


ANSWERS = [
    {"model": "m", "embeddings": [[0.5, -1e-9]], "total_duration": 5, "load_duration": 1, "prompt_eval_count": 3},
    {"embeddings": [], "model": None},
]


@pytest.mark.parametrize("tree", ANSWERS)
def test_at_home_an_answer_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_response(EMBEDDINGS.parse_response(json.dumps(tree).encode()), read(REQUESTS[0]), dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_an_answer_in_words() -> None:
    answer = EMBEDDINGS.parse_response(json.dumps(ANSWERS[0]).encode())

    assert (answer.vectors, answer.model) == (((0.5, -1e-9),), "m")
    assert answer.usage == Usage(input_tokens=3, extras={"prompt_eval_count": Raw(b"3")})


@pytest.mark.parametrize("body", [b"{}", b'{"embeddings":5}', b'{"embeddings":[["a"]]}'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        EMBEDDINGS.parse_response(body)


def test_an_answer_of_another_dialect() -> None:
    usage = Usage(input_tokens=4)
    answer = Embeddings(vectors=((0.5,),), usage=usage, dialect="other", extras={"object": Raw(b'"list"')})
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_response(answer, read(REQUESTS[0]), dropped))

    assert (body, dropped) == ({"model": "m", "embeddings": [[0.5]], "prompt_eval_count": 4}, {"object"})
