"""What the dashboard is joined to besides what the administration is: handed in by `app`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from headgate.core.record import Attempt
from headgate.ledger.meter import Cost
from headgate.policies.roles import Administrator
from headgate.server.admin.doors import Doors
from headgate.store.queries.rollups import Found, Question


class Traffic(Protocol):
    """The rollups, as far as somebody may see them. Waits for a disk: called in threads."""

    def calls(self, question: Question) -> Sequence[Found]:
        """Sums of calls."""
        ...

    def attempts(self, question: Question) -> Sequence[Found]:
        """Sums of attempts; the operator's alone."""
        ...


class Sights(Struct, frozen=True, kw_only=True):
    """Everything that pages show, as one administrator sees it."""

    seen_by: Callable[[Administrator], "Sights"]
    """The same, as another one sees it."""
    doors: Doors
    traffic: Traffic
    bill: Callable[[Attempt], Cost | None]
    """What an attempt's usage costs at today's prices; None: no price is known."""
