"""Lines of a batch in another API's words, and back."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.app.own.lines import Line
from headgate.app.own.results import Result, output_line
from headgate.app.own.telling import TALKS, told, told_back
from headgate.dialects.base import Target
from headgate.dialects.registry import DIALECTS
from headgate.server.paths import Endpoint, find

CHAT = {"model": "smart", "messages": [{"role": "user", "content": "hi"}]}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "batched"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 7},
}


def line(**more: Any) -> Line:
    return Line(1, "a", "/v1/chat/completions", json.dumps({**CHAT, **more}).encode())


def result(body: Any, status: int = 200) -> Result:
    raw = Raw(json.dumps(body).encode())
    return Result(number=1, custom_id="a", status=status, request_id="r", body=raw, is_batched=True)


def test_talks_are_where_clients_ask_for_them():
    for dialect, path in TALKS.items():
        endpoint = find("POST", path)
        assert isinstance(endpoint, Endpoint)
        assert (endpoint.action, endpoint.dialect) == ("generate", dialect)


def test_a_line_is_told_whole_or_not_at_all():
    client, there, target = DIALECTS["openai_chat"], DIALECTS["anthropic"], Target(model="claude")
    body = told(line(max_tokens=8), client, there, target)
    assert body is not None
    assert {**json.loads(body), "system": None} == {
        "model": "claude",
        "max_tokens": 8,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "system": None,
    }
    assert told(line(logit_bias={"1": 1}), client, there, target) is None


def test_what_was_never_told_in_other_words_comes_as_it_is():
    whole = result({"odd": 1})
    assert told_back(whole, line(), "openai_chat") is whole


def test_an_answer_is_told_back():
    back = told_back(result(MESSAGE), line(), "anthropic")
    assert back is not None
    body = json.loads(bytes(back.body))
    assert (body["object"], body["choices"][0]["message"]["content"]) == ("chat.completion", "batched")
    assert (back.number, back.custom_id, back.status, back.is_batched, back.dropped) == (1, "a", 200, True, [])


def test_what_cannot_be_told_back_is_named():
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    back = told_back(result({**MESSAGE, "content": [searched, *MESSAGE["content"]]}), line(), "anthropic")
    assert back is not None
    assert back.dropped == ["server_tool_use"]
    assert json.loads(output_line(back))["headgate"] == {"dropped": ["server_tool_use"]}


def test_an_error_is_told_back():
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}
    back = told_back(result(error, 400), line(), "anthropic")
    assert back is not None
    assert (back.status, json.loads(bytes(back.body))["error"]["message"]) == (400, "too odd")


@pytest.mark.parametrize(
    "body", [{"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, {"hello": "there"}, [1]]
)
def test_what_is_no_answer_is_worth_a_call(body: Any):
    assert told_back(result(body), line(), "anthropic") is None
