"""Streamed answers: any cut, many hosts' oddities, and how they end."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.problems import Outcome
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.openai_chat import StreamParser, parse_response

HEAD = {"id": "a", "object": "chat.completion.chunk", "created": 7, "model": "m"}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, **members: Any) -> bytes:
    """One event of one choice; `finish_reason`, `index` and `logprobs` go to the choice, the rest to the chunk."""
    choice: dict[str, Any] = {"index": 0, "delta": delta or {}, "finish_reason": None}
    choice |= {name: members.pop(name) for name in ("finish_reason", "index", "logprobs", "error") if name in members}
    return b"data: " + json.dumps({**HEAD, "choices": [choice], **members}, ensure_ascii=False).encode() + b"\n\n"


def call(index: int | None, **members: Any) -> dict[str, Any]:
    """A delta with a piece of a tool call."""
    function = {name: members.pop(name) for name in ("name", "arguments") if name in members}
    place = {} if index is None else {"index": index}
    return {"tool_calls": [{**place, **members, "function": function}]}


USAGE = b"data: " + json.dumps({**HEAD, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()
STOP = chunk(finish_reason="stop")


def parse(*pieces: bytes) -> list[Event]:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def answer(*chunks: bytes) -> Answer:
    return fold(parse(b"".join(chunks)))


def calls(*chunks: bytes) -> list[tuple[str, str, str]]:
    found = answer(*chunks, chunk(finish_reason="tool_calls"), DONE)
    return [(part.id, part.name, part.text) for part in found.parts if part.kind == "tool_call"]


TEXT = chunk({"role": "assistant", "content": ""}) + chunk({"content": "hé"}) + chunk({"content": "llo 🙂"}) + STOP
TOOLS = (
    chunk({"role": "assistant", "content": None})
    + chunk({"content": "Look"})
    + chunk(call(0, id="c1", type="function", name="f", arguments=""))
    + chunk(call(0, arguments='{"a":'))
    + chunk(call(0, arguments="1}"))
    + chunk(call(1, id="c2", type="function", name="g", arguments="{}"))
    + chunk(finish_reason="tool_calls")
)
THOUGHT = (
    chunk({"reasoning": "so", "reasoning_details": [{"type": "reasoning.text", "text": "so", "index": 0}]})
    + chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0}]})
    + chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "index": 1}]})
    + chunk({"content": "hi"}, logprobs={"content": [{"token": "hi"}]}, citations=["https://a.test"])
    + STOP
)
STREAMS = {
    "text": TEXT + USAGE + b"\n\n" + DONE,
    "tools": TOOLS + DONE,
    "thought": THOUGHT + DONE,
    "unfinished": chunk({"content": "ha"}),
    "failed": chunk({"content": "ha"}) + b'event: error\ndata: {"error": {"message": "no", "code": 429}}\n\n',
    "comments": b": wait\r\n\r\n" + TEXT.replace(b"\n", b"\r\n") + b": bye\r\n\r\n" + DONE,
    "whole": json.dumps({**HEAD, "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}).encode(),
    "page": b"<html><title>Bad Gateway</title></html>",
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_cut_anywhere_changes_nothing(name: str) -> None:
    wire = STREAMS[name]
    events = parse(wire)
    for cut in range(1, len(wire)):
        assert parse(wire[:cut], wire[cut:]) == events, cut


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.floats(min_value=0, max_value=1), max_size=12))
def test_many_cuts_change_nothing(name: str, cuts: list[float]) -> None:
    wire = STREAMS[name]
    places = [0, *sorted(int(cut * len(wire)) for cut in cuts), len(wire)]
    assert parse(*(wire[start:end] for start, end in pairwise(places))) == parse(wire)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.integers(min_value=0, max_value=300))
def test_any_words_come_through(texts: list[str], cut: int) -> None:
    wire = b"".join(chunk({"content": text}) for text in texts) + STOP + DONE
    assert fold(parse(wire[:cut], wire[cut:])).text == "".join(texts)


def test_the_events_of_a_text() -> None:
    assert parse(STREAMS["text"]) == [
        Started(id="a", model="m", created=7, dialect="openai_chat"),
        PartStarted(index=0, kind="text", form="chat:"),
        PartDelta(0, "hé"),
        PartDelta(0, "llo 🙂"),
        PartEnded(index=0),
        Finished(
            reason="stop",
            wire_reason="stop",
            usage=Usage(
                input_tokens=3,
                output_tokens=2,
                extras={"prompt_tokens": Raw(b"3"), "completion_tokens": Raw(b"2")},
            ),
        ),
    ]


def test_the_events_of_tool_calls() -> None:
    assert parse(STREAMS["tools"]) == [
        Started(id="a", model="m", created=7, dialect="openai_chat"),
        PartStarted(index=0, kind="text", form="chat:"),
        PartDelta(0, "Look"),
        PartEnded(index=0),
        PartStarted(index=1, kind="tool_call", id="c1", name="f", form="chat:"),
        PartDelta(1, '{"a":'),
        PartDelta(1, "1}"),
        PartEnded(index=1),
        PartStarted(index=2, kind="tool_call", id="c2", name="g", form="chat:"),
        PartDelta(2, "{}"),
        PartEnded(index=2),
        Finished(reason="tool_calls", wire_reason="tool_calls"),
    ]


def test_the_parts_of_a_thought() -> None:
    found = answer(STREAMS["thought"])
    assert [(part.kind, part.text, part.signature, part.is_redacted) for part in found.parts] == [
        ("reasoning", "so", Signature("openai_chat", "S"), False),
        ("reasoning", "", Signature("openai_chat", "D"), True),
        ("text", "hi", None, False),
    ]
    assert [(opaque.name, opaque.raw, opaque.slot) for opaque in found.opaques] == [
        ("logprobs", Raw(b'{"content": [{"token": "hi"}]}'), "choice"),
        ("citations", Raw(b'["https://a.test"]'), "answer"),
    ]


def test_words_come_as_soon_as_their_event_is_complete() -> None:
    parser = StreamParser()
    wire = chunk({"content": "hi"})
    assert parser.feed(wire[:-1]) == []
    assert parser.feed(wire[-1:])[-1] == PartDelta(0, "hi")
    assert parser.feed(chunk({"reasoning_content": "hm"}))[-1] == PartDelta(1, "hm")
    assert parser.feed(chunk(call(0, id="c", name="f", arguments="{")))[-1] == PartDelta(2, "{")


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "so"},
        {"reasoning": "so"},
        {"reasoning": "so", "reasoning_content": "so"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "so", "index": 0, "format": None}]},
    ],
    ids=str,
)
def test_thinking_is_read_from_every_field(delta: dict[str, Any]) -> None:
    found = answer(chunk(delta), chunk(delta), chunk({"content": "hi"}), STOP, DONE)
    assert [(part.kind, part.text) for part in found.parts] == [("reasoning", "soso"), ("text", "hi")]


def test_a_signature_with_the_words_repeated_is_no_second_thought() -> None:
    detail = {"type": "reasoning.text", "text": "so", "signature": "~hg.anthropic.S", "index": 0}
    found = answer(chunk({"reasoning_content": "so"}), chunk({"reasoning_details": [detail]}), STOP, DONE)
    assert [(part.text, part.signature) for part in found.parts] == [("so", Signature("anthropic", "S"))]


def test_a_thought_after_a_proof_is_another() -> None:
    def signed(text: str, index: int) -> bytes:
        detail = {"type": "reasoning.text", "text": text, "signature": f"S{index}", "index": index}
        return chunk({"reasoning_content": text}) + chunk({"reasoning_details": [detail]})

    found = answer(signed("one", 0), signed("two", 1), STOP, DONE)
    assert [(part.text, part.signature and part.signature.value) for part in found.parts] == [
        ("one", "S0"),
        ("two", "S1"),
    ]


def test_googles_signatures() -> None:
    signed = {"extra_content": {"google": {"thought_signature": "S"}}}
    found = answer(
        chunk({"content": "hi", **signed}), chunk(call(0, id="c", name="f", arguments="{}", **signed)), STOP, DONE
    )
    assert [part.signature for part in found.parts] == [Signature("gemini", "S")] * 2


ONE = [("c1", "f", '{"a":1}')]
TWO = [("c1", "f", "{}"), ("c2", "g", "{}")]


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([call(0, id="c1", name="f", arguments='{"a":'), call(0, id="c1", name="f", arguments="1}")], ONE),
        ([call(0, id="c1", name="f", arguments='{"a":'), call(0, id="", name="", arguments="1}")], ONE),
        ([call(0, id="c1", name="f", arguments='{"a":'), call(0, id=None, name=None, arguments="1}")], ONE),
        ([call(0, id="c1"), call(0, name="f"), call(0, arguments='{"a":1}')], ONE),
        ([call(None, id="c1", name="f", arguments='{"a":'), call(None, arguments="1}")], ONE),
        ([call(0, id="c1", name="f", arguments={"a": 1})], [("c1", "f", '{"a": 1}')]),
        ([call(0, id="c1", name="f", arguments="{}"), call(0, id="c2", name="g", arguments="{}")], TWO),
        ([call(None, id="c1", name="f", arguments="{}"), call(None, id="c2", name="g", arguments="{}")], TWO),
        (
            [
                {
                    "tool_calls": [
                        *call(None, id="c1", name="f", arguments="{}")["tool_calls"],
                        *call(None, id="c2", name="g", arguments="{}")["tool_calls"],
                    ]
                }
            ],
            TWO,
        ),
        (
            [
                call(0, id="c1", name="f", arguments=""),
                call(1, id="c2", name="g", arguments=""),
                call(0, arguments="{}"),
                call(1, arguments="{}"),
            ],
            TWO,
        ),
        ([call(0, id=7, name="f", arguments="{}")], [("7", "f", "{}")]),
        (
            [{"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}}],
            [("call_a_0", "f", "{}")],
        ),
        ([call(0, name="f", arguments="{}")], [("call_a_0", "f", "{}")]),
        (
            [
                {"tool_calls": [{"index": 0, "id": "c1", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
                {"tool_calls": [{"index": 0, "custom": {"input": "y"}}]},
            ],
            [("c1", "f", "xy")],
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_calls_come_together_however_they_are_told(
    deltas: list[dict[str, Any]], expected: list[tuple[str, ...]]
) -> None:
    assert calls(*(chunk(delta) for delta in deltas)) == expected


def test_what_the_chunks_say_beside_words_is_kept() -> None:
    found = answer(
        chunk({"content": "hi"}, logprobs={"content": [1]}, system_fingerprint="f"),
        chunk({"content": [{"type": "text", "text": "!"}]}),
        chunk(finish_reason="stop", service_tier="flex"),
        DONE,
    )
    assert found.text == "hi!"
    assert [(opaque.name, opaque.raw) for opaque in found.opaques] == [("logprobs", Raw(b'{"content":[1]}'))]
    assert found.extras == {"answer.system_fingerprint": Raw(b'"f"'), "answer.service_tier": Raw(b'"flex"')}


def test_details_that_say_nothing_are_no_thoughts() -> None:
    empty = [{"type": "reasoning.encrypted"}, {"type": "reasoning.text", "text": ""}]
    assert answer(chunk({"reasoning_details": empty}), chunk({"reasoning_details": empty, "odd": 1}), STOP).parts == []


def test_a_proof_of_nothing_is_kept() -> None:
    found = answer(chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "S"}]}), STOP)
    assert [(part.kind, part.text, part.signature) for part in found.parts] == [
        ("reasoning", "", Signature("openai_chat", "S"))
    ]


def test_a_piece_of_a_call_that_says_nothing_is_none() -> None:
    assert calls(chunk({"tool_calls": [{"index": 0}]})) == []


def test_the_usage_of_a_parser_can_be_set() -> None:
    parser = StreamParser()
    parser.usage = Usage(input_tokens=3)
    assert parser.usage == Usage(input_tokens=3)


def test_an_endless_answer_without_frames_is_refused() -> None:
    parser = StreamParser()
    with pytest.raises(Malformed, match="over the limit"):
        parser.feed(b"{" + b" " * 2**25)


def test_usage_beside_an_error_is_known() -> None:
    parser = StreamParser()
    parser.feed(HI + chunk({}, error={"message": "no", "code": 400}, usage={"prompt_tokens": 3}))
    assert parser.usage == Usage(input_tokens=3, extras={"prompt_tokens": Raw(b"3")})


def test_a_null_in_a_later_piece_of_a_call_undoes_nothing() -> None:
    wire = chunk(call(0, id="c", name="f", arguments="{")) + chunk(call(0, name=None, arguments="}"), unknown=1)
    events = parse(wire + chunk(finish_reason="tool_calls") + DONE)
    assert [event.name for event in events if isinstance(event, Opaque)] == ["unknown"]
    assert calls(wire) == [("c", "f", "{}")]


def test_choices_are_told_apart() -> None:
    found = answer(
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({"content": "A"}),
        chunk(finish_reason="stop"),
        chunk(finish_reason="length", index=1),
        DONE,
    )
    assert [(part.choice, part.text) for part in found.parts] == [(0, "aA"), (1, "b")]
    assert (found.reason, found.more_reasons) == ("stop", ("length",))


@pytest.mark.parametrize(
    ("usage_chunk", "expected"),
    [
        (chunk(finish_reason="stop", usage={"prompt_tokens": 3, "completion_tokens": 2}), (3, 2)),
        (chunk(x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 2}}), (3, 2)),
        (chunk(usage={"prompt_tokens": 1}) + chunk(usage={"prompt_tokens": 3, "completion_tokens": 2}), (3, 2)),
        (chunk(usage={"prompt_tokens": 3, "completion_tokens": 2}) + chunk(usage=None), (3, 2)),
    ],
    ids=["last choice", "groq", "latest", "null"],
)
def test_usage_may_come_anywhere(usage_chunk: bytes, expected: tuple[int, int]) -> None:
    parser = StreamParser()
    parser.feed(chunk({"content": "hi"}) + usage_chunk)
    assert parser.usage is not None
    assert (parser.usage.input_tokens, parser.usage.output_tokens) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("model_length", "length"),
        ("eos", "stop"),
        ("MAX_TOKENS", "length"),
        ("boredom", "other"),
    ],
)
def test_every_word_for_the_end_is_kept(word: str, reason: str) -> None:
    found = answer(chunk({"content": "hi"}), chunk(finish_reason=word), DONE)
    assert (found.reason, found.wire_reason) == (reason, word)


def test_a_refusal_in_words_is_one_in_reason() -> None:
    found = answer(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), STOP, DONE)
    assert [(part.kind, part.text) for part in found.parts] == [("refusal", "I won't")]
    assert (found.reason, found.wire_reason) == ("refusal", "stop")


def ends(*pieces: bytes) -> tuple[str | None, Outcome | None]:
    found = answer(*pieces)
    return found.reason, found.problem.outcome if found.problem else None


HI = chunk({"content": "hi"})


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (HI + STOP + DONE, ("stop", None)),
        (HI + STOP, ("stop", None)),
        (HI + STOP[:-2], ("stop", None)),
        (HI + DONE, ("other", None)),
        (HI, (None, Outcome.CUT)),
        (HI + STOP[:-20], (None, Outcome.PROTOCOL)),
        (HI + STOP + b'data: {"cut', ("stop", None)),
        (HI + b"data: {oops}\n\n" + STOP + DONE, ("stop", None)),
        (HI + b"data: {oops}\n\n" + DONE, (None, Outcome.PROTOCOL)),
        (HI + chunk(finish_reason="error") + DONE, (None, Outcome.SERVER)),
        (HI + chunk(finish_reason="error", error={"message": "no", "code": 429}), (None, Outcome.RATE)),
        (HI + b'data: {"error": {"message": "no", "code": 503}}\n\n' + DONE, (None, Outcome.OVERLOAD)),
        (HI + b'data: {"error": "no"}\n\n', (None, Outcome.SERVER)),
        (HI + b'event: error\ndata: {"message": "no"}\n\n', (None, Outcome.SERVER)),
        (HI + b"event: error\ndata: plain words\n\n", (None, Outcome.SERVER)),
        (chunk({"content": "hi"}, error=None) + STOP, ("stop", None)),
        (b"data: \n\n" + HI + b"data: null\n\n" + STOP, ("stop", None)),
        (b"", (None, Outcome.CUT)),
        (b"\n\n", (None, Outcome.CUT)),
        (DONE, (None, Outcome.CUT)),
        (b"<html></html>", (None, Outcome.PROTOCOL)),
        (b'{"error": {"message": "no", "type": "rate_limit_error"}}', (None, Outcome.RATE)),
        (b'{"detail": "no"}', (None, Outcome.PROTOCOL)),
        (b"\n\n " + STREAMS["whole"], ("stop", None)),
        (HI[6:-1] + STOP[6:-1], ("stop", None)),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_how_a_stream_ends(wire: bytes, expected: tuple[str | None, Outcome | None]) -> None:
    assert ends(wire) == expected


def test_nothing_follows_the_end() -> None:
    parser = StreamParser()
    parser.feed(HI + STOP + DONE)
    assert parser.feed(HI) + parser.close() == []


def test_a_failure_is_the_last_event_and_there_is_no_other_end() -> None:
    events = parse(HI + b'data: {"error": {"message": "no"}}\n\n' + STOP + DONE)
    assert isinstance(events[-1], Failed)
    assert not any(isinstance(event, Finished) for event in events)


def test_half_a_character_is_shown_as_such() -> None:
    wire = HI.replace(b"hi", b"a\\ud83d") + HI.replace(b"hi", b"\\ud83d\\ude42") + HI.replace(b"hi", b"\xff") + STOP
    assert answer(wire).text == "a�🙂�"


def test_what_says_the_same_in_every_chunk_is_told_once() -> None:
    odd = {"citations": ["x"], "p": "padding", "note": None}
    opaques = [event for event in parse(chunk({"content": "a"}, **odd) * 3 + STOP) if isinstance(event, Opaque)]
    assert opaques == [Opaque(name="citations", raw=Raw(b'["x"]'), dialect="openai_chat", slot="answer")]


def test_unknown_members_of_a_delta_are_kept() -> None:
    opaques = [event for event in parse(chunk({"content": "a", "mood": 1}) + STOP) if isinstance(event, Opaque)]
    assert opaques == [Opaque(name="mood", raw=Raw(b"1"), dialect="openai_chat", slot="message")]


def test_a_copy_of_the_words_so_far_is_not_said_again() -> None:
    both = {"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}, "text": "a"}
    wire = b"data: " + json.dumps({**HEAD, "choices": [both]}).encode() + b"\n\n"
    last = b"data: " + json.dumps({**HEAD, "choices": [{"index": 0, "message": {"content": "a"}}]}).encode() + b"\n\n"
    found = answer(wire, last, STOP)
    assert (found.text, found.opaques) == ("a", [])


def test_sound_and_pictures() -> None:
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    found = answer(
        chunk({"audio": {"id": "s", "transcript": "he"}}),
        chunk({"audio": {"data": "BB", "transcript": "y"}}),
        chunk({"images": [url]}),
        STOP,
    )
    assert [(part.kind, part.id, part.media_type, part.text) for part in found.parts] == [
        ("audio", "s", "", "BB"),
        ("image", "", "image/png", "AAAA"),
    ]


@pytest.mark.parametrize("name", ["text", "tools"])
def test_a_stream_and_its_whole_twin_fold_to_the_same(name: str) -> None:
    message = {
        "text": {"content": "héllo 🙂"},
        "tools": {
            "content": "Look",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
    }[name]
    usage = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}} if name == "text" else {}
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": "tool_calls" if name == "tools" else "stop",
    }
    twin = fold(
        parse_response(json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], **usage}).encode())
    )
    for part in twin.parts:
        part.form = "chat:"
    twin.extras = {}
    assert answer(STREAMS[name]) == twin
