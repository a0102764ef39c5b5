"""Whole answers: read into events, written back as they stood, and written from other dialects' events."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.events import (
    Event,
    Failed,
    Finished,
    Opaque,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
)
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.cohere import parse_response, render_response
from headgate.dialects.cohere.tap import tap

REPLY_TO = ReplyTo(id="ours", model="m")
USAGE = {
    "billed_units": {"input_tokens": 45, "output_tokens": 29},
    "tokens": {"input_tokens": 1469, "output_tokens": 42},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
CITATION = {"start": 0, "end": 2, "text": "Ho", "sources": [{"type": "document", "id": "d"}], "type": "TEXT_CONTENT"}


def answer(finish_reason: str | None = "COMPLETE", usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    end = {} if finish_reason is None else {"finish_reason": finish_reason}
    return {"id": "a1", "message": {"role": "assistant", **message}, **end, "usage": usage}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def read(tree: Any) -> list[Event]:
    return parse_response(json.dumps(tree).encode())


WHOLES = [
    answer(content=[text("Ho")]),
    answer(content=[{"type": "thinking", "thinking": "Hm"}, text("Ho"), text("")]),
    answer(content=[{**text("Ho"), "new": 1}]),
    answer(content=[text("Ho"), {"type": "hologram", "depth": 3}]),
    answer(content=[{"type": "hologram", "depth": 3}]),
    answer(content=[]),
    answer(content="Ho"),
    answer(content=None, tool_calls=[], citations=[], tool_plan=""),
    answer("TOOL_CALL", tool_plan="I look.", tool_calls=[CALL]),
    answer("TOOL_CALL", tool_calls=[{"function": {"name": "f"}}, {**CALL, "type": "x", "n": 1}]),
    answer(
        "TOOL_CALL", tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "", "n": 1}}]
    ),
    answer("TOOL_CALL", tool_calls=[{"id": "c", "type": "function", "function": None}]) | {"usage": {}},
    answer(content=[text("Ho")], citations=[CITATION, CITATION]),
    answer("MAX_TOKENS", content=[text("Ho")], usage={"tokens": {"input_tokens": 3, "output_tokens": 2}}),
    answer("STOP_SEQUENCE", content=[text("Ho")]),
    answer("ON_A_WHIM", content=[text("Ho")]),
    answer(None, content=[text("Ho")]),
    {**answer(content=[text("Ho")]), "logprobs": [{"token_ids": [1]}], "meta": {"a": 1}, "warnings": None},
    {**answer(content=[text("Ho")], new=[1]), "usage": None},
    {"message": {"content": [text("Ho")]}, "finish_reason": "COMPLETE"},
    {"message": {"role": "robot", "content": [text("Ho")]}, "finish_reason": "COMPLETE"},
]


@pytest.mark.parametrize("tree", WHOLES, ids=lambda tree: json.dumps(tree)[10:90])
def test_at_home_everything_comes_back(tree: Any) -> None:
    dropped: set[str] = set()
    back = json.loads(render_response(read(tree), REPLY_TO, dropped))

    assert (back, dropped) == (tree, set())


@pytest.mark.parametrize("tree", [*WHOLES, answer("ERROR"), answer("TIMEOUT"), {**answer(), "error": "no"}])
def test_the_tap_tells_the_last_event(tree: Any) -> None:
    wire = json.dumps(tree).encode()
    tapped, end = tap(wire), parse_response(wire)[-1]

    if isinstance(tapped, Finished) and isinstance(end, Finished):
        assert (tapped.reason, tapped.usage, tapped.wire_reason) == (end.reason, end.usage, end.wire_reason)
    else:
        assert tapped == end


def test_an_answer_with_everything() -> None:
    tree = answer(
        "TOOL_CALL",
        tool_plan="I look.",
        content=[{"type": "thinking", "thinking": "Hm"}, text("Ho")],
        tool_calls=[CALL],
        citations=[CITATION],
        new=1,
    )

    assert read(tree) == [
        Started(id="a1", dialect="cohere"),
        PartStarted(index=0, kind="reasoning", form="cohere:tool_plan"),
        PartDelta(0, "I look."),
        PartEnded(index=0),
        PartStarted(index=1, kind="reasoning"),
        PartDelta(1, "Hm"),
        PartEnded(index=1),
        PartStarted(index=2, kind="text"),
        PartDelta(2, "Ho"),
        PartEnded(index=2),
        PartStarted(index=3, kind="tool_call", id="c1", name="f"),
        PartDelta(3, '{"a":1}'),
        PartEnded(index=3),
        Opaque(name="citations", raw=Raw(json.dumps(CITATION).encode()), dialect="cohere", slot="citation"),
        Opaque(name="new", raw=Raw(b"1"), dialect="cohere", slot="message"),
        Finished(
            reason="tool_calls",
            wire_reason="TOOL_CALL",
            usage=Usage(
                input_tokens=45,
                output_tokens=29,
                extras={name: Raw(json.dumps(value).encode()) for name, value in USAGE.items()},
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (USAGE, Usage(input_tokens=45, output_tokens=29)),
        ({"tokens": {"input_tokens": 9.0, "output_tokens": 4}}, Usage(input_tokens=9, output_tokens=4)),
        (
            {**USAGE, "tokens": {"reasoning_tokens": 63}, "cached_tokens": 1024},
            Usage(input_tokens=45, output_tokens=29, reasoning_tokens=29),
        ),
        (
            {"billed_units": {"input_tokens": 5, "image_tokens": 3, "search_units": None}, "tokens": "many"},
            Usage(input_tokens=5, input_image_tokens=3),
        ),
        ({}, None),
        (None, None),
    ],
)
def test_what_is_billed_counts(usage: Any, counts: Usage | None) -> None:
    told = read(answer(usage=usage, content=[]))[-1]

    assert isinstance(told, Finished)
    extras = {name: Raw(json.dumps(value).encode()) for name, value in (usage or {}).items()}
    expected = None if counts is None else Usage(**{**_fields(counts), "extras": extras})
    assert told.usage == expected


def _fields(usage: Usage) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in usage.__struct_fields__}


@pytest.mark.parametrize(
    ("tree", "message", "outcome"),
    [
        (answer("ERROR", content=[text("Ho")]), "the provider ended the answer with an error", Outcome.SERVER),
        ({**answer("ERROR"), "error": "bad tool", "error_type": "INVALID_TOOL_GENERATION"}, "bad tool", Outcome.SERVER),
        ({**answer(), "error": "too long", "error_type": "TOO_MANY_TOKENS"}, "too long", Outcome.CONTEXT),
        ({"id": "x", "message": "internal error"}, "internal error", Outcome.SERVER),
    ],
)
def test_an_answer_that_failed(tree: Any, message: str, outcome: Outcome) -> None:
    end = read(tree)[-1]

    assert isinstance(end, Failed)
    assert (end.problem.message, end.problem.outcome, end.problem.dialect) == (message, outcome, "cohere")
    assert json.loads(render_response([end], REPLY_TO, set()))["message"] == message


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"text":"of the first version"}', b'{"message":5}'])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_response(body)


def test_half_characters_are_mended() -> None:
    body = json.dumps(answer(content=[text("Ho ?")])).encode().replace(b"?", rb"\ud83d")

    assert PartDelta(0, "Ho \ufffd") in parse_response(body)


def test_an_answer_of_another_dialect() -> None:
    events: list[Event] = [
        Started(id="", model="x", dialect="other"),
        PartStarted(index=0, kind="reasoning", form="cohere", extras={"x": Raw(b"1")}),
        PartDelta(0, "Hm"),
        PartEnded(index=0, signature=Signature("other", "s")),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartEnded(index=1),
        PartStarted(index=2, kind="text"),
        PartEnded(index=2),
        PartStarted(index=3, kind="refusal"),
        PartDelta(3, "No."),
        PartEnded(index=3),
        PartStarted(index=4, kind="tool_call", id="c1", name="f", form="no_id"),
        PartEnded(index=4),
        PartStarted(index=5, kind="image"),
        PartEnded(index=5),
        PartStarted(index=6, kind="text", choice=1),
        PartEnded(index=6),
        Opaque(name="grounding", raw=Raw(b"{}"), dialect="other", index=1),
        Opaque(name="nothing", raw=Raw(b"null"), dialect="other"),
        Finished(
            reason="tool_calls",
            wire_reason="x",
            more_reasons=("stop",),
            usage=Usage(input_tokens=7, cached_tokens=3, output_tokens=5, reasoning_tokens=2),
            extras={"answer.x": Raw(b"1")},
        ),
    ]
    dropped: set[str] = set()

    body = json.loads(render_response(events, REPLY_TO, dropped))

    assert body == {
        "id": "ours",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "Hm"}, text("Ho"), text("No.")],
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        "finish_reason": "TOOL_CALL",
        "usage": {
            "billed_units": {"input_tokens": 7, "output_tokens": 5},
            "tokens": {"input_tokens": 7, "output_tokens": 5, "reasoning_tokens": 2},
            "cached_tokens": 3,
        },
    }
    assert dropped == {"reasoning.signature", "image", "grounding", "choices"}


def test_an_event_of_a_stream_that_a_whole_has_no_place_for_is_told() -> None:
    events: list[Event] = [
        Started(id="a", dialect="cohere"),
        Opaque(name="debug", raw=Raw(b"{}"), dialect="cohere", slot="event"),
        Finished(reason="length", wire_reason="COMPLETE"),
    ]
    dropped: set[str] = set()

    body = json.loads(render_response(events, REPLY_TO, dropped))

    assert (body, dropped) == (
        {"id": "a", "message": {"role": "assistant"}, "finish_reason": "MAX_TOKENS"},
        {"debug"},
    )


def test_a_failure_of_another_dialect() -> None:
    problem = Problem(kind="upstream", message="no", outcome=Outcome.SERVER, dialect="other", raw=b"{}", status=500)

    assert render_response([Failed(problem)], REPLY_TO, set()) == b'{"message":"no"}'
