"""From which score on an answer may be served: learned from labels, so that the bound on wrong hits holds. Pure.

Every miss labels its nearest candidate for nothing: its new answer is compared with the one the cache would have
given. A sampled share of hits is labelled by asking the upstream as well. From these labels a logistic model is fitted
that begins as the shipped verifier; its scores on labels it was not fitted to say where the wrong share, by the upper
end of an exact binomial interval, keeps the bound. Where no threshold does, nothing is served.

Labels are numbers alone, no text. What is decided depends on the seed and on what was seen, and on nothing else.
"""

import random
from collections import deque
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
    labels_min: int = 150
    """Below so many labels nothing is served."""
    labels_max: int = 4000
    """Older ones are forgotten, so that what drifts is noticed."""
    refit_every: int = 50
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
        self._requests = 0
        self._budget_used = 0.0
        self._fit = _Fit(None, float("inf"), 1.0, "too few labels")
        self._until_refit = rules.labels_min

    def decide(self, evidence: tuple[float, ...] | None) -> Decision:
        """For every request that was looked up; None where there was no candidate."""
        self._requests += 1
        self._seen.append(evidence)
        if evidence is None:
            return Decision(False, False, "no candidate")
        fit = self._fit
        if fit.model is None or fit.model.score(evidence) < fit.score_min:
            return Decision(False, False, fit.reason)
        if self.rules.bound.among == "requests":
            if self._budget_used + fit.wrong_max > self.rules.bound.share * self._requests:
                return Decision(False, False, "budget used up")
            self._budget_used += fit.wrong_max
        return Decision(True, self._dice.random() < self.rules.audit_share, "")

    def learn(self, label: Label) -> None:
        """A miss's nearest candidate, an audited hit, or what a user said."""
        self._labels.append(label)
        self._until_refit -= 1
        if self._until_refit <= 0:
            self._until_refit = self.rules.refit_every
            self._fit = _fitted(list(self._labels), list(self._seen), self.rules)

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
    wrong_max: float
    """Of hits served from this score on, the most that are wrong, at the risk allowed."""
    reason: str


def _fitted(labels: list[Label], seen: list[tuple[float, ...] | None], rules: Rules) -> _Fit:
    rows = np.array([label.evidence for label in labels])
    right = np.array([label.is_right for label in labels], np.float64)
    held_out = np.empty(len(labels))
    for part in range(2):  # scores of labels come from a model that has not seen them
        mine = np.arange(len(labels)) % 2 == part
        held_out[mine] = _logistic(rows[~mine], right[~mine]).scores(rows[mine])
    model = _logistic(rows, right)
    asked = [evidence for evidence in seen if evidence is not None]
    scores = model.scores(np.array(asked)) if asked else np.zeros(0)
    best = _Fit(model, float("inf"), 1.0, "bound not reached")
    thresholds = np.quantile(held_out, np.linspace(0.99, 0.05, 33))
    for threshold in thresholds:
        above = held_out >= threshold
        wrong_max = upper_bound(int((1 - right[above]).sum()), int(above.sum()), rules.risk)
        served = float((scores >= threshold).sum()) / max(1, len(seen))
        cost = wrong_max if rules.bound.among == "hits" else wrong_max * served
        if cost <= rules.bound.share:
            best = _Fit(model, float(threshold), wrong_max, "below threshold")
    return best


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


def upper_bound(wrong: int, seen: int, risk: float) -> float:
    """The highest share of which `wrong` or fewer in `seen` would be seen with a chance of `risk`.

    The upper end of Clopper's and Pearson's interval (Biometrika 26, 1934), by bisection on the exact binomial sum.
    """
    if wrong >= seen:
        return 1.0
    low, high = wrong / seen, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if _at_most(wrong, seen, middle) > risk:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, seen: int, share: float) -> float:
    """The chance of `wrong` or fewer in `seen` at this share."""
    if share >= 1.0:
        return 0.0
    odds = share / (1 - share)
    counts = np.arange(1, wrong + 1)
    steps = np.log((seen - counts + 1) / counts * odds) if wrong else np.zeros(0)
    logs = seen * np.log1p(-share) + np.concatenate([[0.0], np.cumsum(steps)])
    return float(np.exp(logs).sum())
