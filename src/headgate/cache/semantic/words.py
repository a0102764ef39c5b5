"""The words of a text, each with its place: what alignment, guards and normal form are all counted in. Pure."""

import re
import unicodedata
from typing import Literal, NamedTuple

Shape = Literal["number", "symbol", "lower", "title", "upper", "mixed"]

STRAIGHT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-"})
# A number with its separators; letters with inner apostrophes; any sign but plain punctuation, which says nothing
_WORD = re.compile(r"\d+(?:[.,:/]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s.,;:!?'\"()\[\]{}-]|_|(?<![^\W_])-(?=\d)")


class Word(NamedTuple):
    """One word in lower case, where it stands in its text, and how it was written."""

    text: str
    start: int
    end: int
    shape: Shape


def tidy(text: str) -> str:
    """The same text in one Unicode form (NFKC), with straight quotes and plain dashes."""
    return unicodedata.normalize("NFKC", text).translate(STRAIGHT)


def words_of(text: str) -> tuple[Word, ...]:
    """In reading order. `text` is tidied already."""
    return tuple(Word(found[0].lower(), found.start(), found.end(), _shape(found[0])) for found in _WORD.finditer(text))


def _shape(word: str) -> Shape:
    if not word[0].isalpha():
        return "number" if word[0].isdigit() else "symbol"
    bare = word.replace("'", "")
    if bare.islower():
        return "lower"
    if bare.isupper():
        return "upper" if len(bare) > 1 else "title"
    return "title" if bare[0].isupper() and bare[1:].islower() else "mixed"
