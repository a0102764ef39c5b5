"""Whether two answers say the same, as far as can be told without asking a model: what labels rest on. Pure.

Doubt counts as disagreement: a label that is wrongly bad costs hits, one that is wrongly good costs trust.
"""

from collections.abc import Callable

import msgspec

from headgate.cache.semantic.embedders import Floats
from headgate.cache.semantic.judge import is_same
from headgate.cache.semantic.readings import Reading

SHORT_WORDS = 40
"""An answer of so many words is read as a statement: then its numbers, dates and denials must be the same."""
COSINE_MIN = 0.85
EXACT = ("number", "sign", "date", "unit", "negation")

Embed = Callable[[Reading], Floats]


def agree(one: str, other: str, embed: Embed) -> bool:
    """The old answer and the new one. `embed` gives a text's unit vector."""
    first, second = Reading(one), Reading(other)
    if is_same(first, second):
        return True
    if _is_json(one) or _is_json(other):
        return _as_json(one) == _as_json(other)
    if first.is_code or second.is_code or not first.words or not second.words:
        return False
    if min(len(first.words), len(second.words)) <= SHORT_WORDS:
        if any(first.facts[name] != second.facts[name] for name in EXACT):
            return False
        if first.names - frozenset(second.stems) or second.names - frozenset(first.stems):
            return False
    return float(embed(first) @ embed(second)) >= COSINE_MIN


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[") and _as_json(text) is not None


def _as_json(text: str) -> object:
    """What a JSON text says; None where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
