"""What a reading says of a text, row by row."""

import pytest

from headgate.cache.semantic.readings import Reading, stem


@pytest.mark.parametrize(
    ("fact", "text", "said"),
    [
        ("number", "Convert 10 miles and 2.5 km", ("10", "2.5")),
        ("number", "twenty apples, a dozen eggs", ("20", "12")),
        ("number", "the 2nd of 1,000", ("2nd", "1000")),
        ("number", "World War II or Rocky IV", ("ii", "iv")),
        ("number", "I am one of them", ()),
        ("number", "a second look in a second", ("2nd",)),
        ("sign", "is 5 % < $3?", ("%", "<", "$")),
        ("date", "in March, next Friday", frozenset({"march", "next", "friday"})),
        ("date", "may I march today", frozenset({"today"})),
        ("unit", "miles to kilometres", ("mile", "kilometer")),
        ("negation", "I do not know, and never will", 2),
        ("negation", "tell me whether or not", 0),
        ("negation", "why can't I", 1),
        ("negation", "It is, isn't it?", 0),
        ("quote", "What does \"Hot  dog\" or 'bon mot' mean, in `ls -l`?", frozenset({"hot  dog", "bon mot", "ls -l"})),
        ("address", "see https://a.example/b?c and me@x.org.", frozenset({"https://a.example/b?c", "me@x.org"})),
    ],
)
def test_a_fact(fact: str, text: str, said: object):
    assert Reading(text).facts[fact] == said


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What does Anna think of Berlin?", {"anna", "berlin"}),
        ("Is NASA bigger than the iPhone?", {"nasa", "iphon"}),
        ("Yes. The end. What now", set()),
        ("HOW DO I RESET IT", set()),
        ("How To Reset My Password", set()),
        ("I think I am", set()),
    ],
)
def test_names(text: str, names: set[str]):
    assert Reading(text).names == names


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Who wrote it?", "who"),
        ("In the end, where is it?", "where"),
        ("how many are there", "amount"),
        ("how do I go there", "how"),
        ("What is it when it rains?", "what"),
        ("What is the best way to go", "how"),
        ("How come it rains", "why"),
        ("what's the price of it", "amount"),
        ("Is there any way to go", "can it be"),
        ("Would it be wise to go", "should it be"),
        ("so are you there", "is it so"),
        ("I think it is there", ""),
        ("Tell me a joke", ""),
        ("how", "how"),
    ],
)
def test_focus(text: str, asked: str):
    assert Reading(text).focus == asked


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("cities", "city"),
        ("running", "run"),
        ("runs", "run"),
        ("stopped", "stop"),
        ("make", "mak"),
        ("baking", "baking"),
        ("class", "class"),
        ("quickly", "quick"),
        ("the", "the"),
        ("is", "is"),
    ],
)
def test_stems(word: str, bare: str):
    assert stem(word) == bare


@pytest.mark.parametrize(
    "text",
    [
        "```x```",
        "print()",
        "a = 1;\nb",
        "my_name",
        "x == y",
        "a -> b",
        "a && b",
        "<b>",
        "select a from b".upper(),
        "{ }\n",
    ],
)
def test_code_is_known(text: str):
    assert Reading(text).is_code


@pytest.mark.parametrize(
    ("text", "is_english"),
    [
        ("How do I reset my password?", True),
        ("reset password", True),
        ("Wie setze ich mein Passwort schnell zurück, bitte?", False),
        ("重置密码", False),
        ("123", False),
        ("Réinitialiser", False),
    ],
)
def test_english_is_known(text: str, is_english: bool):
    assert Reading(text).is_english is is_english
    assert not Reading("Should I go there?").is_code
