"""Rare shapes of the Chat Completions API, each of which a host or a client has."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Audio,
    Knobs,
    Link,
    Message,
    Part,
    Reasoning,
    ReasoningKnob,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.dialects.base import Envelope, Head, ReplyTo, Target
from headgate.dialects.openai_chat import (
    StreamParser,
    StreamRenderer,
    parse_response,
    peek,
    render_request,
    render_response,
)

REPLY_TO = ReplyTo(id="chatcmpl-ours", model="asked", now_s=9)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def sent(*messages: Message, dialect: str = "openai_chat", **members: Any) -> tuple[Any, set[str]]:
    request = Request(dialect=dialect, model="theirs", messages=messages, **members)
    dropped: set[str] = set()
    return json.loads(render_request(request, Target(model="ours"), dropped)), dropped


def whole(*choices: dict[str, Any]) -> dict[str, Any]:
    return {"id": "a", "object": "chat.completion", "created": 7, "model": "m", "choices": list(choices)}


def choice(message: dict[str, Any], index: int = 0, finish_reason: str = "stop") -> dict[str, Any]:
    return {"index": index, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}


def returned(body: dict[str, Any]) -> Any:
    return json.loads(render_response(parse_response(json.dumps(body).encode()), REPLY_TO, set()))


def streamed(*events: Event) -> list[Any]:
    lines = StreamRenderer(REPLY_TO).render(events).decode().split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line not in ("", "data: [DONE]")]


def deltas(*events: Event) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in streamed(*events)]


# requests


def test_thinking_without_words_or_proof_leaves_nothing_and_drops_nothing() -> None:
    wire, dropped = sent(Message(role="assistant", parts=(Reasoning(text=""), Text(text="hi"))), dialect="anthropic")
    assert (wire["messages"], dropped) == ([{"role": "assistant", "content": "hi"}], set())


def test_a_result_with_words_beside_it_is_told_once_and_first() -> None:
    wire, dropped = sent(
        Message(role="assistant", parts=(ToolCall(id="c", name="f", arguments="{}"),)),
        Message(role="user", parts=(Text(text="so?"), ToolResult(call_id="c", parts=(Text(text="4"),)))),
        dialect="anthropic",
    )
    assert (wire["messages"][1:], dropped) == (
        [{"role": "tool", "tool_call_id": "c", "content": "4"}, {"role": "user", "content": "so?"}],
        set(),
    )


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (ToolResult(call_id="c", parts=(Reasoning(text="so"),)), "a content list cannot hold a Reasoning"),
        (Audio(source=Link("https://a.test/b.wav")), "this API takes sound only inline, as base64"),
    ],
)
def test_what_no_content_list_can_hold_is_refused(part: Part, message: str) -> None:
    role: Any = "tool" if isinstance(part, ToolResult) else "user"
    with pytest.raises(Unrenderable) as caught:
        sent(Message(role=role, parts=(part,)))
    assert (str(caught.value), caught.value.problem.param) == (message, "messages")


def test_a_result_that_had_no_content_gets_none() -> None:
    wire, _ = sent(Message(role="tool", parts=(ToolResult(call_id="c"),)))
    assert wire["messages"] == [{"role": "tool", "tool_call_id": "c"}]


def test_a_wish_to_think_that_says_nothing_is_not_written() -> None:
    wire, _ = sent(Message(role="user", parts=(Text(text="hi"),)), knobs=Knobs(reasoning=ReasoningKnob()))
    assert wire == {"model": "ours", "messages": [{"role": "user", "content": "hi"}]}


def test_the_quick_look_reads_lists_of_content_through() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "new"}]}]}
    assert peek(json.dumps(body).encode(), Envelope()) == Head(model="m", is_stream=False, wants_usage=True)


# whole answers


@pytest.mark.parametrize(
    "body",
    [
        whole(choice({"content": [{"type": "text", "text": "hi"}], "tool_calls": [CALL]}, finish_reason="tool_calls")),
        whole(choice({"content": "a"}), choice({"content": "b"}, 1, "eos_token")),
        whole(choice({"content": "hi", "role": "model"})),
    ],
    ids=["list and calls", "a word of a second choice", "another role"],
)
def test_an_odd_answer_comes_out_as_it_went_in(body: dict[str, Any]) -> None:
    assert returned(body) == body


# streams


def test_one_bare_chunk_in_place_of_a_stream_is_a_piece_and_not_the_whole() -> None:
    parser = StreamParser()
    bare = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    events = parser.feed(json.dumps(bare).encode()) + parser.close()
    answer = fold(events)
    assert (answer.id, answer.model, answer.text, answer.reason) == ("a", "m", "hi", "stop")
    assert events[-1] == Finished(reason="stop", wire_reason="stop")


@pytest.mark.parametrize(
    ("kind", "form", "delta"),
    [
        ("reasoning", "chat:thinking", {"content": [{"type": "thinking", "thinking": [], "closed": True}]}),
        ("text", "chat:list", {"content": [{"type": "text", "text": "", "closed": True}]}),
    ],
)
def test_a_leftover_of_a_part_goes_where_the_part_is(kind: Any, form: str, delta: Any) -> None:
    said = deltas(
        Started(id="a", model="m", created=7, dialect="openai_chat"),
        PartStarted(index=0, kind=kind, form=form),
        Opaque(name="closed", raw=Raw(b"true"), dialect="openai_chat", index=0, slot="part"),
        PartEnded(index=0),
        Finished(reason="stop"),
    )
    assert said == [{"role": "assistant", "content": ""}, delta, {}]


def test_a_fault_of_the_provider_is_told_as_an_error_and_not_as_an_end() -> None:
    renderer = StreamRenderer(REPLY_TO)
    begun: list[Event] = [Started(id="a", model="m", created=7), PartStarted(index=0, kind="text"), PartDelta(0, "h")]
    renderer.render(begun)
    wire = renderer.render([PartEnded(index=0), Finished(reason="error")])
    told = json.loads(wire.removeprefix(b"data: "))
    assert told["error"]["message"] == "the provider ended the answer with a fault of its own"
    assert b"[DONE]" not in wire


def test_a_file_is_reported_dropped() -> None:
    renderer = StreamRenderer(REPLY_TO)
    renderer.render([Started(id="a"), PartStarted(index=0, kind="file"), PartDelta(0, "AAAA"), PartEnded(index=0)])
    assert renderer.dropped == {"file"}


def test_a_failure_is_all_that_is_said_of_a_failed_answer() -> None:
    parser = StreamParser()
    events = parser.feed(b'data: {"error": {"message": "no", "code": "rate_limit_exceeded"}}\n\n') + parser.close()
    assert [type(event) for event in events] == [Failed]


def test_an_empty_member_of_a_streamed_call_is_not_kept() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "mood": None, "colour": "red"}
    chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    parser = StreamParser()
    events = parser.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    assert [event for event in events if isinstance(event, Opaque)] == [
        Opaque(name="colour", raw=Raw(b'"red"'), dialect="openai_chat", index=0, slot="part")
    ]
