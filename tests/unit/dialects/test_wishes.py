"""OpenRouter's `models` and `provider`: read, refused, taken out."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.needs import PriceLimit, Wishes
from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.dialects.wishes import parse_wishes, without_wishes


def body(**members: object) -> bytes:
    return json.dumps({"model": "m", **members}).encode()


@pytest.mark.parametrize(
    ("members", "wishes"),
    [
        ({}, Wishes()),
        ({"models": None, "provider": None}, Wishes()),
        ({"models": ["a/b", "c"]}, Wishes(models=("a/b", "c"))),
        (
            {"provider": {"order": ["OpenAI", "azure"], "only": ["x"], "ignore": ["y"]}},
            Wishes(order=("openai", "azure"), only=("x",), ignore=("y",)),
        ),
        ({"provider": {"allow_fallbacks": False}}, Wishes(allow_fallbacks=False)),
        ({"provider": {"sort": "latency"}}, Wishes(sort="latency")),
        ({"provider": {"sort": {"by": "throughput", "partition": "model"}}}, Wishes(sort="throughput")),
        ({"provider": {"sort": {"by": None}}}, Wishes()),
        (
            {"provider": {"max_price": {"prompt": 0.15, "completion": "0.6", "request": 0.001}}},
            Wishes(max_price=PriceLimit(input=150_000, output=600_000, request=1_000_000)),
        ),
        ({"provider": {"max_price": {"prompt": 1}}}, Wishes(max_price=PriceLimit(input=1_000_000))),
        ({"max_price": {"prompt": 1}}, Wishes(max_price=PriceLimit(input=1_000_000))),
        ({"max_cost_usd": 0.05}, Wishes(cost_nano_usd_max=50_000_000)),
        ({"max_cost_usd": "0.000000001"}, Wishes(cost_nano_usd_max=1)),
        ({"max_cost_usd": 0}, Wishes(cost_nano_usd_max=0)),
        ({"max_cost_usd": None, "max_price": None}, Wishes()),
        ({"provider": {"allow_fallbacks": None, "require_parameters": True}}, Wishes(require_parameters=True)),
        ({"provider": {"sort": None, "data_collection": "allow", "max_price": {}, "quantizations": []}}, Wishes()),
    ],
)
def test_wishes_are_read(members: dict[str, object], wishes: Wishes):
    assert parse_wishes(body(**members)) == wishes


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"provider": {"sort": "exacto"}}, "provider.sort"),
        ({"provider": {"sort": {"by": "price", "partition": "none"}}}, "provider.sort.partition"),
        ({"provider": {"sort": {"by": "nothing"}}}, "provider.sort"),
        ({"provider": {"max_price": {"image": 1}}}, "provider.max_price"),
        ({"provider": {"max_price": {"prompt": "cheap"}}}, "provider.max_price.prompt"),
        ({"provider": {"max_price": {"completion": -1}}}, "provider.max_price.completion"),
        ({"provider": {"max_price": {"request": "NaN"}}}, "provider.max_price.request"),
        ({"provider": {"max_price": {"prompt": 1e9}}}, "provider.max_price.prompt"),
        ({"max_price": {"prompt": -1}}, "max_price.prompt"),
        ({"max_price": {"prompt": 1}, "provider": {"max_price": {"prompt": 1}}}, "max_price"),
        ({"max_price": 3}, "max_price"),
        ({"max_cost_usd": -1}, "max_cost_usd"),
        ({"max_cost_usd": "1e-10"}, "max_cost_usd"),
        ({"max_cost_usd": 1_000_001}, "max_cost_usd"),
        ({"max_cost_usd": "NaN"}, "max_cost_usd"),
        ({"max_cost_usd": "5 EUR"}, "max_cost_usd"),
        ({"max_cost_usd": True}, "max_cost_usd"),
        ({"provider": {"data_collection": "deny"}}, "provider.data_collection"),
        ({"provider": {"zdr": True}}, "provider.zdr"),
        ({"provider": {"unheard_of": 1}}, "provider.unheard_of"),
        ({"provider": {"order": "openai"}}, "provider.order"),
        ({"provider": "openai"}, "provider"),
        ({"models": "a"}, "models"),
        ({"models": ["a"] * 17}, "models"),
        ({"models": [1]}, "models[0]"),
    ],
)
def test_what_is_not_granted_is_refused_by_name(members: dict[str, object], param: str):
    with pytest.raises(InvalidRequest) as caught:
        parse_wishes(body(**members))
    assert caught.value.problem.param == param


MESSAGE = {"role": "user", "content": "hi"}
BODIES = {
    "openai_chat": {"messages": [MESSAGE]},
    "openai_responses": {"input": "hi"},
    "anthropic": {"messages": [MESSAGE], "max_tokens": 9},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "cohere": {"messages": [MESSAGE]},
    "ollama": {"messages": [MESSAGE]},
}


@pytest.mark.parametrize("dialect", BODIES)
@pytest.mark.parametrize(
    ("members", "has_wishes"),
    [
        ({}, False),
        ({"models": ["b"]}, True),
        ({"provider": {"order": []}}, True),
        ({"max_price": {}}, True),
        ({"max_cost_usd": 1}, True),
    ],
)
def test_every_dialect_notices_wishes(dialect: str, members: dict[str, object], has_wishes: bool):
    head = DIALECTS[dialect].peek(body(**BODIES[dialect], **members), Envelope())
    assert head.has_wishes is has_wishes


ODD = {
    "openai_chat": {"messages": [{"role": "user", "content": [{"type": "new_kind", "text": [1]}]}]},
    "openai_responses": {"input": [{"type": "message", "role": "user", "content": [{"type": "new", "text": 1}]}]},
    "anthropic": {"messages": [{"role": "user", "content": [{"type": "new_kind"}]}], "max_tokens": 9},
    "cohere": {"messages": [MESSAGE], "thinking": {"type": "enabled"}},
    "ollama": {"messages": [MESSAGE], "think": True},
}


@pytest.mark.parametrize("dialect", ODD)
def test_a_body_that_is_read_the_slow_way_keeps_its_wishes(dialect: str):
    head = DIALECTS[dialect].peek(body(**ODD[dialect], provider={"order": []}), Envelope())
    assert head.has_wishes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
MEMBERS = ["order", "only", "ignore", "allow_fallbacks", "require_parameters", "sort", "max_price"]


@given(models=JSON, provider=JSON | st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_odd_wishes_are_read_or_refused(models: object, provider: object):
    with suppress(InvalidRequest):
        assert isinstance(parse_wishes(body(models=models, provider=provider)), Wishes)


def test_half_a_character_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        parse_wishes(rb'{"provider":{"order":["\ud800"]}}')
    assert caught.value.problem.param == "provider"


OURS = ("models", "provider", "max_price", "max_cost_usd")


@given(
    st.dictionaries(st.text() | st.sampled_from(OURS), st.none() | st.booleans() | st.text() | st.lists(st.integers()))
)
def test_everything_else_stays_as_it_was(members: dict[str, object]):
    rest = {name: value for name, value in members.items() if name not in OURS}
    ours = {"models": ["a"], "provider": {"order": ["b"]}, "max_price": {}, "max_cost_usd": 1}
    out = without_wishes(json.dumps({**rest, **ours}).encode())
    assert json.loads(out) == rest
