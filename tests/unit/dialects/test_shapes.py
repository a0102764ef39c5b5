"""Every dialect over bent JSON: no exception but the declared, no event out of order, nothing lost to a novelty."""

import json
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.unit.dialects.shapes import (
    NAMES,
    REPLY_TO,
    REQUEST,
    TARGET,
    TOLD,
    bent,
    faults,
    read,
    richer,
    stream,
    told,
    whole,
)

from headgate.core.events import Event, Failed, Finished
from headgate.core.fold import fold
from headgate.core.problems import ClientError
from headgate.dialects.base import Dialect, Envelope, Malformed
from headgate.dialects.registry import DIALECTS

MANY = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
ARGUMENTS = ("input", "arguments", "args", "parameters", "input_schema", "inputSchema", "schema", "functionCall")
"""What belongs to the caller's tools: a member more is another call."""


def rendered_everywhere(events: list[Event]) -> None:
    for dialect in DIALECTS.values():
        body = dialect.render_response(events, REPLY_TO, set())
        if isinstance(events[-1], Finished):
            json.loads(body)
        dialect.stream_renderer(REPLY_TO).render(events)


def bare(event: Event) -> Event:
    """An end without what only its dialect can say."""
    if not isinstance(event, Finished):
        return event
    return structs.replace(event, extras={}, usage=structs.replace(event.usage, extras={}) if event.usage else None)


@pytest.mark.parametrize("name", DIALECTS)
def test_each_dialect_says_all_of_it(name: str):
    dialect = DIALECTS[name]
    wire = b"".join(stream(dialect).wire(stream(dialect).documents))

    assert told(fold(dialect.parse_response(json.dumps(whole(dialect)).encode()))) == TOLD
    assert told(fold(read(dialect, wire))) == TOLD


@MANY
@given(NAMES, st.data())
def test_a_bent_answer_is_read_or_malformed(name: str, data: st.DataObject):
    dialect = DIALECTS[name]
    body = json.dumps(data.draw(bent(whole(dialect)))).encode()
    try:
        events = dialect.parse_response(body)
    except Malformed:
        return
    assert list(faults(events)) == []
    rendered_everywhere(events)
    if dialect.tap is not None:
        assert bare(dialect.tap(body)) == bare(events[-1])


@MANY
@given(NAMES, st.data())
def test_a_bent_stream_ends_once_and_in_order(name: str, data: st.DataObject):
    dialect = DIALECTS[name]
    answer = stream(dialect)
    at = data.draw(st.sampled_from([at for at, document in enumerate(answer.documents) if document is not None]))
    documents = [*answer.documents]
    documents[at] = data.draw(bent(documents[at]))
    wires = answer.wire(documents)
    other = data.draw(st.integers(0, len(wires) - 1))
    match data.draw(st.sampled_from(["", "", "repeated", "dropped", "swapped", "cut"])):
        case "repeated":
            wires.insert(other, wires[at])
        case "dropped":
            del wires[other]
        case "swapped":
            wires[at], wires[other] = wires[other], wires[at]
        case "cut":
            del wires[at + 1 :]
        case _:
            pass
    try:
        events = read(dialect, b"".join(wires))
    except Malformed:
        return
    assert list(faults(events)) == []
    rendered_everywhere(events)


@MANY
@given(NAMES, st.data())
def test_members_that_nobody_has_heard_of_lose_nothing(name: str, data: st.DataObject):
    dialect = DIALECTS[name]
    body = json.dumps(data.draw(richer(whole(dialect), closed=ARGUMENTS))).encode()
    answer = stream(dialect)
    at = data.draw(st.sampled_from([at for at, document in enumerate(answer.documents) if document is not None]))
    documents = [*answer.documents]
    documents[at] = data.draw(richer(documents[at], closed=ARGUMENTS))

    assert told(fold(dialect.parse_response(body))) == TOLD
    assert told(fold(read(dialect, b"".join(answer.wire(documents))))) == TOLD
    if dialect.tap is not None:
        finished = dialect.tap(body)
        assert isinstance(finished, Finished)
        assert finished.usage is not None
        assert (finished.usage.input_tokens, finished.usage.output_tokens) == TOLD[2]


@MANY
@given(NAMES, st.data())
def test_a_bent_request_is_refused_or_reaches_the_others_well_formed(name: str, data: st.DataObject):
    dialect = DIALECTS[name]
    request = json.loads(dialect.render_request(REQUEST, TARGET, set()))
    body = json.dumps(data.draw(bent(request))).encode()
    envelope = Envelope(model=TARGET.model, is_stream=False)
    complaints: list[str] = []
    for verb in (dialect.peek, dialect.parse_request):
        try:
            verb(body, envelope)
            complaints.append("")
        except ClientError as error:
            complaints.append(str(error))
    assert complaints[0] == complaints[1] or complaints[0].startswith("max_tokens is missing")  # not of a count
    if complaints[1]:
        return
    json.loads(dialect.patch(body, TARGET))
    parsed = dialect.parse_request(body, envelope)
    if not complaints[0]:
        assert dialect.peek(body, envelope).max_tokens == parsed.knobs.max_tokens
    for other in DIALECTS.values():
        try:
            wire = other.render_request(parsed, TARGET, set())
        except ClientError:
            continue
        other.parse_request(wire, envelope)


ERRORS: list[Any] = [
    {
        "error": {
            "message": "no",
            "type": "rate_limit_error",
            "code": 429,
            "status": "X",
            "param": None,
            "details": [{}],
        }
    },
    {"type": "error", "error": {"type": "overloaded_error", "message": "no"}, "request_id": "r"},
    [{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": [{"reason": "x"}]}}],
    {"message": "no", "__type": "ThrottlingException", "detail": [{"msg": "no", "loc": ["body"]}]},
]


@MANY
@given(NAMES, st.sampled_from(ERRORS), st.sampled_from([400, 429, 500]), st.data())
def test_a_bent_error_is_an_error(name: str, error: Any, status: int, data: st.DataObject):
    body = json.dumps(data.draw(bent(error))).encode()
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body)))] + b"\xff"

    problem = DIALECTS[name].parse_error(status, {}, body)

    assert problem.message
    for dialect in DIALECTS.values():
        told_status, told_body = dialect.render_error(problem)
        assert (told_status >= 400, bool(told_body) or not body) == (True, True)


def dialects_with(kind: str) -> list[Dialect]:
    return [dialect for dialect in DIALECTS.values() if kind in dialect.stream_type]


@pytest.mark.parametrize("dialect", dialects_with("event-stream;"), ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    ("mark", "line_end", "comment", "last"),
    [
        (b"\xef\xbb\xbf", b"\n", b"", b""),
        (b"", b"\r\n", b": ping\r\n\r\n", b""),
        (b"", b"\r", b": ping\r\r", b""),
        (b"", b"\n", b":\n\n\n\n", b"\n"),
    ],
)
def test_a_stream_may_be_spelt_in_any_way_that_the_standard_allows(
    dialect: Dialect, mark: bytes, line_end: bytes, comment: bytes, last: bytes
):
    blocks = b"".join(stream(dialect).wire(stream(dialect).documents)).replace(b"\r", b"").strip().split(b"\n\n")
    loose = [block.replace(b"data: ", b"data:").replace(b"\n", line_end) for block in blocks]
    wire = mark + (2 * line_end).join(comment + block for block in loose) + last

    assert told(fold(read(dialect, wire))) == TOLD
    parser = dialect.stream_parser()
    events = [event for at in range(len(wire)) for event in parser.feed(wire[at : at + 1])] + parser.close()
    assert told(fold(events)) == TOLD


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("page", [b"<html><title>502 Bad Gateway</title></html>", b"", b"null", b"\x1f\x8b\x08\x00"])
def test_what_is_no_answer_is_not_taken_for_one(name: str, page: bytes):
    dialect = DIALECTS[name]

    for reading in (dialect.parse_response, partial(read, dialect)):
        with suppress(Malformed):
            assert isinstance(reading(page)[-1], Failed)


@pytest.mark.parametrize("name", DIALECTS)
def test_an_error_in_broken_characters_is_still_told(name: str):
    problem = DIALECTS[name].parse_error(400, {}, b'{"error":{"message":"a\xffb"},"message":"a\xffb"}')

    assert "a\ufffdb" in problem.message


@pytest.mark.parametrize("name", ["openai_chat", "cohere", "ollama"])
@pytest.mark.parametrize("limit", [b"1e308", b"1e30", b"9007199254740992.0"])
def test_a_limit_of_more_digits_than_are_read_is_refused(name: str, limit: bytes):
    member = b'"options":{"num_predict":%b}' if name == "ollama" else b'"max_tokens":%b'
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],' + member % limit + b"}"

    with pytest.raises(ClientError, match="must be an integer below 9007199254740992"):
        DIALECTS[name].parse_request(body, Envelope())


def test_arguments_that_were_an_object_stay_text_when_they_have_grown():
    dialect = DIALECTS["openai_chat"]
    call = {"id": "c", "type": "function", "index": 0, "function": {"name": "f", "arguments": {}}}
    answer = {"choices": [{"index": 0, "message": {"tool_calls": [call, call]}, "finish_reason": "tool_calls"}]}

    body = json.loads(dialect.render_response(dialect.parse_response(json.dumps(answer).encode()), REPLY_TO, set()))

    assert body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}{}"


def test_a_block_with_more_than_is_known_comes_back_whole_and_is_told_as_lost_in_a_stream():
    dialect = DIALECTS["bedrock_converse"]
    block = {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}, "unheard_of": 1}
    answer = {"output": {"message": {"role": "assistant", "content": [block]}}, "stopReason": "tool_use"}
    events = dialect.parse_response(json.dumps(answer).encode())
    renderer = dialect.stream_renderer(REPLY_TO)
    renderer.render(events)

    assert json.loads(dialect.render_response(events, REPLY_TO, set())) == answer
    assert renderer.dropped == {"unheard_of"}


def item(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        json.dumps({"type": kind, "output_index": 0, **members}).encode(),
    )


def test_items_that_are_all_counted_as_the_first_are_told_apart():
    first = {"type": "function_call", "id": "i1", "call_id": "c1", "name": "f", "arguments": "{}"}
    second = {**first, "id": "i2", "call_id": "c2", "name": "g"}
    added = "response.output_item.added", "response.output_item.done"
    wire = b"".join(item(kind, item=each) for each in (first, second) for kind in added)
    end = item("response.completed", response={"status": "completed", "output": [first, second]})

    events = read(DIALECTS["openai_responses"], wire + end)

    assert list(faults(events)) == []
    assert [(part.id, part.text) for part in fold(events).parts] == [("c1", "{}"), ("c2", "{}")]


def test_words_that_come_before_their_item_are_its_words():
    thought = {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "hm"}]}
    wire = item("response.reasoning_summary_text.delta", summary_index=0, delta="hm")
    wire += item("response.output_item.added", item={**thought, "summary": []})
    wire += item("response.output_item.done", item=thought)
    end = item("response.completed", response={"status": "completed", "output": [thought]})

    events = read(DIALECTS["openai_responses"], wire + end)

    assert list(faults(events)) == []
    assert [(part.kind, part.text) for part in fold(events).parts] == [("reasoning", "hm")]
