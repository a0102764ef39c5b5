"""Streams, both ways: any cut, fields that become parts, and how they end."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import ReplyTo
from headgate.dialects.ollama import StreamParser, StreamRenderer

REPLY_TO = ReplyTo(id="ours", model="theirs", now_s=1_700_000_000, is_stream=True)
HEAD = {"model": "qwen3:4b", "created_at": "2026-08-07T06:08:35Z"}
CALL = {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}


def line(message: Any = None, *, done: bool = False, **members: Any) -> bytes:
    tree = {**HEAD, "message": {"role": "assistant", "content": "", **(message or {})}, "done": done, **members}
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def end(done_reason: str = "stop", **members: Any) -> bytes:
    return line(done=True, done_reason=done_reason, prompt_eval_count=7, eval_count=5, **members)


TALK = line({"thinking": "Hm "}) + line({"thinking": "☃"}) + line({"content": "Ho"}) + line({"content": "!"}) + end()
TOOLS = line({"content": "Well"}) + line({"tool_calls": [CALL]}) + end(total_duration=9)


def parse(*pieces: bytes) -> list[Event]:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


STARTED = Started(
    model="qwen3:4b", created=1_786_082_915, dialect="ollama", extras={"created_at": Raw(b'"2026-08-07T06:08:35Z"')}
)
COUNTED = Usage(input_tokens=7, output_tokens=5, extras={"prompt_eval_count": Raw(b"7"), "eval_count": Raw(b"5")})


def test_thoughts_and_words() -> None:
    assert parse(TALK) == [
        STARTED,
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "Hm "),
        PartDelta(0, "☃"),
        PartEnded(index=0),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartDelta(1, "!"),
        PartEnded(index=1),
        Finished(reason="stop", wire_reason="stop", usage=COUNTED),
    ]


def test_a_call() -> None:
    assert parse(TOOLS) == [
        STARTED,
        PartStarted(index=0, kind="text"),
        PartDelta(0, "Well"),
        PartEnded(index=0),
        PartStarted(index=1, kind="tool_call", id="c1", name="f", extras={"function.index": Raw(b"0")}),
        PartDelta(1, '{"a":1}'),
        PartEnded(index=1),
        Finished(reason="tool_calls", wire_reason="stop", usage=COUNTED, extras={"answer.total_duration": Raw(b"9")}),
    ]


@pytest.mark.parametrize("wire", [TALK, TOOLS])
def test_at_home_the_same_objects_come_back(wire: bytes) -> None:
    renderer = StreamRenderer(REPLY_TO)

    back = renderer.render(parse(wire))

    assert [json.loads(item) for item in back.splitlines()] == [json.loads(item) for item in wire.splitlines()]
    assert renderer.dropped == set()


@given(st.lists(st.integers(0, len(TALK)), max_size=8))
def test_a_cut_anywhere_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TALK)]

    assert parse(*(TALK[a:b] for a, b in pairwise(edges))) == parse(TALK)


def test_what_is_told_beside_the_words() -> None:
    wire = (
        line({"content": "H"})
        + line({"content": "o", "new": 1, "old": None}, logprobs=[{"token": "o"}], more=2)
        + line({"images": ["iVBORw0KGgo="]})
        + end()
    )

    events = parse(wire)
    renderer = StreamRenderer(REPLY_TO)
    again = parse(renderer.render(events))

    told = [(item.name, item.slot) for item in events if isinstance(item, Opaque)]
    assert told == [("new", "message"), ("logprobs", "logprobs"), ("more", "answer")]
    assert [(item.name, item.slot) for item in again if isinstance(item, Opaque)] == told
    assert fold(again).parts[1].text == "iVBORw0KGgo="
    assert renderer.dropped == set()


def test_lines_of_every_shape() -> None:
    wire = (
        b'{"message":{"content":"a"}}\n\n'
        b'{"message":{"role":"robot","content":"b"},"done":false}\n'
        b'{"model":"m","created_at":"t","message":{"role":"assistant"},"done":false}\n'
        b'{"model":"m","created_at":"t","message":{"role":"robot","content":"c"},"done":false}\n'
        b'{"model":"m","created_at":"t","message":{"role":"assistant","content":"d"},"done":true}'
    )

    events = parse(wire)

    assert fold(events).text == "abcd"
    assert events[-1] == Finished(reason="stop", extras={})


@pytest.mark.parametrize(
    ("wire", "message", "outcome"),
    [
        (line({"content": "Ho"}), "the answer ended before it was complete", Outcome.CUT),
        (b"", "the answer ended before it was complete", Outcome.CUT),
        (line() + b"{oops\n", "the answer was not one of Ollama's chat: a line was not JSON", Outcome.PROTOCOL),
        (line() + b'{"error":"it broke"}\n', "it broke", Outcome.SERVER),
        (b'{"response":"a"}', "the answer was not one of Ollama's chat: it has no `message`", Outcome.PROTOCOL),
    ],
)
def test_a_stream_that_fails(wire: bytes, message: str, outcome: Outcome) -> None:
    last = parse(wire + line({"content": "after"}) if b"error" in wire else wire)[-1]

    assert isinstance(last, Failed)
    assert (last.problem.message, last.problem.outcome) == (message, outcome)


def test_one_bad_line_is_forgiven_when_the_end_is_told() -> None:
    assert isinstance(parse(line() + b"{oops\n" + end())[-1], Finished)


def test_usage_is_known_when_the_end_is_told() -> None:
    parser = StreamParser()
    assert parser.usage is None
    parser.feed(TALK)
    assert parser.usage == COUNTED


def test_a_stream_of_another_dialect() -> None:
    events: list[Event] = [
        Started(id="", model="x", created=1_600_000_000, dialect="other"),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "Hm"),
        PartEnded(index=0, signature=Signature("other", "s")),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartEnded(index=1),
        PartStarted(index=2, kind="tool_call", id="c0", name="f", form="no_id"),
        PartDelta(2, '{"a"'),
        PartDelta(2, ":1}"),
        PartEnded(index=2),
        PartStarted(index=3, kind="audio"),
        PartDelta(3, "aGk="),
        PartEnded(index=3),
        PartStarted(index=4, kind="text", choice=1),
        PartDelta(4, "never"),
        PartEnded(index=4),
        Opaque(name="grounding", raw=Raw(b"{}"), dialect="other"),
        Opaque(name="nothing", raw=Raw(b"null"), dialect="other"),
        Finished(reason="length", more_reasons=("stop",), wire_reason="x", usage=Usage(input_tokens=4)),
    ]
    renderer = StreamRenderer(REPLY_TO)

    lines = [json.loads(item) for item in renderer.render(events).splitlines()]

    head = {"model": "x", "created_at": "2020-09-13T12:26:40Z"}

    def told(message: Any, **members: Any) -> Any:
        return {**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **members}

    assert lines == [
        told({"thinking": "Hm"}),
        told({"content": "Ho"}),
        told({"tool_calls": [{"id": "c0", "function": {"name": "f", "arguments": {"a": 1}}}]}),
        told({}, done=True, done_reason="length", prompt_eval_count=4, eval_count=0),
    ]
    assert renderer.dropped == {"reasoning.signature", "audio", "choices", "grounding"}


def test_a_failure_ends_the_stream() -> None:
    problem = Problem(kind="upstream", message="no", metadata={"a": 1})

    assert StreamRenderer(REPLY_TO).render([Failed(problem)]) == b'{"error":"no","metadata":{"a":1}}\n'


def test_the_end_may_tell_nothing_and_a_call_be_of_nothing() -> None:
    wire = line({"tool_calls": [{"id": "c"}]}) + line(done=True)

    events = parse(wire)
    lines = StreamRenderer(REPLY_TO).render(events).splitlines()

    assert events[1:] == [
        PartStarted(index=0, kind="tool_call", id="c", form="none"),
        PartEnded(index=0),
        Finished(reason="tool_calls"),
    ]
    assert json.loads(lines[0])["message"]["tool_calls"] == [{"id": "c", "function": {"name": ""}}]
    assert json.loads(lines[1]) == json.loads(line(done=True))
