"""What `/metrics` tells of calls and of this process, before it is written down. Must not know the form."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from headgate.store.queries.rollups import Found


class Measured(Struct, frozen=True, kw_only=True):
    """What is told."""

    calls: Collection[Found]
    """All there ever were, by `provider` and `model`."""
    attempts: Collection[Found]
    """By `provider` and `outcome`."""
    deployments: Mapping[tuple[str, str], int]
    """How many, by provider and state."""
    in_flight: Mapping[str, int]
    """Attempts under way, by provider."""
    lag_s: float
    lag_bytes: int
    rejected: int
    names: Collection[str]
    """The models and routes that are listed."""
