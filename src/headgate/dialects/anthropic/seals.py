"""Proofs of other services on the Anthropic wire, which has a place for them on thinking blocks only.

A proof of a tool call or of a text (Gemini's thought signatures) becomes an empty thinking block beside it, whose
signature says whether it belongs to the next block or to the one before.
"""

from typing import Final, Literal

from msgspec import Struct

from headgate.core.request import Reasoning, Signature
from headgate.core.signatures import seal

NAME: Final = "anthropic"

UNSIGNED: Final = seal(Signature("", ""), spoken=NAME)
"""Stands on thinking that no service signed: Anthropic refuses thinking without its own signature, so it must be
known again when the turn comes back."""

MARK: Final = b'"~hg.'
"""How the JSON of any foreign proof begins."""

Belongs = Literal["next", "previous"]
_PREFIXES: Final[dict[str, Belongs]] = {"next": "next", "previous": "previous"}


class Loose(Struct, frozen=True):
    """A proof that belongs to a neighbouring block."""

    belongs: Belongs
    signature: Signature


def seal_loose(signature: Signature, belongs: Belongs) -> str:
    """The signature of the empty thinking block that carries the proof of its neighbour."""
    return seal(Signature(signature.minted_by, f"{belongs}:{signature.value}"), spoken="")


def loose_of(part: Reasoning) -> Loose | None:
    """The neighbour's proof that an empty thinking block carries, if it does."""
    if part.text or part.is_redacted or part.signature is None or part.signature.minted_by == NAME:
        return None
    prefix, colon, value = part.signature.value.partition(":")
    belongs = _PREFIXES.get(prefix) if colon else None
    return Loose(belongs, Signature(part.signature.minted_by, value)) if belongs else None
