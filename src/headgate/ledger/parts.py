"""What is left of each credit of an account: values in, values out, in nano-USD.

What is used is taken from promotions first, of those from the one that ends soonest, and only then from what was paid.
Where more was used than there was, credit that comes later makes up for it first.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

_NEVER: Final = 1 << 62


class Movement(NamedTuple):
    """A change of an account's credit, in the order in which they were posted."""

    id: str
    nano_usd: int
    """Below 0: it went."""
    used: int
    """All that had been used of the account by then."""
    is_paid: bool = True
    """Money, not a promotion."""
    expires_us: int = 0
    """When a promotion ends; 0: never."""
    of: str = ""
    """Which promotion's rest it takes away, if it goes; empty: it is paid back."""


class Part(NamedTuple):
    """One credit, and what is left of it."""

    id: str
    left: int
    is_paid: bool
    expires_us: int


class Parts(NamedTuple):
    """All of an account's: what is left of them, less `debt`, is its balance."""

    parts: list[Part]
    debt: int
    """What was used without credit."""

    @property
    def paid(self) -> int:
        """What is left of what was paid."""
        return max(0, sum(each.left for each in self.parts if each.is_paid) - self.debt)

    def ended(self, now_us: int) -> list[Part]:
        """Promotions that have ended with something left of them."""
        return [each for each in self.parts if each.left and 0 < each.expires_us <= now_us]


def parts_of(movements: Iterable[Movement], used: int) -> Parts:
    """What is left after all of `used`."""
    parts: list[Part] = []
    debt = so_far = 0
    for movement in movements:
        debt += _take(parts, max(0, movement.used - so_far))
        so_far = max(so_far, movement.used)
        if movement.nano_usd < 0:
            debt += _pay_out(parts, movement)
            continue
        made_up = min(debt, movement.nano_usd)
        debt -= made_up
        parts.append(Part(movement.id, movement.nano_usd - made_up, movement.is_paid, movement.expires_us))
    debt += _take(parts, max(0, used - so_far))
    return Parts(parts, debt)


def _take(parts: list[Part], amount: int) -> int:
    """Uses so much. Gives what there was no credit for."""
    order = sorted(range(len(parts)), key=lambda at: (parts[at].is_paid, parts[at].expires_us or _NEVER, at))
    return _take_from(parts, order, amount)


def _pay_out(parts: list[Part], movement: Movement) -> int:
    """What is paid back goes from the latest payment first."""
    fits = [at for at, part in enumerate(parts) if (part.id == movement.of if movement.of else part.is_paid)]
    return _take_from(parts, fits[::-1], -movement.nano_usd)


def _take_from(parts: list[Part], order: Iterable[int], amount: int) -> int:
    for at in order:
        taken = min(amount, parts[at].left)
        parts[at] = parts[at]._replace(left=parts[at].left - taken)
        amount -= taken
    return amount
