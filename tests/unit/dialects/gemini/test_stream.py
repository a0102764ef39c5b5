"""Streams of Gemini: read from any cut, and written so that Google's SDKs take them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.gemini import StreamParser, StreamRenderer, parse_response

REPLY_TO = ReplyTo(id="call-1", model="asked", is_stream=True)


def chunk(*parts: object, **rest: object) -> dict[str, object]:
    content = {"content": {"parts": list(parts), "role": "model"}} if parts else {}
    usage = {"promptTokenCount": 5, "totalTokenCount": 5}
    head = {"usageMetadata": usage, "modelVersion": "gemini-2.5-flash", "responseId": "abc"}
    return {"candidates": [{**content, **rest, "index": 0}], **head}


TEXT = [
    chunk({"text": "hm", "thought": True}),
    chunk({"text": ", so", "thought": True}),
    chunk({"text": "Grüße "}),
    chunk({"text": "𝄞!"}),
    {
        **chunk({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP", finishMessage="done"),
        "usageMetadata": {
            "promptTokenCount": 5,
            "cachedContentTokenCount": 2,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 4,
            "totalTokenCount": 12,
        },
    },
]
TEXT_WHOLE = {
    **TEXT[-1],
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "hm, so", "thought": True},
                    {"text": "Grüße 𝄞!", "thoughtSignature": "c2ln"},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
            "finishMessage": "done",
            "index": 0,
        }
    ],
}
TOOLS = [
    chunk({"text": "let me see"}),
    chunk({"functionCall": {"name": "f", "args": {"a": [1.50]}}, "thoughtSignature": "c2ln"}),
    chunk({"functionCall": {"id": "x", "name": "g"}}, {"executableCode": {"code": "1"}}),
    chunk({"inlineData": {"mimeType": "image/png", "data": "AA=="}}, groundingMetadata={"webSearchQueries": ["q"]}),
    chunk(finishReason="STOP", safetyRatings=[{"category": "X"}]),
]
TOOLS_WHOLE = {
    **TOOLS[-1],
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "let me see"},
                    {"functionCall": {"name": "f", "args": {"a": [1.50]}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "x", "name": "g"}},
                    {"executableCode": {"code": "1"}},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                ],
                "role": "model",
            },
            "groundingMetadata": {"webSearchQueries": ["q"]},
            "finishReason": "STOP",
            "safetyRatings": [{"category": "X"}],
            "index": 0,
        }
    ],
}


QUOTED = [chunk({"text": '\\"}]{\\\\" ['}), chunk({"text": "\\\\"}, finishReason="STOP")]
QUOTED[-1]["note"] = "say data: x"


def sse(chunks: list[dict[str, object]]) -> bytes:
    return b"".join(b"data: " + json.dumps(each, ensure_ascii=False).encode() + b"\r\n\r\n" for each in chunks)


def array(chunks: list[dict[str, object]]) -> bytes:
    return b"[" + b"\n,\r\n".join(json.dumps(each, indent=2).encode() for each in chunks) + b"\n]\n"


def lines(chunks: list[dict[str, object]]) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in chunks)


def parsed(data: bytes, *cuts: int) -> list[Event]:
    parser = StreamParser()
    events: list[Event] = []
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += parser.feed(data[start:end])
    return events + parser.close()


def plain(answer: Answer) -> object:
    """An answer with its raw leftovers as values."""
    for part in answer.parts:
        part.index = 0
    usage = answer.usage
    return (
        answer.id,
        answer.model,
        [(part.kind, part.text, part.id, part.name, part.media_type, part.signature) for part in answer.parts],
        answer.reason,
        (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens) if usage else None,
        answer.problem,
        sorted((each.name, json.dumps(json.loads(bytes(each.raw)))) for each in answer.opaques),
        {name: json.loads(bytes(raw)) for name, raw in answer.extras.items()},
    )


def test_text_and_thinking_are_read():
    events = parsed(sse(TEXT))

    assert events[:-2] == [
        Started(id="abc", model="gemini-2.5-flash", dialect="gemini"),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "hm"),
        PartDelta(0, ", so"),
        PartEnded(index=0),
        PartStarted(index=1, kind="text"),
        PartDelta(1, "Grüße "),
        PartDelta(1, "𝄞!"),
        PartEnded(index=1, signature=Signature("gemini", "c2ln")),
    ]
    answer = fold(events)
    assert (answer.reason, answer.wire_reason) == ("stop", "STOP")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_tokens) == (5, 2)
    assert (answer.usage.output_tokens, answer.usage.reasoning_tokens) == (7, 4)


def test_calls_media_and_the_rest_are_read():
    answer = fold(parsed(sse(TOOLS)))

    assert [(part.kind, part.id, part.name, part.text) for part in answer.parts] == [
        ("text", "", "", "let me see"),
        ("tool_call", "call_0_abc", "f", '{"a":[1.5]}'),
        ("tool_call", "x", "g", ""),
        ("image", "", "", "AA=="),
    ]
    assert [(each.name, each.slot) for each in answer.opaques] == [
        ("executableCode", "part"),
        ("groundingMetadata", "candidate"),
        ("safetyRatings", "candidate"),
    ]
    assert answer.reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.web_searches == 1


@pytest.mark.parametrize(
    "wire", [sse(TEXT), sse(TOOLS), array(TEXT), array(TOOLS), lines(TEXT), array(QUOTED), sse(QUOTED)]
)
def test_a_cut_anywhere_changes_nothing(wire: bytes):
    whole = parsed(wire)

    for cut in range(1, len(wire)):
        assert parsed(wire, cut) == whole


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.data())
def test_many_cuts_change_nothing(texts: list[str], data: st.DataObject):
    chunks = [chunk({"text": text}) for text in texts]
    wire = data.draw(st.sampled_from([sse, array]))([*chunks, chunk(finishReason="STOP")])
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=20))

    answer = fold(parsed(wire, *sorted(cuts)))

    assert (answer.text, answer.reason) == ("".join(texts), "stop")


@pytest.mark.parametrize(("chunks", "whole"), [(TEXT, TEXT_WHOLE), (TOOLS, TOOLS_WHOLE)])
def test_a_stream_tells_what_its_whole_twin_tells(chunks: list[dict[str, object]], whole: dict[str, object]):
    streamed = plain(fold(parsed(sse(chunks))))

    assert plain(fold(parsed(array(chunks)))) == streamed
    assert plain(fold(parse_response(json.dumps(whole).encode()))) == streamed


def test_brackets_and_quotes_in_text_are_text():
    assert fold(parsed(array(QUOTED))).text == '\\"}]{\\\\" [\\\\'


def test_an_empty_last_text_begins_no_part():
    wire = sse([chunk({"functionCall": {"name": "f"}}), chunk({"text": ""}, finishReason="STOP")])

    assert [part.kind for part in fold(parsed(wire)).parts] == ["tool_call"]


@pytest.mark.parametrize("chunks", [TEXT, TOOLS])
@pytest.mark.parametrize("framing", ["sse", "array"])
def test_a_rendered_stream_tells_the_same(chunks: list[dict[str, object]], framing: str):
    events = parsed(array(chunks))  # its leftovers have line breaks, which SSE does not bear
    renderer = StreamRenderer(ReplyTo(id="x", model="y", framing=framing))

    wire = b"".join(renderer.render([event]) for event in events)

    assert renderer.dropped == set()
    assert plain(fold(parsed(wire))) == plain(fold(events))


def test_a_chunk_with_a_call_and_nothing_else_to_come_is_finished_at_the_end():
    parser = StreamParser()

    events = parser.feed(sse([chunk({"text": "a"}, finishReason="STOP"), chunk({"text": "b"}, finishReason="STOP")]))

    assert not any(isinstance(event, Finished) for event in events)
    assert [type(event) for event in parser.close()] == [PartEnded, Finished]
    assert parser.close() == []


def test_usage_is_always_the_latest_that_counts():
    parser = StreamParser()
    parser.feed(sse([chunk({"text": "a"})]))
    counted = parser.usage

    parser.feed(sse([{**chunk({"text": "b"}), "usageMetadata": {"trafficType": "ON_DEMAND"}}]))

    assert counted is not None
    assert counted.input_tokens == 5
    assert parser.usage == counted


def test_arguments_that_come_in_pieces_are_put_together():
    def call(**members: object) -> dict[str, object]:
        return chunk({"functionCall": members})

    def piece(path: str, more: bool = False, **value: object) -> dict[str, object]:
        return {"jsonPath": path, **value, **({"willContinue": True} if more else {})}

    wire = sse(
        [
            call(name="f", willContinue=True),
            call(partialArgs=[piece("$.a", more=True, stringValue="Par")], willContinue=True),
            call(partialArgs=[piece("$.a", stringValue="is"), piece("$['b'][1].c", numberValue=2)], willContinue=True),
            call(partialArgs=[piece("$.d", boolValue=True), piece("$.e", nullValue=None), 7, piece("")]),
            call(name="h", args={"x": 1}, partialArgs=[piece("$.y[0]", stringValue="z")]),
            call(name="g", args={"x": 1}),
            chunk(finishReason="STOP"),
        ]
    )

    parts = fold(parsed(wire)).parts

    assert [(part.name, json.loads(part.text)) for part in parts] == [
        ("f", {"a": "Paris", "b": [None, {"c": 2}], "d": True, "e": None}),
        ("h", {"x": 1, "y": ["z"]}),
        ("g", {"x": 1}),
    ]


def test_several_candidates_are_told_apart():
    def of(choice: int, text: str, **rest: object) -> dict[str, object]:
        return {"content": {"parts": [{"text": text}]}, "index": choice, **rest}

    wire = sse(
        [
            {"candidates": [of(0, "a"), of(1, "x")]},
            {"candidates": [of(1, "y", finishReason="MAX_TOKENS")]},
            {"candidates": [of(0, "b", finishReason="STOP")]},
        ]
    )

    events = parsed(wire)

    answer = fold(events)
    assert [(part.choice, part.text) for part in answer.parts] == [(0, "ab"), (1, "xy")]
    assert (answer.reason, answer.more_reasons) == ("stop", ("length",))
    assert plain(fold(parsed(StreamRenderer(REPLY_TO).render(events)))) == plain(answer)


def test_a_blocked_prompt_is_filtered():
    events = parsed(sse([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 5}}]))

    answer = fold(events)
    assert (answer.reason, answer.wire_reason, answer.parts) == ("content_filter", "SAFETY", [])
    assert b'"candidates"' not in StreamRenderer(REPLY_TO).render(events)


@pytest.mark.parametrize(
    ("wire", "outcome", "message"),
    [
        (b"", Outcome.CUT, "the stream ended before the answer did"),
        (sse([chunk({"text": "a"})]), Outcome.CUT, "the stream ended before the answer did"),
        (array([chunk({"text": "a"})])[:-5], Outcome.CUT, "the stream ended before the answer did"),
        (
            sse([chunk({"text": "a"})]) + b"data: {oops\r\n\r\n",
            Outcome.PROTOCOL,
            "the stream held bytes that are not JSON",
        ),
        (
            b'data: {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}\r\n\r\n',
            Outcome.OVERLOAD,
            "busy",
        ),
        (b'{"error": {"message": "slow down", "status": "RESOURCE_EXHAUSTED"}}', Outcome.RATE, "slow down"),
        (b'[{"error": {"code": 500, "message": "bad", "status": "INTERNAL"}}]', Outcome.SERVER, "bad"),
        (
            sse([chunk({"text": "a"})])
            + b'{\n  "error": {"code": 503,\n "message": "busy", "status": "UNAVAILABLE"}\n}\n',
            Outcome.OVERLOAD,
            "busy",
        ),
    ],
)
def test_a_stream_that_fails_says_so(wire: bytes, outcome: Outcome, message: str):
    *_, last = parsed(wire)

    assert isinstance(last, Failed)
    assert (last.problem.outcome, last.problem.message, last.problem.dialect) == (outcome, message, "gemini")


def test_a_bad_chunk_is_skipped_when_the_answer_still_ends():
    wire = sse([chunk({"text": "a"})]) + b"data: {oops\r\n\r\n" + sse([chunk({"text": "b"}, finishReason="STOP")])

    assert fold(parsed(wire)).text == "ab"


def test_events_whose_blank_lines_got_lost_are_told_apart():
    squeezed = sse(TEXT).replace(b"\r\n\r\n", b"\n")

    assert plain(fold(parsed(squeezed))) == plain(fold(parsed(sse(TEXT))))


@pytest.mark.parametrize(
    "whole",
    [
        {"candidates": [{"content": {"parts": [{"text": "Hi."}]}, "index": 0}]},
        {"candidates": [{"safetyRatings": [{"category": "X"}]}]},
        {"candidates": [], "promptFeedback": {"blockReasonMessage": "m"}},
    ],
)
def test_a_whole_without_a_reason_is_no_cut_stream(whole: dict[str, object]):
    events = parse_response(json.dumps(whole).encode())

    again = parsed(StreamRenderer(REPLY_TO).render(events))

    assert isinstance(again[-1], Finished)
    assert (again[-1].reason, fold(again).text) == ("other", fold(events).text)


def test_a_call_that_is_cut_is_told_as_far_as_it_came():
    pieces = [{"jsonPath": "$.a", "stringValue": "Par", "willContinue": True}]
    wire = sse([chunk({"functionCall": {"name": "f", "partialArgs": pieces, "willContinue": True}})])

    *_, delta, ended, failed = parsed(wire)

    assert (delta, ended) == (PartDelta(0, '{"a":"Par"}'), PartEnded(index=0))
    assert isinstance(failed, Failed)


def test_unknown_members_are_kept():
    events = parsed(sse([{**chunk({"text": "a", "partMetadata": {"x": 1}}, finishReason="NEW"), "more": {"y": 2}}]))

    answer = fold(events)
    assert answer.reason == "other"
    assert answer.parts[0].extras == {"partMetadata": Raw(b'{"x": 1}')}
    assert [each.name for each in answer.opaques] == ["more"]
    assert plain(fold(parsed(StreamRenderer(REPLY_TO).render(events)))) == plain(answer)


@pytest.mark.parametrize("begin", [b'[{"text": "', b'data: {"text": "'])
def test_a_chunk_has_a_limit(begin: bytes):
    parser = StreamParser()

    with pytest.raises(Malformed, match="over the limit of 33554432 bytes"):
        parser.feed(begin + b"x" * 33_554_432)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_malformed(noise: bytes, is_event: bool):
    try:
        events = parsed(b"data: " + noise + b"\n\n" if is_event else noise)
    except Malformed:
        return
    assert isinstance(events[-1], Failed)


NAMES = """
candidates content parts text thought thoughtSignature functionCall name args partialArgs willContinue
jsonPath stringValue inlineData data mimeType index finishReason promptFeedback blockReason usageMetadata
promptTokenCount groundingMetadata promptTokensDetails modality tokenCount webSearchQueries responseId
createTime
"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES.split()),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, min_size=1, max_size=3), st.booleans())
def test_any_json_is_read_and_written(values: list[object], is_candidate: bool):
    def wrapped(value: object) -> dict[str, object]:
        return {"candidates": [{"content": {"parts": [value]}}]} if is_candidate else {"candidates": value}

    wire = sse([wrapped(value) for value in values]) + sse([chunk(finishReason="STOP")])

    events = parsed(wire)

    assert isinstance(events[-1], Finished)
    fold(events)
    json.loads(StreamRenderer(ReplyTo(id="x", model="y", framing="array")).render(events))


FOREIGN: list[Event] = [
    Started(id="", model="", dialect="elsewhere", extras={"object": Raw(b'"x"')}),
    PartStarted(index=0, kind="reasoning"),
    PartDelta(0, "hm"),
    PartEnded(index=0, signature=Signature("anthropic", "s")),
    PartStarted(index=1, kind="text", form="=norole"),
    PartDelta(1, 'a "quoted" word'),
    PartStarted(index=2, kind="tool_call", id="1", name="f"),
    PartDelta(2, '{"a"'),
    PartDelta(2, ": 1}"),
    Opaque(name="citation", raw=Raw(b"{}"), dialect="elsewhere", index=1),
    PartEnded(index=1),
    PartEnded(index=2),
    PartStarted(index=3, kind="tool_call", id="2", name="g"),
    PartEnded(index=3),
    Finished(
        reason="stop_sequence",
        stop_sequence="END",
        usage=Usage(input_tokens=9, cached_tokens=4, output_tokens=5, reasoning_tokens=2, input_audio_tokens=3),
    ),
]


def test_events_from_elsewhere_become_a_stream_of_google_s():
    renderer = StreamRenderer(REPLY_TO)
    head = {"modelVersion": "asked", "responseId": "call-1"}

    wire = b"".join(renderer.render([event]) for event in FOREIGN)

    def said(part: dict[str, object]) -> dict[str, object]:
        return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}], **head}

    assert [json.loads(block.removeprefix(b"data: ")) for block in wire.split(b"\r\n\r\n")[:-1]] == [
        said({"text": "hm", "thought": True}),
        said({"text": "", "thought": True, "thoughtSignature": "fmhnLmFudGhyb3BpYy5z"}),
        said({"text": 'a "quoted" word'}),
        said({"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}}),
        said({"functionCall": {"id": "2", "name": "g", "args": {}}}),
        {
            "candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 9,
                "cachedContentTokenCount": 4,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 2,
                "totalTokenCount": 14,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 6},
                    {"modality": "AUDIO", "tokenCount": 3},
                ],
            },
            **head,
        },
    ]
    assert renderer.dropped == {"citation", "stop_sequence"}


def test_text_goes_out_at_once():
    renderer = StreamRenderer(REPLY_TO)
    renderer.render([Started(dialect="elsewhere"), PartStarted(index=0, kind="text")])

    assert b'"text":"now"' in renderer.render([PartDelta(0, "now")])


def test_a_failure_ends_a_stream_with_its_error_for_every_reader():
    problem = Problem(kind="overloaded", message="busy", outcome=Outcome.OVERLOAD)
    error = {"code": 503, "message": "busy", "status": "UNAVAILABLE"}
    renderer = StreamRenderer(REPLY_TO)

    wire = renderer.render([*FOREIGN[:4], Failed(problem)])

    event, bare = wire.split(b"\r\n\r\n")[-2:]
    assert json.loads(event.removeprefix(b"data: ")) == {"error": error}
    assert json.loads(bare) == {"error": error}
    *_, last = parsed(wire)
    assert isinstance(last, Failed)
    assert last.problem.outcome is Outcome.OVERLOAD


def test_google_s_own_error_is_passed_on_with_its_details():
    error = {"message": "busy", "status": "UNAVAILABLE", "details": [{"retryDelay": "2s"}]}
    events = parsed(json.dumps({"error": error}, indent=2).encode())

    wire = StreamRenderer(REPLY_TO).render(events)

    event, _ = wire.split(b"\r\n\r\n")
    assert json.loads(event.removeprefix(b"data: ")) == {"error": {"code": 503, **error}}


def test_a_failure_is_the_last_of_an_array():
    renderer = StreamRenderer(ReplyTo(id="x", model="y", framing="array"))

    wire = renderer.render([*FOREIGN[:4], Failed(Problem(kind="overloaded", message="busy"))])

    assert json.loads(wire)[-1]["error"]["message"] == "busy"
    assert json.loads(
        StreamRenderer(ReplyTo(id="x", model="y", framing="array")).render(
            [Failed(Problem(kind="internal", message="m"))]
        )
    ) == [{"error": {"code": 500, "message": "m", "status": "INTERNAL"}}]
