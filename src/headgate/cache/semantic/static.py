"""A table of 32,000 word pieces by 256 numbers, which `wordllama` carries: no network to run, 0.07 ms for a question.

Its own loader looks for the tokenizer where the wheel does not have it, and then goes to the network; the two files
are read here instead, and nothing of it is imported. The wheel is under the MIT licence; its table was derived from the
token embeddings of Llama 2, whose notice it does not carry, so it is an extra that an operator chooses, and no default.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from headgate.cache.semantic.embedders import Embedded, Floats, by_word, carried, unit
from headgate.cache.semantic.words import Word

UNKNOWN = 0  # <unk>; bytes stand in for what the table does not know, from 3 to 258
BYTES = range(3, 259)


class Static:
    """Mean of the rows of a text's pieces: knows no order of words."""

    name = "static"
    dimensions = 256

    def __init__(self, table: Floats, tokenizer: Tokenizer) -> None:
        self._table = table
        self._tokenizer = tokenizer

    def embed(self, text: str, words: Sequence[Word]) -> Embedded:
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        pieces: Floats = self._table[encoded.ids]
        strange = sum(piece == UNKNOWN or piece in BYTES for piece in encoded.ids)
        unknown = strange / max(1, len(encoded.ids))
        vector = unit(pieces.sum(axis=0))
        return Embedded(vector, by_word(pieces, encoded.offsets, words), unknown)


def load() -> Static:
    """Reads what `pip install headgate[semantic-static]` brings."""
    table = _read_tensor(carried("wordllama", "weights", "l2_supercat_256.safetensors"), "embedding.weight")
    tokenizer = Tokenizer.from_file(str(carried("wordllama", "tokenizers", "l2_supercat_tokenizer_config.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Static(table, tokenizer)


def _read_tensor(path: Path, name: str) -> Floats:
    """One half-precision tensor of a safetensors file: eight bytes of length, a JSON header, the numbers."""
    data = path.read_bytes()
    header_end = 8 + int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:header_end])[name]
    start, end = entry["data_offsets"]
    numbers = np.frombuffer(data[header_end + start : header_end + end], np.float16)
    return numbers.reshape(entry["shape"]).astype(np.float32)
