"""What a provider's cache of prompts is told where its caller has said nothing, and that nothing else changes."""

import json
from typing import Any

import pytest

from headgate.dialects.anthropic.marking import BYTES_MIN, mark_prompt
from headgate.dialects.base import PromptMark
from headgate.dialects.keying import key_prompt

MARK = PromptMark(ttl="5m", key="k")
LONG = "long " * (BYTES_MIN // 5 + 1)
SAID = {"type": "ephemeral"}
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def marked(body: dict[str, Any], mark: PromptMark = MARK) -> dict[str, Any]:
    return json.loads(mark_prompt(json.dumps(body).encode(), mark))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            {"system": LONG, "messages": TURNS[:1]},
            {"system": [{"type": "text", "text": LONG, "cache_control": SAID}], "messages": TURNS[:1]},
        ),
        (
            {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": LONG}], "tools": [{"name": "f"}]},
            {
                "system": [{"type": "text", "text": "a"}, {"type": "text", "text": LONG, "cache_control": SAID}],
                "tools": [{"name": "f"}],
            },
        ),
        (
            {"tools": [{"name": "f", "description": LONG}, {"name": "g"}], "messages": TURNS[:1]},
            {
                "tools": [{"name": "f", "description": LONG}, {"name": "g", "cache_control": SAID}],
                "messages": TURNS[:1],
            },
        ),
        (
            {"system": "s", "messages": [{"role": "user", "content": LONG}, TURNS[1], TURNS[0]]},
            {
                "system": "s",
                "messages": [
                    {"role": "user", "content": LONG},
                    TURNS[1],
                    {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": SAID}]},
                ],
            },
        ),
        (
            {"messages": [*TURNS, {"role": "user", "content": [{"type": "tool_result", "content": LONG}]}]},
            {
                "messages": [
                    *TURNS,
                    {"role": "user", "content": [{"type": "tool_result", "content": LONG, "cache_control": SAID}]},
                ]
            },
        ),
    ],
)
def test_where_marks_are_placed(body: dict[str, Any], wanted: dict[str, Any]):
    assert marked(body) == wanted


@pytest.mark.parametrize(
    "body",
    [
        {"system": "short", "messages": TURNS[:1]},
        {"system": LONG, "messages": [{"role": "user", "content": [{"type": "text", "cache_control": SAID}]}]},
        {"messages": [{"role": "user", "content": LONG}]},
        {"messages": [*TURNS, {"role": "assistant", "content": LONG}]},
        {"messages": [*TURNS, {"role": "user", "content": []}], "x": LONG},
        {"messages": [*TURNS, {"role": "user", "content": " "}], "x": LONG},
        {"messages": [*TURNS, {"role": "user", "content": [{"type": "thinking", "thinking": LONG}]}]},
        {"messages": [*TURNS, {"role": "user", "content": [{"type": "text", "text": ""}]}], "x": LONG},
        {"x": LONG},
    ],
)
def test_what_is_left_as_it_is(body: dict[str, Any]):
    sent = json.dumps(body).encode()
    assert mark_prompt(sent, MARK) is sent


def test_how_long_it_is_kept():
    assert marked({"system": LONG}, PromptMark(ttl="1h", key=""))["system"][0]["cache_control"] == SAID | {"ttl": "1h"}


def test_every_other_byte_stays():
    body = b'{"max_tokens" :1.50,"system":"' + LONG.encode() + b'","messages":[ {"role":"user","content":"\\u00e9"} ]}'
    sent = mark_prompt(body, MARK)
    assert b"1.50" in sent
    assert b'[ {"role":"user","content":"\\u00e9"} ]' in sent


def test_the_key_is_sent_unless_the_caller_has_one():
    assert json.loads(key_prompt(b'{"model":"m"}', MARK)) == {"model": "m", "prompt_cache_key": "k"}
    for body in (b'{"model":"m","prompt_cache_key":"own"}', b'{"prompt_cache_key":null}'):
        assert key_prompt(body, MARK) is body
    assert key_prompt(b"{}", PromptMark(ttl="5m", key="")) == b"{}"
