"""What forbids that two texts share an answer, however near they lie: each guard has a name, and one is enough. Pure.

Guards know nothing of likelihood. They are made so that what they let through by mistake is the verifier's to refuse.
"""

from collections.abc import Callable

from headgate.cache.semantic.lexicon import ANTONYMS, PREFIXES
from headgate.cache.semantic.readings import FACTS, Reading


def fired(one: Reading, other: Reading) -> str:
    """The first guard that forbids it, or nothing."""
    for name in FACTS:
        if one.facts[name] != other.facts[name]:
            return name
    for name, forbids in GUARDS.items():
        if forbids(one, other):
            return name
    return ""


def _code(one: Reading, other: Reading) -> bool:
    return one.is_code or other.is_code


def _names(one: Reading, other: Reading) -> bool:
    """A name that only one of them says."""
    return bool(one.names - other.stem_counts.keys() or other.names - one.stem_counts.keys())


def _focus(one: Reading, other: Reading) -> bool:
    first, second = one.focus, other.focus
    return bool(first and second) and first != second


def _opposites(one: Reading, other: Reading) -> bool:
    """A word that only one has, against its opposite that only the other has."""
    first, second = one.pieces, other.pieces
    mine, theirs = first - second, second - first
    return (
        any(not ANTONYMS.get(word, _NOTHING).isdisjoint(theirs) for word in mine)
        or any(_turned(word, theirs) for word in mine)
        or any(_turned(word, mine) for word in theirs)
    )


_NOTHING: frozenset[str] = frozenset()


def _turned(word: str, others: frozenset[str]) -> bool:
    """Whether one of the others is the word with a prefix that turns it round, or its stem with `less`."""
    if len(word) > 3 and any(prefix + word in others for prefix in PREFIXES):
        return True
    bare = word.removesuffix("less")
    return bare != word and len(bare) > 2 and any(other.startswith(bare) for other in others)


def _direction(one: Reading, other: Reading) -> bool:
    """What stood on one side of `than` or `to` stands on the other in the other text, or `to` it is `from` it."""
    if any(_follows(one, marker) & _follows(other, against) for marker, against in TURNED):
        return True
    for marker in one.sides.keys() & other.sides.keys():
        (left, right), (their_left, their_right) = one.sides[marker], other.sides[marker]
        moved = bool(left & their_right) + bool(right & their_left)
        if moved == 2 or (moved and not left & their_left):
            return True
    return False


TURNED = (("to", "from"), ("from", "to"), ("into", "from"), ("from", "into"), ("before", "after"), ("after", "before"))


def _follows(reading: Reading, marker: str) -> set[str]:
    """The next word of content after each place where the marker stands."""
    found: set[str] = set()
    if marker not in reading.sides:
        return found
    for place, word in enumerate(reading.plain):
        if word == marker and (following := next((at for at in reading.content if at > place), 0)):
            found.add(reading.stems[following])
    return found


def _order(one: Reading, other: Reading) -> bool:
    """Nearly the same words of content, and those that both have in another order.

    It is the same order where one end is moved to the other, or `a and b` turned round.
    """
    mine, theirs = _sequence(one), _sequence(other)
    common = set(mine) & set(theirs)
    if len(common) < NEARLY * max(len(mine), len(theirs)):
        return False
    mine, theirs = [word for word in mine if word in common], [word for word in theirs if word in common]
    return mine != theirs and sorted(mine) == sorted(theirs) and not _is_rotation(mine, theirs)


def _sequence(reading: Reading) -> list[str]:
    """Stems of the words of content, those that `and` or `or` joins in the order of the alphabet."""
    found: list[str] = []
    for before, place in zip((-1, *reading.content), reading.content, strict=False):
        found.append(reading.stems[place])
        is_joined = before >= 0 and before + 2 == place and reading.plain[before + 1] in JOINED
        if is_joined:
            found[-2:] = sorted(found[-2:])
    return found


NEARLY = 0.75
JOINED = frozenset({"and", "or", "&", "vs", "versus"})


def _is_rotation(mine: list[str], theirs: list[str]) -> bool:
    return any(mine[cut:] + mine[:cut] == theirs for cut in range(1, len(mine)))


GUARDS: dict[str, Callable[[Reading, Reading], bool]] = {
    "code": _code,
    "name": _names,
    "focus": _focus,
    "opposite": _opposites,
    "direction": _direction,
    "order": _order,
}
