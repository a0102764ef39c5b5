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
