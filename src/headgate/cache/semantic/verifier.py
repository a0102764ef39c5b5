"""How likely two texts share an answer, by a small forest of trees over their features. The trees are data, and pure.

`python -m bench.cache.train` makes the files, from a set whose licence allows any use and from pairs of our own. An
embedder that has no file here has no verifier, and finds only what has the same normal form.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import msgspec

from headgate.cache.semantic.features import NAMES
from headgate.core.problems import ConfigError


class Tree(msgspec.Struct, frozen=True):
    """Nodes in parallel lists, from the root. Where `left` is 0 the node is a leaf; values up to the bound go left."""

    feature: tuple[int, ...]
    bound: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


class Verifier(msgspec.Struct, frozen=True):
    """One embedder's forest, and the log odds from which it let few enough false hits pass where it was made."""

    embedder: str
    made_from: str
    names: tuple[str, ...]
    logit_min: float
    base: float
    trees: tuple[Tree, ...]

    def logit(self, row: Sequence[float]) -> float:
        """Log odds that an answer may be shared. `row` is in the order of `features.NAMES`."""
        total = self.base
        for tree in self.trees:
            left, right, feature, bound = tree.left, tree.right, tree.feature, tree.bound
            node = 0
            while left[node]:
                node = left[node] if row[feature[node]] <= bound[node] else right[node]
            total += tree.value[node]
        return total


@cache
def verifier_of(embedder: str) -> Verifier:
    """The one that is shipped for an embedder of that name."""
    file = files("headgate.cache.semantic").joinpath(f"{embedder}.json")
    if not file.is_file():
        raise ConfigError(f"there is no verifier for the embedder {embedder!r}")
    made = msgspec.json.decode(file.read_bytes(), type=Verifier)
    if made.names != NAMES:
        raise ConfigError(f"the verifier for {embedder!r} was made for other features: run python -m bench.cache.train")
    return made
