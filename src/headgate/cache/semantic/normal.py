"""The normal form of a question: what is left when case, spacing, punctuation and politeness are taken away. Pure.

Texts with the same normal form ask the same. It never joins what differs in a word, a number or a sign.
"""

from headgate.cache.semantic.lexicon import CONTRACTIONS, ENDINGS, POLITE_ENDS, POLITE_STARTS, SPELLINGS, TASKS
from headgate.cache.semantic.words import Word

_STARTS = sorted(POLITE_STARTS, key=len, reverse=True)
_ENDS = sorted(POLITE_ENDS, key=len, reverse=True)
_CAN_YOU = frozenset({"can", "could", "would", "will"})


def normal_form(words: tuple[Word, ...]) -> tuple[str, ...]:
    """Words in lower case, spelled out, in one spelling, without greetings and thanks. Empty where there is no word."""
    plain: list[str] = []
    for word in words:
        plain += spelled_out(word)
    kept = tuple(plain)
    while (shorter := _without_end(_without_start(kept))) != kept:
        kept = shorter
    return kept


def spelled_out(word: Word) -> list[str]:
    """`what's` is two words, `colour` is `color`, `10,000` is `10000`."""
    text = word.text
    if word.shape == "number":
        return [_plain_number(text)]
    if text in CONTRACTIONS:
        return CONTRACTIONS[text].split()
    for ending, full in ENDINGS:
        if text.endswith(ending) and len(text) > len(ending):
            return (text.removesuffix(ending) + full).split()
    text = text.removesuffix("'s") if text.endswith("'s") else text
    return [SPELLINGS.get(text, text)]


def _plain_number(text: str) -> str:
    groups = text.split(",")
    is_grouped = len(groups) > 1 and len(groups[0]) <= 3 and all(len(group.split(".")[0]) == 3 for group in groups[1:])
    return "".join(groups) if is_grouped else text


def _without_start(words: tuple[str, ...]) -> tuple[str, ...]:
    for phrase in _STARTS:
        if len(words) > len(phrase) and words[: len(phrase)] == phrase:
            return words[len(phrase) :]
    if len(words) > 3 and words[0] in _CAN_YOU and words[1] == "you" and words[2] in TASKS:
        return words[2:]
    return words


def _without_end(words: tuple[str, ...]) -> tuple[str, ...]:
    for phrase in _ENDS:
        if len(words) > len(phrase) and words[-len(phrase) :] == phrase:
            return words[: -len(phrase)]
    return words
