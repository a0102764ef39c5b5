"""Ranking: one wire, with and without documents given back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.ranking import Ranked, RankedDocument, Ranking, RankRequest
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, Operation, Target
from headgate.dialects.registry import DIALECTS
from headgate.dialects.reranking import Speaker

COHERE = Speaker(dialect="cohere", path="/v2/rerank", gives_back=False).operation
JINA = Speaker(dialect="openai_chat", path="/rerank", gives_back=True).operation
BOTH = pytest.mark.parametrize("operation", [COHERE, JINA], ids=["cohere", "jina"])
Rerank = Operation[RankRequest, Ranking]


def read(operation: Rerank, tree: Any) -> RankRequest:
    return operation.parse_request(json.dumps(tree).encode(), Envelope())


REQUESTS = [
    {"model": "m", "query": "q", "documents": ["a", "b"]},
    {"model": "m", "query": "q", "documents": ["a"], "top_n": 1, "return_documents": False, "priority": 3, "x": None},
    {"model": "m", "query": "q", "documents": [{"text": "a", "id": 5}, "b"], "top_k": 1, "return_documents": True},
]


def test_three_dialects_rank() -> None:
    ranking = {
        name: dialect.sides["ranking"].halves for name, dialect in DIALECTS.items() if "ranking" in dialect.sides
    }
    request = read(COHERE, REQUESTS[0])

    assert {name: found.address(request, Target(model="m")) for name, found in ranking.items()} == {
        "openai_chat": "/rerank",
        "cohere": "/v2/rerank",
        "bedrock_invoke": "/model/m/invoke",
    }


@BOTH
@pytest.mark.parametrize("tree", REQUESTS)
def test_at_home_a_request_comes_back(operation: Rerank, tree: Any) -> None:
    dropped: set[str] = set()

    back = operation.render_request(read(operation, tree), Target(model="m"), dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_a_request_in_words() -> None:
    assert read(JINA, REQUESTS[2]) == RankRequest(
        dialect="openai_chat",
        model="m",
        query="q",
        documents=(RankedDocument(text="a", form="object", extras={"id": Raw(b"5")}), RankedDocument(text="b")),
        top_n=1,
        wants_documents=True,
        form="top_k",
    )
    assert COHERE.parse_request(b'{"query":"q","documents":["a"]}', Envelope(model="p")).model == "p"


@pytest.mark.parametrize(
    ("tree", "param"),
    [
        ({"documents": ["a"]}, "query"),
        ({"query": 5, "documents": ["a"]}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": "q", "documents": "a"}, "documents"),
        ({"query": "q", "documents": [5]}, "documents[0]"),
        ({"query": "q", "documents": [None]}, "documents[0]"),
        ({"query": "q", "documents": [{}]}, "documents[0].text"),
        ({"query": "q", "documents": ["a"], "top_n": 1.5}, "top_n"),
        ({"query": "q", "documents": ["a"], "return_documents": 1}, "return_documents"),
    ],
)
def test_a_refusal_names_the_member(tree: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(COHERE, tree)
    assert refused.value.problem.param == param


def test_abroad_documents_are_words_and_given_back_by_whoever_can() -> None:
    for asked, told, given_back in ((JINA, COHERE, {}), (COHERE, JINA, {"return_documents": True})):
        dropped: set[str] = set()

        body = told.render_request(read(asked, {**REQUESTS[2], "truncation": False}), Target(model="m"), dropped)

        assert json.loads(body) == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1, **given_back}
        assert dropped == {"truncation", "documents.id"}


META = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
ANSWERS = [
    {
        "id": "r",
        "results": [{"index": 1, "relevance_score": 0.25}, {"index": 0, "relevance_score": 1e-9}],
        "meta": META,
    },
    {
        "model": "m",
        "object": "list",
        "usage": {"total_tokens": 7},
        "results": [{"index": 0, "relevance_score": 0.5, "document": {"text": "a", "id": 5}}],
    },
    {"object": "list", "data": [{"index": 0, "relevance_score": 0.5, "document": "a"}], "usage": {"prompt_tokens": 7}},
    {"results": [{"index": 0, "score": 0.5, "document": {"image": "x"}}], "meta": None, "id": None},
    {"results": [{"index": 0, "relevance_score": 1, "document": None}]},
]


@BOTH
@pytest.mark.parametrize("tree", ANSWERS)
def test_at_home_an_answer_comes_back(operation: Rerank, tree: Any) -> None:
    dropped: set[str] = set()
    asked = read(operation, REQUESTS[0])

    back = operation.render_response(operation.parse_response(json.dumps(tree).encode()), asked, dropped)

    assert (json.loads(back), dropped) == (tree, set())


def test_an_answer_in_words() -> None:
    answers = [JINA.parse_response(json.dumps(tree).encode()) for tree in ANSWERS]

    assert [answer.usage for answer in answers] == [None, Usage(input_tokens=7), Usage(input_tokens=7), None, None]
    assert [answer.search_units for answer in answers] == [1, 0, 0, 0, 0]
    assert answers[0].results == (Ranked(index=1, score=0.25), Ranked(index=0, score=1e-9))
    assert answers[2].results == (Ranked(index=0, score=0.5, document=RankedDocument(text="a")),)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"results":5}', b'{"results":[5]}', b'{"results":[{"index":0}]}', b'{"results":[{"relevance_score":1}]}'],
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        COHERE.parse_response(body)


def test_an_answer_abroad() -> None:
    searched = COHERE.parse_response(json.dumps({**ANSWERS[0], "warnings": ["w"]}).encode())
    counted = JINA.parse_response(json.dumps(ANSWERS[1]).encode())
    dropped: set[str] = set()

    to_jina = json.loads(JINA.render_response(searched, read(JINA, REQUESTS[2]), dropped))
    to_cohere = json.loads(COHERE.render_response(counted, read(COHERE, REQUESTS[0]), dropped))

    assert to_jina == {
        "id": "r",
        "object": "list",
        "model": "m",
        "results": [
            {"index": 1, "relevance_score": 0.25, "document": {"text": "b"}},
            {"index": 0, "relevance_score": 1e-9, "document": {"text": "a"}},
        ],
        "usage": {"total_tokens": 0},
    }
    assert to_cohere == {
        "results": [{"index": 0, "relevance_score": 0.5, "document": {"text": "a", "id": 5}}],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}},
    }
    assert dropped == {"meta", "warnings", "object", "usage"}


def test_searches_are_told_as_searches() -> None:
    answer = Ranking(results=(), search_units=2, dialect="other")

    body = json.loads(COHERE.render_response(answer, read(COHERE, REQUESTS[0]), set()))

    assert body["meta"]["billed_units"] == {"search_units": 2}


def test_a_place_that_nobody_asked_about_has_no_document() -> None:
    answer = Ranking(results=(Ranked(index=9, score=0.5),), dialect="other")

    body = json.loads(JINA.render_response(answer, read(JINA, REQUESTS[2]), set()))

    assert body["results"] == [{"index": 9, "relevance_score": 0.5}]


@given(st.lists(st.tuples(st.integers(0, 99), st.floats(allow_nan=False, allow_infinity=False))))
def test_any_scores_come_back(results: list[tuple[int, float]]) -> None:
    tree = {"results": [{"index": index, "relevance_score": score} for index, score in results]}
    asked = read(COHERE, REQUESTS[0])

    assert json.loads(COHERE.render_response(COHERE.parse_response(json.dumps(tree).encode()), asked, set())) == tree
