"""Streamed answers, written."""

import json
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace
from openai.types.chat import ChatCompletionChunk

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_chat import StreamParser, StreamRenderer

STARTED = Started(id="msg_1", model="theirs", created=5)
HEAD = {"id": "msg_1", "object": "chat.completion.chunk", "created": 5, "model": "theirs"}
STOP = Finished(reason="stop")


def render(*events: Event, wants_usage: bool = True) -> tuple[list[Any], set[str]]:
    renderer = StreamRenderer(ReplyTo(id="chatcmpl-ours", model="asked", now_s=9, wants_usage=wants_usage))
    wire = b"".join(renderer.render([event]) for event in events)
    assert wire.endswith(b"\n\n")
    datas = [line.removeprefix("data: ") for line in wire.decode().removesuffix("\n\n").split("\n\n")]
    return [data if data == "[DONE]" else json.loads(data) for data in datas], renderer.dropped


def deltas(*events: Event) -> list[Any]:
    chunks, _ = render(STARTED, *events, STOP)
    return [chunk["choices"][0]["delta"] for chunk in chunks[:-1] if chunk["choices"][0]["delta"]]


def chunk(delta: dict[str, Any], finish_reason: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**HEAD, "choices": [choice]}


def part(index: int, text: str, *, signature: Signature | None = None, **started: Any) -> list[Event]:
    fields: dict[str, Any] = {"kind": "text", **started}
    said = [PartDelta(index, text)] if text else []
    return [PartStarted(index=index, **fields), *said, PartEnded(index=index, signature=signature)]


def test_a_text() -> None:
    usage = Usage(input_tokens=3, output_tokens=2)
    chunks, dropped = render(STARTED, *part(0, 'h"é'), Finished(reason="length", usage=usage))
    assert (chunks, dropped) == (
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": 'h"é'}),
            chunk({}, "length"),
            {
                **HEAD,
                "choices": [],
                "usage": {
                    "prompt_tokens": 3,
                    "completion_tokens": 2,
                    "total_tokens": 5,
                    "prompt_tokens_details": {"cached_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 0},
                },
            },
            "[DONE]",
        ],
        set(),
    )


def test_usage_is_told_only_when_asked_for() -> None:
    chunks, _ = render(STARTED, Finished(reason="stop", usage=Usage(input_tokens=3)), wants_usage=False)
    assert chunks == [chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), "[DONE]"]


def test_what_the_upstream_did_not_tell_is_ours() -> None:
    chunks, _ = render(Started(), STOP)
    heads = [{name: chunk[name] for name in ("id", "created", "model")} for chunk in chunks[:-1]]
    assert heads == [{"id": "chatcmpl-ours", "created": 9, "model": "asked"}] * 2


def test_tool_calls() -> None:
    events = [
        *part(0, '{"a":1}', kind="tool_call", id="c1", name="f"),
        *part(1, "", kind="tool_call", id="c2", name="g"),
        *part(2, "x", kind="tool_call", id="c3", name="h", is_custom=True),
    ]
    assert deltas(*events) == [
        {"role": "assistant", "content": ""},
        {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 2, "id": "c3", "custom": {"name": "h", "input": ""}}]},
        {"tool_calls": [{"index": 2, "custom": {"input": "x"}}]},
    ]


def test_calls_are_what_the_vendors_types_allow() -> None:
    chunks, _ = render(
        STARTED,
        *part(0, "x", kind="tool_call", id="c1", name="h", is_custom=True),
        *part(1, "{}", kind="tool_call", id="c2", name="f"),
        Finished(reason="tool_calls"),
    )
    read = [ChatCompletionChunk.model_validate(chunk) for chunk in chunks[:-1]]
    calls = [call for chunk in read for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.id, call.type) for call in calls] == [
        (0, "c1", None),
        (0, None, None),
        (1, "c2", "function"),
        (1, None, None),
    ]


def test_thinking_and_its_proofs() -> None:
    events = [
        *part(0, "so", kind="reasoning", signature=Signature("anthropic", "S")),
        *part(1, "", kind="reasoning", is_redacted=True, signature=Signature("anthropic", "R")),
        *part(2, "hm", kind="reasoning"),
    ]
    sealed = {"format": "anthropic-claude-v1"}
    text = {"type": "reasoning.text", **sealed, "index": 0, "text": "so", "signature": "~hg.anthropic.S"}
    redacted = {"type": "reasoning.encrypted", **sealed, "index": 1, "data": "~hg.anthropic.R"}
    assert deltas(*events)[1:] == [
        {"reasoning_content": "so"},
        {"reasoning_details": [text]},
        {"reasoning_details": [redacted]},
        {"reasoning_content": "hm"},
    ]


def test_googles_signatures_stand_where_google_puts_them() -> None:
    signed = {"extra_content": {"google": {"thought_signature": "S"}}}
    events = [
        *part(0, "hi", signature=Signature("gemini", "S")),
        *part(1, "{}", kind="tool_call", id="c", name="f", signature=Signature("gemini", "S")),
    ]
    said = deltas(*events)
    assert said[2] == signed
    assert said[-1] == {"tool_calls": [{"index": 0, **signed}]}


def test_refusals_pictures_sound_and_files() -> None:
    chunks, dropped = render(
        STARTED,
        *part(0, "no", kind="refusal"),
        *part(1, "AAAA", kind="image", media_type="image/png"),
        *part(2, "BB", kind="audio", id="s"),
        *part(3, "", kind="file"),
        Finished(reason="refusal"),
    )
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert [chunk["choices"][0]["delta"] for chunk in chunks[1:-2]] == [
        {"refusal": "no"},
        {"images": [picture]},
        {"audio": {"id": "s"}},
        {"audio": {"data": "BB"}},
    ]
    assert (chunks[-2]["choices"][0]["finish_reason"], dropped) == ("stop", {"file"})


def test_every_choice_has_its_own_beginning_and_end() -> None:
    chunks, _ = render(
        STARTED, *part(0, "a"), *part(1, "b", choice=1), Finished(reason="stop", more_reasons=("length",))
    )
    assert chunks == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "a"}),
        chunk({"role": "assistant", "content": ""}, index=1),
        chunk({"content": "b"}, index=1),
        chunk({}, "stop"),
        chunk({}, "length", index=1),
        "[DONE]",
    ]


def test_a_failure_ends_the_stream_without_its_terminator() -> None:
    problem = Problem(kind="upstream", message="no", outcome=Outcome.SERVER, metadata={"provider": "p"})
    chunks, _ = render(STARTED, *part(0, "ha"), Failed(problem))
    error = {"message": "no", "type": "server_error", "param": None, "code": None, "metadata": {"provider": "p"}}
    assert chunks[-1] == {"error": error}


def test_an_end_by_anothers_fault_is_no_clean_end() -> None:
    chunks, _ = render(STARTED, *part(0, "ha"), Finished(reason="error", wire_reason="MALFORMED_FUNCTION_CALL"))
    message = "the provider ended the answer with a fault of its own"
    assert chunks[-1] == {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def test_a_fault_of_a_further_answer_is_told_beside() -> None:
    chunks, dropped = render(STARTED, *part(0, "ha"), Finished(reason="stop", more_reasons=("error",)))
    assert (chunks[-2], dropped) == (chunk({}, "stop", index=1), {"finish_reason"})


OWN = replace(STARTED, dialect="openai_chat")


@pytest.mark.parametrize(
    ("started", "word", "notes"),
    [(OWN, "end_turn", [1]), (replace(STARTED, dialect="anthropic"), "stop", []), (STARTED, "stop", [])],
)
def test_only_our_own_words_and_leftovers_are_used(started: Started, word: str, notes: list[int]) -> None:
    extras = {"answer.note": Raw(b"1")}
    chunks, _ = render(started, Finished(reason="stop", wire_reason="end_turn", extras=extras))
    seen = [chunk["note"] for chunk in chunks[:-1] if "note" in chunk]
    assert (chunks[-2]["choices"][0]["finish_reason"], seen) == (word, notes)


def test_what_our_own_stream_did_not_say_is_not_made_up() -> None:
    chunks, _ = render(OWN, *part(0, "", kind="audio"), Finished(reason="other", more_reasons=("other",)))
    assert chunks[1]["choices"][0]["delta"] == {"audio": {"id": ""}}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 5


def test_an_event_is_one_line() -> None:
    usage = Usage(input_tokens=3, extras={"prompt_tokens": Raw(b"3"), "details": Raw(b'{\n "a": 1\r\n}')})
    opaque = Opaque(name="note", raw=Raw(b"[\n1\n]"), dialect="openai_chat", slot="choice")
    form = 'chat:reasoning {"type":"reasoning.text","format":\n"x"}'
    events = [OWN, opaque, *part(0, "so", kind="reasoning", form=form), Finished(reason="stop", usage=usage)]
    wire = StreamRenderer(ReplyTo(id="chatcmpl-ours", model="asked")).render(events)
    lines = wire.decode().removesuffix("\n\n").split("\n\n")
    assert [line for line in lines if "\n" in line or "\r" in line] == []
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    detail = {"type": "reasoning.text", "format": "x", "text": "so"}
    assert chunks[1]["choices"][0]["note"] == [1]
    assert chunks[2]["choices"][0]["delta"] == {"reasoning": "so", "reasoning_details": [detail]}
    assert chunks[-1]["usage"] == {"prompt_tokens": 3, "details": {"a": 1}}


def test_others_leftovers_are_named() -> None:
    opaque = Opaque(name="citations", raw=Raw(b"[]"), dialect="anthropic")
    nothing = Opaque(name="nothing", raw=Raw(b"null"), dialect="anthropic")
    _, dropped = render(STARTED, opaque, nothing, STOP)
    assert dropped == {"citations"}


@pytest.mark.parametrize(
    ("slot", "raw", "place"),
    [("choice", b"1", ("choices", 0)), ("message", b"1", ("choices", 0, "delta")), ("answer", b'["x"]', ())],
)
def test_our_own_leftovers_go_back_to_their_place(slot: str, raw: bytes, place: tuple[Any, ...]) -> None:
    chunks, dropped = render(STARTED, Opaque(name="note", raw=Raw(raw), dialect="openai_chat", slot=slot), STOP)
    where = chunks[0] if slot == "answer" else chunks[1]
    for step in place:
        where = where[step]
    assert (where["note"], dropped) == (json.loads(raw), set())


@pytest.mark.parametrize("name", ["delta", "index", "number", "members"])
def test_a_leftover_never_takes_the_place_of_what_is_said(name: str) -> None:
    opaque = Opaque(name=name, raw=Raw(b"1"), dialect="openai_chat", slot="choice")
    chunks, _ = render(STARTED, opaque, STOP)
    choice = chunks[1]["choices"][0]
    assert (choice["index"], choice["delta"]) == (0, {})


def test_a_stream_without_a_beginning_gets_one() -> None:
    chunks, _ = render(STOP)
    assert chunks[0]["id"] == "chatcmpl-ours"


def folded(wire: bytes) -> Answer:
    parser = StreamParser()
    return fold(parser.feed(wire) + parser.close())


def sse(*deltas: dict[str, Any], finish_reason: str = "stop", **members: Any) -> bytes:
    choices = [{"index": 0, "delta": delta} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
    chunks = [{**HEAD, "choices": [choice], **members} for choice in choices]
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "wire",
    [
        sse({"content": "hi"}, usage={"prompt_tokens": 1, "completion_tokens": 2}, system_fingerprint="f"),
        sse({"reasoning": "so", "reasoning_content": "so"}, {"content": "hi"}, finish_reason="eos"),
        sse(
            {"reasoning": "so", "reasoning_details": [{"type": "reasoning.text", "text": "so", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "id": "r", "index": 1}]},
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "sum", "index": 2}]},
        ),
        sse({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}], "closed": True}]}),
        sse({"content": "hi", "annotations": [{"type": "url_citation"}]}, citations=["x"]),
        sse({"function_call": {"name": "f", "arguments": "{}"}}, finish_reason="function_call"),
        sse({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]}),
        sse({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}, "mood": 1}]}),
        sse({"audio": {"id": "s", "data": "AA", "transcript": "a"}}),
        sse({"images": [{"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}]}),
        sse({"refusal": "no"}),
        sse({"reasoning_details": [{"type": "reasoning.new", "x": 1}, 7]}),
        sse({"content": [{"type": "reference", "ids": [1]}]}),
        sse({"content": "hi"}, finish_reason=""),
    ],
    ids=lambda wire: str(wire)[110:190],
)
def test_our_own_stream_is_written_so_that_it_says_the_same(wire: bytes) -> None:
    answer = folded(wire)
    parser = StreamParser()
    renderer = StreamRenderer(ReplyTo(id="chatcmpl-ours", model="asked"))
    again = renderer.render(parser.feed(wire) + parser.close())
    assert (folded(again), renderer.dropped) == (answer, set())


@pytest.mark.parametrize("number", [b"-2", b"128", b"1e308"])
def test_a_choice_of_no_possible_number_is_told_by_its_place(number: bytes) -> None:
    chunk = b'data: {"choices":[{"index":%b,"delta":{"content":"Ho"}}]}\n\ndata: [DONE]\n\n' % number
    parser = StreamParser()

    wire = StreamRenderer(ReplyTo(id="a", model="m")).render(parser.feed(chunk))

    assert b'"index":0,"delta":{"content":"Ho"}' in wire
