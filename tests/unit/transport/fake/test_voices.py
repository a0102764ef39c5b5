"""The default answers: whole and streamed they say the same, in each API's own shape."""

import json

import msgspec
import pytest

from headgate.transport.fake.voice import parse_ask
from headgate.transport.fake.voices import answer_by_default

TEXT = "Good morning, dear tester."


def body_of(path, body=b"{}"):
    answer = answer_by_default(parse_ask(path, body, TEXT), 0.0)
    return answer, b"".join(answer.chunks)


def events_of(body):
    """Name and data of each event."""
    events = []
    for block in body.decode().strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        events.append((fields.get("event", ""), data if data == "[DONE]" else msgspec.json.decode(data)))
    return events


@pytest.mark.parametrize("wants_usage", [True, False])
def test_chat_completions(wants_usage):
    options = b',"stream_options":{"include_usage":true}' if wants_usage else b""
    _, whole = body_of("/v1/chat/completions", b'{"model":"m"}')
    answer, stream = body_of("/openai/v1/chat/completions", b'{"model":"m","stream":true%b}' % options)
    message = msgspec.json.decode(whole)
    *chunks, done = [data for _, data in events_of(stream)]
    usage = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])
    assert (message["model"], message["choices"][0]["message"]["content"], text, done) == ("m", TEXT, TEXT, "[DONE]")
    assert answer.is_stream
    assert [part["completion_tokens"] for part in usage] == ([4] if wants_usage else [])


def test_messages():
    _, whole = body_of("/v1/messages", b'{"model":"m"}')
    _, stream = body_of("/v1/messages", b'{"model":"m","stream":true}')
    events = events_of(stream)
    text = "".join(data["delta"]["text"] for name, data in events if name == "content_block_delta")
    assert (msgspec.json.decode(whole)["content"][0]["text"], text) == (TEXT, TEXT)
    assert all(name == data["type"] for name, data in events)
    assert [name for name, _ in events if name != "content_block_delta"] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_responses():
    _, whole = body_of("/v1/responses", b'{"model":"m"}')
    _, stream = body_of("/v1/responses", b'{"model":"m","stream":true}')
    events = events_of(stream)
    text = "".join(data["delta"] for name, data in events if name == "response.output_text.delta")
    assert (msgspec.json.decode(whole)["output"][0]["content"][0]["text"], text) == (TEXT, TEXT)
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert events[-1] == (
        "response.completed",
        {
            "type": "response.completed",
            "sequence_number": len(events) - 1,
            "response": msgspec.json.decode(whole) | {"usage": events[-1][1]["response"]["usage"]},
        },
    )


def test_gemini_whole_by_events_and_as_an_array():
    _, whole = body_of("/v1beta/models/gemini-x:generateContent")
    _, stream = body_of("/v1beta/models/gemini-x:streamGenerateContent?alt=sse")
    answer, array = body_of("/v1beta/models/gemini-x:streamGenerateContent")
    parts = [data for _, data in events_of(stream)]
    text = "".join(part["candidates"][0]["content"]["parts"][0]["text"] for part in parts)
    assert (msgspec.json.decode(whole)["modelVersion"], text) == ("gemini-x", TEXT)
    assert msgspec.json.decode(array) == parts
    assert dict(answer.headers)["content-type"] == "application/json"


def test_cohere():
    _, whole = body_of("/v2/chat", b'{"model":"m"}')
    _, stream = body_of("/v2/chat", b'{"model":"m","stream":true}')
    *events, done = events_of(stream)
    deltas = [data["delta"]["message"]["content"] for name, data in events if name == "content-delta"]
    answer = msgspec.json.decode(whole)
    assert (answer["message"]["content"][0]["text"], "".join(delta["text"] for delta in deltas)) == (TEXT, TEXT)
    assert all(name == data["type"] for name, data in events)
    assert [name for name, _ in events if name != "content-delta"] == [
        "message-start",
        "content-start",
        "content-end",
        "message-end",
    ]
    assert events[-1][1]["delta"]["usage"].keys() == answer["usage"].keys()
    assert done == ("", "[DONE]")


def test_ollama_streams_unless_it_is_told_otherwise():
    _, whole = body_of("/api/chat", b'{"model":"m","stream":false}')
    answer, stream = body_of("/api/chat", b'{"model":"m"}')
    lines = [msgspec.json.decode(line) for line in stream.splitlines()]
    ended = msgspec.json.decode(whole)
    assert (ended["message"]["content"], "".join(line["message"]["content"] for line in lines)) == (TEXT, TEXT)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1] | {"message": ended["message"], "prompt_eval_count": ended["prompt_eval_count"]} == ended
    assert dict(answer.headers)["content-type"] == "application/x-ndjson"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"model":null,"stream":"yes","stream_options":3}'])
def test_any_body_has_an_answer(body):
    answer, _ = body_of("/v1/chat/completions", body)
    assert (answer.status, answer.is_stream) == (200, False)


def test_an_unknown_path_is_not_found():
    assert body_of("/v1/unknown")[0].status == 404


def test_what_is_only_looked_at_is_no_talk():
    answer = answer_by_default(parse_ask("/v1/chat/completions", b"", TEXT, "GET"), 0.0)
    assert answer.status == 404
    assert b"no answer for GET /v1/chat/completions" in b"".join(answer.chunks)


def test_an_answer_that_broke_off_is_gone_on_with():
    begun, user = {"role": "assistant", "content": TEXT[:9]}, {"role": "user", "content": "go on"}
    told = {
        "prefill": [user, begun],
        "a further turn": [user, begun, user],
        "long ago": [begun, user, user],
        "of another": [user, {"role": "assistant", "content": "no"}, user],
    }
    texts = {
        name: parse_ask("/v1/chat/completions", json.dumps({"messages": messages}).encode(), TEXT).text
        for name, messages in told.items()
    }
    assert texts == {"prefill": TEXT[9:], "a further turn": TEXT[9:], "long ago": TEXT, "of another": TEXT}
