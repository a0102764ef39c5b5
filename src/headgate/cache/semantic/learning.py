"""From which score on an answer may be served: learned from labels, so that the bound on wrong hits holds. Pure.

Every miss labels its nearest candidate for nothing: its new answer is compared with the one the cache would have
given. A sampled share of hits is labelled by asking the upstream as well. From these labels a logistic model is fitted
that begins as the shipped verifier; its scores on labels it was not fitted to say where the wrong share, by the upper
end of an exact binomial interval, keeps the bound. Where no threshold does, nothing is served.

Labels are numbers alone, no text. What is decided depends on the seed and on what was seen, and on nothing else.
"""

import random
from collections import deque
from statistics import NormalDist
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Bound(msgspec.Struct, frozen=True):
    """What the operator allows: a share of wrong answers among `hits` served (stricter), or among all `requests`."""

    share: float = 0.02
    among: Literal["hits", "requests"] = "hits"


class Rules(msgspec.Struct, frozen=True):
    """How it is learned."""

    bound: Bound = Bound()
    audit_share: float = 0.05
    """Of the hits served, labelled by asking the upstream too."""
    labels_min: int = 100
    """Below so many labels nothing is served."""
    labels_max: int = 4000
    """Older ones are forgotten, so that what drifts is noticed."""
    refit_every: int = 25
    risk: float = 0.05
    """The chance allowed that a threshold's true wrong share is over its bound when it is chosen."""


class Label(NamedTuple):
    """What was seen of one pair: its evidence, and whether the answer could have been shared."""

    evidence: tuple[float, ...]
    is_right: bool


class Decision(NamedTuple):
    """Whether to serve the candidate, whether to ask the upstream as well, and why not."""

    is_served: bool
    is_audited: bool
    reason: str


class Learner:
    """One partition group's. `evidence` is a row of numbers whose first is the verifier's log odds."""

    def __init__(self, rules: Rules, seed: int = 0) -> None:
        self.rules = rules
        self._dice = random.Random(seed)  # noqa: S311 - samples audits, guards no secret
        self._labels: deque[Label] = deque(maxlen=rules.labels_max)
        self._seen: deque[tuple[float, ...] | None] = deque(maxlen=1000)
        self._unspent = 0.0
        self._fit = _Fit(None, float("inf"), 1.0, "too few labels")
        self._until_refit = rules.labels_min

    def decide(self, evidence: tuple[float, ...] | None) -> Decision:
        """For every request that was looked up; None where there was no candidate."""
        self._unspent += self.rules.bound.share
        self._seen.append(evidence)
        if evidence is None:
            return Decision(False, False, "no candidate")
        fit = self._fit
        if fit.model is None or fit.model.score(evidence) < fit.score_min:
            return Decision(False, False, fit.reason)
        if self.rules.bound.among == "requests":
            if self._unspent < fit.wrong:
                return Decision(False, False, "budget used up")
            self._unspent -= fit.wrong
        return Decision(True, self._dice.random() < self.rules.audit_share, "")

    def learn(self, label: Label) -> None:
        """A miss's nearest candidate, an audited hit, or what a user said."""
        self._labels.append(label)
        self._until_refit -= 1
        if self._until_refit <= 0:
            self._until_refit = self.rules.refit_every
            self._fit = _fitted(list(self._labels), list(self._seen), self.rules, self._unspent)

    @property
    def labels(self) -> tuple[Label, ...]:
        """All that must be kept to go on after a restart: give them to `learn` again, oldest first."""
        return tuple(self._labels)

    @property
    def standing(self) -> str:
        """Why nothing is served, or nothing where something is."""
        return "" if self._fit.score_min < float("inf") else self._fit.reason


class _Model(NamedTuple):
    """A logistic model over evidence that was centred and scaled."""

    centre: Numbers
    scale: Numbers
    weights: Numbers

    def score(self, evidence: tuple[float, ...]) -> float:
        return float(self.scores(np.array([evidence]))[0])

    def scores(self, rows: Numbers) -> Numbers:
        return (rows - self.centre) / self.scale @ self.weights[1:] + self.weights[0]


class _Fit(NamedTuple):
    model: _Model | None
    score_min: float
    wrong: float
    """Of hits served from this score on, the share that is expected to be wrong."""
    reason: str


def _fitted(labels: list[Label], seen: list[tuple[float, ...] | None], rules: Rules, unspent: float) -> _Fit:
    rows = np.array([label.evidence for label in labels])
    right = np.array([label.is_right for label in labels], np.float64)
    held_out = np.empty(len(labels))
    for part in range(2):  # scores of labels come from a model that has not seen them
        mine = np.arange(len(labels)) % 2 == part
        held_out[mine] = _logistic(rows[~mine], right[~mine]).scores(rows[mine])
    model = _logistic(rows, right)
    if not seen:  # after a restart: labels lie lower than what is asked, which errs on the safe side
        seen = [label.evidence for label in labels]
    asked = [evidence for evidence in seen if evidence is not None]
    scores = model.scores(np.array(asked)) if asked else np.zeros(0)
    best = _Fit(model, float("inf"), 1.0, "bound not reached")
    for threshold in np.quantile(held_out, np.linspace(0.99, 0.05, 33)):
        above, served = held_out >= threshold, scores[scores >= threshold]
        if not len(served):
            continue
        wrong, wrong_max = _wrong_share(held_out[above], right[above], served, rules.risk)
        allowed = rules.bound.share * len(served)
        if rules.bound.among == "requests":
            allowed = (rules.bound.share + unspent / HORIZON) * len(seen)
        if wrong_max * len(served) <= allowed:
            best = _Fit(model, float(threshold), wrong, "below threshold")
    return best


HORIZON = 500.0
"""Requests over which wrong answers that were allowed and not needed may be made up for."""
STRATA = 8
LIKELY = 0.2
"""The risk at which what was served is booked: more than expected, since some streams turn out worse."""


def _wrong_share(scores: Numbers, right: Numbers, served: Numbers, risk: float) -> tuple[float, float]:
    """The share of the served that is wrong, likely and at most. Labels weigh as often as their scores are served.

    Most labels come from misses, so low scores have more of them than hits have. What was served at scores without
    labels counts with the next lower ones.
    """
    edges = np.quantile(served, np.linspace(0, 1, STRATA + 1))[1:-1]
    of_labels, of_served = np.searchsorted(edges, scores), np.searchsorted(edges, served)
    counts = np.bincount(of_labels, minlength=STRATA)
    mass = np.bincount(of_served, minlength=STRATA).astype(np.float64)
    for stratum in range(STRATA - 1, 0, -1):
        if not counts[stratum]:
            mass[stratum - 1] += mass[stratum]
            mass[stratum] = 0.0
    weights = (mass / np.maximum(counts, 1))[of_labels]
    if not weights.sum():
        return 1.0, 1.0
    number = weights.sum() ** 2 / (weights**2).sum()
    wrong = float(weights @ (1 - right) / weights.sum() * number)
    return min(1.0, most_wrong(wrong, LIKELY) / float(number)), min(1.0, most_wrong(wrong, risk) / float(number))


PULL = 4.0
"""How many labels' worth the shipped verifier's opinion has against what is learned."""


def _logistic(rows: Numbers, right: Numbers) -> _Model:
    """Newton's method, pulled towards weighing the first number alone, as the shipped verifier does."""
    centre, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    inputs = np.column_stack([np.ones(len(rows)), (rows - centre) / scale])
    prior = np.zeros(inputs.shape[1])
    prior[0], prior[1] = centre[0], scale[0]
    weights = prior.copy()
    pull = np.eye(len(prior)) * PULL
    pull[0, 0] = 0.1
    for _ in range(12):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (right - chance) - pull @ (weights - prior)
        bend = (inputs * (chance * (1 - chance) + 1e-9)[:, None]).T @ inputs + pull
        step = np.linalg.solve(bend, slope)
        weights = weights + np.clip(step, -4, 4)
    return _Model(centre, scale, weights)


def most_wrong(wrong: float, risk: float) -> float:
    """The highest mean at which a count of `wrong` or less would be seen with a chance of `risk`.

    The upper limit for a Poisson count (Garwood, Biometrika 28, 1936) by Wilson's and Hilferty's cube root (PNAS 17,
    1931), which takes fractions too. Where counts are binomial it lies a little high.
    """
    count = wrong + 1
    return count * (1 - 1 / (9 * count) + NormalDist().inv_cdf(1 - risk) / (3 * count**0.5)) ** 3
