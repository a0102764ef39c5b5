"""The ledger: transfers from account to account, posted once, never changed. Must not know what they are for."""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import TRANSFERS


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that goes from one account to another: so both sides always add up to the same."""

    id: str
    """What it is for, in a form that the same thing always has: so it is posted once, however often it is told."""
    at_us: int
    debit: str
    """The account that it comes from."""
    credit: str
    """The account that it goes to."""
    nano_usd: int
    kind: str
    detail: str = "{}"
    """A JSON object."""


_POST: Final = insert(TRANSFERS).on_conflict_do_nothing(index_elements=["id"])


def post(connection: Connection, transfers: Iterable[Transfer]) -> None:
    """Adds transfers; those that are there already stay as they are."""
    rows = [msgspec.structs.asdict(transfer) for transfer in transfers]
    if rows:
        connection.execute(_POST, rows)


def find(connection: Connection, id: str) -> Transfer | None:
    """One of them."""
    row = connection.execute(select(TRANSFERS).where(TRANSFERS.c.id == id)).mappings().one_or_none()
    return None if row is None else Transfer(**{name: row[name] for name in Transfer.__struct_fields__})


def of_account(connection: Connection, account: str) -> list[Transfer]:
    """All from or to an account, oldest first."""
    wanted = (TRANSFERS.c.debit == account) | (TRANSFERS.c.credit == account)
    rows = connection.execute(select(TRANSFERS).where(wanted).order_by(TRANSFERS.c.seq)).mappings()
    return [Transfer(**{name: row[name] for name in Transfer.__struct_fields__}) for row in rows]


def balances(connection: Connection) -> dict[str, int]:
    """What has come to each account less what has gone from it."""
    found: dict[str, int] = {}
    for column, sign in ((TRANSFERS.c.credit, 1), (TRANSFERS.c.debit, -1)):
        for account, amount in connection.execute(select(column, func.sum(TRANSFERS.c.nano_usd)).group_by(column)):
            found[account] = found.get(account, 0) + sign * int(amount)
    return found


def balance(connection: Connection, account: str) -> int:
    """The same of one account."""
    total = func.coalesce(func.sum(TRANSFERS.c.nano_usd), 0)
    came = connection.execute(select(total).where(TRANSFERS.c.credit == account)).scalar_one()
    went = connection.execute(select(total).where(TRANSFERS.c.debit == account)).scalar_one()
    return int(came) - int(went)
