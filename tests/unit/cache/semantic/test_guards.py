"""Each guard fires on what it is for, from either side, and on nothing where two say the same."""

import pytest

from headgate.cache.semantic.guards import fired
from headgate.cache.semantic.readings import Reading

FORBIDDEN = [
    ("number", "How old is a dog of 5 years?", "How old is a dog of 6 years?"),
    ("number", "five apples", "six apples"),
    ("number", "what is 5 minus 3", "what is 3 minus 5"),
    ("sign", "what is 2 + 2", "what is 2 * 2"),
    ("date", "is it open on Monday", "is it open on Tuesday"),
    ("date", "who won yesterday", "who won today"),
    ("unit", "convert miles to km", "convert km to miles"),
    ("unit", "how many grams in it", "how many ounces in it"),
    ("negation", "foods I can eat", "foods I can't eat"),
    ("negation", "cook it with salt", "cook it without salt"),
    ("quote", "translate 'hot dog'", "translate 'cold cat'"),
    ("address", "summarize https://a.example/x", "summarize https://a.example/y"),
    ("code", "what does foo() do", "what does that foo() do"),
    ("name", "where does Alice live", "where does Bob live"),
    ("name", "the capital of France", "the capital of it"),
    ("focus", "who built it", "when was it built"),
    ("focus", "how many are there", "how are they there"),
    ("opposite", "how do I enable it", "how do I disable it"),
    ("opposite", "is it legal", "is it illegal"),
    ("opposite", "lowest price of it", "highest price of it"),
    ("opposite", "a careful walk", "a careless walk"),
    ("focus", "can I go there", "should I go there"),
    ("focus", "what is a noun", "is a noun there"),
    ("direction", "is a cat smarter than a dog", "is a dog smarter than a cat"),
    ("direction", "from paris to rome", "from rome to paris"),
    ("direction", "a flight to rome", "a flight from rome"),
    ("order", "why does the old dog bite men", "why do men bite an old dog"),
    ("direction", "a red car behind a blue truck", "a blue truck behind a red car"),
    ("direction", "a present to my mother", "my mother sings to children"),
    ("order", "does the dog bite the man", "does the man bite the dog"),
]


@pytest.mark.parametrize(("guard", "one", "other"), FORBIDDEN)
def test_a_guard_fires(guard: str, one: str, other: str):
    assert fired(Reading(one), Reading(other)) == guard
    assert fired(Reading(other), Reading(one)) == guard


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "What is the best way to reset a password?"),
        ("What is the difference between cats and dogs?", "What is the difference between dogs and cats?"),
        ("Where does Alice live?", "where does alice live now"),
        ("When was it built?", "At what time was it built?"),
        ("It is, isn't it?", "it is so, is it"),
        ("Should I go?", "Is it a good idea to go?"),
        ("How many are there?", "how many of them are there"),
        ("is a cat smarter than a dog", "is a cat more clever than a dog"),
        ("How old is a dog of 5 years?", "how old is a dog of five years"),
    ],
)
def test_none_fires(one: str, other: str):
    assert fired(Reading(one), Reading(other)) == ""
    assert fired(Reading(other), Reading(one)) == ""


@pytest.mark.parametrize("text", [text for _, *texts in FORBIDDEN for text in texts if "foo" not in text])
def test_none_fires_on_a_text_and_itself(text: str):
    assert fired(Reading(text), Reading(text)) == ""
