"""A pair is the same, barred or scored; a verifier's forest says how likely, and both embedders have one."""

import msgspec
import pytest

from headgate.cache.semantic import verifier
from headgate.cache.semantic.embedders import Embedder, open_embedder
from headgate.cache.semantic.features import MEANING, NAMES, Side, features
from headgate.cache.semantic.judge import EVIDENCE, judge
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import Tree, Verifier, verifier_of
from headgate.core.problems import ConfigError


@pytest.fixture(scope="module", params=["static"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return open_embedder(request.param)


def side(embedder: Embedder, text: str) -> Side:
    reading = Reading(text)
    return Side(reading, embedder.embed(reading.text, reading.words))


@pytest.mark.parametrize(
    ("one", "other", "kind", "reason"),
    [
        ("What is a noun?", "hi, what's a noun", "same", ""),
        ("重置密码", "重置密码!", "same", ""),
        ("how do I reset my password", "how can I recover my password", "scored", ""),
        ("how do I reset my password", "how can I reset 2 passwords", "barred", "number"),
        ("重置密码", "取消订单", "barred", "not English"),
        ("👍👍", "🔥🔥🔥", "barred", "not English"),
        ("explain foo()", "explain foo( )", "barred", "code"),
        ("explain foo(a, b)", "explain foo(a, b) ", "same", ""),
        ("tell me about cats " * 50, "tell me about dogs " * 50, "barred", "too long"),
        ("go on", "do it", "barred", "too short"),
        ("what is the weather in rome", "how is the weather in rome", "barred", "of the moment"),
        ("the sum of ☂☃☄ ★ ☆", "a sum of ☂☃☄ ★ ☆", "barred", "unknown words"),
        ("?!", "!?", "barred", "not English"),
    ],
)
def test_what_a_pair_is(embedder: Embedder, one: str, other: str, kind: str, reason: str):
    first, second = side(embedder, one), side(embedder, other)
    judged = judge(first, second, verifier_of("static"))
    assert (judged.kind, judged.reason) == (kind, reason)
    assert len(judged.evidence) == (len(EVIDENCE) + 1 if kind == "scored" else 0)
    assert judge(second, first, verifier_of("static"))[:2] == judged[:2]


def test_a_pair_is_scored_alike_from_either_side(embedder: Embedder):
    one = side(embedder, "how do I lose weight without a gym?")
    other = side(embedder, "What is the best way to shed weight without any gym")
    made = verifier_of("static")
    assert judge(one, other, made).evidence == pytest.approx(judge(other, one, made).evidence, abs=0.05)


@pytest.mark.parametrize("name", ["minilm", "static"])
def test_a_shipped_verifier_knows_alike_from_unlike(name: str):
    loaded, made = open_embedder(name), verifier_of(name)
    asked = side(loaded, "How do I install Linux on my laptop?")
    alike = judge(asked, side(loaded, "What is the best way to install Linux on my laptop?"), made).evidence
    unlike = judge(asked, side(loaded, "Why should I install Linux at my grandmother's house?"), made)
    assert alike[0] > made.logit_min
    assert not unlike.evidence or unlike.evidence[0] < made.logit_min - 1


def test_features_of_texts_without_words_of_content(embedder: Embedder):
    row = dict(zip(NAMES, features(side(embedder, "is it so"), side(embedder, "it is")), strict=True))
    assert row["worst_min"] == row["second_worst"] == row["same_word_min"] == 1.0
    assert (row["content"], row["unmatched_max"], row["words"]) == (0.0, 0.0, 2.0)
    assert len(row) == len(MEANING)


def test_a_forest_is_walked_from_its_roots():
    tree = Tree((1, 0, 0), (0.5, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, -1.0, 2.0))
    made = Verifier("none", "nothing", (), 0.0, 0.25, (tree, tree))
    assert made.logit([9.0, 0.5]) == 0.25 - 2
    assert made.logit([9.0, 0.6]) == 0.25 + 4


def test_a_verifier_for_others_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match="no verifier for the embedder 'other'"):
        verifier_of("other")
    monkeypatch.setattr(verifier, "NAMES", ("cosine",))
    with pytest.raises(ConfigError, match="made for other features"):
        verifier_of.__wrapped__("static")


def test_no_verifier_rewards_what_can_only_speak_against():
    for name in ("minilm", "static"):
        for tree in verifier_of(name).trees:
            for node, left in enumerate(tree.left):
                if left and not tree.left[left] and not tree.left[tree.right[node]]:
                    rise = tree.value[tree.right[node]] - tree.value[left]
                    assert rise * MEANING[NAMES[tree.feature[node]]] >= 0
    assert msgspec.json.decode(msgspec.json.encode(verifier_of("static")), type=Verifier) == verifier_of("static")
