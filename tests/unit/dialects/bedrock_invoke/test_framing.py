"""InvokeModel: the makers' bodies, whole and streamed, in and out of their frames."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from headgate.core.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.problems import InvalidRequest, Outcome, Problem, Unrenderable
from headgate.core.request import Knobs, Message, Request, Text
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, Head, Malformed, ReplyTo, Target
from headgate.dialects.eventstream import Message as Frame
from headgate.dialects.eventstream import Splitter, event, exception, render
from headgate.dialects.registry import DIALECTS

INVOKE = DIALECTS["bedrock_invoke"]
REPLY_TO = ReplyTo(id="i", model="m")
METRICS = {"inputTokenCount": 5, "outputTokenCount": 2, "invocationLatency": 9, "firstByteLatency": 8}
HELLO = (Message(role="user", parts=(Text(text="hi"),)),)
CLAUDE, NOVA, CHAT = "us.anthropic.claude-x-v1:0", "amazon.nova-lite-v1:0", "openai.gpt-oss-20b-1:0"


def chunk(document: dict[str, Any]) -> bytes:
    payload = base64.b64encode(json.dumps(document, ensure_ascii=False).encode()).decode()
    return event("chunk", json.dumps({"bytes": payload, "p": "abc"}).encode())


def stream(*documents: dict[str, Any]) -> bytes:
    return b"".join(map(chunk, documents))


def streamed(*pieces: bytes) -> list[Event]:
    parser = INVOKE.stream_parser()
    return [told for piece in pieces for told in parser.feed(piece)] + parser.close()


def unframed(wire: bytes) -> list[Any]:
    told = Splitter().feed(wire)
    return [
        json.loads(base64.b64decode(json.loads(message.payload)["bytes"]))
        if message.text(":event-type")
        else (message.text(":exception-type"), json.loads(message.payload))
        for message in told
    ]


def asked(body: dict[str, Any], model: str, *, is_stream: bool = False) -> Request:
    return INVOKE.parse_request(json.dumps(body).encode(), Envelope(model=model, is_stream=is_stream))


CLAUDE_BODY = {
    "anthropic_version": "bedrock-2023-05-31",
    "anthropic_beta": ["x"],
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
CLAUDE_STREAM = (
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS},
)
CLAUDE_WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Grüße"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
NOVA_BODY = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    "inferenceConfig": {"max_new_tokens": 9, "temperature": 0.5},
}
NOVA_STREAM = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 1}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"messageStop": {"stopReason": "end_turn"}},
    {
        "metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokenCount": 3}, "metrics": {}},
        "amazon-bedrock-invocationMetrics": METRICS,
    },
)
NOVA_WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 10, "cacheReadInputTokenCount": 3},
    "amazon-bedrock-guardrailAction": "NONE",
}
CHAT_BODY = {"model": CHAT, "stream": True, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
CHAT_CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
CHAT_STREAM = (
    {**CHAT_CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}}]},
    {
        **CHAT_CHUNK,
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "amazon-bedrock-invocationMetrics": METRICS,
    },
)
CHAT_WHOLE = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
}

BODIES = [
    (CLAUDE_BODY, CLAUDE),
    ({**CLAUDE_BODY, "model": "m", "stream": False}, "an-arn-that-does-not-tell"),
    (NOVA_BODY, NOVA),
    (CHAT_BODY, CHAT),
    ({"messages": CHAT_BODY["messages"]}, "ai21.jamba-1-5-mini-v1:0"),
    ({"inputText": "Q", "textGenerationConfig": {"maxTokenCount": 9, "topP": 1, "x": 1}}, "amazon.titan-text-lite-v1"),
    ({"inputText": "Q", "textGenerationConfig": {"maxTokenCount": 9}}, "an-arn"),
    ({"inputText": "Q", "textGenerationConfig": {}}, "an-arn"),
    ({"prompt": "Q", "max_gen_len": 9, "temperature": 0.5, "top_p": 1}, "meta.llama3-8b-instruct-v1:0"),
    ({"prompt": "Q", "max_tokens": 9, "top_k": 3, "stop": ["|"]}, "mistral.mistral-7b-instruct-v0:2"),
    ({"prompt": "Q", "max_tokens": 9, "p": 1, "k": 0, "stop_sequences": []}, "cohere.command-text-v14"),
    ({"message": "Q", "chat_history": [{"role": "USER", "message": "P"}]}, "cohere.command-r-v1:0"),
    ({"prompt": "Q", "maxTokens": 9, "countPenalty": {"scale": 0}}, "ai21.j2-mid-v1"),
    ({"prompt": "\n\nHuman: Q", "max_tokens_to_sample": 9, "top_k": 250}, "anthropic.claude-v2"),
    ({**CLAUDE_BODY}, "anthropic.claude-v2"),
    ({"prompt": "Q", "max_tokens": 9}, "arn:aws:sagemaker:us-east-1:1:endpoint/e"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "model"), BODIES, ids=range(len(BODIES)))
def test_bodies_come_back_as_they_were(body: dict[str, Any], model: str):
    request = asked(body, model, is_stream=body.get("stream", False))
    assert (request.dialect, request.model) == ("bedrock_invoke", model)
    dropped: set[str] = set()
    target = Target(model=body.get("model", model), is_stream=request.is_stream)
    assert json.loads(INVOKE.render_request(request, target, dropped)) == body
    assert dropped == set()


def test_a_completions_settings():
    body, model = BODIES[5]
    request = asked(body, model, is_stream=True)
    assert (request.messages, request.knobs, request.is_stream, request.extras) == (
        (Message(role="user", parts=(Text(text="Q"),)),),
        Knobs(max_tokens=9, top_p=1),
        True,
        {"textGenerationConfig": Raw(b'{"x":1}')},
    )


@pytest.mark.parametrize(
    ("body", "model", "words"),
    [
        (b"{}", "", "names no model"),
        (b"[]", "m", "no JSON object"),
        (b"\xff", "m", "no JSON object"),
        (b'{"texts": []}', "m", "no maker's format has the members texts"),
        (b'{"inputText": 1}', "m", "inputText must be a string"),
        (b'{"prompt": "Q", "max_gen_len": "x"}', "m", "a setting has a value that is not allowed"),
        (b'{"anthropic_version": "x", "messages": 1}', "m", "messages"),
    ],
)
def test_faults_are_named(body: bytes, model: str, words: str):
    with pytest.raises(InvalidRequest, match=words):
        INVOKE.parse_request(body, Envelope(model=model))


def test_peek_tells_what_parsing_tells():
    body = json.dumps(CLAUDE_BODY).encode()
    assert INVOKE.peek(body, Envelope(model=CLAUDE, is_stream=True)) == Head(model=CLAUDE, is_stream=True, max_tokens=9)


def test_a_body_passes_but_for_a_model_in_it():
    body = json.dumps(CLAUDE_BODY).encode()
    assert INVOKE.patch(body, Target(model=NOVA)) is body
    chat = json.dumps(CHAT_BODY).encode()
    assert json.loads(INVOKE.patch(chat, Target(model="m"))) == {**CHAT_BODY, "model": "m"}


def test_proofs_of_other_services_do_not_pass():
    thought = {"type": "thinking", "thinking": "t", "signature": "hg.gemini.S"}
    turns = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "a"}]},
    ]
    body = json.dumps({**CLAUDE_BODY, "messages": turns}).encode()
    assert json.loads(INVOKE.patch(body, Target(model=CLAUDE)))["messages"][1]["content"] == [
        {"type": "text", "text": "a"}
    ]


CLAUDE_SENT = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
}
NOVA_SENT = {
    "schemaVersion": "messages-v1",
    "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    "inferenceConfig": {"maxTokens": 9},
}
CHAT_SENT = {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9}


@pytest.mark.parametrize(
    ("model", "body"), [(CLAUDE, CLAUDE_SENT), ("an-arn", CLAUDE_SENT), (NOVA, NOVA_SENT), (CHAT, CHAT_SENT)]
)
def test_calls_of_others_in_the_makers_format(model: str, body: dict[str, Any]):
    request = Request(dialect="gemini", model="m", messages=HELLO, knobs=Knobs(max_tokens=9), is_stream=True)
    assert json.loads(INVOKE.render_request(request, Target(model=model, is_stream=True), set())) == body


def test_a_call_of_anthropics_dialect_loses_nothing():
    body = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "new_field": {"a": 1}}
    request = DIALECTS["anthropic"].parse_request(json.dumps(body).encode(), Envelope())
    dropped: set[str] = set()
    sent = json.loads(INVOKE.render_request(request, Target(model=CLAUDE), dropped))
    del body["model"]
    assert (sent, dropped) == ({**body, "anthropic_version": "bedrock-2023-05-31"}, set())


def test_what_bedrock_refuses_of_anthropics_is_reported():
    tool = {"name": "t", "input_schema": {"type": "object"}}
    body = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    more = {"tools": [{**tool, "eager_input_streaming": True}, tool], "context_management": {"edits": []}}
    request = DIALECTS["anthropic"].parse_request(json.dumps({**body, **more}).encode(), Envelope())
    dropped: set[str] = set()
    sent = json.loads(INVOKE.render_request(request, Target(model=CLAUDE), dropped))
    assert (sent["tools"], "context_management" in sent) == ([tool, tool], False)
    assert dropped == {"tools.eager_input_streaming", "context_management"}


def test_counting():
    counting = INVOKE.counting
    assert counting is not None
    wrapped = base64.b64encode(json.dumps(CLAUDE_BODY).encode()).decode()
    body = json.dumps({"input": {"invokeModel": {"body": wrapped}}}).encode()
    request = counting.parse_request(body, Envelope(model=CLAUDE))
    sent = json.loads(counting.render_request(request, Target(model=CLAUDE), set()))
    assert json.loads(base64.b64decode(sent["input"]["invokeModel"]["body"])) == CLAUDE_BODY
    assert counting.address(Target(model=CLAUDE)) == "/model/us.anthropic.claude-x-v1%3A0/count-tokens"
    assert (counting.parse_response(b'{"inputTokens":7}'), counting.render_response(7)) == (7, b'{"inputTokens":7}')


@pytest.mark.parametrize("body", [b"{}", b'{"input":{"invokeModel":{"body":"!"}}}', b'{"input":{"converse":{}}}'])
def test_what_is_not_counted_is_refused(body: bytes):
    counting = INVOKE.counting
    assert counting is not None
    with pytest.raises(InvalidRequest, match=r"input\.invokeModel\.body is missing"):
        counting.parse_request(body, Envelope(model=CLAUDE))


def test_a_conversation_is_refused_where_only_a_text_is_taken():
    request = Request(dialect="gemini", model="m", messages=HELLO)
    with pytest.raises(Unrenderable, match="use the Converse API"):
        INVOKE.render_request(request, Target(model="meta.llama3-8b-instruct-v1:0"), set())


@pytest.mark.parametrize(
    ("target", "address"),
    [
        (Target(model=CLAUDE), "/model/us.anthropic.claude-x-v1%3A0/invoke"),
        (Target(model="arn:a/b", is_stream=True), "/model/arn%3Aa%2Fb/invoke-with-response-stream"),
    ],
)
def test_addresses(target: Target, address: str):
    assert (INVOKE.address(target), INVOKE.headers(target, {})) == (address, ())


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
