"""Streamed answers, written: well-formed for the official SDK, and for us to read again."""

import json
from collections.abc import Sequence

import pytest
from anthropic.types import RawMessageStreamEvent
from msgspec import Raw
from pydantic import TypeAdapter

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.anthropic import StreamParser, StreamRenderer, parse_error, parse_request, parse_response
from headgate.dialects.base import Envelope, ReplyTo

REPLY_TO = ReplyTo(id="call_9", model="route-a", is_stream=True)
SDK_EVENT: TypeAdapter[object] = TypeAdapter(RawMessageStreamEvent)
STARTED = Started(id="a", model="m", dialect="elsewhere")
DONE = Finished(reason="stop", usage=Usage(input_tokens=9, cached_tokens=4, output_tokens=2))


def streamed(events: Sequence[Event], *, one_by_one: bool = False) -> tuple[bytes, set[str]]:
    renderer = StreamRenderer(REPLY_TO)
    batches = [[event] for event in events] if one_by_one else [events]
    return b"".join(renderer.render(batch) for batch in batches), renderer.dropped


def sent(out: bytes) -> list[dict]:
    """The data of the events, each under its right name, with blocks one after the other."""
    events: list[dict] = []
    for block in out.split(b"\n\n")[:-1]:
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        events.append(event)
    held: int | None = None
    for event in events:
        if event["type"] == "content_block_start":
            assert held is None
            held = event["index"]
        elif event["type"].startswith("content_block_"):
            assert event["index"] == held
            held = None if event["type"] == "content_block_stop" else held
        if event["type"] != "error":
            SDK_EVENT.validate_python(event)
    return events


def again(out: bytes):
    parser = StreamParser()
    return fold(parser.feed(out) + parser.close())


def test_an_answer_of_this_dialect_reads_the_same_again(stream: bytes):
    parser = StreamParser()
    events = parser.feed(stream) + parser.close()
    out, dropped = streamed(events)
    assert again(out) == fold(events)
    assert dropped == set()
    sent(out)


def test_an_indented_answer_becomes_a_stream_of_whole_lines(whole: bytes):
    out, _ = streamed(parse_response(json.dumps(json.loads(whole), indent=2).encode()))
    assert [event["type"] for event in sent(out)][-1] == "message_stop"
    assert again(out).reason == "tool_calls"


def test_a_batch_or_one_by_one_makes_no_difference(stream: bytes):
    parser = StreamParser()
    events = parser.feed(stream) + parser.close()
    assert streamed(events, one_by_one=True) == streamed(events)


def test_a_plain_answer_of_another_dialect():
    out, dropped = streamed(
        [STARTED, PartStarted(index=5, kind="text"), PartDelta(5, "a\n"), PartDelta(5, "b"), PartEnded(index=5), DONE]
    )
    assert sent(out) == [
        {
            "type": "message_start",
            "message": {
                "id": "a",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a\n"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 5,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 4,
                "output_tokens": 2,
            },
        },
        {"type": "message_stop"},
    ]
    assert dropped == set()


def test_parts_that_interleave_come_one_after_the_other():
    out, _ = streamed(
        [
            STARTED,
            PartStarted(index=0, kind="reasoning"),
            PartDelta(0, "hm"),
            PartStarted(index=1, kind="text"),
            PartDelta(1, "first"),
            PartStarted(index=2, kind="tool_call", id="x", name="f"),
            PartDelta(2, '{"a":'),
            PartStarted(index=3, kind="tool_call", id="y", name="g"),
            PartDelta(3, '{"b":'),
            PartDelta(1, " second"),
            PartDelta(2, "1}"),
            PartDelta(3, "2}"),
            PartEnded(index=3),
            PartEnded(index=2),
            PartEnded(index=1),
            PartEnded(index=0),
            DONE,
        ],
        one_by_one=True,
    )
    assert {"type": "signature_delta", "signature": "~hg.."} in [event.get("delta") for event in sent(out)]
    answer = again(out)
    assert [(part.kind, part.id, part.text) for part in answer.parts] == [
        ("reasoning", "", "hm"),
        ("text", "", "first"),
        ("tool_call", "x", '{"a":1}'),
        ("text", "", " second"),
        ("tool_call", "y", '{"b":2}'),
    ]


def test_parts_that_nobody_ended_are_ended():
    out, _ = streamed(
        [
            STARTED,
            PartStarted(index=0, kind="tool_call", id="x", name="f"),
            PartStarted(index=1, kind="tool_call", id="y", name="g", is_custom=True),
            PartDelta(1, "free"),
            DONE,
        ]
    )
    sent(out)
    assert [(part.id, part.text) for part in again(out).parts] == [("x", "{}"), ("y", '{"input":"free"}')]


def test_what_has_no_place_is_reported():
    out, dropped = streamed(
        [
            STARTED,
            PartStarted(index=0, kind="image"),
            PartDelta(0, "AAAA"),
            PartEnded(index=0),
            PartStarted(index=1, kind="text", choice=1),
            PartDelta(1, "other"),
            PartEnded(index=1),
            Opaque(name="logprobs", raw=Raw(b"{}"), dialect="elsewhere"),
            PartStarted(index=2, kind="text"),
            PartEnded(index=2, signature=Signature("gemini", "S")),
            PartStarted(index=3, kind="reasoning"),
            PartEnded(index=3),
            DONE,
        ]
    )
    assert [event["type"] for event in sent(out)] == ["message_start", "message_delta", "message_stop"]
    assert dropped == {"image", "choices", "logprobs", "reasoning.signature"}


def test_a_failure_is_an_error_event_and_never_a_clean_end():
    out, _ = streamed([STARTED, Failed(Problem(kind="overloaded", message="busy")), DONE])
    assert [event["type"] for event in sent(out)] == ["message_start", "error"]
    assert sent(out)[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{\n "type": "error",\n "error": {"type": "api_error", "message": "m"}\n}', "m"),
        (b"<html>\nno\n</html>", "the upstream answered 500: no"),
    ],
)
def test_an_error_of_this_dialect_stays_one_line(raw: bytes, message: str):
    out, _ = streamed([Failed(parse_error(500, {}, raw))])
    (error,) = sent(out)
    assert error["error"]["message"] == message


def test_an_answer_that_ended_in_an_error_is_no_clean_end():
    out, _ = streamed([STARTED, Finished(reason="error")])
    assert [event["type"] for event in sent(out)] == ["message_start", "error"]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_proofs_of_other_services_find_their_way_back(one_by_one: bool):
    out, dropped = streamed(
        [
            STARTED,
            PartStarted(index=0, kind="reasoning"),
            PartDelta(0, "hm"),
            PartEnded(index=0, signature=Signature("openai_responses", "R")),
            PartStarted(index=1, kind="reasoning", is_redacted=True),
            PartEnded(index=1, signature=Signature("openai_responses", "E")),
            PartStarted(index=2, kind="reasoning"),
            PartDelta(2, "unsigned"),
            PartEnded(index=2),
            PartStarted(index=3, kind="text"),
            PartDelta(3, "words"),
            PartEnded(index=3, signature=Signature("gemini", "T")),
            PartStarted(index=4, kind="tool_call", id="x", name="f"),
            PartDelta(4, "{}"),
            PartEnded(index=4, signature=Signature("gemini", "C")),
            DONE,
        ],
        one_by_one=one_by_one,
    )
    blocks: dict[int, dict] = {}
    for event in sent(out):
        if event["type"] == "content_block_start":
            blocks[event["index"]] = event["content_block"]
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            name = next(name for name in delta if name != "type")
            if name == "partial_json":
                blocks[event["index"]]["input"] = json.loads(delta[name])
            else:
                blocks[event["index"]][name] += delta[name]
    assert len(blocks) == 7  # each proof is told once
    turn = {"role": "assistant", "content": list(blocks.values())}
    request = parse_request(json.dumps({"model": "m", "messages": [turn]}).encode(), Envelope())
    seen = [(type(part).__name__, getattr(part, "signature", None)) for part in request.messages[0].parts]
    assert seen == [
        ("Reasoning", Signature("openai_responses", "R")),
        ("Reasoning", Signature("openai_responses", "E")),
        ("Reasoning", None),
        ("Text", Signature("gemini", "T")),
        ("ToolCall", Signature("gemini", "C")),
    ]
    assert dropped == set()
