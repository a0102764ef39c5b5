"""Whether two texts may share an answer: the same normal form, or no guard against it and log odds for it. Pure.

Everything else of the two requests is equal already: see `partition`. A judgement serves nothing; who serves asks the
learner too.
"""

from typing import Literal, NamedTuple

from headgate.cache.semantic.features import NAMES, Side, features
from headgate.cache.semantic.guards import fired
from headgate.cache.semantic.lexicon import FRESH
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import Verifier

WORDS_MAX = 120
"""Longer texts are compared by their normal form alone: an embedder reads only so much, and averages it."""
CONTENT_MIN = 2
UNKNOWN_SHARE_MAX = 0.2

EVIDENCE = ("cosine", "aligned_min", "worst_min", "content_jaccard", "unmatched_max")
_EVIDENCE_PLACES = tuple(NAMES.index(name) for name in EVIDENCE)


class Judgement(NamedTuple):
    """`same`: served whatever is learned. `barred`: never, for the reason. `scored`: by its log odds and evidence."""

    kind: Literal["same", "barred", "scored"]
    reason: str
    evidence: tuple[float, ...]
    """Log odds, and then the features named in `EVIDENCE`; empty where it was not scored."""


def judge(one: Side, other: Side, verifier: Verifier) -> Judgement:
    """The same whichever comes first."""
    if is_same(one.reading, other.reading):
        return Judgement("same", "", ())
    if reason := unfit(one) or unfit(other) or fired(one.reading, other.reading):
        return Judgement("barred", reason, ())
    row = features(one, other)
    return Judgement("scored", "", (verifier.logit(row), *(row[place] for place in _EVIDENCE_PLACES)))


def is_same(one: Reading, other: Reading) -> bool:
    """Whether they differ in case, spacing, punctuation and politeness at most; in code not even in those."""
    if one.is_code or other.is_code or not one.normal:
        return one.text.strip() == other.text.strip()
    return one.normal == other.normal


def unfit(side: Side) -> str:
    """Why a text is not compared by meaning at all, or nothing."""
    reading = side.reading
    for reason, is_unfit in (
        ("code", reading.is_code),
        ("not English", not reading.is_english),
        ("too long", len(reading.words) > WORDS_MAX),
        ("too short", len(reading.content) < CONTENT_MIN),
        ("unknown words", side.embedded.unknown_share > UNKNOWN_SHARE_MAX),
        ("of the moment", any(word in FRESH for word in reading.plain)),
    ):
        if is_unfit:
            return reason
    return ""
