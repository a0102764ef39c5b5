import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.calls import CallRestorer, FreeText
from headgate.core.events import Event, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.request import Request, Tool

REQUEST = Request(
    dialect="x",
    model="m",
    messages=(),
    tools=(
        Tool(name="shout", is_custom=True),
        Tool(name="close", namespace="agents"),
        Tool(name="sing", namespace="agents", is_custom=True),
        Tool(name="add"),
    ),
)


def events_of(name: str, *arguments: str, is_custom: bool = False) -> list[Event]:
    return [
        Started(),
        PartStarted(index=0, kind="tool_call", id="a", name=name, is_custom=is_custom),
        *(PartDelta(0, text) for text in arguments),
        PartEnded(index=0),
        Finished(reason="tool_calls"),
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "namespace", "told", "text"),
    [
        ("shout", '{"input":"hi"}', "", "shout", "hi"),
        ("agents__close", '{"x":1}', "agents", "close", '{"x":1}'),
        ("agents__sing", ' { "input" : "la\\n" }', "agents", "sing", "la\n"),
        ("add", '{"input":"hi"}', "", "add", '{"input":"hi"}'),
        ("close", "{}", "", "close", "{}"),
    ],
)
def test_calls_are_told_as_the_client_offered_them(name: str, arguments: str, namespace: str, told: str, text: str):
    (part,) = fold(CallRestorer(REQUEST).restore(events_of(name, arguments))).parts

    assert (part.namespace, part.name, part.text, part.is_custom) == (namespace, told, text, told in ("shout", "sing"))


def test_a_custom_call_of_the_upstream_itself_stays_as_it_is():
    events = events_of("shout", '{"input":"hi"}', is_custom=True)

    assert list(CallRestorer(REQUEST).restore(events)) == events


def test_nothing_changes_where_nothing_was_changed():
    events = events_of("shout", "{}")

    assert CallRestorer(None).restore(events) is events
    assert CallRestorer(Request(dialect="x", model="m", messages=(), tools=(Tool(name="shout"),))).restore(
        events
    ) is events  # fmt: skip


def text_of(*pieces: str) -> str:
    free = FreeText()
    return "".join([*map(free.feed, pieces), free.close()])


def test_text_is_told_as_it_comes():
    free = FreeText()

    told = [free.feed(piece) for piece in ('{"inp', 'ut":"a', "b\\", "nc\\ud83d", "\\ude00", 'd"', "}", " ")]

    assert [*told, free.close()] == ["", "a", "b", "\nc", "😀", "d", "", "", ""]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input":"a', "a"),
        ('{"input":"a\\', "a"),
        ('{"input":"a\\ud83d', "a"),
        ('{"input":"a\\ud83dz"}', "a\ufffdz"),
        ('{"input":"a\\uzz"}', 'a\\uzz"}'),
        ('{"input":"a\nb"}', "a\nb"),
        ('{"input":""}', ""),
        ('{"why":1,"input":"a"}', "a"),
        ('{"why":1}', '{"why":1}'),
        ("free text", "free text"),
        ("", ""),
    ],
)
def test_odd_arguments(arguments: str, text: str):
    assert text_of(arguments) == text


@given(st.text(), st.booleans(), st.data())
def test_a_cut_anywhere_changes_nothing(text: str, is_ascii: bool, data: st.DataObject):
    arguments = json.dumps({"input": text}, ensure_ascii=is_ascii)
    at = data.draw(st.integers(0, len(arguments)))

    assert text_of(arguments[:at], arguments[at:]) == text
