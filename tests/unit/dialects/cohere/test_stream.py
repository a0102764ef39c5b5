"""Streams, both ways: any cut, parts counted each for itself, and how they end."""

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
from headgate.dialects.cohere import StreamParser, StreamRenderer, render_response

REPLY_TO = ReplyTo(id="ours", model="m", is_stream=True)
USAGE = {"billed_units": {"input_tokens": 4, "output_tokens": 3}, "tokens": {"input_tokens": 40, "output_tokens": 3}}
EMPTY = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
CITATION = {"start": 0, "end": 2, "text": "Ho", "sources": [], "content_index": 1}
DONE = b"data: [DONE]\n\n"


def event(kind: str, index: int | None = None, message: Any = None, **members: Any) -> bytes:
    tree = {"type": kind, **({} if index is None else {"index": index}), **members}
    tree |= {} if message is None else {"delta": {"message": message}}
    return f"event: {kind}\ndata: {json.dumps(tree, separators=(',', ':'), ensure_ascii=False)}\n\n".encode()


def start() -> bytes:
    return event("message-start", id="a1", message=EMPTY)


def begin(index: int, kind: str = "text", **more: Any) -> bytes:
    return event("content-start", index, {"content": {"type": kind, kind: "", **more}})


def words(index: int, text: str, kind: str = "text", **members: Any) -> bytes:
    return event("content-delta", index, {"content": {kind: text}}, **members)


def plan(text: str) -> bytes:
    return event("tool-plan-delta", None, {"tool_plan": text})


def call(index: int, name: str) -> bytes:
    made = {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    return event("tool-call-start", index, {"tool_calls": made})


def arguments(index: int, text: str) -> bytes:
    return event("tool-call-delta", index, {"tool_calls": {"function": {"arguments": text}}})


def end(reason: str | None = "COMPLETE", usage: Any = USAGE, **more: Any) -> bytes:
    told = {} if reason is None else {"finish_reason": reason}
    return event("message-end", delta={**told, "usage": usage, **more})


TALK = (
    start()
    + begin(0, "thinking")
    + words(0, "Hm ", "thinking")
    + words(0, "☃", "thinking")
    + event("content-end", 0)
    + begin(1)
    + words(1, "Ho")
    + event("citation-start", 0, {"citations": CITATION})
    + event("citation-end", 0)
    + words(1, "!")
    + event("content-end", 1)
    + end()
    + DONE
)
TOOLS = (
    start()
    + plan("I ")
    + plan("look.")
    + call(0, "f")
    + arguments(0, '{"a"')
    + arguments(0, ":1}")
    + event("tool-call-end", 0)
    + call(1, "g")
    + event("tool-call-end", 1)
    + end("TOOL_CALL")
    + DONE
)


def parse(*pieces: bytes) -> list[Event]:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def counted() -> Usage:
    extras = {name: Raw(json.dumps(value, separators=(",", ":")).encode()) for name, value in USAGE.items()}
    return Usage(input_tokens=4, output_tokens=3, extras=extras)


def test_words_thoughts_and_citations() -> None:
    raw = Raw(json.dumps(CITATION, separators=(",", ":")).encode())

    assert parse(TALK) == [
        Started(id="a1", dialect="cohere"),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "Hm "),
        PartDelta(0, "☃"),
        PartEnded(index=0),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        Opaque(name="citations", raw=raw, dialect="cohere", slot="citation"),
        PartDelta(1, "!"),
        PartEnded(index=1),
        Finished(reason="stop", wire_reason="COMPLETE", usage=counted()),
    ]


def test_a_plan_and_calls() -> None:
    assert parse(TOOLS) == [
        Started(id="a1", dialect="cohere"),
        PartStarted(index=0, kind="reasoning", form="cohere:tool_plan"),
        PartDelta(0, "I "),
        PartDelta(0, "look."),
        PartEnded(index=0),
        PartStarted(index=1, kind="tool_call", id="c0", name="f"),
        PartDelta(1, '{"a"'),
        PartDelta(1, ":1}"),
        PartEnded(index=1),
        PartStarted(index=2, kind="tool_call", id="c1", name="g"),
        PartEnded(index=2),
        Finished(reason="tool_calls", wire_reason="TOOL_CALL", usage=counted()),
    ]


@pytest.mark.parametrize("wire", [TALK, TOOLS])
def test_at_home_the_same_bytes_come_back(wire: bytes) -> None:
    renderer = StreamRenderer(REPLY_TO)

    assert renderer.render(parse(wire)).decode() == wire.decode()
    assert renderer.dropped == set()


@given(st.lists(st.integers(0, len(TALK)), max_size=8))
def test_a_cut_anywhere_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TALK)]

    assert parse(*(TALK[a:b] for a, b in pairwise(edges))) == parse(TALK)


def test_what_is_told_beside_the_words() -> None:
    wire = (
        start()
        + begin(0, "text", new=1)
        + words(0, "Ho", logprobs={"token_ids": [1]})
        + words(0, "", logprobs=[{"token_ids": [2]}, {"token_ids": [3]}])
        + event("content-end", 0)
        + event("debug", prompt="<BOS>")
        + event("content-start", 1, {"content": {"type": "hologram"}})
        + event("content-delta", 1, {"content": {"hologram": "x"}})
        + event("citation-start", 0, {})
        + end("COMPLETE", USAGE, meta={"a": 1}, nothing=None)
    )

    events = parse(wire)

    told = [(item.name, item.slot, item.index) for item in events if isinstance(item, Opaque)]
    assert told == [
        ("logprobs", "logprobs", 0),
        ("logprobs", "logprobs", 0),
        ("logprobs", "logprobs", 0),
        ("debug", "event", None),
        ("content-start", "event", None),
        ("content-delta", "event", None),
        ("meta", "answer", None),
    ]
    renderer = StreamRenderer(REPLY_TO)
    again = parse(renderer.render(events))
    assert [item for item in again if isinstance(item, Opaque)] == [item for item in events if isinstance(item, Opaque)]
    assert renderer.dropped == set()
    whole = json.loads(render_response(events, REPLY_TO, set()))
    assert (whole["logprobs"], whole["meta"]) == (
        [{"token_ids": [1]}, {"token_ids": [2]}, {"token_ids": [3]}],
        {"a": 1},
    )


def test_words_without_a_beginning_begin_a_part() -> None:
    events = parse(words(0, "Ho") + words(0, " ho") + end())

    assert events[:4] == [
        Started(dialect="cohere"),
        PartStarted(index=0, kind="text"),
        PartDelta(0, "Ho"),
        PartDelta(0, " ho"),
    ]


def test_what_nobody_waits_for_is_passed_over() -> None:
    wire = start() + begin(0) + event("content-end", 0) + words(0, "late") + event("content-end", 5) + arguments(3, "x")

    events = parse(wire + event("tool-call-end", 4) + start() + end() + words(0, "after the end"))

    assert [type(item).__name__ for item in events] == ["Started", "PartStarted", "PartEnded", "Finished"]


def test_a_second_part_in_the_same_place_ends_the_first() -> None:
    events = parse(start() + begin(0) + words(0, "a") + begin(0) + words(0, "b") + end())

    assert [part.text for part in fold(events).parts] == ["a", "b"]
    assert events[3:5] == [PartEnded(index=0), PartStarted(index=1, kind="text")]


def test_a_head_with_more_in_it() -> None:
    wire = event("message-start", id="a1", message={"role": "assistant", "new": 1, "old": None}) + end()

    events = parse(wire)
    renderer = StreamRenderer(REPLY_TO)
    renderer.render(events)

    assert events[1] == Opaque(name="new", raw=Raw(b"1"), dialect="cohere", slot="message")
    assert renderer.dropped == {"new"}


@pytest.mark.parametrize(
    ("wire", "message", "outcome"),
    [
        (start() + begin(0), "the answer ended before it was complete", Outcome.CUT),
        (b"", "the answer ended before it was complete", Outcome.CUT),
        (start() + DONE, "the answer ended before it was complete", Outcome.CUT),
        (
            start() + b"data: {oops\n\n",
            "the answer was not one of Cohere's chat: an event was not JSON",
            Outcome.PROTOCOL,
        ),
        (
            start() + end("ERROR", {}, error="bad tool", error_type="INVALID_TOOL_GENERATION"),
            "bad tool",
            Outcome.SERVER,
        ),
        (start() + end("TIMEOUT", {}), "the provider ended the answer with an error", Outcome.SERVER),
        (b'{"message":"internal"}', "internal", Outcome.SERVER),
        (b'data: {"message":"internal"}\n\n', "internal", Outcome.SERVER),
    ],
)
def test_a_stream_that_fails(wire: bytes, message: str, outcome: Outcome) -> None:
    last = parse(wire)[-1]

    assert isinstance(last, Failed)
    assert (last.problem.message, last.problem.outcome) == (message, outcome)


def test_one_bad_event_is_forgiven_when_the_end_is_told() -> None:
    assert isinstance(parse(start() + b"data: {oops\n\n" + end())[-1], Finished)


def test_a_whole_answer_in_place_of_a_stream() -> None:
    body = {
        "id": "a",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Ho"}]},
        "finish_reason": "COMPLETE",
    }

    assert fold(parse(json.dumps(body).encode())).text == "Ho"


def test_usage_is_known_while_the_stream_goes_on() -> None:
    parser = StreamParser()
    assert parser.usage is None
    parser.feed(start() + end())
    assert parser.usage == counted()


def test_the_end_may_tell_nothing() -> None:
    renderer = StreamRenderer(REPLY_TO)

    events = parse(event("message-end", id="a1"))

    assert events == [Started(dialect="cohere"), Finished(reason="other")]
    assert renderer.render(events) == event("message-start", message=EMPTY) + event("message-end", delta={}) + DONE


def test_a_stream_of_another_dialect() -> None:
    events: list[Event] = [
        Started(id="", model="x", dialect="other"),
        PartStarted(index=0, kind="reasoning", form="cohere:tool_plan"),
        PartDelta(0, "Hm"),
        PartEnded(index=0, signature=Signature("other", "s")),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartEnded(index=1),
        PartStarted(index=2, kind="tool_call", id="c0", name="f"),
        PartEnded(index=2),
        PartStarted(index=3, kind="image"),
        PartDelta(3, "aGk="),
        PartEnded(index=3),
        PartStarted(index=4, kind="text", choice=1),
        PartEnded(index=4),
        Opaque(name="grounding", raw=Raw(b"{}"), dialect="other"),
        Opaque(name="nothing", raw=Raw(b"null"), dialect="other"),
        Finished(reason="tool_calls", more_reasons=("stop",), wire_reason="x", usage=Usage(input_tokens=4)),
    ]
    renderer = StreamRenderer(REPLY_TO)

    wire = renderer.render(events)

    counts = {"input_tokens": 4, "output_tokens": 0}
    assert wire == (
        event("message-start", id="ours", message=EMPTY)
        + begin(0, "thinking")
        + words(0, "Hm", "thinking")
        + event("content-end", 0)
        + begin(1)
        + words(1, "Ho")
        + event("content-end", 1)
        + call(0, "f")
        + arguments(0, "{}")
        + event("tool-call-end", 0)
        + end("TOOL_CALL", {"billed_units": counts, "tokens": counts, "cached_tokens": 0})
        + DONE
    )
    assert renderer.dropped == {"reasoning.signature", "image", "choices", "grounding"}


def test_parts_of_a_whole_that_a_stream_tells_in_its_own_way() -> None:
    events: list[Event] = [
        Started(id="a", dialect="cohere"),
        Opaque(name="hologram", raw=Raw(b'{"type":"hologram"}'), dialect="cohere", slot="content"),
        Opaque(name="logprobs", raw=Raw(b"{}"), dialect="cohere", slot="logprobs"),
        Finished(reason="stop", wire_reason="COMPLETE"),
    ]
    renderer = StreamRenderer(REPLY_TO)

    wire = renderer.render(events)

    assert event("content-start", 0, {"content": {"type": "hologram"}}) + event("content-end", 0) in wire
    assert renderer.dropped == {"logprobs"}


def test_a_failure_ends_the_stream_without_its_mark() -> None:
    problem = Problem(kind="upstream", message="no", outcome=Outcome.CONTEXT, metadata={"a": 1})

    wire = StreamRenderer(REPLY_TO).render([Failed(problem)])

    told = {"finish_reason": "ERROR", "error": "no", "usage": {}, "error_type": "TOO_MANY_TOKENS", "metadata": {"a": 1}}
    assert wire == event("message-end", delta=told)
