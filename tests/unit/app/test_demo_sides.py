"""What the demo answers beside chat: read back by the table's own readers."""

import json
from typing import Any

import pytest
from tests.unit.dialects.test_multipart import HEAD, TYPE, form

from headgate.app.demo_sides import DIMENSIONS, Told, hum, side_answer
from headgate.core.problems import Problem
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Sent, is_json

OPENAI = DIALECTS["openai_chat"].sides


def told(name: str, **members: Any) -> Told:
    return answered(name, Sent(body=json.dumps({"model": "echo", **members}).encode(), envelope=Envelope()))


def told_form(name: str, file: str, content: bytes, **fields: str) -> Told:
    parts = [(HEAD.format(key), value.encode()) for key, value in {"model": "echo", **fields}.items()]
    body = form((f'{HEAD.format(file)}; filename="x"', content), *parts)
    return answered(name, Sent(body=body, envelope=Envelope(), content_type=TYPE))


def answered(name: str, sent: Sent) -> Told:
    found = side_answer(OPENAI[name], sent, 1_800_000_000)
    assert isinstance(found, Told)
    assert side_answer(OPENAI[name], sent, 1_800_000_000) == found
    if is_json(found.content_type):
        OPENAI[name].read(b"".join(found.pieces), found.content_type, OPENAI[name].peek(sent))
    elif found.content_type == "text/event-stream":
        streaming = OPENAI[name].streaming
        assert streaming is not None
        tap = streaming.tap()
        for piece in found.pieces:
            tap.feed(piece)
        assert tap.is_finished
        assert tap.usage is not None
        assert tap.failed is None
    return found


def whole(answer: Told) -> Any:
    return json.loads(b"".join(answer.pieces))


def test_vectors():
    data = whole(told("embeddings", input=["a red fox", "the red fox", "taxes", ""]))["data"]
    first, near, far, empty = (entry["embedding"] for entry in data)
    assert len(first) == DIMENSIONS
    assert sum(a * a for a in first) == pytest.approx(1.0, abs=1e-5)
    assert sum(a * b for a, b in zip(first, near, strict=True)) > sum(a * b for a, b in zip(first, far, strict=True))
    assert any(empty)
    assert len(whole(told("embeddings", input=[1, 2, 3], dimensions=7))["data"][0]["embedding"]) == 7
    picture = Sent(body=b'{"model":"echo","images":["data:,x"]}', envelope=Envelope())
    assert isinstance(side_answer(DIALECTS["cohere"].sides["embeddings"], picture, 0), Told)


def test_ranks():
    answer = told("ranking", query="red fox", documents=["a whale", "red fox", "red"], top_n=2, return_documents=True)
    results = whole(answer)["results"]
    assert [(result["index"], result["relevance_score"]) for result in results] == [(1, 1.0), (2, 0.5)]
    assert results[0]["document"] == {"text": "red fox"}
    assert len(whole(told("ranking", query="?", documents=["a"]))["results"]) == 1


def test_moderations():
    assert len(whole(told("moderations", input=["a", "b"]))["results"]) == 2
    assert len(whole(told("moderations", input="a"))["results"]) == 1


def test_completions():
    assert whole(told("completions", prompt="say pong"))["choices"][0]["text"] == "say pong"
    assert whole(told("completions", prompt=["a"]))["choices"][0]["text"] == '["a"]'
    streamed = told("completions", prompt="say pong", stream=True)
    assert streamed.pieces[-1] == b"data: [DONE]\n\n"


def test_pictures():
    assert len(whole(told("image_generations", prompt="a", n=2))["data"]) == 2
    assert len(whole(told_form("image_edits", "image", b"png", prompt="a"))["data"]) == 1
    assert len(whole(told_form("image_variations", "image", b"png", n="99"))["data"]) == 10
    assert len(told("image_generations", prompt="a", stream=True).pieces) == 2


def test_speech():
    spoken = told("speech", input="hello", voice="v")
    assert (spoken.content_type, b"".join(spoken.pieces)) == ("audio/wav", hum(5))
    assert len(hum(10**6)) == 44 + 60 * 8000
    told("speech", input="hello", voice="v", stream_format="sse")


@pytest.mark.parametrize("form", ["", "json", "verbose_json", "text", "srt", "vtt"])
def test_transcripts(form: str):
    heard = told_form("transcriptions", "file", hum(30), response_format=form)
    assert b"The demo heard 16044 bytes of sound." in b"".join(heard.pieces)
    if form in ("srt", "vtt"):
        assert b"--> 00:00:02" in b"".join(heard.pieces)


def test_streamed_transcripts():
    assert len(told_form("translations", "file", b"x", stream="true").pieces) > 2


def test_another_model():
    sent = Sent(body=b'{"model":"gpt","input":"a"}', envelope=Envelope())
    found = side_answer(OPENAI["embeddings"], sent, 0)
    assert isinstance(found, Problem)
    assert (found.code, found.param) == ("model_not_found", "model")
