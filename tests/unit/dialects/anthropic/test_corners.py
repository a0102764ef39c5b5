"""The rare shapes of the Messages API: what is odd but allowed, and what broken bytes must not break."""

import json
from collections.abc import Sequence

import pytest
from msgspec import Raw

from headgate.core.events import Event, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.request import (
    File,
    Foreign,
    Image,
    Inline,
    Knobs,
    Link,
    Message,
    Part,
    Reasoning,
    ReasoningKnob,
    Request,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.usage import Usage
from headgate.dialects.anthropic import (
    StreamParser,
    StreamRenderer,
    parse_request,
    parse_response,
    patch,
    render_request,
    render_response,
)
from headgate.dialects.anthropic.reader import Reader
from headgate.dialects.anthropic.seals import seal_loose
from headgate.dialects.anthropic.wire import items_in
from headgate.dialects.base import Envelope, ReplyTo, Target
from headgate.dialects.members import readable

TARGET = Target(model="claude-sonnet-4-5", max_tokens_default=500)
REPLY_TO = ReplyTo(id="call_9", model="route-a", is_stream=True)
HELLO = Message(role="user", parts=(Text(text="hi"),))
ELSEWHERE = Started(id="a", model="m", dialect="elsewhere")
HOME = Started(id="a", model="m", dialect="anthropic")
DONE = Finished(reason="stop", usage=Usage(input_tokens=1, output_tokens=2))
PROOF = Signature("gemini", "c2ln")

START: dict[str, object] = {"type": "message_start", "message": {"id": "m", "model": "c"}}
TEXT: dict[str, object] = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
WORDS: dict[str, object] = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
DELTA: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
STOP: dict[str, object] = {"type": "message_stop"}
HI_EVENTS = [
    Started(id="m", model="c", dialect="anthropic"),
    PartStarted(index=0, kind="text"),
    PartDelta(0, "hi"),
    PartEnded(index=0),
]


def rendered(request: Request) -> tuple[dict, set[str]]:
    dropped: set[str] = set()
    return json.loads(render_request(request, TARGET, dropped)), dropped


def foreign(*messages: Message, **knobs: object) -> Request:
    return Request(dialect="elsewhere", model="m", messages=messages, knobs=Knobs(**knobs))  # type: ignore[arg-type]


def blocks_read(*blocks: dict[str, object]) -> tuple[Part, ...]:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": blocks}]}
    return parse_request(json.dumps(body).encode(), Envelope()).messages[0].parts


def wire(*events: dict[str, object]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def parsed(data: bytes) -> list[Event]:
    parser = StreamParser()
    return parser.feed(data) + parser.close()


def streamed(events: Sequence[Event]) -> tuple[list[dict], set[str]]:
    """The events written after `message_start`, and what was dropped."""
    renderer = StreamRenderer(REPLY_TO)
    out = b"".join(renderer.render([event]) for event in events)
    sent = [json.loads(block.split(b"data: ")[1]) for block in out.split(b"\n\n")[:-1]]
    assert [event["type"] for event in sent].count("message_start") == 1
    assert sent[-1] == {"type": "message_stop"}
    return sent[1:-2], renderer.dropped


def block(index: int, content: dict[str, object], *deltas: dict[str, object]) -> list[dict]:
    """A block as a stream tells it."""
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


# requests


def test_a_call_without_an_id_and_its_empty_result():
    request = foreign(
        HELLO,
        Message(role="assistant", parts=(ToolCall(id="", name="f", arguments=""),)),
        Message(role="tool", parts=(ToolResult(call_id="", parts=()),)),
    )

    out, dropped = rendered(request)

    assert out["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_unnamed", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_unnamed"}]},
    ]
    assert dropped == set()


def test_blank_instructions_amid_the_conversation_say_nothing():
    out, dropped = rendered(foreign(HELLO, Message(role="system", parts=(Text(text=" "),)), HELLO))

    hi = {"type": "text", "text": "hi"}
    assert out["messages"] == [{"role": "user", "content": [hi, hi]}]
    assert dropped == set()


def test_a_budget_below_the_limit_is_taken_as_it_is():
    knob = ReasoningKnob(budget_tokens=2000)

    out, dropped = rendered(foreign(HELLO, max_tokens=4000, reasoning=knob))

    assert (out["max_tokens"], out["thinking"]) == (4000, {"type": "enabled", "budget_tokens": 2000})
    assert dropped == set()


@pytest.mark.parametrize(
    "more",
    [
        {"output_config": {"effort": "high"}},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "url", "url": "https://a/b.png", "etag": "1"}},
                        {"type": "image", "source": {"type": "hologram", "x": 1}},
                        {"type": "image", "source": {"type": "text", "media_type": "text/plain", "data": "a"}},
                    ],
                }
            ]
        },
    ],
    ids=["effort alone", "unsigned thinking", "odd sources"],
)
def test_a_rare_request_comes_back_as_it_was(more: dict[str, object]):
    body = {"model": TARGET.model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}

    out, dropped = rendered(parse_request(json.dumps(body).encode(), Envelope()))

    assert out == body
    assert dropped == set()


def test_sources_that_have_no_canonical_form():
    url = {"type": "url", "url": "https://a/b.png", "etag": "1"}
    odd = {"type": "image", "source": {"type": "hologram"}}

    parts = blocks_read({"type": "image", "source": url}, odd)

    assert parts == (
        Image(source=Link(url="https://a/b.png"), extras={"source": Raw(json.dumps(url).encode())}),
        Foreign(name="image", raw=Raw(json.dumps(odd).encode()), is_feature=True),
    )


def test_thinking_without_a_signature_is_read():
    assert blocks_read({"type": "thinking", "thinking": "hm"}) == (Reasoning(text="hm"),)


def test_a_call_has_no_canonical_place_in_a_result():
    inner = {"type": "tool_use", "id": "b", "name": "f", "input": {}}

    parts = blocks_read({"type": "tool_result", "tool_use_id": "a", "content": [inner]})

    raw = Raw(json.dumps(inner).encode())
    assert parts == (ToolResult(call_id="a", parts=(Foreign(name="tool_use", raw=raw),)),)


def test_a_proof_of_the_block_before_needs_one():
    """A client that cut the turn may have left the proof alone: it proves nothing then."""
    proof = {"type": "thinking", "thinking": "", "signature": seal_loose(PROOF, "previous")}

    assert blocks_read(proof, {"type": "text", "text": "a"}) == (Text(text="a"),)
    assert blocks_read({"type": "text", "text": "a"}, proof) == (Text(text="a", signature=PROOF),)


@pytest.mark.parametrize(("before", "after"), [(None, True), (True, False), (False, True)])
def test_a_patch_turns_streaming_over(before: bool | None, after: bool):
    told = {} if before is None else {"stream": before}

    out = patch(json.dumps({"model": "a", "messages": [], **told}).encode(), Target(model="b", is_stream=after))

    assert json.loads(out) == {"model": "b", "messages": [], "stream": after}


def test_a_picture_sent_as_a_file_is_a_picture():
    file = File(source=Inline("image/png", "AA"), name="a.png")

    out, _ = rendered(foreign(Message(role="user", parts=(file,))))

    source = {"type": "base64", "media_type": "image/png", "data": "AA"}
    assert out["messages"] == [{"role": "user", "content": [{"type": "image", "source": source}]}]


def test_a_version_that_takes_no_citations_loses_only_those():
    """Version 2026-10-21 refuses citations in the user's words; words without any stay as they are."""
    words = [{"type": "text", "text": "a", "citations": [{"x": 1}]}, {"type": "text", "text": "b"}]
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": words}]}
    dropped: set[str] = set()

    target = Target(model="m", version="2026-10-21")
    out = json.loads(render_request(parse_request(json.dumps(body).encode(), Envelope()), target, dropped))

    assert out["messages"][0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert dropped == {"messages.citations"}


# whole answers


def test_what_hangs_on_a_part_but_has_no_place_in_it_is_reported():
    own = Opaque(name="citations", raw=Raw(b'{"a":1}'), dialect="anthropic", index=0, slot="citation")
    odd = Opaque(name="logprobs", raw=Raw(b"[]"), dialect="anthropic", index=0, slot="delta")
    answer = Opaque(name="ad", raw=Raw(b"{}"), dialect="anthropic", slot="event")
    events = [HOME, PartStarted(index=0, kind="text"), PartDelta(0, "a"), own, odd, PartEnded(index=0), answer, DONE]
    dropped: set[str] = set()

    out = json.loads(render_response(events, REPLY_TO, dropped))

    assert out["content"] == [{"type": "text", "text": "a", "citations": [{"a": 1}]}]
    assert dropped == {"logprobs", "ad"}


@pytest.mark.parametrize(("signature", "lost"), [(None, set()), (PROOF, {"reasoning.signature"})])
def test_an_empty_text_of_elsewhere_is_left_out(signature: Signature | None, lost: set[str]):
    events = [ELSEWHERE, PartStarted(index=0, kind="text"), PartEnded(index=0, signature=signature), DONE]
    dropped: set[str] = set()

    out = json.loads(render_response(events, REPLY_TO, dropped))

    assert out["content"] == []
    assert dropped == lost


def test_an_opaque_event_of_the_answer_has_no_place_in_its_content():
    raw = Raw(b'{"type":"ad"}')
    events = [HOME, Opaque(name="ad", raw=raw, dialect="anthropic", slot="event"), DONE]
    dropped: set[str] = set()

    out = json.loads(render_response(events, REPLY_TO, dropped))

    assert out["content"] == []
    assert dropped == {"ad"}


def test_words_that_are_not_utf_8_are_mended():
    body = b'{"id":"m","model":"c","content":[{"type":"text","text":"a\xffb"}],"stop_reason":"end_turn"}'

    assert parse_response(body) == [
        Started(id="m", model="c", dialect="anthropic"),
        PartStarted(index=0, kind="text"),
        PartDelta(0, "a\ufffdb"),
        PartEnded(index=0),
        Finished(reason="stop", wire_reason="end_turn"),
    ]


@pytest.mark.parametrize("number", [b"1e999", b'["\xff"]', b'"9"', b"null", b"1e300"])
def test_a_count_that_is_none_counts_nothing(number: bytes):
    body = b'{"content":[],"stop_reason":"end_turn","usage":{"input_tokens":%b,"output_tokens":2}}' % number

    finished = parse_response(body)[-1]

    extras = {"input_tokens": Raw(readable(number)), "output_tokens": Raw(b"2")}
    usage = Usage(input_tokens=0, output_tokens=2, extras=extras)
    assert finished == Finished(reason="stop", wire_reason="end_turn", usage=usage)


# streams, read


def test_nothing_follows_the_end():
    parser = StreamParser()
    first = parser.feed(wire(START, TEXT, WORDS, DELTA, STOP))

    assert first == [*HI_EVENTS, Finished(reason="stop", wire_reason="end_turn")]
    assert parser.feed(wire(WORDS, DELTA)) == []
    assert parser.close() == []


def test_the_last_event_may_lack_its_blank_line():
    parser = StreamParser()
    assert parser.feed(wire(START, TEXT, WORDS, DELTA, STOP)[:-1]) == HI_EVENTS[:-1]

    assert parser.close() == [PartEnded(index=0), Finished(reason="stop", wire_reason="end_turn")]


@pytest.mark.parametrize(
    "odd",
    [
        START,
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "index": 0, "delta": None},
        {"type": "message_delta"},
    ],
    ids=["a second start", "no delta", "a null delta", "an empty message delta"],
)
def test_an_event_that_says_nothing_changes_nothing(odd: dict[str, object]):
    events = parsed(wire(START, TEXT, odd, WORDS, DELTA, STOP))

    assert events == [*HI_EVENTS, Finished(reason="stop", wire_reason="end_turn")]


def test_a_second_opening_of_the_answer_is_not_told():
    reader = Reader()

    assert reader.start({"id": Raw(b'"m"')}) == [Started(id="m", dialect="anthropic")]
    assert reader.start({"id": Raw(b'"n"')}) == []


def test_a_signature_of_unannounced_thinking_is_kept():
    signed: dict[str, object] = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "SIG"},
    }

    assert parsed(wire(START, signed, DELTA, STOP)) == [
        Started(id="m", model="c", dialect="anthropic"),
        PartStarted(index=0, kind="reasoning"),
        PartEnded(index=0, signature=Signature("anthropic", "SIG")),
        Finished(reason="stop", wire_reason="end_turn"),
    ]


def test_a_member_name_that_is_not_utf_8_spoils_only_its_event():
    broken = b'data: {"type":"message_delta","\xff":1}\n\ndata: {"type":"message_stop","\xff":1}\n\n'

    events = parsed(wire(START, TEXT, WORDS, DELTA) + broken)

    assert events == [*HI_EVENTS, Finished(reason="stop", wire_reason="end_turn", extras={"\ufffd": Raw(b"1")})]


def test_citations_of_an_odd_type_cite_nothing():
    told: dict[str, object] = {"type": "text", "text": "hi", "citations": "x"}
    opened: dict[str, object] = {"type": "content_block_start", "index": 0, "content_block": told}

    assert parsed(wire(START, opened, DELTA, STOP)) == [
        HI_EVENTS[0],
        PartStarted(index=0, kind="text", extras={"citations": Raw(b'"x"')}),
        *HI_EVENTS[2:],
        Finished(reason="stop", wire_reason="end_turn"),
    ]


# streams, written


def test_an_answer_begins_once():
    sent, dropped = streamed([ELSEWHERE, ELSEWHERE, PartStarted(index=0, kind="text"), PartDelta(0, "a"), DONE])

    assert sent == block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"})
    assert dropped == set()


def test_an_answer_begins_with_its_first_part_at_the_latest():
    sent, dropped = streamed([PartStarted(index=0, kind="text"), PartDelta(0, "a"), DONE])

    assert sent == block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "a"})
    assert dropped == set()


def test_an_empty_text_is_written_at_home_only():
    part = [PartStarted(index=0, kind="text"), PartEnded(index=0)]

    assert streamed([HOME, *part, DONE]) == (block(0, {"type": "text", "text": ""}), set())
    assert streamed([ELSEWHERE, *part, DONE]) == ([], set())


def test_thinking_that_is_only_a_proof_is_written():
    ended = PartEnded(index=0, signature=Signature("anthropic", "SIG"))

    sent, dropped = streamed([HOME, PartStarted(index=0, kind="reasoning"), ended, DONE])

    opened = {"type": "thinking", "thinking": "", "signature": ""}
    assert sent == block(0, opened, {"type": "signature_delta", "signature": "SIG"})
    assert dropped == set()


def test_the_proof_of_a_free_text_call_goes_before_it():
    started = PartStarted(index=0, kind="tool_call", id="c", name="f", is_custom=True)

    sent, dropped = streamed([ELSEWHERE, started, PartDelta(0, "x"), PartEnded(index=0, signature=PROOF), DONE])

    proof = {"type": "thinking", "thinking": "", "signature": seal_loose(PROOF, "next")}
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    assert sent == [
        *block(0, proof),
        *block(1, call, {"type": "input_json_delta", "partial_json": '{"input":"x"}'}),
    ]
    assert dropped == set()


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_free_text_call_waits_for_the_call_before_it(is_ended: bool):
    events = [
        ELSEWHERE,
        PartStarted(index=0, kind="tool_call", id="c", name="f"),
        PartStarted(index=1, kind="tool_call", id="d", name="g", is_custom=True),
        PartDelta(1, "x"),
        PartEnded(index=1),
        PartDelta(0, "{}"),
    ]

    sent, dropped = streamed([*events, *([PartEnded(index=0)] if is_ended else []), DONE])

    first = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    second = {"type": "tool_use", "id": "d", "name": "g", "input": {}}
    assert sent == [
        *block(0, first, {"type": "input_json_delta", "partial_json": "{}"}),
        *block(1, second, {"type": "input_json_delta", "partial_json": '{"input":"x"}'}),
    ]
    assert dropped == set()


def test_a_citation_before_any_words_opens_its_text():
    cited = Opaque(name="citations", raw=Raw(b'{"a":1}'), dialect="anthropic", index=0, slot="citation")

    sent, dropped = streamed([HOME, PartStarted(index=0, kind="text"), cited, PartDelta(0, "a"), DONE])

    citation = {"type": "citations_delta", "citation": {"a": 1}}
    assert sent == block(0, {"type": "text", "text": ""}, citation, {"type": "text_delta", "text": "a"})
    assert dropped == set()


@pytest.mark.parametrize("index", [None, 0])
def test_what_hangs_on_no_open_part_is_reported(index: int | None):
    late = Opaque(name="citations", raw=Raw(b'{"a":1}'), dialect="anthropic", index=index, slot="citation")

    sent, dropped = streamed([HOME, PartStarted(index=0, kind="text"), PartEnded(index=0), late, DONE])

    assert sent == block(0, {"type": "text", "text": ""})
    assert dropped == {"citations"}


@pytest.mark.parametrize(("raw", "items"), [(None, []), (b"[1,2]", [b"1", b"2"]), (b"5", []), (b"[1", [])])
def test_items_are_those_of_an_array_or_none(raw: bytes | None, items: list[bytes]):
    assert [bytes(item) for item in items_in(None if raw is None else Raw(raw))] == items
