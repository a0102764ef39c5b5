"""Whom an answer may be given to at all: a digest over all of a request but the words of its last question. Pure.

Texts are compared within a partition and never across. Whatever is not known here counts: a new parameter parts, and
costs hits, rather than joins what it should not.
"""

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

# Neither changes an answer: how it is delivered, and who is said to have asked within a tenant that is named beside it
DELIVERY = frozenset({"stream", "stream_options"})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the cache sees it. Values are what JSON can hold."""

    tenant: str
    """Whose cache it is: an id that no two tenants share."""
    surface: str
    """The dialect and path that was asked."""
    model: str
    """What answers: the deployment's model or the route's name, never an alias that may move."""
    system: object = None
    tools: object = None
    parameters: Mapping[str, object] = {}
    """Every parameter of the request, known or not, response format included."""
    turns: Sequence[object] = ()
    """Every earlier turn, with its tool calls."""
    parts: Sequence[object] = ()
    """Every part of the last turn that is not text, in order: its bytes or a digest, not a URL, whose content may
    change."""
    language: str = ""
    policy: str = ""
    """Versions of guardrails, prompt template, embedder and verifier, and the operator's own `vary` values."""


def partition(asked: Asked, secret: bytes) -> bytes:
    """32 bytes, the same for two requests where all but the question is equal. Without the secret none can be told."""
    told = msgspec.structs.asdict(asked)
    told["parameters"] = {name: value for name, value in asked.parameters.items() if name not in DELIVERY}
    told["system"] = _trimmed(asked.system)
    return hmac.new(secret, msgspec.json.encode(told, order="deterministic"), hashlib.sha256).digest()


def _trimmed(system: object) -> object:
    """A system prompt's Unicode form and trailing blanks say nothing."""
    return unicodedata.normalize("NFKC", system).rstrip() if isinstance(system, str) else system


def language_of(text: str) -> str:
    """The script of most of a text's letters. What is no English is compared by its normal form alone."""
    counts: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            script = unicodedata.name(letter, "UNKNOWN").split()[0]
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=lambda script: (counts[script], script), default="")
