"""A stream of utterances, one answer per intent: what each policy serves of it, and how much of that is wrong.

Every policy sees the same stream and the same cosines; a miss stores its answer. Labels are the intents themselves.
"""

import math
import random
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from bench.cache.vectors import Vectors
from headgate.cache.semantic.features import Side
from headgate.cache.semantic.judge import Judgement, judge
from headgate.cache.semantic.learning import Bound, Label, Learner, Rules
from headgate.cache.semantic.verifier import Verifier, verifier_of

NEAREST = 4
COSINE_MIN = 0.5


class Outcome(NamedTuple):
    """Of so many requests, those served from the cache, those of them that were wrong, and hits asked again."""

    requests: int
    hits: int
    wrong: int
    audits: int = 0


class Stream:
    """Utterances with intents, the cosines of all with all, and judgements, each made once."""

    def __init__(self, rows: list[tuple[str, str]], vectors: Vectors) -> None:
        self.intents = [intent for _, intent in rows]
        self.sides: list[Side] = [vectors.side(text) for text, _ in rows]
        together = np.stack([side.embedded.vector for side in self.sides])
        self.cosines = together @ together.T
        self._verifier: Verifier = verifier_of(vectors.name)
        self._judged: dict[tuple[int, int], Judgement] = {}

    def judged(self, asked: int, stored: int) -> Judgement:
        if (asked, stored) not in self._judged:
            self._judged[asked, stored] = judge(self.sides[asked], self.sides[stored], self._verifier)
        return self._judged[asked, stored]

    def is_right(self, asked: int, stored: int) -> bool:
        return self.intents[asked] == self.intents[stored]


Policy = Callable[[Stream, int], Outcome]


def plain(least: float) -> Policy:
    """Serves the nearest from a cosine on."""

    def run(stream: Stream, seed: int) -> Outcome:
        stored: list[int] = []
        hits = wrong = 0
        for asked in range(len(stream.intents)):
            nearest = _nearest(stream, asked, stored, 1)
            if nearest and stream.cosines[asked, nearest[0]] >= least:
                hits += 1
                wrong += not stream.is_right(asked, nearest[0])
            else:
                stored.append(asked)
        return Outcome(len(stream.intents), hits, wrong)

    return run


def learned(bound: Bound) -> Policy:
    """Headgate's: guards, the verifier's evidence, and a threshold learned from misses and audits."""

    def run(stream: Stream, seed: int) -> Outcome:
        learner = Learner(Rules(bound=bound), seed)
        stored: list[int] = []
        hits = wrong = audits = 0
        for asked in range(len(stream.intents)):
            found = [(place, stream.judged(asked, place)) for place in _nearest(stream, asked, stored, NEAREST)]
            same = next((place for place, judged in found if judged.kind == "same"), None)
            if same is not None:
                hits += 1
                wrong += not stream.is_right(asked, same)
                continue
            scored = [(judged.evidence, place) for place, judged in found if judged.kind == "scored"]
            evidence, place = max(scored, default=(None, -1))
            decision = learner.decide(evidence)
            is_right = place >= 0 and stream.is_right(asked, place)
            hits += decision.is_served
            wrong += decision.is_served and not is_right
            audits += decision.is_audited
            if evidence is not None and (not decision.is_served or decision.is_audited):
                learner.learn(Label(evidence, is_right))
            if not decision.is_served:
                stored.append(asked)
        return Outcome(len(stream.intents), hits, wrong, audits)

    return run


def vcache(share: float) -> Policy:
    """vCache's verified policy, anew after arXiv 2502.03771: each entry learns a threshold."""

    def run(stream: Stream, seed: int) -> Outcome:
        dice = random.Random(seed)
        seen: dict[int, list[tuple[float, bool]]] = {}
        hits = wrong = 0
        for asked in range(len(stream.intents)):
            nearest = _nearest(stream, asked, list(seen), 1)
            if not nearest:
                seen[asked] = [(0.0, False), (1.0, True)]
                continue
            place, cosine = nearest[0], float(stream.cosines[asked, nearest[0]])
            is_right = stream.is_right(asked, place)
            if dice.random() > _explores(seen[place], cosine, share):
                hits += 1
                wrong += not is_right
                continue
            seen[place].append((cosine, is_right))
            if not is_right:
                seen[asked] = [(0.0, False), (1.0, True)]
        return Outcome(len(stream.intents), hits, wrong)

    return run


OBSERVED_MIN = 6
NORMAL = NormalDist()


def _explores(observed: list[tuple[float, bool]], cosine: float, share: float) -> float:
    """The chance to ask the model although a candidate is there, so that wrong answers stay below the share."""
    if len(observed) < OBSERVED_MIN:
        return 1.0
    cosines = np.array([value for value, _ in observed])
    right = np.array([label for _, label in observed], float)
    middle, steepness, variance = _threshold(cosines, right)
    best = 1.0
    for doubt in np.linspace(0.01, 0.99, 50):
        shifted = middle + NORMAL.inv_cdf(1 - float(doubt)) * math.sqrt(variance)
        chance = (1 - float(doubt)) / (1 + math.exp(-max(-50.0, min(50.0, steepness * (cosine - shifted)))))
        best = min(best, max(0.0, 1 - share / max(1e-9, 1 - chance)))
    return best


def _threshold(cosines: np.ndarray, right: np.ndarray) -> tuple[float, float, float]:
    """A logistic curve's middle and steepness by nearly unpenalised likelihood, and the variance of the middle."""
    if cosines[right == 1].min() > cosines[right == 0].max():  # parted cleanly: the variance falls with the square of n
        return float((cosines[right == 1].min() + cosines[right == 0].max()) / 2), 50.0, 1.3 / len(right) ** 2
    inputs = np.column_stack([np.ones_like(cosines), cosines])
    weights = np.zeros(2)
    bend = np.eye(2)
    for _ in range(25):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        bend = (inputs * (chance * (1 - chance) + 1e-9)[:, None]).T @ inputs + np.eye(2) * 1e-3
        weights = weights + np.linalg.solve(bend, inputs.T @ (right - chance) - 1e-3 * weights)
    steepness = max(1e-3, float(weights[1]))
    middle = float(np.clip(-weights[0] / steepness, 0, 1))
    slope = np.array([-1 / steepness, weights[0] / steepness**2])
    return middle, steepness, float(slope @ np.linalg.inv(bend) @ slope)


def _nearest(stream: Stream, asked: int, stored: list[int], count: int) -> list[int]:
    """Places of what is stored, nearest first."""
    if not stored:
        return []
    places = np.array(stored)
    cosines = stream.cosines[asked, places]
    chosen = np.argsort(-cosines, kind="stable")[:count] if count > 1 else [int(cosines.argmax())]
    return [int(places[at]) for at in chosen if count == 1 or cosines[at] >= COSINE_MIN]


POLICIES: dict[str, Policy] = {
    **{f"cosine ≥ {least:.2f}": plain(least) for least in (0.80, 0.85, 0.90, 0.95)},
    **{f"vCache, {100 * share:.0f} % of requests": vcache(share) for share in (0.01, 0.02, 0.05)},
    **{
        f"**Headgate**, {100 * share:.0f} % of requests": learned(Bound(share, "requests"))
        for share in (0.01, 0.02, 0.05)
    },
    **{f"**Headgate**, {100 * share:.0f} % of hits": learned(Bound(share, "hits")) for share in (0.01, 0.02, 0.05)},
}


def sample(rows: list[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    return random.Random(seed).sample(rows, count)
