"""InvokeModel: the makers' answers, whole and streamed, in and out of their frames."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.unit.dialects.bedrock_invoke.samples import (
    BODIES,
    CHAT,
    CHAT_BODY,
    CHAT_STREAM,
    CHAT_WHOLE,
    CLAUDE_STREAM,
    CLAUDE_WHOLE,
    INVOKE,
    METRICS,
    NOVA,
    NOVA_BODY,
    NOVA_STREAM,
    NOVA_WHOLE,
    REPLY_TO,
    asked,
    stream,
    streamed,
    unframed,
)

from headgate.core.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Malformed, ReplyTo
from headgate.dialects.eventstream import Message as Frame
from headgate.dialects.eventstream import event, exception, render
from headgate.dialects.registry import DIALECTS

WHOLES: list[tuple[dict[str, Any], str, str, Usage | None]] = [
    (CLAUDE_WHOLE, "Grüße", "stop", Usage(input_tokens=5, output_tokens=2)),
    (NOVA_WHOLE, "Hello", "stop", Usage(input_tokens=8, cached_tokens=3, output_tokens=2)),
    (CHAT_WHOLE, "Hello", "stop", None),
    (
        {"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "T", "completionReason": "FINISH"}]},
        "T",
        "stop",
        Usage(input_tokens=3, output_tokens=4),
    ),
    (
        {"generation": "L", "prompt_token_count": 3, "generation_token_count": 4, "stop_reason": "length"},
        "L",
        "length",
        Usage(input_tokens=3, output_tokens=4),
    ),
    ({"outputs": [{"text": "M", "stop_reason": "stop"}]}, "M", "stop", None),
    ({"id": "x", "generations": [{"text": "C", "finish_reason": "COMPLETE"}], "prompt": "Q"}, "C", "stop", None),
    ({"text": "R", "finish_reason": "MAX_TOKENS", "chat_history": []}, "R", "length", None),
    ({"completions": [{"data": {"text": "J"}, "finishReason": {"reason": "endoftext"}}]}, "J", "stop", None),
    (
        {"type": "completion", "completion": "H", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"},
        "H",
        "stop_sequence",
        None,
    ),
    (
        {"choices": [{"text": "P", "finish_reason": "odd"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        "P",
        "other",
        Usage(input_tokens=3, output_tokens=4),
    ),
    ({"outputText": "", "amazon-bedrock-guardrailAction": "INTERVENED", "results": []}, "", "content_filter", None),
]


@pytest.mark.parametrize(("body", "text", "reason", "usage"), WHOLES, ids=range(len(WHOLES)))
def test_whole_answers(body: dict[str, Any], text: str, reason: str, usage: Usage | None):
    events = INVOKE.parse_response(json.dumps(body).encode())
    answer = fold(events)
    counted = structs.replace(answer.usage, extras={}) if answer.usage else None
    assert (answer.text, answer.reason, counted) == (text, reason, usage)
    dropped: set[str] = set()
    assert json.loads(INVOKE.render_response(events, REPLY_TO, dropped)) == body
    assert dropped == set()


def test_choices_tell_a_chat_whatever_stands_beside_them():
    body = {**CHAT_WHOLE, "metadata": {}, "output": [], "type": "x"}
    assert fold(INVOKE.parse_response(json.dumps(body).encode())).text == "Hello"


def test_halves_of_letters_are_replaced():
    body = b'{"generation": "a\xed\xa0\xbe", "stop_reason": "stop"}'
    assert fold(INVOKE.parse_response(body)).text == "a\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("body", "words"), [(b"<html>", "not a JSON object"), (b'{"images": []}', "no maker's format .* it has images")]
)
def test_other_answers_are_malformed(body: bytes, words: str):
    with pytest.raises(Malformed, match=words):
        INVOKE.parse_response(body)


STREAMS: list[tuple[tuple[dict[str, Any], ...], str, str, Usage | None]] = [
    (CLAUDE_STREAM, "Grüße", "stop", Usage(input_tokens=5, output_tokens=2)),
    (NOVA_STREAM, "Hello", "stop", Usage(input_tokens=8, cached_tokens=3, output_tokens=2)),
    (CHAT_STREAM, "Hello", "stop", Usage(input_tokens=5, output_tokens=2)),
    (
        (
            {"outputText": "Ti", "index": 0, "completionReason": None, "inputTextTokenCount": 3},
            {
                "outputText": "tan",
                "completionReason": "LENGTH",
                "totalOutputTextTokenCount": 4,
                "inputTextTokenCount": 3,
            },
        ),
        "Titan",
        "length",
        Usage(input_tokens=3, output_tokens=4),
    ),
    (
        (
            {"generation": "L", "prompt_token_count": 3, "generation_token_count": 1, "stop_reason": None},
            {"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": METRICS},
        ),
        "L",
        "stop",
        Usage(input_tokens=5, output_tokens=2),
    ),
    (
        (
            {"outputs": [{"text": "M", "stop_reason": None}]},
            {
                "outputs": [{"text": "i", "stop_reason": "stop"}],
                "amazon-bedrock-invocationMetrics": {**METRICS, "cacheReadInputTokenCount": 2},
            },
        ),
        "Mi",
        "stop",
        Usage(input_tokens=7, cached_tokens=2, output_tokens=2),
    ),
    (
        (
            {"event_type": "stream-start", "generation_id": "g", "is_finished": False},
            {"event_type": "text-generation", "text": "R", "is_finished": False},
            {"event_type": "stream-end", "is_finished": True, "response": {"text": "R", "finish_reason": "COMPLETE"}},
        ),
        "R",
        "stop",
        None,
    ),
    (({"outputText": "Blocked", "amazon-bedrock-guardrailAction": "INTERVENED"},), "Blocked", "content_filter", None),
]


def plain(answer: Answer) -> Answer:
    usage = structs.replace(answer.usage, extras={}) if answer.usage else None
    return structs.replace(answer, usage=usage, extras={})


@pytest.mark.parametrize(("documents", "text", "reason", "usage"), STREAMS, ids=range(len(STREAMS)))
def test_streams(documents: tuple[dict[str, Any], ...], text: str, reason: str, usage: Usage | None):
    events = streamed(stream(*documents))
    answer = fold(events)
    counted = structs.replace(answer.usage, extras={}) if answer.usage else None
    assert (answer.text, answer.reason, counted) == (text, reason, usage)
    renderer = INVOKE.stream_renderer(REPLY_TO)
    again = streamed(renderer.render(events))
    assert (plain(fold(again)), renderer.dropped) == (plain(answer), set())
    whole = fold(INVOKE.parse_response(INVOKE.render_response(events, REPLY_TO, set())))
    assert (whole.text, whole.reason, plain(whole).usage) == (text, reason, counted)


@pytest.mark.parametrize("documents", [told[0] for told in STREAMS], ids=range(len(STREAMS)))
def test_a_cut_anywhere_changes_nothing(documents: tuple[dict[str, Any], ...]):
    wire = stream(*documents)
    whole = streamed(wire)
    assert all(streamed(wire[:cut], wire[cut:]) == whole for cut in range(0, len(wire), 7))


def test_claude_is_heard_as_by_its_own_dialect():
    sse = b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in CLAUDE_STREAM)
    own = DIALECTS["anthropic"].stream_parser()
    assert streamed(stream(*CLAUDE_STREAM)) == own.feed(sse) + own.close()


def test_what_bedrock_counted_goes_along():
    told = unframed(INVOKE.stream_renderer(REPLY_TO).render(streamed(stream(*CLAUDE_STREAM))))
    assert told[-2]["amazon-bedrock-invocationMetrics"] == METRICS


def test_usage_is_known_before_the_end():
    parser = INVOKE.stream_parser()
    assert parser.usage is None
    parser.feed(stream(*CHAT_STREAM))
    assert parser.usage == Usage(input_tokens=5, output_tokens=2)
    completion = INVOKE.stream_parser()
    completion.feed(stream({"generation": "L", "prompt_token_count": 3, "generation_token_count": 1}))
    assert completion.usage == Usage(input_tokens=3, output_tokens=1)


def test_nothing_follows_the_end():
    parser = INVOKE.stream_parser()
    assert isinstance(parser.feed(stream(*NOVA_STREAM, *NOVA_STREAM))[-1], Finished)
    assert (parser.feed(stream(*NOVA_STREAM)), parser.close()) == ([], [])


@pytest.mark.parametrize(
    "wire", [b"", stream(*CLAUDE_STREAM[:3]), stream({"generation": "L"})], ids=["nothing", "claude", "llama"]
)
def test_a_stream_without_a_stop_reason_was_cut(wire: bytes):
    failed = streamed(wire)[-1]
    assert isinstance(failed, Failed)
    assert failed.problem.outcome == Outcome.CUT


@pytest.mark.parametrize(
    "wire",
    [
        event("chunk", b"{"),
        event("chunk", b'{"bytes":"!"}'),
        event("chunk", b'{"bytes":"e30="}'),
        event("chunk", b'{"bytes":"/w=="}'),
    ],
    ids=["json", "base64", "members", "letters"],
)
def test_chunks_of_no_maker_are_a_fault_of_the_protocol(wire: bytes):
    failed = streamed(wire + wire)[-1]
    assert isinstance(failed, Failed)
    assert failed.problem.outcome == Outcome.PROTOCOL


def test_exceptions_amid_a_stream():
    failed = streamed(stream(*CLAUDE_STREAM[:3]) + exception("throttlingException", b'{"message":"no"}'))[-1]
    assert isinstance(failed, Failed)
    assert (failed.problem.outcome, failed.problem.message) == (Outcome.RATE, "no")


def test_errors_without_a_payload():
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "broke"}
    failed = streamed(render(Frame(b"", headers)))[-1]
    assert isinstance(failed, Failed)
    assert (failed.problem.outcome, failed.problem.message) == (Outcome.SERVER, "broke")


def test_an_odd_event_of_nova_stays_one():
    odd = streamed(stream(NOVA_STREAM[0], {"newEvent": 1}, *NOVA_STREAM[5:]))
    assert [type(told).__name__ for told in odd] == ["Started", "Opaque", "Finished"]


FOREIGN: list[Event] = [
    Started(id="x", model="m", dialect="gemini"),
    PartStarted(index=0, kind="text"),
    PartDelta(0, "Hello"),
    PartEnded(index=0),
    Finished(
        reason="length",
        usage=Usage(input_tokens=9, cached_tokens=3, cache_write_tokens=1, output_tokens=2),
    ),
]


def replying(body: dict[str, Any], model: str) -> ReplyTo:
    return ReplyTo(id="i", model="m", echo=asked(body, model))


def test_answers_of_others_in_the_format_that_was_asked_in():
    llama = replying(*BODIES[8])
    assert json.loads(INVOKE.render_response(FOREIGN, llama, set())) == {
        "generation": "Hello",
        "stop_reason": "length",
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": 5,
            "outputTokenCount": 2,
            "cacheReadInputTokenCount": 3,
            "cacheWriteInputTokenCount": 1,
        },
    }
    assert json.loads(INVOKE.render_response(FOREIGN, replying(NOVA_BODY, NOVA), set()))["stopReason"] == "max_tokens"
    assert json.loads(INVOKE.render_response(FOREIGN, REPLY_TO, set()))["stop_reason"] == "max_tokens"


def test_streams_of_others_in_the_format_that_was_asked_in():
    llama = unframed(INVOKE.stream_renderer(replying(*BODIES[8])).render(FOREIGN))
    assert llama == [
        {"generation": "Hello"},
        {
            "generation": "",
            "stop_reason": "length",
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 5,
                "outputTokenCount": 2,
                "cacheReadInputTokenCount": 3,
                "cacheWriteInputTokenCount": 1,
            },
        },
    ]
    nova = unframed(INVOKE.stream_renderer(replying(NOVA_BODY, NOVA)).render(FOREIGN))
    assert [next(iter(told)) for told in nova] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    chat = unframed(INVOKE.stream_renderer(replying(CHAT_BODY, CHAT)).render(FOREIGN))
    assert {told["object"] for told in chat} == {"chat.completion.chunk"}
    assert unframed(INVOKE.stream_renderer(REPLY_TO).render(FOREIGN[1:]))[0]["type"] == "message_start"


def test_what_a_format_cannot_say_is_reported():
    picture = [FOREIGN[0], PartStarted(index=0, kind="image"), PartEnded(index=0), Finished(reason="stop")]
    renderer = INVOKE.stream_renderer(REPLY_TO)
    renderer.render(picture)
    assert renderer.dropped == {"image"}


@pytest.mark.parametrize(
    ("problem", "name"),
    [
        (Problem(kind="timeout", message="m"), "modelTimeoutException"),
        (Problem(kind="permission", message="m"), "internalServerException"),
    ],
)
def test_a_failure_ends_a_stream(problem: Problem, name: str):
    assert unframed(INVOKE.stream_renderer(REPLY_TO).render([Failed(problem)])) == [(name, {"message": "m"})]


def test_a_failure_ends_a_whole():
    failed = [Failed(Problem(kind="rate_limit", message="m"))]
    body = b'{"__type":"ThrottlingException","message":"m"}'
    assert INVOKE.render_response(failed, replying(*BODIES[8]), set()) == body
    assert INVOKE.render_response(failed, REPLY_TO, set()) == body


def test_errors_are_converses():
    problem = INVOKE.parse_error(429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message":"m"}')
    assert (problem.outcome, INVOKE.render_error(problem)) == (Outcome.RATE, (429, b'{"message":"m"}'))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes):
    for read in (
        lambda: INVOKE.parse_request(body, Envelope(model="m")),
        lambda: INVOKE.parse_response(body),
        lambda: streamed(event("chunk", json.dumps({"bytes": base64.b64encode(body).decode()}).encode())),
    ):
        try:
            read()
        except (InvalidRequest, Malformed):
            continue


NAMES = st.sampled_from(
    ["type", "content", "output", "results", "generation", "outputs", "choices", "text", "completion", "delta", "usage"]
)
JSON = st.recursive(
    st.none() | st.integers(-2, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(NAMES, JSON, max_size=4), max_size=4))
def test_any_chunks_are_read(documents: list[dict[str, Any]]):
    events = streamed(stream(*documents))
    assert isinstance(events[-1], Finished | Failed)
    fold(events)
