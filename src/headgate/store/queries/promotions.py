"""Promotions that have not ended: what has to be looked after, not what is in the books."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import PROMOTIONS


class Promotion(NamedTuple):
    """Credit that ends."""

    id: str
    """That of its transfer."""
    account: str
    expires_us: int


def add(connection: Connection, promotion: Promotion) -> None:
    """Looks after one more."""
    connection.execute(insert(PROMOTIONS).on_conflict_do_nothing(index_elements=["id"]), promotion._asdict())


def ended(connection: Connection, now_us: int) -> list[str]:
    """The accounts that have one which has ended by now."""
    query = select(PROMOTIONS.c.account).where(PROMOTIONS.c.expires_us <= now_us).distinct()
    return sorted(connection.execute(query).scalars())


def end(connection: Connection, account: str, now_us: int) -> None:
    """Those of an account that have ended need not be looked after any more."""
    gone = delete(PROMOTIONS).where(PROMOTIONS.c.account == account, PROMOTIONS.c.expires_us <= now_us)
    connection.execute(gone)
