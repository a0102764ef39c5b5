"""A call that asks for documents to be ranked by a query, and its answer. Must not know any dialect's field names."""

from msgspec import Struct, field

from headgate.core.request import Extras
from headgate.core.usage import Usage


class RankedDocument(Struct, frozen=True, kw_only=True):
    """A document to rank, or one given back."""

    text: str
    form: str = ""
    extras: Extras = field(default_factory=dict)


class RankRequest(Struct, frozen=True, kw_only=True):
    """One call to rank."""

    dialect: str
    model: str
    query: str
    documents: tuple[RankedDocument, ...]
    top_n: int | None = None
    wants_documents: bool | None = None
    """Whether the documents are to be given back with their scores."""
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Ranked(Struct, frozen=True, kw_only=True):
    """One document's rank: `index` is its place among those asked about."""

    index: int
    score: float
    document: RankedDocument | None = None
    extras: Extras = field(default_factory=dict)


class Ranking(Struct, frozen=True, kw_only=True):
    """The documents, best first."""

    results: tuple[Ranked, ...]
    id: str = ""
    model: str = ""
    usage: Usage | None = None
    search_units: int = 0
    """What is billed where ranking has a price by the search, not by the token."""
    dialect: str = ""
    form: str = ""
    extras: Extras = field(default_factory=dict)
