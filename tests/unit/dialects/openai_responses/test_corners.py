"""Rare shapes of the Responses API, each of which a service or a client has."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.events import Event, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import FileId, Foreign, Image, Message, Part, Request, Signature, Text, ToolCall, ToolResult
from headgate.dialects.base import Envelope, Head, ReplyTo, Target
from headgate.dialects.openai_responses import (
    StreamParser,
    parse_error,
    parse_request,
    patch,
    peek,
    render_request,
    render_response,
)
from headgate.dialects.openai_responses.sealing import Mark, wrap

Wire = Callable[..., bytes]
HOME = "openai_responses"
REPLY_TO = ReplyTo(id="resp_ours", model="fast", now_s=1700000000)
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}


def parsed(**members: Any) -> Request:
    return parse_request(json.dumps({"model": "m", **members}).encode(), Envelope())


def again(model: str = "m", quirks: tuple[str, ...] = (), **members: Any) -> Any:
    return json.loads(render_request(parsed(**members), Target(model=model, quirks=quirks), set()))


def sent(*parts: Part, role: Any = "user", dialect: str = "anthropic") -> tuple[Any, set[str]]:
    request = Request(dialect=dialect, model="route", messages=(Message(role=role, parts=parts),))
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model="m"), dropped))["input"], dropped


def told(wire: bytes) -> list[Event]:
    parser = StreamParser()
    return parser.feed(wire) + parser.close()


def rendered(*events: Event, reply_to: ReplyTo = REPLY_TO) -> Any:
    return json.loads(render_response(events, reply_to, set()))


# requests read


def test_a_message_without_a_speaker_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(input=[{"type": "message", "content": "hi"}])
    assert caught.value.problem.param == "input[0].role"


def test_a_sealed_proof_with_nothing_before_it_signs_nothing() -> None:
    sealed = wrap(Signature("gemini", "c2ln"), Mark(is_behind=True))
    request = parsed(input=[{"type": "reasoning", "summary": [], "encrypted_content": sealed}])
    assert request.messages == ()


def test_a_proof_of_null_is_spelt_null_again() -> None:
    items = [{"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": None}]
    assert again(input=items) == {"model": "m", "input": items}


def test_a_choice_of_no_type_is_any_tool_and_spelt_as_it_was() -> None:
    choice = {"mode": "required"}
    found = parsed(input="hi", tool_choice=choice).tool_choice
    assert found is not None
    assert (found.mode, found.name) == ("any", "")
    assert again(input="hi", tool_choice=choice) == {"model": "m", "input": "hi", "tool_choice": choice}


def test_a_prompt_kept_by_the_service_needs_no_input() -> None:
    body = {"model": "m", "prompt": {"id": "pmpt_1"}, "stream": True, "max_output_tokens": 5}
    assert peek(json.dumps(body).encode(), Envelope()) == Head(
        model="m", is_stream=True, max_tokens=5, is_kept=True, home="prompt"
    )


# requests written


def test_a_target_without_a_model_or_with_a_quirk() -> None:
    wire = {"model": "m", "input": "hi", "max_output_tokens": 5}
    assert again(input="hi", max_output_tokens=5, model="", quirks=("no_max_output_tokens", "store_false")) == {
        "input": "hi",
        "store": False,
    }
    body = json.dumps(wire).encode()
    assert json.loads(patch(body, Target(model=""))) == wire


def test_the_description_of_a_format_is_written_again() -> None:
    wanted = {"format": {"type": "json_schema", "name": "n", "description": "d", "schema": {}, "strict": True}}
    assert again(input="hi", text=wanted) == {"model": "m", "input": "hi", "text": wanted}


def test_a_call_in_anothers_turn_is_said_before_its_words() -> None:
    call = ToolCall(id="c", name="f", arguments="{}")
    assert sent(Text(text="hi"), call) == (
        [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        ],
        set(),
    )


def test_a_result_and_a_leftover_in_the_models_own_turn() -> None:
    result = ToolResult(call_id="c", parts=(Text(text="4"),))
    assert sent(result, Foreign(name="note", raw=Raw(b"{}")), role="assistant") == (
        [{"type": "function_call_output", "call_id": "c", "output": "4"}],
        {"note"},
    )


def test_a_result_cannot_hold_a_call() -> None:
    with pytest.raises(Unrenderable) as caught:
        sent(ToolResult(call_id="c", parts=(ToolCall(id="d", name="f", arguments=""),)))
    assert (str(caught.value), caught.value.problem.param) == (
        "OpenAI's Responses API takes no toolcall here.",
        "input",
    )


def test_a_file_of_the_same_service_is_known_by_its_id() -> None:
    found, dropped = sent(Image(source=FileId("file-1")), dialect="openai_chat")
    assert (found[0]["content"], dropped) == ([{"type": "input_image", "file_id": "file-1"}], set())


# errors


def test_a_wait_may_be_a_member_of_the_error() -> None:
    body = json.dumps({"error": {"message": "Slow.", "resets_in_seconds": 2.5}}).encode()
    assert parse_error(429, {}, body).retry_after_s == 2.5


# streams


def test_a_part_told_twice_or_of_an_unknown_kind_begins_nothing(wire: Wire) -> None:
    at = {"output_index": 0, "content_index": 0}
    events = told(
        wire(
            ("response.output_item.added", {"output_index": 0, "item": {"type": "message", "id": "msg_1"}}),
            ("response.content_part.added", {**at, "part": {"type": "hologram"}}),
            ("response.content_part.added", {**at, "part": {"type": "output_text", "text": ""}}),
            ("response.content_part.added", {**at, "part": {"type": "output_text", "text": ""}}),
            ("response.output_text.delta", {**at, "delta": "hi"}),
            ("response.output_item.done", {"output_index": 0, "item": MESSAGE}),
            ("response.output_item.done", {"output_index": 0, "item": MESSAGE}),
        )
    )
    assert [type(event) for event in events[:-1]] == [Started, PartStarted, PartDelta, PartEnded]


@pytest.mark.parametrize("item_id", ["msg_2", None])
def test_a_whole_at_the_place_of_another_item_is_told_beside_it(wire: Wire, item_id: str | None) -> None:
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    other = {**MESSAGE, "id": item_id}
    events = told(
        wire(
            ("response.output_item.done", {"output_index": 0, "item": call}),
            ("response.completed", {"response": {"status": "completed", "output": [other]}}),
        )
    )
    assert [event.kind for event in events if isinstance(event, PartStarted)] == ["tool_call", "text"]
    assert [event for event in events if isinstance(event, PartDelta)] == [PartDelta(0, "{}"), PartDelta(1, "hi")]


def test_what_comes_behind_the_end_adds_nothing_to_the_answer(wire: Wire) -> None:
    ending = ("response.completed", {"response": {"status": "completed", "output": [MESSAGE]}})
    late = (
        ("response.output_text.delta", {"output_index": 3, "content_index": 0, "delta": "late"}),
        ("response.output_item.done", {"output_index": 4, "item": {**MESSAGE, "id": "msg_2"}}),
    )
    assert told(wire(ending, *late)) == told(wire(ending))


# answers written


def test_leftovers_of_an_open_item_are_put_in_their_places() -> None:
    first, last = Raw(b'{"type":"a"}'), Raw(b'{"type":"b"}')
    answer = rendered(
        Started(id="resp_1", dialect=HOME),
        Opaque(name="a", raw=first, dialect=HOME, slot="0:0"),
        PartStarted(index=0, kind="text", form="0"),
        PartDelta(0, "hi"),
        Opaque(name="b", raw=last, dialect=HOME, slot="0:2"),
        PartEnded(index=0),
        Finished(reason="stop"),
    )
    assert [part["type"] for part in answer["output"][0]["content"]] == ["a", "output_text", "b"]


def test_a_part_that_nobody_ended_is_ended_with_the_answer() -> None:
    answer = rendered(
        Started(id="msg_1", dialect="anthropic"),
        PartStarted(index=0, kind="tool_call", id="c", name="f"),
        PartDelta(0, "{}"),
        Finished(reason="tool_calls"),
    )
    (item,) = answer["output"]
    assert (item["status"], item["call_id"], item["arguments"]) == ("completed", "c", "{}")


def test_a_request_of_another_dialect_is_not_repeated() -> None:
    foreign = Request(dialect="anthropic", model="m", messages=(Message(role="user", parts=(Text(text="hi"),)),))
    events = (Started(id="msg_1", dialect="anthropic"), Finished(reason="stop"))
    echoed = rendered(*events, reply_to=ReplyTo(id="resp_ours", model="fast", now_s=1700000000, echo=foreign))
    assert echoed == rendered(*events)
    assert (echoed["instructions"], echoed["tool_choice"]) == (None, "auto")
