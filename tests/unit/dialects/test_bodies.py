"""What every dialect refuses of a body as such: a member twice, half of a character."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Dialect, Envelope, Target
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.registry import DIALECTS

ENVELOPE = Envelope(model="anthropic.claude-x")
TURN = {"role": "user", "content": "hi"}
BODIES: dict[str, dict[str, Any]] = {
    "openai_chat": {"model": "m", "messages": [TURN]},
    "openai_responses": {"model": "m", "input": "hi"},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [TURN]},
    "gemini": {"model": "models/m", "contents": [{"parts": [{"text": "hi"}]}]},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
    "bedrock_invoke": {"anthropic_version": "x", "max_tokens": 9, "messages": [TURN]},
    "cohere": {"model": "m", "messages": [TURN]},
    "ollama": {"model": "m", "messages": [TURN]},
}
PATCHED = ["openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama"]
"""Those whose bodies are taken apart to name the model; the others pass as they are."""

SPELLINGS = [
    '{{"{0}":1,"x":"{0}","{0}":2}}',
    '{{"{0}": 1, "{0}": 1}}',
    '{{ "{0}" : {{"{0}":1}},\n "{0}" : 2 }}',
    '{{"{0}":1,"\\u0061b":2}}',
    '{{"{0}":1,"{0}":' + "9" * 5000 + "}}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_member_that_stands_twice_is_named(spelling: str):
    with pytest.raises(InvalidRequest, match="'ab' stands twice") as refused:
        top_level(spelling.format("ab").encode())

    assert refused.value.problem.param == "ab"


@pytest.mark.parametrize("body", ['{"a" :"\\"a\\"","b":["a",{"a":1}]}', ' {"\\u0061":"é"}', "{ }", '{"é": 1}'])
def test_what_stands_once_is_taken(body: str):
    assert list(top_level(body.encode())) == list(json.loads(body))


@given(st.dictionaries(st.text("ab\\u0061 é", max_size=3), st.text('a"\\é', max_size=4), max_size=4))
def test_no_object_is_refused_however_it_is_spelt(members: dict[str, Any]):
    for told in ({}, {"ensure_ascii": False}, {"separators": (",", ":")}, {"indent": 1}):
        assert top_level(json.dumps(members, **told).encode()).keys() == members.keys()


@pytest.mark.parametrize("name", BODIES)
def test_a_translated_call_says_nothing_twice(name: str):
    member = next(iter(BODIES[name]))
    body = json.dumps(BODIES[name]).encode()[:-1] + b', "%b": "again"}' % member.encode()

    with pytest.raises(InvalidRequest):
        DIALECTS[name].parse_request(body, ENVELOPE)


@pytest.mark.parametrize("name", PATCHED)
def test_a_verbatim_call_says_nothing_twice(name: str):
    body = b'{"model":"a",' + json.dumps(BODIES[name]).encode()[1:]

    with pytest.raises(InvalidRequest, match="'model' stands twice"):
        DIALECTS[name].patch(body, Target(model="b"))


def heads(dialect: Dialect) -> list[Any]:
    return [dialect.peek, dialect.parse_request]


@pytest.mark.parametrize("name", BODIES)
def test_half_of_a_character_is_told_as_such(name: str):
    body = json.dumps(BODIES[name]).encode().replace(b'"hi"', b'"whole \\ud83d\\ude00, half \\ud83d"')

    for read in heads(DIALECTS[name]):
        with pytest.raises(InvalidRequest, match=r"half of a character, \\ud83d at byte \d+"):
            read(body, ENVELOPE)


@pytest.mark.parametrize("body", [b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\\\ud83d"}', b"{"])
def test_whole_characters_are_no_halves(body: bytes):
    assert half_character(body) is None
