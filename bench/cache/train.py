"""Makes a verifier's forest: `python -m bench.cache.train EMBEDDER PAWS_WIKI [FOLDER]`.

PAWS_WIKI is a file of PAWS-Wiki's labelled sentences (free for any purpose, with acknowledgement): id, two sentences,
label, split by tabs, gzipped or not. Of it the half that `half_of` calls `develop` is used, and of that
a fifth is kept aside to look at; the other half is for `python -m bench.cache`. The rest is our own.
Vectors are kept in FOLDER, where one is given.
Needs scikit-learn, which nothing else here does: pip install scikit-learn
"""

import hashlib
import math
import sys
from pathlib import Path

import msgspec
import numpy as np

from bench.cache.own_pairs import pairs
from bench.cache.sets import Pair, connected, half_of, paws_wiki
from bench.cache.vectors import Vectors
from headgate.cache.semantic.features import MEANING, NAMES, features
from headgate.cache.semantic.guards import fired
from headgate.cache.semantic.verifier import Tree, Verifier

TARGET = Path(__file__).parents[2] / "src/headgate/cache/semantic"
OWN_PAIRS = 5000
PROBABILITY_MIN = 0.98
"""From here on an answer is shared: a round number at which no set's develop half lets 1.5 % of its unlike pass."""


def rows_of(labelled: list[Pair], vectors: Vectors) -> tuple[np.ndarray, np.ndarray]:
    """Features of the pairs that no guard forbids, which alone a verifier is asked about, and their labels."""
    rows, labels = [], []
    for one, other, label in labelled:
        first, second = vectors.side(one), vectors.side(other)
        if first.reading.normal != second.reading.normal and not fired(first.reading, second.reading):
            rows.append(features(first, second))
            labels.append(label)
    return np.array(rows), np.array(labels)


def main(name: str, path: str, folder: str = "") -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    vectors = Vectors(name, Path(folder) if folder else None)
    labelled = paws_wiki(Path(path))
    groups = connected(labelled)
    develop = [(pair, group) for pair, group in zip(labelled, groups, strict=True) if half_of(group) == "develop"]
    fit = [pair for pair, group in develop if hashlib.sha256(group.encode()).digest()[1] >= 51]
    aside = [pair for pair, group in develop if hashlib.sha256(group.encode()).digest()[1] < 51]
    own = pairs(1, OWN_PAIRS)
    inputs, labels = rows_of(fit + own[: OWN_PAIRS * 4 // 5], vectors)
    model = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=8, learning_rate=0.08, min_samples_leaf=30, l2_regularization=1.0,
        monotonic_cst=list(MEANING.values()), early_stopping=False, random_state=0,
    ).fit(inputs, labels)  # fmt: skip
    trees = tuple(_tree(predictors[0].nodes) for predictors in model._predictors)
    base = round(float(model._baseline_prediction.item()), 5)
    logit_min = round(math.log(PROBABILITY_MIN / (1 - PROBABILITY_MIN)), 3)
    made = Verifier(name, f"PAWS-Wiki and {OWN_PAIRS} pairs of our own", NAMES, logit_min, base, trees)
    _report(made, vectors, {"PAWS-Wiki, kept aside": aside, "own, kept aside": own[OWN_PAIRS * 4 // 5 :]})
    (TARGET / f"{name}.json").write_bytes(msgspec.json.encode(made) + b"\n")


def _report(made: Verifier, vectors: Vectors, kept_aside: dict[str, list[Pair]]) -> None:
    """Of pairs that the forest was not fitted to, what is let through, guarded pairs counted."""
    for name, labelled in kept_aside.items():
        inputs, labels = rows_of(labelled, vectors)
        passes = np.array([made.logit(row) >= made.logit_min for row in inputs])
        for label, what in enumerate(("unlike", "alike")):
            share = (passes & (labels == label)).sum() / sum(pair[2] == label for pair in labelled)
            print(f"{name}: {100 * share:.2f} % of the {what}")


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
