"""Keys of answers: the same for what cannot change an answer, another one for anything that can."""

import json
from typing import Any

import pytest
from msgspec import structs

from headgate.cache.keys import Asked, key_of, read, scope_of, user_of, why_not
from headgate.core.caching import Caching, Scope
from headgate.core.principal import Principal
from headgate.policies.pepper import Pepper

PEPPER = Pepper(b"a secret of sixteen or more")
ASKED = Asked(surface="openai_chat", operation="generate", model="r", deployments=["a/m"], scope="team:x")
BODY: dict[str, Any] = {"model": "r", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}


def key(asked: Asked = ASKED, body: dict[str, Any] | bytes = BODY) -> bytes:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return key_of(PEPPER.digest, asked, read(asked.surface, sent))


@pytest.mark.parametrize(
    "body",
    [
        b'{"temperature":0,"messages":[{"content":"hi","role":"user"}],"model":"r"}',
        b'{"model":"r","temperature":0,"messages":[{"role":"user","content":"\\u0068i"}]}',
        {**BODY, "stream": True, "stream_options": {"include_usage": True}},
        {**BODY, "user": "u", "metadata": {"trace": "t"}, "safety_identifier": "s", "prompt_cache_key": "p"},
    ],
)
def test_the_same_however_it_is_spelt(body: dict[str, Any] | bytes):
    assert key(body=body) == key()
    assert len(key()) == 32


@pytest.mark.parametrize(
    "body",
    [
        {**BODY, "temperature": 0.1},
        {**BODY, "seed": 1},
        {**BODY, "n": 2},
        {**BODY, "max_tokens": 5},
        {**BODY, "response_format": {"type": "json_object"}},
        {**BODY, "never_heard_of": None},
        {**BODY, "service_tier": "flex"},
        {**BODY, "tools": [{"type": "function", "function": {"name": "f"}}]},
        {**BODY, "messages": [{"role": "user", "content": "Hi"}]},
        {**BODY, "messages": [{"role": "user", "content": "hi "}]},
        {**BODY, "messages": [{"role": "system", "content": "s"}, *BODY["messages"]]},
        {**BODY, "messages": [*BODY["messages"], *BODY["messages"]]},
        {**BODY, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:1"}}]}]},
        {**BODY, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:2"}}]}]},
    ],
)
def test_another_for_whatever_can_change_the_answer(body: dict[str, Any]):
    assert key(body=body) != key()


@pytest.mark.parametrize(
    "change",
    [
        {"surface": "anthropic"},
        {"operation": "embeddings"},
        {"model": "q"},
        {"deployments": ["a/m", "b/m"]},
        {"scope": "team:y"},
        {"namespace": "n"},
        {"version": "2"},
        {"betas": ("2023-06-01", "one")},
        {"headers": {"anthropic-beta": "x"}},
        {"query": "api-version=1"},
    ],
)
def test_another_for_another_call(change: dict[str, Any]):
    assert key(structs.replace(ASKED, **change)) != key()


def test_it_takes_the_secret_to_make_one():
    assert key_of(Pepper(b"another secret than that").digest, ASKED, read("openai_chat", b"{}")) != key(body={})


def test_the_order_of_deployments_is_none_of_its_business():
    two = structs.replace(ASKED, deployments=["a/m", "b/m"])
    assert key(two) == key(structs.replace(ASKED, deployments=["b/m", "a/m"]))


def test_what_an_answer_repeats_is_part_of_it():
    asked = structs.replace(ASKED, surface="openai_responses")
    assert key(asked, {**BODY, "metadata": {"a": "b"}}) != key(asked)
    assert key(asked, {**BODY, "stream": True}) == key(asked)


def test_where_one_part_ends_and_the_next_begins():
    one = structs.replace(ASKED, scope="a", namespace="b")
    assert key(one) != key(structs.replace(ASKED, scope="ab", namespace=""))


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("user", "user:k/13d650693b19482ad7061da30b45bfbc"),
        ("key", "key:k"),
        ("team", "team:t"),
        ("organisation", "organisation:o"),
    ],
)
def test_whose_answers_a_caller_gets(scope: Scope, found: str):
    principal = Principal(key_id="k", name="n", team="t", organisation="o")
    assert scope_of(scope, principal, "u") == found


def test_who_belongs_to_nobody_keeps_to_itself():
    alone = Principal(key_id="k", name="n")
    assert [scope_of(scope, alone, "") for scope in ("user", "team", "organisation")] == ["", "key:k", "key:k"]


@pytest.mark.parametrize(
    ("members", "user"),
    [
        ({"user": "u"}, "u"),
        ({"safety_identifier": "s"}, "s"),
        ({"metadata": {"user_id": "m"}}, "m"),
        ({"metadata": {"user_id": 5}}, ""),
        ({"metadata": "m", "user": 5}, ""),
        ({}, ""),
    ],
)
def test_the_user_that_a_body_names(members: dict[str, object], user: str):
    assert user_of(members) == user


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"store": True}, "kept by its provider"),
        ({"store": False}, ""),
        ({"temperature": 1.1}, "temperature"),
        ({"temperature": 1}, ""),
        ({"generationConfig": {"temperature": 2}}, "temperature"),
        ({"options": {"temperature": 2}}, "temperature"),
        ({"options": {"temperature": 2}, "temperature": 0}, ""),
        ({"generationConfig": 5, "temperature": "hot"}, ""),
        ({"messages": [{"content": [{"image_url": {"url": "https://example.com/a.png"}}]}]}, "content behind a URL"),
        ({"contents": [{"parts": [{"fileData": {"fileUri": "gs://bucket/a.png"}}]}]}, "content behind a URL"),
        ({"messages": [{"content": [{"image_url": {"url": "data:image/png;base64,AA"}}]}]}, ""),
        ({"messages": [{"content": 'say "url":"https://example.com"'}]}, ""),
    ],
)
def test_what_is_for_one_call_alone(members: dict[str, object], reason: str):
    assert why_not(Caching(), read("openai_chat", json.dumps(members).encode())) == reason


def test_any_temperature_where_the_operator_lets_it():
    hot = read("openai_chat", b'{"temperature":2}')
    assert why_not(Caching(temperature_max=None), hot) == ""
