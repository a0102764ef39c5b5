"""Who calls: what the rest of the call needs to know of a caller. Must not know keys or how they are checked."""

from typing import Self

from msgspec import Struct

_TEAM = "team:"


class Principal(Struct, frozen=True, kw_only=True):
    """A caller whose key was good."""

    key_id: str
    name: str
    team: str = ""
    models: tuple[str, ...] | None = None
    """The models and routes this caller may ask for; None: all."""
    passing: tuple[str, ...] = ()
    """The providers this caller may call as they are, by pass-through."""
    organisation: str = ""
    """The id of the one that its key belongs to; empty: none."""

    @property
    def owner(self) -> str:
        """Whose things this caller's are: its team's, else its key's alone."""
        return f"{_TEAM}{self.team}" if self.team else f"key:{self.key_id}"

    @classmethod
    def of(cls, owner: str, key_id: str) -> Self:
        """Who a key of this owner is, for what the gateway does in its name after its call has ended."""
        return cls(key_id=key_id, name="", team=owner.removeprefix(_TEAM) if owner.startswith(_TEAM) else "")
