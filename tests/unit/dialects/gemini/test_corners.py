"""The rare shapes of Gemini: what is odd but allowed, and what broken bytes must not break."""

import json

import pytest
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Outcome
from headgate.core.request import Knobs, Message, OutputFormat, Request, Text
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, ReplyTo, Target
from headgate.dialects.gemini import (
    StreamParser,
    StreamRenderer,
    parse_request,
    parse_response,
    render_request,
    render_response,
)
from headgate.dialects.gemini.framing import ChunkSplitter, ObjectSplitter
from headgate.dialects.gemini.partial import PartialArguments

TARGET = Target(model="gemini-2.5-flash")
REPLY_TO = ReplyTo(id="call-1", model="asked")
HI = {"role": "user", "parts": [{"text": "hi"}]}


def chunk(*parts: object, **rest: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, **rest, "index": 0}]}


def parsed(*chunks: bytes) -> list[Event]:
    parser = StreamParser()
    return parser.feed(b"".join(b"data: %b\r\n\r\n" % data for data in chunks)) + parser.close()


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


# requests


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [HI, {"role": "model", "parts": [{"functionCall": {"args": {"a": 1}}}]}]},
        {
            "contents": [HI],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}},
        },
        {
            "contents": [HI],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "toolConfig": {"functionCallingConfig": {}},
        },
    ],
    ids=["a call without a name", "names without a mode", "no mode"],
)
def test_a_rare_request_comes_back_as_it_was(body: dict[str, object]):
    dropped: set[str] = set()

    out = render_request(parse_request(json.dumps(body).encode(), Envelope(model="m")), TARGET, dropped)

    assert json.loads(out) == body
    assert dropped == set()


def test_json_without_a_schema():
    message = Message(role="user", parts=(Text(text="hi"),))
    knobs = Knobs(output_format=OutputFormat())
    dropped: set[str] = set()

    out = render_request(Request(dialect="elsewhere", model="m", messages=(message,), knobs=knobs), TARGET, dropped)

    assert json.loads(out) == {"contents": [HI], "generationConfig": {"responseMimeType": "application/json"}}
    assert dropped == set()


# whole answers


def test_a_call_without_a_name_comes_back_as_it_was():
    body = chunk({"functionCall": {"args": {"a": 1}}}, finishReason="STOP")

    out = render_response(parse_response(json.dumps(body).encode()), REPLY_TO, set())

    assert json.loads(out) == body


@pytest.mark.parametrize(("queries", "searches"), [("sun", 0), (None, 0), (["sun", "rain"], 2)])
def test_only_a_list_of_queries_counts_as_searches(queries: object, searches: int):
    body = chunk({"text": "a"}, finishReason="STOP", groundingMetadata={"webSearchQueries": queries})
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 4}

    finished = parse_response(compact({**body, "usageMetadata": usage}))[-1]

    assert isinstance(finished, Finished)
    extras = {name: Raw(str(count).encode()) for name, count in usage.items()}
    assert finished.usage == Usage(input_tokens=3, output_tokens=4, web_searches=searches, extras=extras)


@pytest.mark.parametrize("number", [b"1e999", b'{"a":1e999}', b'"3"', b"null"])
def test_a_count_that_is_none_counts_nothing(number: bytes):
    usage = b'{"promptTokenCount":%b,"candidatesTokenCount":4,"promptTokensDetails":[%b]}' % (number, number)

    finished = parse_response(b'{"candidates":[],"usageMetadata":%b}' % usage)[-1]

    assert isinstance(finished, Finished)
    details = Raw(b"[%b]" % number)
    extras = {"promptTokenCount": Raw(number), "candidatesTokenCount": Raw(b"4"), "promptTokensDetails": details}
    assert finished.usage == Usage(input_tokens=0, output_tokens=4, extras=extras)


def test_an_answer_keeps_numbers_beyond_all_bounds():
    body = b'{"candidates":[{"content":{"role":1e999,"parts":[{"text":"a"}]},"finishReason":"STOP","index":0}]}'

    assert render_response(parse_response(body), REPLY_TO, set()) == body


def test_a_picture_without_data_is_told_without_any():
    body = chunk({"inlineData": {"mimeType": "image/png"}}, finishReason="STOP")

    assert parse_response(compact(body))[:3] == [
        Started(dialect="gemini"),
        PartStarted(index=0, kind="image", media_type="image/png"),
        PartEnded(index=0),
    ]


# streams


def test_the_last_telling_counts_stand():
    """Vertex AI's chunks without counts tell only the kind of traffic."""
    first = {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}}
    last = {**chunk(finishReason="STOP"), "usageMetadata": {"trafficType": "ON_DEMAND"}}

    finished = parsed(compact(first), compact(last))[-1]

    assert isinstance(finished, Finished)
    extras = {"promptTokenCount": Raw(b"3"), "candidatesTokenCount": Raw(b"4")}
    assert finished.usage == Usage(input_tokens=3, output_tokens=4, extras=extras)


def test_a_chunk_that_is_not_utf_8_begins_no_part():
    """Its first part would never be told, yet end."""
    broken = compact(chunk({"text": "a", "thoughtSignature": "s"}, {"text": "XX"})).replace(b"XX", b"\xff")

    events = parsed(broken, compact(chunk({"text": "b"}, finishReason="STOP")))

    assert events[:-1] == [
        Started(dialect="gemini"),
        PartStarted(index=0, kind="text"),
        PartDelta(0, "b"),
        PartEnded(index=0),
    ]
    assert isinstance(events[-1], Finished)
    assert StreamRenderer(REPLY_TO).render(events).count(b'"text":"b"') == 1


@pytest.mark.parametrize("reason", [b"1e999", b"[]", b"{}"])
def test_a_reason_that_is_none_ends_nothing(reason: bytes):
    text = b'{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":%b,"index":0}]}'

    *events, failed = parsed(text % reason)

    parts = [event for event in events if isinstance(event, PartStarted | PartDelta | PartEnded)]
    assert parts == [PartStarted(index=0, kind="text"), PartDelta(0, "a"), PartEnded(index=0)]
    assert isinstance(failed, Failed)
    assert failed.problem.outcome is Outcome.CUT


# framing


def test_a_brace_too_many_closes_nothing():
    splitter = ObjectSplitter()

    assert splitter.feed(b'[{"a":1}},{"b":2}') == [b'{"a":1}', b'{"b":2}']


def test_events_with_more_than_data_take_the_slower_way():
    splitter = ChunkSplitter()

    assert splitter.feed(b'data: {"a":1}\r\n\r\n') == [b'{"a":1}']
    assert splitter.feed(b'data: {"b":2}\r\nid: 7\r\n\r\n') == [b'{"b":2}']
    assert splitter.feed(b'data: {"c":3}\r\n\r\n') == [b'{"c":3}']


# arguments field by field


def test_arguments_go_on_where_they_began():
    arguments = PartialArguments()

    arguments.add([{"jsonPath": "$.a.b", "stringValue": "x"}, {"jsonPath": "$.a.c", "numberValue": 1}])
    arguments.add([{"jsonPath": "$.a.b", "stringValue": "y"}])

    assert arguments.text() == '{"a":{"b":"xy","c":1}}'


@pytest.mark.parametrize("path", ["$.a.name", "$.a[10000]"])
def test_a_place_that_a_list_cannot_have_is_skipped(path: str):
    arguments = PartialArguments()

    arguments.add([{"jsonPath": "$.a[1]", "numberValue": 1}, {"jsonPath": path, "numberValue": 2}])

    assert arguments.text() == '{"a":[null,1]}'
