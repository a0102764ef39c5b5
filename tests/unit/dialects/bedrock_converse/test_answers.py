"""Answers of Converse, whole and streamed, read and written."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

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
from headgate.core.fold import Answer, fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.bedrock_converse import DIALECT, StreamParser, StreamRenderer, parse_response, render_response
from headgate.dialects.eventstream import Message, Splitter, event, exception, render

REPLY_TO = ReplyTo(id="i", model="m")


def streamed(*pieces: bytes) -> list[Event]:
    parser = StreamParser()
    return [told for piece in pieces for told in parser.feed(piece)] + parser.close()


def written(events: list[Event]) -> tuple[list[tuple[str, Any]], set[str]]:
    renderer = StreamRenderer(REPLY_TO)
    messages = Splitter().feed(renderer.render(events))
    told = [
        (message.text(":event-type") or message.text(":exception-type"), json.loads(message.payload))
        for message in messages
    ]
    return told, renderer.dropped


def plain(answer: Answer) -> Answer:
    parts = [structs.replace(part, form="", index=0, opaques=[]) for part in answer.parts]
    usage = structs.replace(answer.usage, extras={}) if answer.usage else None
    return structs.replace(answer, parts=parts, opaques=[], extras={}, usage=usage)


def test_a_whole_answer(whole: bytes):
    answer = fold(parse_response(whole))
    told = [(part.kind, part.text, part.name, part.is_redacted, part.signature) for part in answer.parts]
    assert told == [
        ("reasoning", "Let me see.", "", False, Signature("bedrock_converse", "SIG==")),
        ("reasoning", "", "", True, Signature("bedrock_converse", "U0VBTEVE")),
        ("text", "Hello wörld", "", False, None),
        ("text", "A fact.", "", False, None),
        ("image", "iVBO", "", False, None),
        ("tool_call", '{"q": "a"}', "find", False, None),
        ("tool_call", "{}", "now", False, None),
    ]
    assert (answer.reason, answer.wire_reason, answer.stop_sequence) == ("tool_calls", "tool_use", "END")
    assert structs.replace(answer.usage or Usage(), extras={}) == Usage(
        input_tokens=23, cached_tokens=9, cache_write_tokens=4, cache_write_1h_tokens=3, output_tokens=7
    )
    assert [(opaque.name, opaque.slot) for opaque in answer.opaques] == [
        ("server_tool_use", "content.2"),
        ("nova_code_interpreter_result", "content.3"),
    ]


def test_a_whole_answer_comes_back(whole: bytes):
    dropped: set[str] = set()
    back = render_response(parse_response(whole), REPLY_TO, dropped)
    assert (json.loads(back), dropped) == (json.loads(whole), set())


def test_a_stream_is_its_whole(wire: bytes, whole: bytes):
    now, was = plain(fold(streamed(wire))), plain(fold(parse_response(whole)))
    for part in (*now.parts, *was.parts):
        part.text = part.text.replace('": "', '":"').replace("{}", "")
    assert now == was


def test_a_stream_written_whole_is_the_whole(wire: bytes, whole: bytes):
    dropped: set[str] = set()
    assert json.loads(render_response(streamed(wire), REPLY_TO, dropped)) == json.loads(whole)
    assert dropped == set()


def test_a_stream_comes_back(wire: bytes):
    renderer = StreamRenderer(REPLY_TO)
    events = streamed(wire)
    assert (streamed(renderer.render(events)), renderer.dropped) == (events, set())


@given(st.data())
def test_a_cut_anywhere_changes_nothing(data: st.DataObject):
    from tests.unit.dialects.bedrock_converse.conftest import EVENTS

    wire = b"".join(event(kind, json.dumps(payload).encode()) for kind, payload in EVENTS)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    edges = [0, *cuts, len(wire)]
    pieces = [wire[start:end] for start, end in itertools.pairwise(edges)]
    assert streamed(*pieces) == streamed(wire)


def test_usage_is_known_before_the_end(wire: bytes):
    parser = StreamParser()
    parser.feed(wire)
    assert (parser.usage or Usage()).output_tokens == 7
    assert parser.feed(wire) == []
    assert parser.close() == []


STOP = event("messageStop", b'{"stopReason":"end_turn"}')
METADATA = event("metadata", b'{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}')
WORD = event("contentBlockDelta", b'{"delta":{"text":"a"}}')
DONE = Finished(reason="stop", wire_reason="end_turn")
CUT = Failed(
    Problem(
        kind="upstream",
        message="the upstream's stream ended before the answer was complete",
        outcome=Outcome.CUT,
    )
)


def kinds(events: list[Event]) -> list[str]:
    return [type(told).__name__ for told in events]


def test_usage_may_come_first():
    assert kinds(streamed(METADATA + WORD + STOP + WORD)) == [
        "Started",
        "PartStarted",
        "PartDelta",
        "PartEnded",
        "Finished",
    ]


def test_a_start_may_come_twice():
    start = event("messageStart", b'{"role":"assistant","x":1}')
    assert streamed(start + start + STOP) == [Started(dialect="bedrock_converse", extras={"x": Raw(b"1")}), DONE]


def test_usage_may_be_missing():
    assert streamed(STOP) == [Started(dialect="bedrock_converse"), DONE]


@pytest.mark.parametrize("wire", [b"", WORD, METADATA], ids=["nothing", "words", "usage"])
def test_a_stream_without_a_stop_reason_was_cut(wire: bytes):
    assert streamed(wire)[-1] == CUT


@pytest.mark.parametrize(
    ("name", "outcome", "kind"),
    [
        ("throttlingException", Outcome.RATE, "rate_limit"),
        ("modelStreamErrorException", Outcome.SERVER, "upstream"),
        ("validationException", Outcome.CLIENT, "invalid_request"),
        ("serviceUnavailableException", Outcome.OVERLOAD, "overloaded"),
        ("somethingNewException", Outcome.SERVER, "upstream"),
    ],
)
def test_exceptions_amid_a_stream(name: str, outcome: Outcome, kind: str):
    failed = streamed(WORD + exception(name, b'{"message":"no"}') + WORD)[-1]
    assert isinstance(failed, Failed)
    assert (failed.problem.outcome, failed.problem.kind, failed.problem.message) == (outcome, kind, "no")


def test_errors_without_a_payload():
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "broke"}
    failed = streamed(render(Message(b"", headers)))[-1]
    assert isinstance(failed, Failed)
    assert (failed.problem.type, failed.problem.message) == ("InternalFailure", "broke")


def test_what_is_not_json_is_a_fault_of_the_protocol():
    failed = streamed(event("messageStart", b"{") + WORD)[-1]
    assert isinstance(failed, Failed)
    assert failed.problem.outcome == Outcome.PROTOCOL


def test_what_is_no_event_stream_is_malformed():
    with pytest.raises(Malformed, match="no event stream"):
        streamed(b'{"message": "hello, this is JSON"}')


def test_unknown_events_and_deltas_stay():
    odd = event("newEvent", b'{"a":1,"p":"x"}')
    newer = event("contentBlockDelta", b'{"contentBlockIndex":1,"delta":{"new":{"b":2}}}')
    bare = event("contentBlockDelta", b'{"contentBlockIndex":2,"delta":{"image":{"error":{"message":"m"}}}}')
    start = event("contentBlockStart", b'{"contentBlockIndex":3,"start":{"video":{"format":"mp4"}}}')
    events = streamed(odd + newer + bare + start + STOP)
    assert [told for told in events if isinstance(told, Opaque)] == [
        Opaque(name="newEvent", raw=Raw(b'{"a":1}'), dialect="bedrock_converse", slot="event"),
        Opaque(name="new", raw=Raw(b'{"new":{"b":2}}'), dialect="bedrock_converse", index=0, slot="delta"),
        Opaque(
            name="image",
            raw=Raw(b'{"image":{"error":{"message":"m"}}}'),
            dialect="bedrock_converse",
            index=1,
            slot="delta",
        ),
        Opaque(name="video", raw=Raw(b'{"video":{"format":"mp4"}}'), dialect="bedrock_converse", slot="content.2"),
    ]
    renderer = StreamRenderer(REPLY_TO)
    assert streamed(renderer.render(events)) == events
    dropped: set[str] = set()
    render_response(events, REPLY_TO, dropped)
    assert dropped == {"newEvent", "new", "image"}


def test_parts_that_were_never_announced_begin():
    call = event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}')
    cited = event("contentBlockDelta", b'{"contentBlockIndex":1,"delta":{"citation":{}}}')
    again = event("contentBlockStart", b'{"contentBlockIndex":1,"start":{}}')
    silent = event("contentBlockDelta", b'{"contentBlockIndex":"x","delta":{"text":1}}')
    events = streamed(call + cited + again + silent + event("contentBlockStop", b'{"contentBlockIndex":9}') + STOP)
    assert [(part.kind, part.text, len(part.opaques)) for part in fold(events).parts] == [
        ("tool_call", "{}", 0),
        ("text", "", 1),
        ("text", "", 0),
    ]


ODD_WHOLES: list[dict[str, Any]] = [
    {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": "end_turn"},
    {"output": {"message": {"role": "user", "content": [], "x": 1}, "y": 2}, "stopReason": "new"},
    {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": ""},
                    {"text": "a", "type": "text"},
                    {"new": 1},
                    {"image": {"format": "tiff", "source": {"bytes": "a"}}},
                    {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a/b"}}}},
                    {"reasoningContent": {"reasoningText": {"text": "t", "signature": ""}}},
                    {"reasoningContent": {"new": 1}},
                    {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}},
                    {"toolUse": {"toolUseId": "a", "name": "b", "input": "text"}},
                    {"toolUse": {"toolUseId": "a", "name": "b", "input": {}}, "more": 1},
                ],
            }
        },
        "stopReason": "guardrail_intervened",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "metrics": {"latencyMs": 1},
    },
]


@pytest.mark.parametrize("body", ODD_WHOLES, ids=range(len(ODD_WHOLES)))
def test_odd_answers_come_back_as_they_were(body: dict[str, Any]):
    dropped: set[str] = set()
    back = render_response(parse_response(json.dumps(body).encode()), REPLY_TO, dropped)
    assert (json.loads(back), dropped) == (body, set())


def test_what_a_stream_cannot_say_is_reported():
    events = parse_response(json.dumps(ODD_WHOLES[1]).encode())
    assert written(events)[1] == {"output"}


def test_a_block_that_is_no_object_stays():
    body = b'{"output":{"message":{"role":"assistant","content":[7]}},"stopReason":"end_turn"}'
    assert render_response(parse_response(body), REPLY_TO, set()) == body


def test_a_call_that_was_cut_off_is_an_object_still():
    start = event("contentBlockStart", b'{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}')
    half = event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\\"q"}}}')
    body = json.loads(render_response(streamed(start + half + STOP), REPLY_TO, set()))
    assert body["output"]["message"]["content"][0]["toolUse"]["input"] == {"arguments": '{"q'}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"\xff"])
def test_what_is_no_object_is_malformed(body: bytes):
    with pytest.raises(Malformed, match="not a JSON object"):
        parse_response(body)


def test_an_error_with_a_good_status():
    (failed,) = parse_response(b'{"__type":"ThrottlingException","message":"slow down"}')
    assert isinstance(failed, Failed)
    assert (failed.problem.outcome, failed.problem.message) == (Outcome.RATE, "slow down")


def test_an_answer_without_output_is_none():
    (failed,) = parse_response(b'{"usage":{}}')
    assert isinstance(failed, Failed)
    assert failed.problem.outcome == Outcome.PROTOCOL


FOREIGN: list[Event] = [
    Started(id="x", model="m", dialect="gemini"),
    PartStarted(index=0, kind="reasoning"),
    PartDelta(0, "Hm."),
    PartEnded(index=0, signature=Signature("gemini", "S")),
    PartStarted(index=1, kind="reasoning", is_redacted=True),
    PartEnded(index=1, signature=Signature("anthropic", "R")),
    PartStarted(index=2, kind="reasoning"),
    PartEnded(index=2),
    PartStarted(index=3, kind="text"),
    PartDelta(3, "Hello"),
    PartEnded(index=3, signature=Signature("gemini", "T")),
    PartStarted(index=4, kind="text"),
    PartEnded(index=4),
    PartStarted(index=5, kind="refusal"),
    PartDelta(5, "No."),
    PartEnded(index=5),
    PartStarted(index=6, kind="tool_call", id="a", name="f"),
    PartDelta(6, '{"q":1}'),
    PartEnded(index=6),
    PartStarted(index=7, kind="tool_call", id="b", name="g", is_custom=True),
    PartDelta(7, "free "),
    PartDelta(7, "text"),
    PartEnded(index=7),
    PartStarted(index=8, kind="image", media_type="image/png"),
    PartDelta(8, "iVBO"),
    PartEnded(index=8),
    PartStarted(index=9, kind="image", media_type="image/tiff"),
    PartDelta(9, "II"),
    PartEnded(index=9),
    PartStarted(index=10, kind="audio"),
    PartEnded(index=10),
    PartStarted(index=11, kind="text", choice=1),
    PartDelta(11, "other"),
    PartEnded(index=11),
    Opaque(name="logprobs", raw=Raw(b"1"), dialect="openai_chat", index=3),
    Opaque(name="grounding", raw=Raw(b"1"), dialect="gemini"),
    Finished(
        reason="stop_sequence",
        usage=Usage(input_tokens=20, cached_tokens=5, cache_write_tokens=4, cache_write_1h_tokens=3, output_tokens=6),
        stop_sequence="END",
        extras={"x": Raw(b"1")},
    ),
]
FOREIGN_LOST = {"reasoning.signature", "image", "audio", "choices", "logprobs", "grounding", "stop_sequence"}
FOREIGN_USAGE = {
    "inputTokens": 11,
    "outputTokens": 6,
    "totalTokens": 26,
    "cacheReadInputTokens": 5,
    "cacheWriteInputTokens": 4,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 1}, {"ttl": "1h", "inputTokens": 3}],
}


def test_answers_of_other_services():
    dropped: set[str] = set()
    body = json.loads(render_response(FOREIGN, REPLY_TO, dropped))
    assert body == {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "~hg.gemini.S"}}},
                    {"reasoningContent": {"redactedContent": "fmhnLmFudGhyb3BpYy5S"}},
                    {"text": "Hello"},
                    {"text": "No."},
                    {"toolUse": {"toolUseId": "a", "name": "f", "input": {"q": 1}}},
                    {"toolUse": {"toolUseId": "b", "name": "g", "input": {"input": "free text"}}},
                    {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
                ],
            }
        },
        "stopReason": "stop_sequence",
        "usage": FOREIGN_USAGE,
        "metrics": {"latencyMs": 0},
    }
    assert dropped == FOREIGN_LOST


def test_streams_of_other_services():
    told, dropped = written(FOREIGN)
    assert told == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "~hg.gemini.S"}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        (
            "contentBlockDelta",
            {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "fmhnLmFudGhyb3BpYy5S"}}},
        ),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"text": "Hello"}}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("contentBlockDelta", {"contentBlockIndex": 3, "delta": {"text": "No."}}),
        ("contentBlockStop", {"contentBlockIndex": 3}),
        ("contentBlockStart", {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "a", "name": "f"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 4, "delta": {"toolUse": {"input": '{"q":1}'}}}),
        ("contentBlockStop", {"contentBlockIndex": 4}),
        ("contentBlockStart", {"contentBlockIndex": 5, "start": {"toolUse": {"toolUseId": "b", "name": "g"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 5, "delta": {"toolUse": {"input": '{"input":"free text"}'}}}),
        ("contentBlockStop", {"contentBlockIndex": 5}),
        ("contentBlockStart", {"contentBlockIndex": 6, "start": {"image": {"format": "png"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 6, "delta": {"image": {"source": {"bytes": "iVBO"}}}}),
        ("contentBlockStop", {"contentBlockIndex": 6}),
        ("messageStop", {"stopReason": "stop_sequence"}),
        ("metadata", {"metrics": {"latencyMs": 0}, "usage": FOREIGN_USAGE}),
    ]
    assert dropped == FOREIGN_LOST


def test_an_answer_without_a_start_or_an_end_of_its_parts():
    told, dropped = written(
        [PartStarted(index=0, kind="text"), PartDelta(0, "a"), Finished(reason="error"), PartDelta(0, "late")]
    )
    assert (told, dropped) == (
        [
            ("messageStart", {"role": "assistant"}),
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}),
            ("contentBlockStop", {"contentBlockIndex": 0}),
            ("messageStop", {"stopReason": "malformed_model_output"}),
            (
                "metadata",
                {"metrics": {"latencyMs": 0}, "usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}},
            ),
        ],
        set(),
    )


def test_an_end_alone_is_an_answer():
    assert written([Started(), Started(), Finished(reason="stop")])[0][1] == ("messageStop", {"stopReason": "end_turn"})
    assert (
        json.loads(render_response([Finished(reason="refusal")], REPLY_TO, set()))["stopReason"] == "content_filtered"
    )


def test_a_citation_whose_part_has_gone_by_is_reported():
    late = Opaque(name="citations", raw=Raw(b"1"), dialect="bedrock_converse", index=0, slot="citation")
    assert written([Started(dialect="bedrock_converse"), late])[1] == {"citations"}


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (Problem(kind="rate_limit", message="m", outcome=Outcome.RATE), "throttlingException"),
        (Problem(kind="overloaded", message="m"), "serviceUnavailableException"),
        (Problem(kind="permission", message="m"), "internalServerException"),
        (
            Problem(kind="upstream", message="m", dialect="bedrock_converse", type="ModelStreamErrorException"),
            "modelStreamErrorException",
        ),
    ],
)
def test_a_failure_ends_a_stream(problem: Problem, name: str):
    assert written([Failed(problem), Finished(reason="stop")])[0] == [(name, {"message": "m"})]


def test_a_failure_ends_a_whole():
    body = render_response([Failed(Problem(kind="rate_limit", message="m"))], REPLY_TO, set())
    assert json.loads(body) == {"__type": "ThrottlingException", "message": "m"}


def test_a_stream_is_kept_open_by_nothing():
    assert (DIALECT.ping, DIALECT.stream_type) == (b"", "application/vnd.amazon.eventstream")
