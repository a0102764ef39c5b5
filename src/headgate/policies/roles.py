"""Who may do what in the administration: roles, their rights, and how far they reach. Pure; must not know any path.

The operator, who has the admin key of the gateway itself, may do everything. Everyone else has a role in one
organisation or in one of its teams, and sees nothing beyond it. Nobody sets the terms of what they themselves are
held to: an organisation's are the operator's to set, a team's those of its organisation.
"""

from typing import Final, Literal

from msgspec import Struct

from headgate.core.problems import NotFound
from headgate.store.queries.administrators import Role

Right = Literal[
    "see",  # everything of one's own but the audit and the administrators
    "issue",  # make, rotate and end clients' keys
    "govern",  # set what teams and keys may do; read the audit
    "appoint",  # make and end administrators
    "operate",  # what is beyond any organisation: credit, prices, providers
]
ROLES: Final[tuple[Role, ...]] = ("viewer", "member", "admin", "owner")
"""From the least on: each may do what those before it may."""
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    "viewer": frozenset({"see"}),
    "member": frozenset({"see", "issue"}),
    "admin": frozenset({"see", "issue", "govern"}),
    "owner": frozenset({"see", "issue", "govern", "appoint"}),
}


class Administrator(Struct, frozen=True, kw_only=True):
    """Somebody who was let into the administration."""

    actor: str
    """Whom the audit names."""
    role: Role | None
    """None: the operator."""
    organisation: str = ""
    team: str = ""
    """Empty: the whole organisation."""

    def may(self, right: Right) -> bool:
        """Whether the role has the right."""
        return self.role is None or right in RIGHTS[self.role]

    def reaches(self, organisation: str, team: str = "") -> bool:
        """Whether something of this organisation, and this team of it, is theirs to see."""
        if self.role is None:
            return True
        return organisation == self.organisation and self.team in ("", team)

    def governs(self, organisation: str) -> bool:
        """Whether they stand above the teams of an organisation."""
        return self.role is None or (organisation == self.organisation and not self.team)

    def check_reach(self, what: str, place: tuple[str, str], code: str | None = None) -> None:
        """Raises `NotFound`, as if there were no such thing, for what is not theirs. `place`: organisation, team."""
        if not self.reaches(*place):
            raise NotFound(f"There is no {what}.", code=code)


OPERATOR: Final = Administrator(actor="admin", role=None)
"""Who has the admin key of the gateway."""


def is_at_most(role: Role, other: Role | None) -> bool:
    """Whether a role may do nothing that another may not; None: the operator."""
    return other is None or RIGHTS[role] <= RIGHTS[other]
