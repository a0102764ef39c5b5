"""Ids for function calls that came without one: the same place always gets the same id. Must not know the wire."""

import re
from typing import Final

_LENGTH_MAX: Final = 40  # the shortest limit on ids among the services: OpenAI's chat completions
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_-]")


def synthetic_id(position: int, told: str) -> str:
    """An id from a place, and a word that tells it from others: valid for every service."""
    return f"call_{position}_{_NOT_ALLOWED.sub('_', told)}"[:_LENGTH_MAX].rstrip("_")
