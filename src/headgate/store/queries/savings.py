"""What answers that were used again have saved, summed up by day, key, route, model and how.

Written in the transaction that keeps the calls themselves, so that a sum is never without its calls, nor twice.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import SAVINGS

DAY_US: Final = 86_400_000_000


class Saving(NamedTuple):
    """One line."""

    day_us: int
    """When the calls began, to the day (UTC)."""
    key_id: str
    route: str
    model: str
    """As asked for."""
    how: str
    """`hit`, `coalesced`, or `provider`: by what a provider's own cache knew of prompts."""
    calls: int
    input_tokens: int
    output_tokens: int
    nano_usd: int
    ms: int


_SUMS: Final = ("calls", "input_tokens", "output_tokens", "nano_usd", "ms")
_NAMES: Final = ("day_us", "key_id", "route", "model", "how")
_NEW: Final = insert(SAVINGS)
_ADD: Final = _NEW.on_conflict_do_update(
    index_elements=_NAMES, set_={name: SAVINGS.c[name] + _NEW.excluded[name] for name in _SUMS}
)


def add(connection: Connection, savings: Iterable[Saving]) -> None:
    """Adds to what is there."""
    rows = [saving._asdict() for saving in savings]
    if rows:
        connection.execute(_ADD, rows)


def between(connection: Connection, since_us: int, before_us: int) -> Sequence[Saving]:
    """Those of the days that begin in a time, in their order."""
    wanted = select(SAVINGS).where(SAVINGS.c.day_us >= since_us, SAVINGS.c.day_us < before_us)
    return [Saving(*row) for row in connection.execute(wanted.order_by(*(SAVINGS.c[name] for name in _NAMES)))]
