"""How capable a model is, as its maker places it: one TOML file of data and its reader. Must not know prices.

What no line of the data fits is not placed: nothing follows from an absence.
"""

from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
from msgspec import Struct

Quality = Literal["small", "medium", "large"]
RANKS: Final[dict[str, int]] = {"small": 1, "medium": 2, "large": 3}


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    tier: Quality | Literal["none"]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[_Line, ...]


def quality_of(model: str) -> Quality | None:
    """The place of a model, by its name in the catalogue; None: it has none."""
    for line in _table():
        if any(fnmatchcase(model, name) for name in line.names):
            return None if line.tier == "none" else line.tier
    return None


def is_enough(model: str, least: Quality) -> bool:
    """Whether a model stands at least so high."""
    found = quality_of(model)
    return found is not None and RANKS[found] >= RANKS[least]


@cache
def _table() -> tuple[_Line, ...]:
    data = (resources.files("headgate.providers") / "quality.toml").read_bytes()
    return msgspec.toml.decode(data, type=_Table).models
