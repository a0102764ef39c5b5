"""Which accounts are topped up by themselves, by whom, and when that failed."""

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import AUTO_TOP_UPS


class AutoTopUp(msgspec.Struct, frozen=True, kw_only=True):
    """How an account is topped up."""

    account: str
    customer: str
    """Who pays, as the payment provider calls them."""
    below_nano_usd: int = 0
    """When less than so much is left; 0: never."""
    nano_usd: int = 0
    """By how much."""
    month_nano_usd_max: int = 0
    """How much in a month (UTC) at most."""
    failed_us: int | None = None
    """When a payment failed: none is tried until the rule is set again."""
    error: str = ""


_NAMES = AutoTopUp.__struct_fields__
_NEW = insert(AUTO_TOP_UPS)
_KNOW = _NEW.on_conflict_do_update(index_elements=["account"], set_={"customer": _NEW.excluded.customer})


def know(connection: Connection, account: str, customer: str) -> None:
    """An account has somebody who pays; the rule stays as it is."""
    connection.execute(_KNOW, msgspec.structs.asdict(AutoTopUp(account=account, customer=customer)))


def find(connection: Connection, account: str) -> AutoTopUp | None:
    """That of an account."""
    row = connection.execute(select(AUTO_TOP_UPS).where(AUTO_TOP_UPS.c.account == account)).mappings().one_or_none()
    return None if row is None else AutoTopUp(**{name: row[name] for name in _NAMES})


def change(connection: Connection, rule: AutoTopUp) -> None:
    """Sets all of it."""
    change = update(AUTO_TOP_UPS).where(AUTO_TOP_UPS.c.account == rule.account)
    connection.execute(change.values(**msgspec.structs.asdict(rule)))


def listed(connection: Connection) -> list[AutoTopUp]:
    """Those that are on, failed or not."""
    rows = connection.execute(select(AUTO_TOP_UPS).where(AUTO_TOP_UPS.c.below_nano_usd > 0)).mappings()
    return [AutoTopUp(**{name: row[name] for name in _NAMES}) for row in rows]
