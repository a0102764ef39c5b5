"""Ids that an upstream gave to what it keeps for a caller: files, batches, answers. Must not know how they are kept.

Such an id means something at one provider only, and belongs to whoever had it made: the provider's account may serve
many callers, who must not find each other's things.
"""

from msgspec import Struct


class Minted(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One id, and where it means something."""

    id: str
    owner: str
    """Whose it is: `Principal.owner`."""
    kind: str
    """What it names: `file`, `batch`, `response` and so on."""
    provider: str
    """The configured provider whose account keeps it."""
    created_us: int
    """Unix time in microseconds."""
    model: str = ""
    """The upstream's own name of the model that made it; empty: none did."""
    expires_us: int = 0
    """When it is forgotten; 0: never. One that has been deleted has expired."""


class Unbilled(Struct, frozen=True, kw_only=True, gc=False):
    """What a provider works on, or has done, and whose cost is in nobody's books yet."""

    id: str
    owner: str
    """Whose it is: `Principal.owner`."""
    key_id: str
    """The key that had it made, and pays."""
    provider: str
    path: str
    """Below the base of the provider's API."""
    since_us: int
    due_us: int
    """When to look at it next."""
    looks: int = 0
    """How often it has been looked at."""


BILL = "bill"
"""The kind of a mark among the ids: not a thing, but what is known of the bill for one."""
_OWED, _BILLED = " owed", " billed"


def owed_mark(id: str) -> str:
    """What stands among the ids for an answer that goes on in the background: nobody's books have it yet."""
    return id + _OWED


def billed_mark(id: str) -> str:
    """What stands among the ids for a thing whose cost is in the books."""
    return id + _BILLED


def owed_id(mark: str) -> str:
    """The id that an `owed_mark` is of; empty: it is none."""
    return mark.removesuffix(_OWED) if mark.endswith(_OWED) else ""


def billed_id(mark: str) -> str:
    """The id that a `billed_mark` is of; empty: it is none."""
    return mark.removesuffix(_BILLED) if mark.endswith(_BILLED) else ""
