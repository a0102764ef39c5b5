"""Streams of the Responses API, read: cut anywhere, odd, broken off, failed."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.openai_responses import StreamParser, parse_response

Wire = Callable[..., bytes]
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def events_of(wire: bytes, cuts: list[int] | None = None) -> list[Event]:
    parser = StreamParser()
    edges = [0, *sorted(cuts or []), len(wire)]
    events = [event for start, end in itertools.pairwise(edges) for event in parser.feed(wire[start:end])]
    return events + parser.close()


def brief(events: list[Event]) -> list[object]:
    """Events without their leftovers."""
    found: list[object] = []
    for event in events:
        match event:
            case Started():
                found.append((event.id, event.model, event.created, event.dialect))
            case PartStarted():
                found.append((event.index, event.kind, event.id, event.name, event.is_custom))
            case PartDelta(index, text):
                found.append((index, text))
            case PartEnded():
                found.append((event.index, event.signature))
            case Opaque():
                found.append((event.name, event.index))
            case Finished():
                found.append((event.reason, event.wire_reason))
            case Failed(problem):
                found.append((problem.outcome, problem.message))
    return found


def test_an_item_of_every_kind(stream: bytes):
    assert brief(events_of(stream)) == [
        ("resp_1", "gpt-6", 1700000000, "openai_responses"),
        (0, "reasoning", "", "", False),
        (0, "Look "),
        (0, "outside."),
        (0, "\n\nThen say."),
        (0, Signature("openai_responses", "c2VhbGVk")),
        ("web_search_call", None),
        (1, "text", "", "", False),
        (1, "Blau "),
        (1, "🌤."),
        (2, "refusal", "", "", False),
        (2, "No more."),
        ("annotations", 1),
        (1, None),
        (2, None),
        (3, "tool_call", "call_1", "look", False),
        (3, '{"at":'),
        (3, '"sky"}'),
        (3, None),
        (4, "tool_call", "call_2", "run", True),
        (4, "ls -l"),
        (4, None),
        ("tool_calls", "completed"),
    ]


def test_usage_includes_the_cache_and_the_reasoning(stream: bytes):
    parser = StreamParser()

    finished = parser.feed(stream)[-1]

    assert isinstance(finished, Finished)
    assert finished.usage is parser.usage
    assert finished.usage == Usage(
        input_tokens=30,
        cached_tokens=12,
        cache_write_tokens=8,
        cache_write_1h_tokens=5,
        output_tokens=20,
        reasoning_tokens=6,
        web_searches=1,
        extras=finished.usage.extras,
    )


def test_a_stream_folds_to_its_whole(stream: bytes, whole: dict[str, Any]):
    assert fold(events_of(stream)) == fold(parse_response(json.dumps(whole, separators=(",", ":")).encode()))


def test_a_cut_anywhere_changes_nothing(stream: bytes):
    expected = events_of(stream)
    for cut in range(1, len(stream)):
        assert events_of(stream, [cut]) == expected


@ONCE
@given(data=st.data())
def test_many_cuts_change_nothing(stream: bytes, data: st.DataObject):
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=40))

    assert events_of(stream, cuts) == events_of(stream)


@ONCE
@given(texts=st.lists(st.text(), max_size=8))
def test_any_words_arrive_as_they_were(wire: Wire, texts: list[str]):
    deltas = [("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": text}) for text in texts]

    events = events_of(wire(*deltas))

    assert [event.text for event in events if isinstance(event, PartDelta)] == texts


def test_deltas_do_not_wait_for_what_follows(wire: Wire):
    parser = StreamParser()
    parser.feed(wire(("response.created", {"response": {"id": "r", "model": "m"}})))

    events = parser.feed(wire(("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "a"})))

    assert [type(event) for event in events] == [PartStarted, PartDelta]


def test_a_cut_stream_has_failed(stream: bytes):
    end = stream.rindex(b"event: response.completed")

    assert brief(events_of(stream[:end]))[-1] == (Outcome.CUT, "the stream ended before the answer was complete")


def test_a_missing_blank_line_at_the_end_is_forgiven(stream: bytes):
    assert events_of(stream.rstrip()) == events_of(stream)


def test_what_was_never_streamed_is_taken_from_the_end(wire: Wire, whole: dict[str, Any]):
    events = events_of(wire(("response.completed", {"response": whole})))

    assert fold(events).text == "Blau 🌤."
    assert [part.name for part in fold(events).parts if part.kind == "tool_call"] == ["look", "run"]


def test_an_empty_output_at_the_end_takes_nothing_back(wire: Wire):
    """As the ChatGPT backend ends its streams."""
    events = events_of(
        wire(
            ("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "hi"}),
            ("response.completed", {"response": {"id": "r", "model": "m", "status": "completed", "output": []}}),
        )
    )

    assert brief(events)[1:] == [(0, "text", "", "", False), (0, "hi"), (0, None), ("stop", "completed")]


@pytest.mark.parametrize(
    ("name", "response", "end"),
    [
        ("completed", {"status": "completed"}, ("stop", "completed")),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, ("length", "max_output_tokens")),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, ("content_filter", "content_filter")),
        ("incomplete", {"status": "incomplete", "incomplete_details": {"reason": "steered"}}, ("other", "steered")),
        ("incomplete", {"status": "incomplete", "incomplete_details": None}, ("other", "incomplete")),
        ("completed", {}, ("stop", "completed")),
        ("cancelled", {"status": "cancelled"}, ("other", "cancelled")),
    ],
)
def test_ends(wire: Wire, name: str, response: dict[str, Any], end: tuple[str, str]):
    assert brief(events_of(wire((f"response.{name}", {"response": {"output": [], **response}}))))[-1] == end


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({"code": "rate_limit_exceeded", "message": "Slower."}, Outcome.RATE),
        ({"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slower."}}, Outcome.RATE),
        ({"error": {"type": "server_error", "code": None, "message": "Slower."}}, Outcome.SERVER),
        ({"error": {"code": "context_length_exceeded", "message": "Slower."}}, Outcome.CONTEXT),
        ({"message": "Slower."}, Outcome.SERVER),
    ],
)
def test_an_error_event_is_the_end(wire: Wire, members: dict[str, Any], outcome: Outcome):
    failed = {"status": "failed", "error": {"code": "server_error", "message": "again"}, "usage": {"input_tokens": 4}}
    parser = StreamParser()

    events = parser.feed(wire(("error", members), ("response.failed", {"response": failed}))) + parser.close()

    assert brief(events) == [(outcome, "Slower.")]
    assert parser.usage is not None
    assert parser.usage.input_tokens == 4


def test_a_failed_response_is_a_failure(wire: Wire):
    error = {"code": "rate_limit_exceeded", "message": "Please try again in 1.5s."}

    (failed,) = events_of(wire(("response.failed", {"response": {"status": "failed", "error": error, "output": []}})))

    assert isinstance(failed, Failed)
    assert (failed.problem.kind, failed.problem.retry_after_s) == ("rate_limit", 1.5)


def test_an_unnamed_error_of_a_gateway_is_a_failure():
    assert brief(events_of(b'data: {"error": {"message": "upstream gone", "code": 502}}\n\n')) == [
        (Outcome.SERVER, "upstream gone")
    ]


def test_an_unknown_event_is_opaque(wire: Wire):
    events = events_of(wire(("response.smell.delta", {"output_index": 0, "delta": {"sweet": 1}})))

    (opaque,) = (event for event in events if isinstance(event, Opaque))
    assert (opaque.name, opaque.slot, json.loads(bytes(opaque.raw))["delta"]) == (
        "response.smell.delta",
        "event",
        {"sweet": 1},
    )


def test_unknown_content_is_opaque_in_its_place():
    content = [{"type": "output_text", "text": "a"}, {"type": "output_smell", "smell": "sweet"}]
    body = {"id": "r", "output": [{"type": "message", "id": "m", "role": "assistant", "content": content}]}

    events = parse_response(json.dumps(body).encode())

    assert [(event.name, event.slot) for event in events if isinstance(event, Opaque)] == [("output_smell", "0:1")]


def test_odd_types_are_read_as_far_as_they_go(wire: Wire):
    events = events_of(
        wire(
            ("response.output_text.delta", {"output_index": 0.0, "content_index": None, "delta": "a", "item": []}),
            ("response.output_text.delta", {"output_index": 0.0, "content_index": 0, "delta": None}),
            ("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "b"}),
            (
                "response.completed",
                {"response": {"output": None, "usage": {"input_tokens": 3.0, "output_tokens": None}, "status": 7}},
            ),
        )
    )

    assert fold(events).text == "ab"
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.usage is not None
    assert (finished.usage.input_tokens, finished.usage.output_tokens) == (3, 0)


def test_half_a_character_does_not_end_the_stream(wire: Wire):
    half, rest = (
        ("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": text})
        for text in ("\ud83d", "!")
    )
    wire = wire(half, rest, ("response.completed", {"response": {"output": []}}))

    answer = fold(events_of(wire))

    assert (answer.text, answer.reason) == ("\ufffd!", "stop")


def test_a_broken_event_is_passed_over_when_the_whole_says_the_same(wire: Wire):
    delta = wire(("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "hi"}))
    item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "hi"}]}
    end = wire(("response.completed", {"response": {"status": "completed", "output": [item]}}))

    assert brief(events_of(delta + b"data: {oops\n\n" + end))[-1] == ("stop", "completed")
    assert brief(events_of(b"data: {oops\n\n" + delta))[-1][0] == Outcome.PROTOCOL  # type: ignore[index]


def test_a_broken_event_that_tore_the_words_is_a_failure(wire: Wire):
    delta = wire(("response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": "there"}))
    item = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "hi there"}]}
    end = wire(("response.completed", {"response": {"status": "completed", "output": [item]}}))

    assert brief(events_of(b"data: {oops\n\n" + delta + end))[-1][0] == Outcome.PROTOCOL  # type: ignore[index]


def test_a_call_whose_name_comes_late_is_told_when_it_is_known(wire: Wire):
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "look", "arguments": "{}"}
    events = events_of(
        wire(
            ("response.output_item.added", {"output_index": 0, "item": {"type": "function_call", "id": "fc"}}),
            ("response.function_call_arguments.delta", {"output_index": 0, "item_id": "fc", "delta": "{}"}),
            ("response.output_item.done", {"output_index": 0, "item": call}),
        )
    )

    assert brief(events)[1:4] == [(0, "tool_call", "c", "look", False), (0, "{}"), (0, None)]


def test_a_background_answer_that_is_not_ready():
    body = b'{"id":"resp_1","object":"response","status":"queued","output":[],"usage":null}'

    *_, finished = parse_response(body)

    assert finished == Finished(reason="other", wire_reason="queued", id="resp_1")


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[]", b"{}", b'{"choices":[]}', b'"x"', b"{"])
def test_what_is_no_answer_is_malformed(body: bytes):
    with pytest.raises(Malformed):
        parse_response(body)


def test_an_error_with_a_good_status_is_a_failure():
    (failed,) = parse_response(b'{"error": {"message": "no", "code": "server_error"}}')

    assert isinstance(failed, Failed)
    assert failed.problem.outcome is Outcome.SERVER


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"data: ", b"\n\n", b'{"type":"response.completed"', b"}"])))
def test_any_bytes_end_in_one_failure_or_finish(chunks: list[bytes]):
    parser = StreamParser()
    events: list[Event] = []
    for chunk in chunks:
        events += parser.feed(chunk)
    events += parser.close()

    assert [type(event) in (Failed, Finished) for event in events] == [False] * (len(events) - 1) + [True]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "id"]), inner),
    max_leaves=6,
)
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "custom_tool_call", "reasoning", "x"])},
    optional={name: JSON for name in ("id", "content", "summary", "name", "call_id", "arguments", "input")},
)


@given(st.lists(ITEMS | JSON, max_size=4), JSON, JSON)
def test_any_output_is_read(output: list[Any], usage: object, status: object):
    body = json.dumps({"id": "r", "output": output, "usage": usage, "status": status}).encode()

    events = parse_response(body)

    assert isinstance(events[-1], Finished | Failed)
    fold(events)


def test_items_without_a_place_are_told_apart_by_their_ids(wire: Wire):
    """As services send them that know the reference only in part."""
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "look", "arguments": "{}"}
    events = events_of(
        wire(
            ("response.output_text.delta", {"item_id": "msg", "delta": "a"}),
            ("response.output_item.added", {"item_id": "fc", "item": {**call, "arguments": ""}}),
            ("response.function_call_arguments.delta", {"item_id": "fc", "delta": "{}"}),
            ("response.output_text.delta", {"item_id": "msg", "delta": "b"}),
            ("response.completed", {"response": {"output": [{"type": "message", "id": "msg"}, call]}}),
        )
    )

    answer = fold(events)
    assert (answer.text, [(part.name, part.text) for part in answer.parts if part.kind == "tool_call"]) == (
        "ab",
        [("look", "{}")],
    )


def test_an_item_that_is_told_twice_counts_once(stream: bytes, wire: Wire, whole: dict[str, Any]):
    """Some services give an item another id at the end."""
    for item in whole["output"]:
        item["id"] += "_again"
    end = stream.rindex(b"event: response.completed")

    again = events_of(stream[:end] + wire(("response.completed", {"response": whole})))

    assert brief(again) == brief(events_of(stream))


def test_a_stream_without_names_is_read_by_its_types(stream: bytes):
    nameless = b"\n".join(line for line in stream.split(b"\n") if not line.startswith(b"event:"))

    assert events_of(nameless) == events_of(stream)


def test_contents_that_are_counted_from_one_are_the_same_contents(wire: Wire):
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    texts = [{"type": "output_text", "text": text, "annotations": []} for text in ("Hello", "you")]
    deltas = [
        ("response.output_text.delta", {"output_index": 0, "content_index": place, "delta": part["text"]})
        for place, part in enumerate(texts, start=1)
    ]
    whole = {"id": "resp_1", "model": "m", "status": "completed", "output": [{**message, "content": texts}]}
    stream = wire(
        ("response.output_item.added", {"output_index": 0, "item": {**message, "content": []}}),
        *deltas,
        ("response.output_item.done", {"output_index": 0, "item": {**message, "content": texts}}),
        ("response.completed", {"response": whole}),
    )
    assert [part.text for part in fold(events_of(stream)).parts] == ["Hello", "you"]
