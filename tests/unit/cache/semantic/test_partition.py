"""Nothing but the words of the last question is shared: each part of a request keeps its partition apart."""

from typing import Any

import msgspec
import pytest

from headgate.cache.semantic.partition import Asked, language_of, partition

SECRET = b"s" * 32
ASKED = Asked(
    tenant="team-1",
    surface="openai_chat",
    model="gpt-5.2",
    system="Be brief.",
    tools=[{"name": "lookup"}],
    parameters={"temperature": 0.2, "response_format": {"type": "text"}},
    turns=[{"role": "user", "content": "Hi"}],
    parts=[b"an image"],
    language="LATIN",
    policy="1",
)
OTHERS: list[dict[str, Any]] = [
    {"tenant": "team-2"},
    {"surface": "anthropic"},
    {"model": "gpt-5.2-mini"},
    {"system": "Be long."},
    {"system": None},
    {"tools": [{"name": "look_up"}]},
    {"tools": []},
    {"parameters": {"temperature": 0.3, "response_format": {"type": "text"}}},
    {"parameters": {"temperature": 0.2, "response_format": {"type": "json_object"}}},
    {"parameters": {"temperature": 0.2, "response_format": {"type": "text"}, "new_one": 1}},
    {"turns": [{"role": "user", "content": "Hello"}]},
    {"turns": []},
    {"parts": [b"another image"]},
    {"parts": [b"an image", b"an image"]},
    {"language": "CYRILLIC"},
    {"policy": "2"},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_each_part_keeps_apart(other: dict[str, Any]):
    assert partition(msgspec.structs.replace(ASKED, **other), SECRET) != partition(ASKED, SECRET)


def test_nothing_moves_from_one_part_to_the_next():
    first = msgspec.structs.replace(ASKED, tenant="ab", surface="c")
    second = msgspec.structs.replace(ASKED, tenant="a", surface="bc")
    assert partition(first, SECRET) != partition(second, SECRET)


@pytest.mark.parametrize(
    "same",
    [
        {"system": "Be brief.  \n"},
        {"parameters": {"response_format": {"type": "text"}, "temperature": 0.2}},
        {"parameters": {"temperature": 0.2, "response_format": {"type": "text"}, "stream": True}},
    ],
    ids=str,
)
def test_order_blanks_and_delivery_do_not(same: dict[str, Any]):
    assert partition(msgspec.structs.replace(ASKED, **same), SECRET) == partition(ASKED, SECRET)


def test_another_secret_gives_another_digest():
    assert partition(ASKED, b"t" * 32) != partition(ASKED, SECRET)
    assert len(partition(ASKED, SECRET)) == 32


def test_scripts_part_languages():
    assert [language_of(text) for text in ("Reset it", "Сбросить пароль a", "重置密码", "12 + 3")] == [
        "LATIN",
        "CYRILLIC",
        "CJK",
        "",
    ]
