"""`thoughtSignature`, both ways: Gemini's own pass bare, those of other services travel in it, marked.

The field is `bytes`, so Google's SDKs decode it as base64 and refuse anything else
(https://ai.google.dev/gemini-api/docs/thought-signatures, 2026-11): a foreign signature is sealed and then encoded.
"""

import binascii
from base64 import b64encode, urlsafe_b64decode
from typing import Final

from headgate.core.request import Signature
from headgate.core.signatures import SEAL, seal, unseal
from headgate.dialects.gemini.wire import NAME

SKIP: Final = "skip_thought_signature_validator"
"""What Google takes instead of a signature for turns of another model
(https://ai.google.dev/gemini-api/docs/thought-signatures#faqs, 2026-11)."""

_SEALED: Final = "fmhnL"  # base64 of `~hg.`
SEALS: Final = (SEAL, b'"fmhnL')
_REDACTED: Final = "~hg.redacted."


def to_wire(signature: Signature, *, is_redacted: bool = False) -> str:
    """The text of `thoughtSignature`."""
    if signature.minted_by == NAME:
        return signature.value
    sealed = seal(signature, spoken=NAME)
    return b64encode(f"{_REDACTED}{sealed}".encode() if is_redacted else sealed.encode()).decode()


def from_wire(text: str) -> tuple[Signature, bool]:
    """The signature, and whether the thinking it stands for is hidden."""
    sealed = _unsealed(text) if text.startswith(_SEALED) else ""
    if not sealed:
        return Signature(NAME, text), False
    return unseal(sealed.removeprefix(_REDACTED), spoken=NAME), sealed.startswith(_REDACTED)


def _unsealed(text: str) -> str:
    """SDKs write either alphabet of base64; this takes both."""
    try:
        return urlsafe_b64decode(text).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
