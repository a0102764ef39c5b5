"""Nothing is served before the evidence is there; then the bound holds, in whatever order labels come."""

import random

import pytest

from headgate.cache.semantic.learning import Bound, Decision, Label, Learner, Rules, most_wrong


def stream(seed: int, count: int, skill: float = 3.0) -> list[Label]:
    """Pairs whose chance to be right rises with their first number; the second says nothing."""
    dice = random.Random(seed)
    made: list[Label] = []
    for _ in range(count):
        score = dice.uniform(-3, 6)
        chance = 1 / (1 + 2.718 ** (-skill * (score - 1)))
        made.append(Label((score, dice.random()), dice.random() < chance))
    return made


def run(rules: Rules, labels: list[Label], seed: int = 0) -> tuple[Learner, int, int]:
    """Hits and wrong hits where every miss and every audit is labelled."""
    learner, hits, wrong = Learner(rules, seed), 0, 0
    for label in labels:
        decision = learner.decide(label.evidence)
        if decision.is_served:
            hits += 1
            wrong += not label.is_right
        if not decision.is_served or decision.is_audited:
            learner.learn(label)
    return learner, hits, wrong


@pytest.mark.parametrize(
    ("wrong", "risk", "most"), [(0, 0.05, 2.996), (3, 0.05, 7.754), (20, 0.05, 29.062), (2, 0.2, 4.279)]
)
def test_the_upper_limit_is_that_of_a_count(wrong: int, risk: float, most: float):
    # scipy.stats.chi2.ppf(1 - risk, 2 * (wrong + 1)) / 2
    assert most_wrong(wrong, risk) == pytest.approx(most, rel=0.012)


def test_fractions_of_counts_lie_between():
    assert most_wrong(1, 0.05) < most_wrong(1.5, 0.05) < most_wrong(2, 0.05)


def test_nothing_is_served_below_the_evidence():
    learner, hits, _ = run(Rules(labels_min=150), stream(1, 149))
    assert hits == 0
    assert learner.decide((9.0, 0.5)) == Decision(False, False, "too few labels")
    assert learner.standing == "too few labels"


def test_nothing_is_served_without_a_candidate():
    assert Learner(Rules()).decide(None) == Decision(False, False, "no candidate")


def test_nothing_is_served_where_the_bound_cannot_be_met():
    noise = [
        Label((label.evidence[0], 0.0), random.Random(at).random() < 0.5) for at, label in enumerate(stream(2, 900))
    ]
    learner, hits, _ = run(Rules(), noise)
    assert (hits, learner.standing) == (0, "bound not reached")


@pytest.mark.parametrize("share", [0.02, 0.05])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_among_hits_holds(share: float, seed: int):
    learner, hits, wrong = run(Rules(bound=Bound(share)), stream(seed, 3000), seed)
    assert hits > 500
    assert wrong <= share * hits
    assert learner.standing == ""
    assert learner.decide((-3.0, 0.5)).reason == "below threshold"


@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_among_requests_holds_all_along(share: float, seed: int):
    rules = Rules(bound=Bound(share, "requests"))
    learner, wrong = Learner(rules, seed), 0
    for number, label in enumerate(stream(seed, 3000, skill=1.0), 1):
        decision = learner.decide(label.evidence)
        wrong += decision.is_served and not label.is_right
        if not decision.is_served or decision.is_audited:
            learner.learn(label)
        assert wrong <= share * number + 1
    assert wrong > 0


def test_a_sudden_flood_of_doubtful_hits_stops_at_the_budget():
    learner = Learner(Rules(bound=Bound(0.01, "requests")))
    for label in stream(9, 500, skill=1.0):
        learner.learn(label)
        for _ in range(9):
            learner.decide(None)
        learner.decide(label.evidence)
    decisions = [learner.decide((2.5, 0.5)) for _ in range(2000)]
    assert decisions[0].is_served
    assert decisions[-1] == Decision(False, False, "budget used up")


def test_it_notices_when_what_was_right_turns_wrong():
    rules = Rules(labels_max=600, audit_share=0.3)
    turned = [Label(label.evidence, random.Random(at).random() < 0.3) for at, label in enumerate(stream(6, 3000))]
    learner, _, _ = run(rules, stream(5, 2000) + turned)
    assert learner.standing == "bound not reached"


def test_the_same_seed_decides_the_same_and_labels_restore_it():
    labels = stream(7, 900)
    (first, *served), (second, *again) = run(Rules(), labels, 3), run(Rules(), labels, 3)
    assert served == again
    assert first.labels == second.labels
    restored = Learner(Rules(), 3)
    for label in first.labels:
        restored.learn(label)
    assert restored.decide((6.0, 0.5)).is_served
    assert not restored.decide((-3.0, 0.5)).is_served


def test_a_share_of_hits_is_audited():
    learner, _, _ = run(Rules(audit_share=0.2), stream(8, 1500))
    audited = sum(learner.decide((6.0, 0.5)).is_audited for _ in range(1000))
    assert 150 < audited < 250
