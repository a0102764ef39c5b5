"""Foreign signatures in `encrypted_content`: what else must be told of them, as a mark before the value.

Reasoning items are the only place of this dialect where a client returns a proof untouched. A proof that belongs to
a tool call or a text travels in an item of its own, right behind it. Neither mark is a letter of base64.
"""

from typing import Final

from msgspec import Struct

from headgate.core.request import Signature
from headgate.core.signatures import seal
from headgate.dialects.openai_responses.wire import NAME

_REDACTED: Final = "~"
_BEHIND: Final = "^"


class Mark(Struct, frozen=True):
    """What a foreign signature says of itself."""

    is_redacted: bool = False
    is_behind: bool = False
    """It belongs to the part before it."""


def wrap(signature: Signature, mark: Mark) -> str:
    """The text for `encrypted_content`."""
    if signature.minted_by == NAME:
        return signature.value
    sign = _REDACTED if mark.is_redacted else _BEHIND if mark.is_behind else ""
    return seal(Signature(signature.minted_by, sign + signature.value), spoken=NAME)


def unwrap(signature: Signature) -> tuple[Signature, Mark]:
    """A foreign signature without its mark, and the mark."""
    value = signature.value
    mark = Mark(is_redacted=value.startswith(_REDACTED), is_behind=value.startswith(_BEHIND))
    bare = value[1:] if mark.is_redacted or mark.is_behind else value
    return Signature(signature.minted_by, bare), mark
