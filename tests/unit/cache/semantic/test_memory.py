"""A memory serves what its learner allows, within a partition and a mode, and forgets what users complain of."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from headgate.cache.semantic.agreement import agree
from headgate.cache.semantic.embedders import Embedded, Embedder, open_embedder
from headgate.cache.semantic.learning import Rules
from headgate.cache.semantic.memory import SIDES_MAX, Found, Memory, Question, Settings
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import verifier_of
from headgate.cache.semantic.words import Word

SERVE = Settings("serve", Rules(labels_min=10, refit_every=10))
STORED = "How do I reset my password?"
NEAR = "What is the best way to reset my password?"


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder("static")


@pytest.fixture
def memory(embedder: Embedder) -> Memory:
    return Memory(embedder, verifier_of("static"))


def asked(text: str, partition: bytes = b"p", group: str = "g") -> Question:
    return Question(partition, group, text)


def teach(memory: Memory, settings: Settings, count: int = 400) -> None:
    """Labels as a stream gives them: the same asked in other words agrees, another thing asked does not."""
    for number in range(count):
        found = memory.look(asked(NEAR), settings, 0.0)
        memory.answered(found, "Open the settings.", "Open the settings.")
        if number % 4 == 0:
            found = memory.look(asked("Why should I ever reset my password?"), settings, 0.0)
            memory.answered(found, "Open the settings.", "It keeps others out of your account.")


def test_trivial_variants_are_served_at_once_and_nothing_else_is(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    assert memory.look(asked("hi, how do i reset my PASSWORD"), SERVE, 0.0) == Found(
        "a", "same", is_served=True, similarity=1.0, group="g"
    )
    found = memory.look(asked(NEAR), SERVE, 0.0)
    assert (found.entry, found.match, found.is_served, found.reason) == ("a", "near", False, "too few labels")
    assert found.similarity > 0.5


def test_what_was_learned_is_served(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    teach(memory, SERVE)
    assert memory.standing("g") == ""
    assert memory.look(asked(NEAR), SERVE, 0.0).is_served
    assert not memory.look(asked("Why should I ever reset my password?"), SERVE, 0.0).is_served
    assert memory.look(asked(NEAR, group="other"), SERVE, 0.0).reason == "too few labels"


def test_a_shadow_serves_nothing_and_says_what_it_would(memory: Memory):
    shadow = msgspec.structs.replace(SERVE, mode="shadow")
    memory.keep("a", asked(STORED), 10.0)
    assert memory.look(asked(STORED), shadow, 0.0).would_serve
    teach(memory, shadow)
    found = memory.look(asked(NEAR), shadow, 0.0)
    assert (found.is_served, found.would_serve, found.is_audited) == (False, True, False)


def test_other_rules_begin_with_the_labels_that_are_there(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    teach(memory, SERVE)
    other = msgspec.structs.replace(SERVE, rules=msgspec.structs.replace(SERVE.rules, audit_share=1.0))
    assert memory.look(asked(NEAR), other, 0.0).is_audited


@pytest.mark.parametrize(
    "other",
    [asked(STORED, partition=b"q"), asked("Как сбросить пароль?"), asked("How do I reset my 2 passwords?")],
)
def test_nothing_is_shared_across(memory: Memory, other: Question):
    memory.keep("a", asked(STORED), 10.0)
    assert not memory.look(other, SERVE, 0.0).entry


def test_why_a_neighbour_was_barred_is_told(memory: Memory):
    memory.keep("a", asked("How do I reset 3 of my passwords?"), 10.0)
    assert memory.look(asked("How do I reset 2 of my passwords?"), SERVE, 0.0).reason == "number"
    assert memory.look(asked("Who painted the ceiling there?"), SERVE, 0.0).reason == "no candidate"


def test_what_expired_or_was_forgotten_is_gone(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    assert not memory.look(asked(STORED), SERVE, 10.0).entry
    assert memory.forget("a")
    assert not memory.forget("a")
    assert not memory.look(asked(STORED), SERVE, 0.0).entry


def test_a_complaint_evicts_and_counts(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    teach(memory, SERVE)
    assert memory.look(asked(NEAR), SERVE, 0.0).is_served
    assert memory.complain("a")
    assert not memory.look(asked(NEAR), SERVE, 0.0).entry
    assert not memory.complain("a")
    for number in range(20):
        memory.keep(f"b{number}", asked(STORED), 10.0)
        memory.look(asked(NEAR), SERVE, 0.0)
        memory.complain(f"b{number}")
    assert memory.standing("g") == "bound not reached"


def test_what_was_kept_can_be_recalled(memory: Memory, embedder: Embedder):
    kept = memory.keep("a", asked(STORED), 10.0)
    restarted = Memory(embedder, verifier_of("static"))
    restarted.recall(kept)
    assert restarted.look(asked(STORED), SERVE, 0.0).entry == "a"
    assert restarted.look(asked(NEAR), SERVE, 0.0).entry == "a"
    assert restarted.standing("none") == "nothing was asked yet"


def test_the_newest_answer_to_a_question_is_served(memory: Memory):
    memory.keep("a", asked(STORED), 10.0)
    memory.keep("b", asked(STORED + "!"), 10.0)
    assert memory.look(asked(STORED), SERVE, 0.0).entry == "b"
    memory.forget("a")
    assert memory.look(asked(STORED), SERVE, 0.0).entry == "b"


def test_a_question_without_words_is_only_what_it_is(memory: Memory):
    memory.keep("a", asked("?!"), 10.0)
    assert not memory.look(asked("!?"), SERVE, 0.0).entry
    assert memory.answered(Found(), "old", "new") is None


def test_a_seeded_answer_of_another_tenant_is_never_reached(memory: Memory):
    memory.keep("poison", asked(STORED, partition=b"attacker"), 10.0)
    assert memory.look(asked(STORED, partition=b"victim"), SERVE, 0.0).entry == ""


def test_a_crafted_neighbour_is_not_served(embedder: Embedder):
    class Colliding:
        """Puts every text at the same place, as the best of attacks on an embedder would."""

        name, dimensions = "static", embedder.dimensions

        def embed(self, text: str, words: Sequence[Word]) -> Embedded:
            one = np.full(self.dimensions, self.dimensions**-0.5, np.float32)
            return Embedded(one, embedder.embed(text, words).words, 0.0)

    memory = Memory(Colliding(), verifier_of("static"))
    memory.keep("poison", asked("Which number must I call to cancel a stolen card of my bank zq xx"), 10.0)
    found = memory.look(asked("Where can I find the opening hours of my library?"), SERVE, 0.0)
    assert not found.is_served
    assert not found.evidence or found.evidence[0] < verifier_of("static").logit_min


def test_sides_are_kept_within_bounds(memory: Memory):
    for number in range(SIDES_MAX + 5):
        memory.keep(str(number), asked(f"What is number {number}?"), 10.0)
    assert len(memory._sides) == SIDES_MAX
    assert memory.look(asked("What is number 0?"), SERVE, 0.0).entry == "0"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Paris.", "paris", True),
        ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}', True),
        ('{"a": 1}', '{"a": 2}', False),
        ('{"a": 1}', "a is 1", False),
        ("[" * 3000, "[1]", False),
        ("It costs 5 dollars.", "It costs 6 dollars.", False),
        ("Yes, it is.", "No, it is not.", False),
        ("The capital is Paris.", "The capital is Rome.", False),
        ("The capital of France is Paris.", "France's capital is Paris.", True),
        ("Open the settings, then choose the account.", "Dogs and cats sleep all day long.", False),
        ("Use foo(1)", "Use foo(2)", False),
        ("", "Nothing", False),
        ("one word after the other one " * 20, "one word, after the other ones " * 20, True),
    ],
)
def test_whether_answers_agree(embedder: Embedder, one: str, other: str, is_same: bool):
    assert agree(one, other, lambda reading: embedder.embed(reading.text, ()).vector) is is_same
    assert Reading(one).text == one
