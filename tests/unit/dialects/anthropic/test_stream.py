"""Streamed answers: any cut, odd events, and how they end."""

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
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
from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.anthropic import StreamParser, parse_response

START = {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
WORDS = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
BLOCK_STOP = {"type": "content_block_stop", "index": 0}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
STOP = {"type": "message_stop"}


def wire(*events: dict[str, object] | bytes) -> bytes:
    datas = (event if isinstance(event, bytes) else json.dumps(event).encode() for event in events)
    return b"".join(b"data: %b\n\n" % data for data in datas)


def parsed(pieces: Iterable[bytes]) -> list[Event]:
    parser = StreamParser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events + parser.close()


def test_a_stream_in_events():
    assert parsed([wire(START, TEXT, WORDS, BLOCK_STOP, DELTA, STOP)]) == [
        Started(id="m", model="c", dialect="anthropic"),
        PartStarted(index=0, kind="text"),
        PartDelta(0, "hi"),
        PartEnded(index=0),
        Finished(
            reason="stop",
            wire_reason="end_turn",
            usage=Usage(
                input_tokens=3, output_tokens=2, extras={"input_tokens": Raw(b"3"), "output_tokens": Raw(b"2")}
            ),
        ),
    ]


def test_a_cut_anywhere_changes_nothing(stream: bytes):
    whole = parsed([stream])
    for cut in range(1, len(stream)):
        assert parsed([stream[:cut], stream[cut:]]) == whole


def test_line_ends_change_nothing(stream: bytes):
    assert parsed([stream.replace(b"\n", b"\r\n")]) == parsed([stream])


@given(cuts=st.lists(st.integers(0, 5000), max_size=9), text=st.text())
def test_any_cuts_through_any_text_change_nothing(cuts: list[int], text: str):
    words = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    data = b"data: %b\n\n" % json.dumps(words, ensure_ascii=text.isprintable()).encode("utf-8", "replace")
    stream = wire(START, TEXT) + data + wire(BLOCK_STOP, DELTA, STOP)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(edges)]
    assert parsed(pieces) == parsed([stream])


def test_a_stream_folds_to_its_whole_twin(stream: bytes, whole: bytes):
    answer = fold(parsed([stream]))
    assert answer == fold(parse_response(whole))
    assert answer.reason == "tool_calls"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (22, 40)
    assert (answer.usage.cached_tokens, answer.usage.cache_write_tokens) == (6, 4)
    assert (answer.usage.cache_write_1h_tokens, answer.usage.reasoning_tokens) == (3, 9)
    assert answer.usage.web_searches == 1
    assert [part.kind for part in answer.parts] == ["reasoning", "reasoning", "text", "tool_call", "tool_call"]
    assert answer.parts[0].signature == Signature("anthropic", "SIG==")
    assert answer.parts[1].signature == Signature("anthropic", "DATA")
    assert [part.text for part in answer.parts[3:]] == ['{"city":"Köln"}', "{}"]


def test_counts_are_known_before_the_end(stream: bytes):
    parser = StreamParser()
    parser.feed(stream[: stream.index(b"message_delta") - 8])
    assert parser.usage is not None
    assert (parser.usage.input_tokens, parser.usage.output_tokens) == (20, 1)


def test_the_output_is_what_was_told_last():
    """A stream begins with a guess: of a refusal nothing may be left."""
    refused = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 0}}
    finished = parsed([wire(START, DELTA, refused, STOP)])[-1]
    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert (finished.usage.input_tokens, finished.usage.output_tokens) == (3, 0)


def test_inputs_told_again_never_shrink():
    later = {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 0, "output_tokens": None}}
    events = parsed([wire(START, DELTA, later, STOP)])
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert (finished.usage.input_tokens, finished.usage.output_tokens) == (3, 2)


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ((START, TEXT, WORDS), Outcome.CUT),
        ((START, TEXT, WORDS, BLOCK_STOP, STOP), Outcome.CUT),
        ((), Outcome.CUT),
        ((START, TEXT, b'{"type":"content_block_delta","ind'), Outcome.CUT),
        ((START, TEXT, b"{broken", WORDS, DELTA, STOP), Outcome.PROTOCOL),
    ],
)
def test_an_answer_without_its_end_has_failed(events: tuple[dict[str, object] | bytes, ...], outcome: Outcome):
    stream = wire(*events)
    last = parsed([stream[:-2] if outcome is Outcome.CUT else stream])[-1]
    assert isinstance(last, Failed)
    assert last.problem.outcome is outcome


@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", b"data: {broken\n\n", b"data: {brok"])
def test_a_told_reason_is_an_end(rest: bytes):
    last = parsed([wire(START, TEXT, WORDS, DELTA) + rest])[-1]
    assert isinstance(last, Finished)
    assert last.reason == "stop"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Outcome.OVERLOAD),
        ({"type": "api_error", "message": "m"}, Outcome.SERVER),
        ({"type": "rate_limit_error", "message": "m"}, Outcome.RATE),
        ({"type": "invalid_request_error", "message": "m"}, Outcome.CLIENT),
        ({"type": "unheard_of", "message": "m"}, Outcome.SERVER),
        ({}, Outcome.SERVER),
    ],
)
def test_an_error_amid_the_stream(error: dict[str, str], outcome: Outcome):
    events = parsed([wire(START, TEXT, WORDS, {"type": "error", "error": error}, WORDS, DELTA, STOP)])
    assert isinstance(events[-1], Failed)
    assert events[-1].problem.outcome is outcome
    assert events[-1].problem.dialect == "anthropic"
    assert events[-2] == PartDelta(0, "hi")


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', Outcome.OVERLOAD),
        (b"<html><body>Bad gateway</body></html>", Outcome.PROTOCOL),
    ],
)
def test_a_body_that_is_no_stream(body: bytes, outcome: Outcome):
    last = parsed([body])[-1]
    assert isinstance(last, Failed)
    assert last.problem.outcome is outcome


def test_what_is_unknown_is_kept():
    events = parsed(
        [
            wire(
                START,
                {"type": "weather_report", "x": 1},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "light": "a"}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "light_delta", "light": "b", "n": 1}},
                BLOCK_STOP,
                {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "t", "hue": 1}},
                {"type": "content_block_delta", "index": 1, "delta": {"type": "hue_delta", "hue": 2}},
                {**DELTA, "delta": {"stop_reason": "unheard_of", "mood": "good"}},
                STOP,
            )
        ]
    )
    assert events[1:] == [
        Opaque(
            name="weather_report", raw=Raw(b'{"type": "weather_report", "x": 1}'), dialect="anthropic", slot="event"
        ),
        Opaque(
            name="hologram",
            raw=Raw(b'{"type":"hologram","light":"ab","n":1}'),
            dialect="anthropic",
            slot="content.0",
        ),
        PartStarted(index=1, kind="text", extras={"hue": Raw(b"1")}),
        PartDelta(1, "t"),
        Opaque(
            name="hue_delta", raw=Raw(b'{"type": "hue_delta", "hue": 2}'), dialect="anthropic", index=1, slot="delta"
        ),
        PartEnded(index=1),
        Finished(
            reason="other",
            wire_reason="unheard_of",
            extras={"mood": Raw(b'"good"')},
            usage=Usage(
                input_tokens=3, output_tokens=2, extras={"input_tokens": Raw(b"3"), "output_tokens": Raw(b"2")}
            ),
        ),
    ]


@pytest.mark.parametrize(
    "event",
    [
        {**WORDS, "index": None},
        {**WORDS, "index": 0.0},
        {**WORDS, "usage": None, "delta": {"type": "text_delta", "text": "hi", "partial_json": 5}},
    ],
)
def test_members_of_other_types_do_no_harm(event: dict[str, object]):
    assert fold(parsed([wire(START, TEXT, event, DELTA, STOP)])).text == "hi"


def test_an_answer_that_never_announces_itself_is_read_all_the_same():
    arguments = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}}
    answer = fold(parsed([wire(WORDS, arguments, DELTA, STOP)]))
    assert [(part.kind, part.text) for part in answer.parts] == [("text", "hi"), ("tool_call", "{}")]


def test_blocks_that_share_an_index_stay_apart():
    answer = fold(parsed([wire(START, TEXT, WORDS, BLOCK_STOP, TEXT, WORDS, BLOCK_STOP, DELTA, STOP)]))
    assert [part.index for part in answer.parts] == [0, 1]


def test_words_come_as_soon_as_their_bytes_do():
    parser = StreamParser()
    parser.feed(wire(START, TEXT))
    assert parser.feed(wire(WORDS)) == [PartDelta(0, "hi")]
