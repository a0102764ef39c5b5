"""Embeddings as OpenAI and its speakers have them."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Tokens, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.openai_chat.embeddings import EMBEDDINGS

HALF = "AAAAPwAAgD8="  # 0.5 and 1.0
ASKED = EmbedRequest(dialect="openai_chat", model="m", inputs=(Words(text="hi"),))


def read(tree: Any) -> EmbedRequest:
    return EMBEDDINGS.parse_request(json.dumps(tree).encode(), Envelope())


REQUESTS = [
    {"model": "m", "input": "hi"},
    {"model": "m", "input": ["hi"]},
    {"model": "m", "input": ["a", "b"], "dimensions": 3, "encoding_format": "base64", "user": "u"},
    {"model": "m", "input": [1, 2]},
    {"model": "m", "input": "hi", "output_dimension": 3, "dimensions": None},
    {"model": "m", "input": [[1, 2], [3]], "encoding_format": "float"},
    {"model": "m", "input": "hi", "encoding_format": "base64_int8", "input_type": "query", "user": None},
]


@pytest.mark.parametrize("tree", REQUESTS)
def test_at_home_a_request_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_request(read(tree), Target(model="m"), dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_a_request_in_words() -> None:
    assert read(REQUESTS[2]) == EmbedRequest(
        dialect="openai_chat",
        model="m",
        inputs=(Words(text="a"), Words(text="b")),
        dimensions=3,
        encoding="base64",
        user="u",
        form="list",
    )
    assert read(REQUESTS[3]).inputs == (Tokens((1, 2)),)
    assert read(REQUESTS[4]).dimensions == 3
    assert read(REQUESTS[5]).inputs == (Tokens((1, 2)), Tokens((3,)))
    assert EMBEDDINGS.parse_request(b'{"input":"a"}', Envelope(model="p")).model == "p"
    assert EMBEDDINGS.address(read(REQUESTS[0]), Target(model="m")) == "/embeddings"


@pytest.mark.parametrize("given", [None, ..., 5, [], ["a", 1], [1.5], [[]] * 0, {"a": 1}, [["a"]]])
def test_a_refusal_names_the_input(given: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read({"model": "m"} if given is ... else {"model": "m", "input": given})
    assert refused.value.problem.param == "input"


def test_a_request_of_another_dialect() -> None:
    request = EmbedRequest(
        dialect="other",
        model="x",
        inputs=(Words(text="hi"),),
        dimensions=3,
        purpose="query",
        extras={"truncate": Raw(b'"END"'), "nothing": Raw(b"null")},
    )
    dropped: set[str] = set()

    body = EMBEDDINGS.render_request(request, Target(model="m"), dropped)

    assert json.loads(body) == {"model": "m", "input": ["hi"], "dimensions": 3}
    assert dropped == {"purpose", "truncate"}


def test_a_picture_cannot_be_embedded() -> None:
    request = EmbedRequest(dialect="other", model="x", inputs=(Other("images", Raw(b'"x"')),))

    with pytest.raises(Unrenderable, match="images"):
        EMBEDDINGS.render_request(request, Target(model="m"), set())


USAGE = {"prompt_tokens": 3, "total_tokens": 3}
ANSWERS = [
    {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1e-9]}],
        "model": "m",
        "usage": USAGE,
    },
    {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": HALF}], "model": "m", "usage": USAGE},
    {"id": "e1", "data": [{"embedding": [1.0], "index": 0, "new": 1}], "usage": {"total_tokens": 5}, "more": {"a": 1}},
    {"data": [], "usage": None, "model": None},
    {"data": [{"embedding": [1.0]}], "usage": {"prompt_tokens": None}},
]


@pytest.mark.parametrize("tree", ANSWERS)
def test_at_home_an_answer_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = EMBEDDINGS.render_response(EMBEDDINGS.parse_response(json.dumps(tree).encode()), ASKED, dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_an_answer_in_words() -> None:
    answer = EMBEDDINGS.parse_response(json.dumps(ANSWERS[1]).encode())

    assert (answer.vectors, answer.form, answer.model) == (((0.5, 1.0),), "base64", "m")
    assert answer.usage == Usage(input_tokens=3, extras={"prompt_tokens": Raw(b"3"), "total_tokens": Raw(b"3")})


@pytest.mark.parametrize("body", [b"{}", b'{"data":5}', b'{"data":[5]}', b'{"data":[{"embedding":"?"}]}'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        EMBEDDINGS.parse_response(body)


@pytest.mark.parametrize(("encoding", "vector"), [("base64", HALF), ("float", [0.5, 1.0]), (None, [0.5, 1.0])])
def test_an_answer_of_another_dialect(encoding: Any, vector: Any) -> None:
    answer = Embeddings(
        vectors=((0.5, 1.0),),
        id="x",
        usage=Usage(input_tokens=4, extras={"prompt_eval_count": Raw(b"4")}),
        dialect="other",
        form="list",
        extras={"texts": Raw(b'["hi"]')},
    )
    request = EmbedRequest(dialect="openai_chat", model="m", inputs=(Words(text="hi"),), encoding=encoding)
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_response(answer, request, dropped))

    assert body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert dropped == {"texts"}
