"""Embeddings and ranking of every dialect: what a request takes, what an answer tells."""

import json
from typing import Any

import pytest

from headgate.core.usage import Measures, Usage
from headgate.dialects.base import Envelope, Malformed, Target
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Asked, Sent


def asked_of(dialect: str, name: str, body: Any, model: str = "") -> tuple[Sent, Asked]:
    sent = Sent(body=json.dumps(body).encode(), envelope=Envelope(model=model))
    return sent, DIALECTS[dialect].sides[name].peek(sent)


@pytest.mark.parametrize(
    ("dialect", "body", "tokens"),
    [
        ("openai_chat", {"model": "m", "input": ["abcd", "efghi"]}, 3),
        ("openai_chat", {"model": "m", "input": [[1, 2], [3]]}, 3),
        ("openai_chat", {"model": "m", "input": ""}, 1),
        ("cohere", {"model": "m", "images": ["data:,xxxxxxxx"]}, 4),
        ("ollama", {"model": "m", "input": "abcdefgh"}, 2),
        ("gemini", {"content": {"parts": [{"text": "abcd"}]}}, 1),
    ],
)
def test_what_embeddings_probably_take(dialect: str, body: Any, tokens: int):
    _, asked = asked_of(dialect, "embeddings", body, "m")
    assert (asked.model, asked.measured) == ("m", Usage(input_tokens=tokens, is_estimated=True))


def test_what_ranking_probably_takes():
    body = {"model": "m", "query": "abcd", "documents": ["efgh"] * 101}
    _, asked = asked_of("cohere", "ranking", body)
    assert asked.measured == Usage(input_tokens=202, measures=Measures(searches=2), is_estimated=True)


@pytest.mark.parametrize(
    ("dialect", "name", "answer", "usage"),
    [
        ("openai_chat", "embeddings", {"data": [], "usage": {"total_tokens": 5}}, 5),
        ("openai_chat", "embeddings", {"data": []}, None),
        ("gemini", "embeddings", {"embedding": {"values": []}, "usageMetadata": {"promptTokenCount": 4}}, 4),
        ("gemini", "embeddings", {"embeddings": []}, None),
        ("gemini", "embeddings", {"embeddings": [], "usageMetadata": {}}, 0),
        ("cohere", "embeddings", {"embeddings": {}, "meta": {"billed_units": {"input_tokens": 3}}}, 3),
        ("ollama", "embeddings", {"embeddings": [], "prompt_eval_count": 2}, 2),
        ("openai_chat", "ranking", {"results": [], "usage": {"total_tokens": 7}}, 7),
        ("openai_chat", "ranking", {"data": []}, None),
    ],
)
def test_what_answers_tell(dialect: str, name: str, answer: Any, usage: int | None):
    read = DIALECTS[dialect].sides[name].read(json.dumps(answer).encode(), "", Asked(model="", measured=Usage()))
    assert (read.input_tokens if read else None) == usage


def test_searches_are_told_beside_tokens_or_alone():
    read = DIALECTS["cohere"].sides["ranking"].read
    asked = Asked(model="", measured=Usage())
    alone = b'{"results":[],"meta":{"billed_units":{"search_units":2}}}'
    both = b'{"results":[],"meta":{"billed_units":{"search_units":1}},"usage":{"total_tokens":9}}'
    assert read(alone, "", asked) == Usage(measures=Measures(searches=2))
    assert read(both, "", asked) == Usage(input_tokens=9, measures=Measures(searches=1))


@pytest.mark.parametrize("dialect", ["openai_chat", "gemini", "cohere", "ollama"])
@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b'{"error":"no"}'])
def test_what_is_no_answer(dialect: str, answer: bytes):
    with pytest.raises(Malformed):
        DIALECTS[dialect].sides["embeddings"].read(answer, "", Asked(model="", measured=Usage()))


def test_geminis_contents_name_the_model_again():
    side = DIALECTS["gemini"].sides["embeddings"]
    content = {"parts": [{"text": "a"}]}
    sent, asked = asked_of("gemini", "embeddings", {"requests": [{"model": "models/r", "content": content}]}, "r")
    assert side.patch(sent, asked, Target(model="r")) == sent.body
    changed = json.loads(side.patch(sent, asked, Target(model="m")))
    assert changed == {"requests": [{"model": "models/m", "content": content}]}
    assert side.address(asked, Target(model="m")) == "/models/m:batchEmbedContents"
    _, single = asked_of("gemini", "embeddings", {"content": content}, "r")
    assert side.address(single, Target(model="m")) == "/models/m:embedContent"
