"""Whole answers: read into events, written back as they stood, and written from other dialects' events."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.ollama import parse_response, render_response
from headgate.dialects.ollama.tap import tap

REPLY_TO = ReplyTo(id="ours", model="theirs", now_s=1_700_000_000)
COUNTS = {"prompt_eval_count": 7, "eval_count": 5}
CALL = {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}}


def answer(done_reason: str | None = "stop", counts: Any = COUNTS, **message: Any) -> dict[str, Any]:
    end = {} if done_reason is None else {"done_reason": done_reason}
    head = {"model": "qwen3:4b", "created_at": "2026-08-07T06:08:35.745444Z"}
    return {**head, "message": {"role": "assistant", **message}, "done": True, **end, **counts}


def read(tree: Any) -> list[Event]:
    return parse_response(json.dumps(tree).encode())


WHOLES = [
    answer(content="Ho"),
    answer(content=""),
    answer(),
    answer(content="Ho", thinking="Hm"),
    answer(content="Ho", thinking="", images=[], tool_calls=[]),
    answer(content="", tool_calls=[CALL]),
    answer(content="", tool_calls=[{"function": {"name": "f", "arguments": {}}}, {"function": {"name": "g"}}]),
    answer(content="", tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "text"}}]),
    answer(content="", tool_calls=[{"id": 5, "function": {"name": "f", "arguments": None}}]),
    answer(content="", images=["iVBORw0KGgo="]),
    answer("length", content="Ho"),
    answer("load", counts={}, content=""),
    answer("a whim", content="Ho"),
    answer(None, content="Ho"),
    answer(content="Ho", counts={"eval_count": 5}),
    answer(content="Ho", counts={"prompt_eval_count": "many"}),
    {**answer(content="Ho"), "total_duration": 5, "load_duration": 1, "context": [1], "logprobs": [{"token": "H"}]},
    {**answer(content="Ho", new=[1]), "warnings": None, "error": None},
    {"message": {"content": "Ho"}, "done": True},
    {"message": {"role": "robot", "content": "Ho"}, "done": True},
    {"created_at": "yesterday", "message": {"role": None, "content": "Ho"}, "done": True},
    {"created_at": 5, "model": 6, "message": {"role": "assistant", "content": "Ho"}, "done": True},
]


@pytest.mark.parametrize("tree", WHOLES, ids=lambda tree: json.dumps(tree)[75:140])
def test_at_home_everything_comes_back(tree: Any) -> None:
    dropped: set[str] = set()

    back = json.loads(render_response(read(tree), REPLY_TO, dropped))

    assert (back, dropped) == (tree, set())


@pytest.mark.parametrize("tree", [*WHOLES, {**answer(), "error": "no"}])
def test_the_tap_tells_the_last_event(tree: Any) -> None:
    wire = json.dumps(tree).encode()
    tapped, end = tap(wire), parse_response(wire)[-1]

    if isinstance(tapped, Finished) and isinstance(end, Finished):
        assert (tapped.reason, tapped.wire_reason) == (end.reason, end.wire_reason)
        assert _counts(tapped.usage) == _counts(end.usage)
    else:
        assert tapped == end


def _counts(usage: Usage | None) -> Any:
    return None if usage is None else (usage.input_tokens, usage.output_tokens)


def test_the_tap_leaves_what_is_not_done_to_the_parser() -> None:
    with pytest.raises(Malformed):
        tap(json.dumps({**answer(content="Ho"), "done": False}).encode())


def test_an_answer_with_everything() -> None:
    tree = answer(
        content="Ho", thinking="Hm", images=["iVBORw0KGgo="], tool_calls=[CALL, {"function": {"name": "g"}}], new=1
    )

    assert read(tree) == [
        Started(
            model="qwen3:4b",
            created=1_786_082_915,
            dialect="ollama",
            extras={"created_at": Raw(b'"2026-08-07T06:08:35.745444Z"')},
        ),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "Hm"),
        PartEnded(index=0),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartEnded(index=1),
        PartStarted(index=2, kind="image", media_type="image/png"),
        PartDelta(2, "iVBORw0KGgo="),
        PartEnded(index=2),
        PartStarted(index=3, kind="tool_call", id="c1", name="f", extras={"function.index": Raw(b"0")}),
        PartDelta(3, '{"a": 1}'),
        PartEnded(index=3),
        PartStarted(index=4, kind="tool_call", id="call_20260807060835745444_1", name="g", form="no_id none"),
        PartEnded(index=4),
        Opaque(name="new", raw=Raw(b"1"), dialect="ollama", slot="message"),
        Finished(
            reason="tool_calls",
            wire_reason="stop",
            usage=Usage(
                input_tokens=7, output_tokens=5, extras={"prompt_eval_count": Raw(b"7"), "eval_count": Raw(b"5")}
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("error", "message", "outcome"),
    [
        ("it broke", "it broke", Outcome.SERVER),
        ({"message": "it broke"}, "it broke", Outcome.SERVER),
        ("server busy, please try again", "server busy, please try again", Outcome.OVERLOAD),
        ({"code": 5}, "Ollama ended the answer with an error", Outcome.SERVER),
    ],
)
def test_an_answer_that_failed(error: Any, message: str, outcome: Outcome) -> None:
    end = read({"error": error})[-1]

    assert isinstance(end, Failed)
    assert (end.problem.message, end.problem.outcome, end.problem.dialect) == (message, outcome, "ollama")
    assert json.loads(render_response([end], REPLY_TO, set())) == {"error": message}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"response":"hi","done":true}', b'{"message":{},"done":false}']
)
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_response(body)


def test_a_stream_that_came_as_a_whole_is_read() -> None:
    lines = [
        {"model": "m", "message": {"role": "assistant", "content": "H"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "o"}, "done": True, "done_reason": "stop"},
    ]
    body = "\n".join(map(json.dumps, lines)).encode()

    assert fold(parse_response(body)).text == "Ho"
    with pytest.raises(Malformed):
        parse_response(body.replace(b"true", b"false"))


def test_a_message_that_is_none_is_a_failure() -> None:
    assert isinstance(parse_response(b'{"message":"hi","done":true}')[-1], Failed)


def test_an_answer_of_another_dialect() -> None:
    events: list[Event] = [
        Started(id="a", dialect="other"),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "Hm"),
        PartEnded(index=0, signature=Signature("other", "s")),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Ho"),
        PartEnded(index=1),
        PartStarted(index=2, kind="refusal"),
        PartDelta(2, " No."),
        PartEnded(index=2),
        PartStarted(index=3, kind="tool_call", id="c1", name="f", form="no_id", extras={"x": Raw(b"1")}),
        PartDelta(3, "free"),
        PartEnded(index=3),
        PartStarted(index=4, kind="audio"),
        PartEnded(index=4),
        PartStarted(index=5, kind="text", choice=1),
        PartDelta(5, "never"),
        PartEnded(index=5),
        Opaque(name="grounding", raw=Raw(b"{}"), dialect="other", index=1),
        Opaque(name="nothing", raw=Raw(b"null"), dialect="other"),
        Finished(
            reason="tool_calls", wire_reason="x", more_reasons=("stop",), usage=Usage(input_tokens=7, output_tokens=5)
        ),
    ]
    dropped: set[str] = set()

    body = json.loads(render_response(events, REPLY_TO, dropped))

    assert body == {
        "model": "theirs",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "Ho No.",
            "thinking": "Hm",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"input": "free"}}}],
        },
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 7,
        "eval_count": 5,
    }
    assert dropped == {"reasoning.signature", "audio", "grounding", "choices"}


def test_a_reason_that_was_changed_on_its_way_is_told_anew() -> None:
    events: list[Event] = [Started(dialect="ollama"), Finished(reason="length", wire_reason="stop")]

    assert json.loads(render_response(events, REPLY_TO, set()))["done_reason"] == "length"


def test_a_failure_of_another_dialect() -> None:
    problem = Problem(kind="upstream", message="no", outcome=Outcome.SERVER, dialect="other", raw=b"{}", status=500)

    assert render_response([Failed(problem)], REPLY_TO, set()) == b'{"error":"no"}'
