"""Answers that broke off: which may go on, what is asked for, and how the two halves are joined."""

import pytest
from msgspec import Raw, structs

from headgate.core.request import Knobs, Message, OutputFormat, Request, Text, Tool
from headgate.providers.catalog import Deployment, Door
from headgate.providers.models import Facts
from headgate.routing.continuing import GO_ON, Continuation, Seam, continued, is_same_model, may_be_continued

ASKED = Request(
    dialect="openai_chat", model="m", messages=(Message(role="user", parts=(Text(text="say"),)),), is_stream=True
)
TOOL = Tool(name="f")


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"knobs": Knobs(candidates=1, max_tokens=9)}, True),
        ({"extras": {"metadata": Raw(b"{}")}}, True),
        ({"is_stream": False}, False),
        ({"tools": (TOOL,)}, False),
        ({"knobs": Knobs(output_format=OutputFormat())}, False),
        ({"knobs": Knobs(candidates=2)}, False),
        ({"knobs": Knobs(logprobs=True)}, False),
        ({"knobs": Knobs(top_logprobs=3)}, False),
        ({"extras": {"guided_regex": Raw(b'"a+"')}}, False),
    ],
)
def test_only_plain_words_may_be_continued(changes: dict[str, object], may: bool):
    assert may_be_continued(structs.replace(ASKED, **changes)) is may


def deployment(model: str, id: str | None = None) -> Deployment:
    facts = None if id is None else Facts(model=id)
    return Deployment("p", model, (Door("d", "https://p.example"),), "p", facts)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (deployment("m"), deployment("m"), True),
        (deployment("m"), deployment("n"), False),
        (deployment("m", "x/m"), deployment("eu.m-v1:0", "x/m"), True),
        (deployment("m", "x/m"), deployment("m", "y/m"), False),
        (deployment("m", ""), deployment("m", ""), True),
        (deployment("m", "x/m"), deployment("n"), False),
    ],
)
def test_a_model_is_known_by_the_catalogue_or_by_its_name(first: Deployment, second: Deployment, same: bool):
    assert is_same_model(first, second) is same


def test_the_rest_is_asked_for_by_a_turn_or_by_a_beginning():
    turn = continued(ASKED, "one two ", 2, "user_turn")
    beginning = continued(ASKED, "one two ", 2, "prefill")
    assert turn is not None
    assert beginning is not None
    assert [(each.role, each.parts) for each in turn.messages[1:]] == [
        ("assistant", (Text(text="one two "),)),
        ("user", (Text(text=GO_ON),)),
    ]
    assert [(each.role, each.parts) for each in beginning.messages[1:]] == [("assistant", (Text(text="one two"),))]


@pytest.mark.parametrize(("most", "left"), [(None, None), (10, 8), (2, "nothing")])
def test_what_was_said_counts_towards_the_limit(most: int | None, left: int | str | None):
    asked = continued(structs.replace(ASKED, knobs=Knobs(max_tokens=most)), "one two", 2, "user_turn")
    assert (asked.knobs.max_tokens if asked is not None else "nothing") == left


@pytest.mark.parametrize(("said", "how"), [("one", "none"), (" \n", "prefill")])
def test_there_may_be_nothing_to_ask_for(said: str, how: Continuation):
    assert continued(ASKED, said, 1, how) is None


def joined(said: str, how: Continuation, *pieces: str) -> str:
    seam = Seam(said, how)
    return "".join([*(seam.join(piece) for piece in pieces), seam.close()])


@pytest.mark.parametrize(
    ("said", "how", "pieces", "more"),
    [
        ("the quick brown", "user_turn", [" fox"], " fox"),
        ("the quick brown", "user_turn", ["quick ", "brown", " fox"], " fox"),
        ("the quick brown", "user_turn", ["quick brown"], ""),
        ("ban", "user_turn", ["ana"], "ana"),
        ("a ba", "user_turn", ["ba", "nana"], "banana"),
        ("hello ", "prefill", [" world"], "world"),
        ("hello ", "prefill", ["world"], "world"),
        ("hel", "prefill", ["lo"], "lo"),
        ("", "user_turn", ["x"], "x"),
        ("x" * 200, "user_turn", ["x" * 100, "y"], "x" * 36 + "y"),
    ],
)
def test_what_is_said_twice_is_told_once(said: str, how: Continuation, pieces: list[str], more: str):
    assert joined(said, how, *pieces) == more
