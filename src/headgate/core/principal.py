"""Who calls: what the rest of the call needs to know of a caller. Must not know keys or how they are checked."""

from typing import Final, Literal, NamedTuple, Protocol, Self

from msgspec import Struct

from headgate.core.usage import Usage

_TEAM = "team:"

Priority = Literal["interactive", "standard", "batch"]
PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "standard", "batch")
"""Classes of calls; where calls have to wait, those of an earlier one go first. A class's number is its place here."""
STANDARD: Final = PRIORITIES.index("standard")
BATCH: Final = PRIORITIES.index("batch")


class Sold(NamedTuple):
    """What a caller has used."""

    model: str
    """As it was asked for."""
    provider: str
    upstream: str
    """The provider's own name of the model."""
    usage: Usage
    cost_nano_usd: int
    at_us: int
    """When its call began, in Unix microseconds."""


class Tariff(Protocol):
    """What a caller pays, where that is not what it costs."""

    def charge(self, sold: Sold) -> int:
        """In nano-USD."""
        ...


class Principal(Struct, frozen=True, kw_only=True):
    """A caller whose key was good."""

    key_id: str
    name: str
    team: str = ""
    models: tuple[str, ...] | None = None
    """The models and routes this caller may ask for; None: all."""
    passing: tuple[str, ...] = ()
    """The providers this caller may call as they are, by pass-through."""
    tariff: Tariff | None = None
    """None: it pays what it costs."""
    organisation: str = ""
    """The id of the one that its key belongs to; empty: none."""
    priority: int = STANDARD
    """The class of its calls, which none of them may be above."""
    weight: float = 1.0
    """Of its owner, where calls have to wait: twice the weight, twice the tokens."""

    @property
    def owner(self) -> str:
        """Whose things this caller's are: its team's, else its key's alone."""
        return f"{_TEAM}{self.team}" if self.team else f"key:{self.key_id}"

    @classmethod
    def of(cls, owner: str, key_id: str) -> Self:
        """Who a key of this owner is, for what the gateway does in its name after its call has ended."""
        return cls(key_id=key_id, name="", team=owner.removeprefix(_TEAM) if owner.startswith(_TEAM) else "")
