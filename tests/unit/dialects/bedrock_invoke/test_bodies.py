"""InvokeModel: the makers' bodies as requests, with what the path says taken out."""

import base64
import json
from typing import Any

import pytest
from msgspec import Raw
from tests.unit.dialects.bedrock_invoke.samples import (
    BODIES,
    CHAT,
    CHAT_BODY,
    CLAUDE,
    CLAUDE_BODY,
    HELLO,
    INVOKE,
    NOVA,
    asked,
)

from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import Knobs, Message, Request, Text
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.betas import betas_of
from headgate.dialects.registry import DIALECTS


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
    thought = {"type": "thinking", "thinking": "t", "signature": "~hg.gemini.S"}
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


BETAS = ("claude-code-20250219", "interleaved-thinking-2025-05-14")


@pytest.mark.parametrize(
    ("name", "path"), [("bedrock_invoke", ()), ("bedrock_converse", ("additionalModelRequestFields",))]
)
def test_previews_that_bedrock_has_are_opted_in_to_in_the_body(name: str, path: tuple[str, ...]):
    body = b'{"model":"c","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
    request = DIALECTS["anthropic"].parse_request(body, Envelope(betas=BETAS))
    dropped: set[str] = set()

    sent = json.loads(DIALECTS[name].render_request(request, Target(model=CLAUDE), dropped))
    for member in path:
        sent = sent[member]

    assert (sent["anthropic_beta"], dropped) == ([BETAS[1]], {"anthropic-beta.claude-code-20250219"})
    at_home = json.loads(DIALECTS["anthropic"].render_request(request, Target(model="c"), set()))
    assert at_home == json.loads(body)


def test_a_body_opts_in_to_nothing_that_bedrock_has_not():
    request = Request(dialect="anthropic", model="c", messages=HELLO, betas=BETAS[:1])
    for name in ("bedrock_invoke", "bedrock_converse"):
        assert b"beta" not in DIALECTS[name].render_request(request, Target(model=CLAUDE), set())


def test_the_names_of_previews_are_read_from_a_list():
    assert betas_of(" a, b ,,a") == ("a", "b")


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
