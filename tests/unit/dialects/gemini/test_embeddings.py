"""Embeddings as Gemini has them: one content, or several."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.embedding import Embeddings, EmbedRequest, Other, Tokens, Words
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.gemini.embeddings import EMBEDDINGS

TARGET = Target(model="e")


def read(tree: Any) -> EmbedRequest:
    return EMBEDDINGS.parse_request(json.dumps(tree).encode(), Envelope(model="e"))


def content(text: str, **more: Any) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}], **more}}


REQUESTS = [
    content("hi"),
    {**content("hi", role="user"), "model": "models/e", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3},
    {"requests": [{"model": "models/e", **content("a")}, {"model": "models/e", **content("b"), "title": "t"}]},
    {"requests": [{**content("a"), "task_type": "CLUSTERING", "output_dimensionality": 3}], "new": 1},
    {"requests": [{"content": {"parts": [{"text": "a"}, {"text": "b"}]}}]},
    {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]}, "model": "models/e"},
    {"requests": []},
    {**content("hi"), "taskType": "SOMETHING"},
]


@pytest.mark.parametrize("tree", REQUESTS)
def test_at_home_a_request_comes_back(tree: Any) -> None:
    request = read(tree)
    dropped: set[str] = set()

    back = EMBEDDINGS.render_request(request, TARGET, dropped)

    assert (json.loads(back), dropped) == (tree, set())
    verb = "batchEmbedContents" if "requests" in tree else "embedContent"
    assert EMBEDDINGS.address(request, TARGET) == f"/models/e:{verb}"


def test_a_request_in_words() -> None:
    request = read(REQUESTS[1])

    assert (request.model, request.dimensions, request.purpose, request.form) == ("e", 3, "query", "single")
    assert [getattr(entry, "text", None) for entry in request.inputs] == ["hi"]
    assert (read(REQUESTS[3]).dimensions, read(REQUESTS[3]).purpose) == (3, "clustering")
    assert isinstance(read(REQUESTS[4]).inputs[0], Other)
    assert EMBEDDINGS.parse_request(json.dumps(REQUESTS[1]).encode(), Envelope()).model == "e"


@pytest.mark.parametrize(
    ("tree", "param"),
    [
        ({}, "content"),
        ({"content": "hi"}, "content"),
        ({"requests": 5}, "requests"),
        ({"requests": [{}]}, "requests[0].content"),
        ({"requests": [{"content": {"parts": "hi"}}]}, "requests[0].content.parts"),
    ],
)
def test_a_refusal_names_the_member(tree: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tree)
    assert refused.value.problem.param == param


def test_another_model_is_named_where_one_was_named() -> None:
    body = EMBEDDINGS.render_request(read(REQUESTS[2]), Target(model="f"), set())

    assert [entry["model"] for entry in json.loads(body)["requests"]] == ["models/f", "models/f"]


def test_a_request_of_another_dialect() -> None:
    request = EmbedRequest(
        dialect="other",
        model="x",
        inputs=(Words(text="hi"), Words(text="ho")),
        dimensions=3,
        purpose="document",
        user="u",
        extras={"truncate": Raw(b'"END"')},
    )
    dropped: set[str] = set()

    body = json.loads(EMBEDDINGS.render_request(request, TARGET, dropped))

    more = {"model": "models/e", "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 3}
    assert body == {"requests": [{**more, **content("hi")}, {**more, **content("ho")}]}
    assert dropped == {"user", "truncate"}
    assert EMBEDDINGS.address(request, TARGET) == "/models/e:batchEmbedContents"


def test_a_plain_request_of_another_dialect() -> None:
    request = EmbedRequest(dialect="other", model="x", inputs=(Words(text="hi"),))

    assert json.loads(EMBEDDINGS.render_request(request, TARGET, set())) == {
        "requests": [{"model": "models/e", **content("hi")}]
    }


@pytest.mark.parametrize("dialect", ["other", "gemini"])
def test_tokens_cannot_be_embedded(dialect: str) -> None:
    request = EmbedRequest(dialect=dialect, model="x", inputs=(Tokens((1,)),))

    with pytest.raises(Unrenderable, match="tokens"):
        EMBEDDINGS.render_request(request, TARGET, set())


ANSWERS = [
    {"embedding": {"values": [0.5, -1e-9]}},
    {
        "embeddings": [{"values": [0.5]}, {"values": [1.0], "statistics": {"a": 1}}],
        "usageMetadata": {"promptTokenCount": 3},
    },
    {"embeddings": [], "usageMetadata": None, "new": 1},
    {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": None}},
]


@pytest.mark.parametrize("tree", ANSWERS)
def test_at_home_an_answer_comes_back(tree: Any) -> None:
    asked = read(REQUESTS[0] if "embedding" in tree else REQUESTS[2])
    dropped: set[str] = set()

    back = EMBEDDINGS.render_response(EMBEDDINGS.parse_response(json.dumps(tree).encode()), asked, dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_tokens_are_counted_where_they_are_told() -> None:
    usages = [EMBEDDINGS.parse_response(json.dumps(tree).encode()).usage for tree in ANSWERS]

    assert usages == [None, Usage(input_tokens=3), None, Usage()]


@pytest.mark.parametrize("body", [b"{}", b'{"embedding":5}', b'{"embeddings":[5]}', b'{"embeddings":[{"values":"?"}]}'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        EMBEDDINGS.parse_response(body)


@pytest.mark.parametrize(
    ("asked", "usage", "body"),
    [
        (
            REQUESTS[0],
            Usage(input_tokens=4),
            {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 4}},
        ),
        (REQUESTS[2], None, {"embeddings": [{"values": [0.5]}]}),
    ],
)
def test_an_answer_of_another_dialect(asked: Any, usage: Usage | None, body: Any) -> None:
    answer = Embeddings(vectors=((0.5,),), usage=usage, dialect="other", extras={"texts": Raw(b'["hi"]')})
    dropped: set[str] = set()

    assert json.loads(EMBEDDINGS.render_response(answer, read(asked), dropped)) == body
    assert dropped == {"texts"}
