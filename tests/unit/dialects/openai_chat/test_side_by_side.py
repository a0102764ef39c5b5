"""Calls of tools that grow side by side, and what comes when they have ended."""

import json
from typing import Any

import pytest

from headgate.core.events import Failed, PartDelta, PartEnded, PartStarted
from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_chat import StreamParser
from headgate.dialects.registry import DIALECTS


def call(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    named = {"name": more.pop("name")} if "name" in more else {}
    return {"index": index, "function": {**named, "arguments": arguments}, **more}


def chunk(*calls: dict[str, Any], reason: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": {**delta, **({"tool_calls": list(calls)} if calls else {})}, "finish_reason": reason}
    return b"data: %b\n\n" % json.dumps({"id": "a", "model": "m", "choices": [choice]}).encode()


FIRST = chunk(call(0, "", id="c0", name="add"))
SECOND = chunk(call(1, "", id="c1", name="sub"))
END = chunk(reason="tool_calls") + b"data: [DONE]\n\n"


def events_of(*wires: bytes) -> list[Any]:
    parser = StreamParser()
    return parser.feed(b"".join(wires)) + parser.close()


def test_calls_may_grow_in_turn():
    wires = [FIRST, SECOND, *(chunk(call(n, piece)) for piece in ('{"a":', "1}") for n in (0, 1)), END]

    events = events_of(*wires)

    calls = [(part.id, part.name, part.text) for part in fold(events).parts]
    assert calls == [("c0", "add", '{"a":1}'), ("c1", "sub", '{"a":1}')]
    ended = [at for at, event in enumerate(events) if isinstance(event, PartEnded)]
    assert min(ended) > max(at for at, event in enumerate(events) if isinstance(event, PartDelta))
    for dialect in DIALECTS.values():
        parser = dialect.stream_parser()
        wire = dialect.stream_renderer(ReplyTo(id="x", model="m")).render(events)
        told = fold(parser.feed(wire) + parser.close())
        assert [(part.name, json.loads(part.text)) for part in told.parts] == [("add", {"a": 1}), ("sub", {"a": 1})]


def test_a_whole_call_ends_as_soon_as_the_next_begins():
    events = events_of(FIRST, chunk(call(0, "{}")), SECOND)

    started = [at for at, event in enumerate(events) if isinstance(event, PartStarted)]
    assert isinstance(events[started[1] - 1], PartEnded)


@pytest.mark.parametrize("again", ["", "{}"])
def test_a_call_may_be_said_once_more(again: str):
    events = events_of(FIRST, chunk(call(0, "{}")), SECOND, chunk(call(0, again), call(1, "{}")), END)

    assert [part.text for part in fold(events).parts] == ["{}", "{}"]


def test_more_of_a_call_that_was_whole_is_a_fault():
    events = events_of(FIRST, chunk(call(0, "{}")), SECOND, chunk(call(0, '{"b":2}')), END)

    assert isinstance(events[-1], Failed)
    assert events[-1].problem.outcome is Outcome.PROTOCOL
    assert "went on with a tool call" in events[-1].problem.message


def test_the_proof_of_a_call_that_waits_is_kept():
    proof = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    events = events_of(
        FIRST, chunk(call(0, '{"a":')), SECOND, chunk({**call(0, "1}"), **proof}), chunk(call(1, "{}")), END
    )

    first, second = fold(events).parts
    assert (first.signature is not None, second.signature) == (True, None)


def test_the_second_of_two_choices_alone_keeps_its_place():
    choice = {"index": 1, "delta": {"content": "hi"}, "finish_reason": "length"}
    answer = fold(events_of(b"data: %b\n\n" % json.dumps({"id": "a", "choices": [choice]}).encode()))

    assert (answer.reason, answer.more_reasons, answer.parts[0].choice) == ("other", ("length",), 1)
