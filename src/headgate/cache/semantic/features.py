"""What a pair of texts has in common, as a row of numbers: words, their order, and how well words find partners.

The order of `NAMES` is the order of a verifier's features. Shares lie in 0 to 1; cosines in -1 to 1.
"""

from typing import NamedTuple

import numpy as np

from headgate.cache.semantic.embedders import Embedded, Floats
from headgate.cache.semantic.readings import Reading

STOP_WEIGHT = 0.15


class Side(NamedTuple):
    """One text of a pair: as it reads, and as it lies among others."""

    reading: Reading
    embedded: Embedded


def features(one: Side, other: Side) -> list[float]:
    """The same whichever side comes first. Both texts have at least one word."""
    found = _lexical(one.reading, other.reading)
    found |= _aligned(one, other)
    return [found[name] for name in NAMES]


def _lexical(one: Reading, other: Reading) -> dict[str, float]:
    mine, theirs = one.stem_counts, other.stem_counts
    core, their_core = one.content_counts, other.content_counts
    only, their_only = core - their_core, their_core - core
    small, large = sorted((len(one.words), len(other.words)))
    shared = (core & their_core).total()
    stops, their_stops = one.stop_counts, other.stop_counts
    trigrams, their_trigrams = one.trigram_counts, other.trigram_counts
    return {
        "words": float(small),
        "length_ratio": small / large,
        "content": float(min(core.total(), their_core.total())),
        "jaccard": (mine & theirs).total() / (mine | theirs).total(),
        "content_jaccard": shared / max(1, (core | their_core).total()),
        "unmatched_min": float(min(only.total(), their_only.total())),
        "unmatched_max": float(max(only.total(), their_only.total())),
        "stops_differ": float(sum(abs(stops[word] - their_stops[word]) for word in {*stops, *their_stops})),
        "trigrams": 2 * (trigrams & their_trigrams).total() / max(1, trigrams.total() + their_trigrams.total()),
        "in_order": _in_order([one.stems[at] for at in one.content], [other.stems[at] for at in other.content]),
        "same_start": float(one.stems[0] == other.stems[0]),
        "same_end": float(one.stems[-1] == other.stems[-1]),
        "same_focus": float(one.focus == other.focus),
        "is_question": float(bool(one.focus) + bool(other.focus)),
    }


def _in_order(mine: list[str], theirs: list[str]) -> float:
    """Of the pairs of words that both have, the share that stands in the same order in both."""
    places = {word: place for place, word in enumerate(theirs)}
    common = [places[word] for word in dict.fromkeys(mine) if word in places]
    pairs = len(common) * (len(common) - 1) // 2
    if not pairs:
        return 1.0
    ordered = sum(first < second for at, first in enumerate(common) for second in common[at + 1 :])
    return ordered / pairs


def _aligned(one: Side, other: Side) -> dict[str, float]:
    """How well each word finds a partner in the other text, by vectors in context where the embedder has it."""
    cosines = one.embedded.words @ other.embedded.words.T
    mine, theirs = cosines.max(axis=1), cosines.max(axis=0)
    weights, their_weights = _weights(one.reading), _weights(other.reading)
    found, their_found = float(mine @ weights / weights.sum()), float(theirs @ their_weights / their_weights.sum())
    worst, their_worst = _lowest(mine[list(one.reading.content)]), _lowest(theirs[list(other.reading.content)])
    partners = cosines.argmax(axis=1) / cosines.shape[1]
    places = np.arange(len(mine)) / len(mine)
    same = _same_words(one.reading, other.reading, cosines)
    return {
        "cosine": float(one.embedded.vector @ other.embedded.vector),
        "aligned_min": min(found, their_found),
        "aligned_mean": (found + their_found) / 2,
        "worst_min": min(worst[0], their_worst[0]),
        "worst_max": max(worst[0], their_worst[0]),
        "second_worst": min(worst[1], their_worst[1]),
        "moved": float(np.abs(partners - places) @ weights / weights.sum()),
        "same_word_min": same[0],
        "same_word_mean": same[1],
    }


def _weights(reading: Reading) -> Floats:
    weights = np.full(len(reading.words), STOP_WEIGHT, np.float32)
    weights[list(reading.content)] = 1.0
    return weights


def _lowest(values: Floats) -> tuple[float, float]:
    """The lowest and the second lowest; 1 where there is none."""
    lowest, second, *_ = *sorted(values.tolist())[:2], 1.0, 1.0
    return lowest, second


def _same_words(one: Reading, other: Reading, cosines: Floats) -> tuple[float, float]:
    """The least and the mean cosine in context of words that both have: low where a word has changed its part."""
    places = {other.stems[at]: at for at in other.content}
    found = [float(cosines[at, places[one.stems[at]]]) for at in one.content if one.stems[at] in places]
    return (min(found), sum(found) / len(found)) if found else (1.0, 1.0)


# Name, and whether a higher value can only speak for a shared answer (1), against it (-1), or either (0)
MEANING = {
    "words": 0, "length_ratio": 0, "content": 0, "jaccard": 1, "content_jaccard": 1, "unmatched_min": -1,
    "unmatched_max": -1, "stops_differ": -1, "trigrams": 1, "in_order": 1, "same_start": 0, "same_end": 0,
    "same_focus": 0, "is_question": 0, "cosine": 1, "aligned_min": 1, "aligned_mean": 1, "worst_min": 1,
    "worst_max": 1, "second_worst": 1, "moved": -1, "same_word_min": 1, "same_word_mean": 1,
}  # fmt: skip
NAMES = tuple(MEANING)
