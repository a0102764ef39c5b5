"""What a text says that another must say too before both may have one answer: read once, kept with the entry. Pure.

`Reading.facts` is a table: where two readings differ in a row, that row's guard fires.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise

from headgate.cache.semantic.lexicon import (
    AMBIGUOUS_DATES,
    AMOUNTS,
    ASIDE,
    DATES,
    DIRECTIONS,
    FOCUS,
    NEGATORS,
    NUMBERS,
    POLAR,
    POLAR_ASIDE,
    STOP,
    UNITS,
)
from headgate.cache.semantic.normal import normal_form, spelled_out
from headgate.cache.semantic.words import tidy, words_of

_QUOTED = re.compile(r'"([^"\n]{1,400})"|(?<!\w)\'([^\'\n]{2,400})\'(?!\w)|`([^`\n]{1,400})`')
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.]+|(?<!\w)[~.]?/[\w.-]+/[\w./-]*", re.IGNORECASE
)
# A fence, a call, a statement's end, an identifier, an operator of programs: then a sign may change everything
_CODE = re.compile(
    r"```|\w\(\w*\)|[;{}]\s*(?:\n|$)|\w_\w|[!=<>]=|=>|->|::|&&|\|\||\$\w|</?\w+>|\bSELECT\b.+\bFROM\b", re.DOTALL
)
_TAG = re.compile(r",\s*\w+n't (?:i|you|he|she|it|we|they|there)\s*\?*\s*$", re.IGNORECASE)
_ASCII_LETTERS = re.compile(r"[A-Za-z]")
_LETTERS = re.compile(r"[^\W\d_]")


class Reading:
    """One text, read. Equal texts read the same; nothing in it depends on another text."""

    def __init__(self, text: str) -> None:
        self.text = tidy(text)
        self.words = words_of(self.text)
        self.normal = normal_form(self.words)
        self.plain = tuple(" ".join(spelled_out(word)) for word in self.words)

    @cached_property
    def facts(self) -> dict[str, object]:
        """What must be the same, by the guard's name."""
        return {name: read(self) for name, read in FACTS.items()}

    @cached_property
    def content(self) -> tuple[int, ...]:
        """Places of the words that carry meaning of their own."""
        return tuple(place for place, word in enumerate(self.plain) if word not in STOP and word not in NEGATORS)

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """Every word without its common endings."""
        return tuple(stem(word) for word in self.plain)

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Every word, contractions in two."""
        return frozenset(piece for word in self.plain for piece in word.split())

    @cached_property
    def sides(self) -> dict[str, tuple[set[str], set[str]]]:
        """By the first of each word of direction: what is told before it alone, and after it alone."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for place, word in enumerate(self.plain):
            if word in DIRECTIONS and word not in found:
                before = {self.stems[at] for at in self.content if at < place}
                after = {self.stems[at] for at in self.content if at > place}
                found[word] = (before - after, after - before)
        return found

    @cached_property
    def focus(self) -> str:
        """What is asked for: a person, time, place, reason, way or amount; what; whether. Empty: nothing is asked."""
        return _focus(self)

    @cached_property
    def stem_counts(self) -> Counter[str]:
        return Counter(self.stems)

    @cached_property
    def content_counts(self) -> Counter[str]:
        return Counter(self.stems[place] for place in self.content)

    @cached_property
    def stop_counts(self) -> Counter[str]:
        return Counter(word for word in self.plain if word in STOP)

    @cached_property
    def trigram_counts(self) -> Counter[str]:
        text = f"  {' '.join(self.plain)} "
        return Counter(text[at : at + 3] for at in range(len(text) - 2))

    @cached_property
    def names(self) -> frozenset[str]:
        """Stems of what is written as a name: capitals inside a sentence, acronyms, mixed case, letters with digits."""
        return frozenset(_names(self))

    @cached_property
    def is_code(self) -> bool:
        return _CODE.search(self.text) is not None

    @cached_property
    def is_english(self) -> bool:
        """In Latin letters, and with words that English has everywhere; a short text need only have the letters."""
        letters = len(_LETTERS.findall(self.text))
        if not letters or len(_ASCII_LETTERS.findall(self.text)) < 0.9 * letters:
            return False
        common = sum(word in STOP for word in self.plain)
        return common >= 0.15 * len(self.words) or (len(self.words) <= 4 and self.text.isascii())


def stem(word: str) -> str:
    """Without plural and verb endings, roughly: the same for the forms of one word, rarely for two words."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    for ending, rest_min in (("ing", 4), ("ed", 3), ("es", 4), ("s", 3), ("ly", 4)):
        if word.endswith(ending) and len(word) - len(ending) >= rest_min and not word.endswith("ss"):
            rest = word[: -len(ending)]
            return rest[:-1] if len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest.rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word


def _numbers(reading: Reading) -> tuple[str, ...]:
    """In order, as figures: the order says which is converted, subtracted, or set against which."""
    found: list[str] = []
    for place, word in enumerate(reading.plain):
        shape = reading.words[place].shape
        if shape == "number":
            found.append(word + _ordinal(reading.plain, place))
        elif word in NUMBERS and not (word in AMBIGUOUS_DATES and shape == "lower" and place + 1 == len(reading.plain)):
            found.append(NUMBERS[word])
        elif shape in ("upper", "title") and place and set(word) <= set("ivx") and len(word) > 1:
            found.append(word)
    return tuple(found)


def _ordinal(plain: Sequence[str], place: int) -> str:
    following = plain[place + 1] if place + 1 < len(plain) else ""
    return following if following in ("st", "nd", "rd", "th") else ""


def _signs(reading: Reading) -> tuple[str, ...]:
    return tuple(word.text for word in reading.words if word.shape == "symbol")


def _dates(reading: Reading) -> frozenset[str]:
    found: set[str] = set()
    for word, written in zip(reading.plain, reading.words, strict=True):
        if word in DATES and (word not in AMBIGUOUS_DATES or written.shape in ("title", "upper")):
            found.add(DATES[word])
    return frozenset(found)


def _units(reading: Reading) -> tuple[str, ...]:
    return tuple(UNITS[word] for word in reading.plain if word in UNITS)


def _negation(reading: Reading) -> int:
    """How many words deny, `whether or not` and `isn't it?` at the end aside."""
    words = [piece for word in reading.plain for piece in word.split()]
    denials = sum(word in NEGATORS for word in words) - (_TAG.search(reading.text) is not None)
    return denials - sum(pair == ("or", "not") for pair in pairwise(words))


def _quotes(reading: Reading) -> frozenset[str]:
    return frozenset(" ".join(filter(None, found)).strip().lower() for found in _QUOTED.findall(reading.text))


def _addresses(reading: Reading) -> frozenset[str]:
    return frozenset(found.rstrip(".,;!?").lower() for found in _ADDRESS.findall(reading.text))


FACTS: dict[str, Callable[[Reading], object]] = {
    "number": _numbers,
    "sign": _signs,
    "date": _dates,
    "unit": _units,
    "negation": _negation,
    "quote": _quotes,
    "address": _addresses,
}


def _focus(reading: Reading) -> str:
    for place, word in enumerate(reading.plain):
        first = word.split()[0] if word else ""
        following = reading.plain[place + 1 : place + 6]
        if first in FOCUS:
            return _how(following) if first == "how" else FOCUS[first]
        if first in ("what", "which"):
            return next((ASIDE[word] for word in following if word in ASIDE), "what")
        if first in POLAR and place < 2:
            return next((POLAR_ASIDE[word] for word in following if word in POLAR_ASIDE), POLAR[first])
    return ""


def _how(following: Sequence[str]) -> str:
    """`How come` asks for a reason, `how much` for an amount, and any other for a way."""
    word = following[0] if following else ""
    return "why" if word == "come" else "amount" if word in AMOUNTS else "how"


def _names(reading: Reading) -> set[str]:
    shapes = [word.shape for word in reading.words if word.shape in ("lower", "title", "upper", "mixed")]
    found: set[str] = set()
    if shapes and sum(shape == "lower" for shape in shapes) < 0.5 * len(shapes):
        return found  # a headline, or shouted: capitals say nothing
    starts = True
    for place, word in enumerate(reading.words):
        is_name = word.shape in ("upper", "mixed") or (word.shape == "title" and not starts)
        if is_name and word.text != "i" and reading.plain[place] not in STOP:
            found.add(reading.stems[place])
        after = reading.text[word.end : word.end + 2]
        starts = bool(after) and after[0] in ".?!:" and not after[1:].isalnum()
    return found
