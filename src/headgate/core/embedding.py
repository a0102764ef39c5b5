"""A call that asks for embeddings, and its answer, whatever the wire. Must not know any dialect's field names.

Leftovers (`extras`) and `form` are as in `request`: of the dialect named, and put back only there.
"""

from typing import Literal

from msgspec import Raw, Struct, field

from headgate.core.request import Extras
from headgate.core.usage import Usage

Purpose = Literal["document", "query", "classification", "clustering", "similarity", "question", "fact", "code"]
Encoding = Literal["float", "base64"]
Vector = tuple[float, ...]


class Words(Struct, frozen=True, kw_only=True, tag="words"):
    """A text to embed."""

    text: str
    extras: Extras = field(default_factory=dict)


class Tokens(Struct, frozen=True, tag="tokens"):
    """A text to embed, as the tokens of the model's own vocabulary."""

    ids: tuple[int, ...]


class Other(Struct, frozen=True, tag="other"):
    """Something else to embed (a picture, several parts) that only its own dialect understands. `name` says what."""

    name: str
    raw: Raw


class EmbedRequest(Struct, frozen=True, kw_only=True):
    """One call for embeddings."""

    dialect: str
    model: str
    inputs: tuple[Words | Tokens | Other, ...]
    dimensions: int | None = None
    encoding: Encoding | None = None
    """How the caller wants to read the vectors; None: as numbers."""
    purpose: Purpose | None = None
    """What the vectors are for, where a model makes a difference."""
    user: str | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Embeddings(Struct, frozen=True, kw_only=True):
    """One vector for each input, in their order."""

    vectors: tuple[Vector, ...]
    id: str = ""
    model: str = ""
    usage: Usage | None = None
    dialect: str = ""
    form: str = ""
    items: tuple[Extras, ...] = ()
    """Leftovers beside each vector; empty: there are none."""
    extras: Extras = field(default_factory=dict)
