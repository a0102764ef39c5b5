"""Conditions: every operator, over what is there and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import ConfigError
from headgate.routing.conditions import DEPTH_MAX, Subject, compile_condition

CALL = Subject(
    {
        "metadata": {"plan": "paid", "seats": 5, "beta": True, "note": None},
        "params": {"temperature": 0.2, "messages": [1, 2]},
        "url": {"pathname": "/v1/chat/completions"},
        "prompt": {"tokens": 9000},
    }
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"metadata.plan": {"$eq": "paid"}}, True),
        ({"metadata.plan": "paid"}, True),
        ({"metadata.plan": {"$eq": "free"}}, False),
        ({"metadata.beta": True}, True),
        ({"metadata.beta": 1}, False),
        ({"metadata.seats": True}, False),
        ({"metadata.note": None}, True),
        ({"metadata.plan": {"$ne": "free"}}, True),
        ({"metadata.nothing": {"$ne": "free"}}, True),
        ({"metadata.plan": {"$in": ["free", "paid"]}}, True),
        ({"metadata.plan": {"$nin": ["free"]}}, True),
        ({"metadata.nothing": {"$nin": ["free"]}}, True),
        ({"metadata.nothing": {"$in": ["free"]}}, False),
        ({"metadata.plan": {"$regex": "^pa.d$"}}, True),
        ({"metadata.seats": {"$regex": "5"}}, False),
        ({"metadata.seats": {"$gt": 4, "$lt": 6}}, True),
        ({"metadata.seats": {"$gt": 5}}, False),
        ({"metadata.seats": {"$gte": 5, "$lte": 5}}, True),
        ({"metadata.seats": {"$lt": 5}}, False),
        ({"metadata.beta": {"$gt": 0}}, False),
        ({"metadata.plan": {"$gt": 0}}, False),
        ({"params.temperature": {"$lt": 0.5}}, True),
        ({"params.messages": {"$eq": "x"}}, False),
        ({"url.pathname": {"$regex": "chat"}}, True),
        ({"prompt.tokens": {"$gt": 8000}}, True),
        ({"tenant.team": "red"}, False),
        ({"metadata.plan": "paid", "metadata.seats": 4}, False),
        ({"$and": [{"metadata.plan": "paid"}, {"metadata.seats": 5}]}, True),
        ({"$or": [{"metadata.plan": "free"}, {"metadata.seats": 5}]}, True),
        ({"$or": [{"metadata.plan": "free"}, {"metadata.seats": 4}]}, False),
        ({"$and": [{"$or": [{"metadata.plan": "free"}, {"metadata.beta": True}]}, {"metadata.seats": 5}]}, True),
    ],
)
def test_a_condition_holds_or_not(query: object, expected: bool):
    assert compile_condition(query, "$")(CALL) is expected


def deep(levels: int) -> object:
    return {"$and": [deep(levels - 1)]} if levels else {"metadata.a": 1}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "$: must be a mapping"),
        ("paid", "$: must be a mapping"),
        ({"plan": 1}, "$.plan: must be $and, $or, or begin with one of metadata., params., url., tenant., prompt."),
        ({"metadata.": 1}, "begin with one of"),
        ({"body.x": 1}, "begin with one of"),
        ({"metadata.plan": {}}, "$.metadata.plan: names no operator"),
        ({"metadata.plan": {"$like": "x"}}, "$.metadata.plan.$like: is not an operator; known: $eq, $ne"),
        ({"metadata.plan": {"$in": "paid"}}, "must be a list of values"),
        ({"metadata.plan": {"$nin": []}}, "must be a list of values"),
        ({"metadata.plan": {"$in": [[1]]}}, "must be text, a number, true or false"),
        ({"metadata.plan": {"$eq": {"a": 1}}}, "must be text, a number, true or false"),
        ({"metadata.plan": {"$ne": [1]}}, "must be text, a number, true or false"),
        ({"metadata.plan": {"$regex": "("}}, "must be a regular expression, not '('"),
        ({"metadata.plan": {"$regex": 5}}, "must be a regular expression, not 5"),
        ({"metadata.plan": {"$gt": "5"}}, "must be a number"),
        ({"metadata.plan": {"$lte": True}}, "must be a number"),
        ({"$or": {"metadata.plan": 1}}, "$.$or: must be a list of conditions"),
        ({"$and": []}, "$.$and: must be a list of conditions"),
        ({"$and": [{"metadata.a": 1}, {"nothing": 1}]}, "$.$and[1].nothing: must be"),
        (deep(DEPTH_MAX + 1), f"is nested more than {DEPTH_MAX} deep"),
    ],
)
def test_a_mistake_is_told_with_its_place(query: object, told: str):
    with pytest.raises(ConfigError) as caught:
        compile_condition(query, "$")
    assert told in str(caught.value)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@given(SCALARS, st.sampled_from(["$eq", "$in"]), SCALARS)
def test_an_operator_and_its_opposite_never_agree(seen: object, operator: str, wanted: object):
    subject = Subject({"metadata": {"x": seen}})
    opposite = {"$eq": "$ne", "$in": "$nin"}[operator]
    operand: object = wanted if operator == "$eq" else [wanted]
    holds = compile_condition({"metadata.x": {operator: operand}}, "$")(subject)
    assert compile_condition({"metadata.x": {opposite: operand}}, "$")(subject) is not holds
