"""Makes a verifier's forest: `python tools/train_verifier.py EMBEDDER PAWS_WIKI`.

PAWS_WIKI is a file of PAWS-Wiki's labelled sentences (free for any purpose, with acknowledgement): id, two sentences,
label, split by tabs, gzipped or not. Of it the half that `half_of` calls `develop` is used, and of that a fifth to
choose the log odds from which an answer is shared; the other half is for `python -m bench.cache`. The rest is our own.
Needs scikit-learn, which nothing else here does: pip install scikit-learn
"""

import gzip
import hashlib
import sys
from pathlib import Path

import msgspec
import numpy as np
from verifier_pairs import Pair, pairs

from headgate.cache.semantic.embedders import Embedder, open_embedder
from headgate.cache.semantic.features import MEANING, NAMES, Side, features
from headgate.cache.semantic.guards import fired
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import Tree, Verifier

TARGET = Path(__file__).parent.parent / "src/headgate/cache/semantic"
OWN_PAIRS = 5000
FALSE_SHARE_MAX = 0.005
"""Of unlike pairs kept aside, let through at most: a quarter of the bound, since other texts will be stranger."""


def half_of(text: str) -> str:
    """Which half of a set a group of connected pairs belongs to, by its first text."""
    return "develop" if hashlib.sha256(text.encode()).digest()[0] < 128 else "measure"


def connected(labelled: list[Pair]) -> list[str]:
    """For each pair a text that stands for all texts that pairs connect with it."""
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        parents.setdefault(text, text)
        while parents[text] != text:
            parents[text] = parents[parents[text]]
            text = parents[text]
        return text

    for one, other, _ in labelled:
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    return [root(one) for one, _, _ in labelled]


def paws(path: Path) -> list[Pair]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [line.split("\t") for line in data.decode().splitlines()]
    return [(row[1], row[2], int(row[3])) for row in rows if len(row) == 4 and row[3] in ("0", "1")]


class Rows:
    """Features of the pairs that no guard forbids, which alone a verifier is asked about."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._sides: dict[str, Side] = {}

    def of(self, labelled: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
        rows, labels = [], []
        for one, other, label in labelled:
            first, second = self._side(one), self._side(other)
            if first.reading.normal != second.reading.normal and not fired(first.reading, second.reading):
                rows.append(features(first, second))
                labels.append(label)
        return np.array(rows), np.array(labels)

    def _side(self, text: str) -> Side:
        if text not in self._sides:
            reading = Reading(text)
            self._sides[text] = Side(reading, self._embedder.embed(reading.text, reading.words))
        return self._sides[text]


def main(name: str, path: str) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - of no use elsewhere

    rows = Rows(open_embedder(name))
    labelled = paws(Path(path))
    groups = connected(labelled)
    develop = [(pair, group) for pair, group in zip(labelled, groups, strict=True) if half_of(group) == "develop"]
    fit = [pair for pair, group in develop if hashlib.sha256(group.encode()).digest()[1] >= 51]
    aside = [pair for pair, group in develop if hashlib.sha256(group.encode()).digest()[1] < 51]
    own = pairs(1, OWN_PAIRS)
    inputs, labels = rows.of(fit + own[: OWN_PAIRS * 4 // 5])
    model = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, learning_rate=0.08, min_samples_leaf=30, l2_regularization=1.0,
        monotonic_cst=list(MEANING.values()), early_stopping=False, random_state=0,
    ).fit(inputs, labels)  # fmt: skip
    trees = tuple(_tree(predictors[0].nodes) for predictors in model._predictors)
    base = round(float(model._baseline_prediction.item()), 5)
    made = Verifier(name, f"PAWS-Wiki and {OWN_PAIRS} pairs of our own", NAMES, 0.0, base, trees)
    made = msgspec.structs.replace(made, logit_min=_least(made, rows, [aside, own[OWN_PAIRS * 4 // 5 :]]))
    (TARGET / f"{name}.json").write_bytes(msgspec.json.encode(made) + b"\n")


def _least(made: Verifier, rows: Rows, kept_aside: list[list[Pair]]) -> float:
    """Log odds from which few enough of each set's unlike pairs are let through, guarded ones counted."""
    least = []
    for labelled in kept_aside:
        inputs, labels = rows.of(labelled)
        unlike = sorted((made.logit(row) for row in inputs[labels == 0]), reverse=True)
        allowed = int(FALSE_SHARE_MAX * sum(not label for _, _, label in labelled))
        least.append(unlike[allowed])
        shared = np.mean([made.logit(row) > least[-1] for row in inputs[labels == 1]])
        print(f"{len(labelled)} pairs: from {least[-1]:.3f}, {100 * shared:.1f} % of those alike that no guard forbids")
    return round(max(least), 3)


def _tree(nodes: np.ndarray) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        tuple(np.where(leaf, 0, nodes["feature_idx"]).tolist()),
        tuple(float(f"{bound:.6g}") for bound in np.where(leaf, 0, nodes["num_threshold"]).tolist()),
        tuple(np.where(leaf, 0, nodes["left"]).tolist()),
        tuple(np.where(leaf, 0, nodes["right"]).tolist()),
        tuple(round(value, 5) for value in nodes["value"].tolist()),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
