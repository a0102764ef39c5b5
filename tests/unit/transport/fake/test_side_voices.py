"""The default answers beside chat: the table's own readers take them."""

import json
from typing import Any

import pytest
from tests.engine.sending import STREAMS, sendings

from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Sent
from headgate.transport.fake.voice import parse_ask
from headgate.transport.fake.voices import answer_by_default

TEXT = "Good morning, dear tester."


@pytest.mark.parametrize("name", sorted(set(sendings("m")) - {"image_edits", "image_variations"}))
def test_a_whole_answer_is_one_of_its_kind(name: str):
    path, sent = sendings("m")[name]
    body = json.dumps(sent.get("json", {"prompt": "x"})).encode()
    answer = answer_by_default(parse_ask(path, body, TEXT), 0.0)
    told = b"".join(answer.chunks)
    assert answer.status == 200
    side = DIALECTS["openai_chat"].sides[name]
    if not side.is_binary and "json" in sent:
        asked = side.peek(Sent(body=body, envelope=Envelope()))
        side.read(told, dict(answer.headers)["content-type"], asked)


@pytest.mark.parametrize("name", STREAMS)
def test_a_streamed_answer_says_when_it_is_whole(name: str):
    path, _ = sendings("m")[name]
    body = json.dumps({"model": "m", **streamed(STREAMS[name][0])}).encode()
    answer = answer_by_default(parse_ask(path, body, TEXT), 0.0)
    streaming = DIALECTS["openai_chat"].sides[name].streaming
    assert streaming is not None
    tap = streaming.tap()
    for chunk in answer.chunks:
        tap.feed(chunk)
    assert tap.is_finished


def test_fields_of_a_form_are_read():
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm2\r\n--b\r\n'
    body += b'Content-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--b--\r\n'
    ask = parse_ask("/v1/audio/transcriptions", body, TEXT)
    assert (ask.model, ask.wants_stream) == ("m2", True)


def streamed(members: dict[str, Any]) -> dict[str, Any]:
    return {name: True if value == "true" else value for name, value in members.items()}
