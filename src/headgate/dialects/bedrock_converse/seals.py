"""Proofs of other services on Converse's wire: text where it has a signature, base64 where it has sealed content."""

import base64
import binascii
from typing import Final

from headgate.core.request import Signature
from headgate.core.signatures import seal, unseal
from headgate.dialects.bedrock_converse.wire import NAME

_FOREIGN: Final = "fmhnL"  # how the base64 of any foreign proof begins


def redacted_text(signature: Signature) -> str:
    """What `redactedContent` holds: our own as it came, another service's marked and in base64."""
    text = seal(signature, spoken=NAME)
    return text if signature.minted_by == NAME else base64.b64encode(text.encode()).decode()


def redacted_of(text: str) -> Signature:
    """Back from `redactedContent`."""
    if text.startswith(_FOREIGN):
        try:
            return unseal(base64.b64decode(text, validate=True).decode(), spoken=NAME)
        except (binascii.Error, ValueError):
            pass
    return Signature(NAME, text)
