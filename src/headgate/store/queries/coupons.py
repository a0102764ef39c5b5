"""Coupons, and who has redeemed them. What a code itself was is not kept."""

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import COUPON_USES, COUPONS


class CouponRow(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon, as kept."""

    id: str
    digest: bytes
    """Of its code."""
    nano_usd: int
    uses_max: int
    note: str
    created_us: int
    expires_us: int | None = None
    """Until when it can be redeemed."""
    lasts_us: int | None = None
    """How long the credit lasts that comes of it; None: for ever."""
    revoked_us: int | None = None


class CouponUse(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody has redeemed one."""

    coupon: str
    organisation: str
    """Or the account itself, if it belongs to none."""
    account: str
    at_us: int


_NAMES = CouponRow.__struct_fields__
_COLUMNS = [COUPONS.c[name] for name in _NAMES]


def add(connection: Connection, row: CouponRow) -> None:
    """Keeps a new one."""
    connection.execute(insert(COUPONS), msgspec.structs.asdict(row))


def find(connection: Connection, id: str) -> CouponRow | None:
    """One of them."""
    row = connection.execute(select(*_COLUMNS).where(COUPONS.c.id == id)).mappings().one_or_none()
    return None if row is None else CouponRow(**row)


def find_by_code(connection: Connection, digest: bytes) -> CouponRow | None:
    """The one whose code has this digest."""
    row = connection.execute(select(*_COLUMNS).where(COUPONS.c.digest == digest)).mappings().one_or_none()
    return None if row is None else CouponRow(**row)


def revoke(connection: Connection, id: str, now_us: int) -> None:
    """Ends one for good; one that has ended stays as it is."""
    ending = update(COUPONS).where(COUPONS.c.id == id, COUPONS.c.revoked_us.is_(None))
    connection.execute(ending.values(revoked_us=now_us))


def use(connection: Connection, use: CouponUse) -> None:
    """Keeps that one was redeemed, which an organisation does once."""
    connection.execute(insert(COUPON_USES), msgspec.structs.asdict(use))


def is_used_by(connection: Connection, id: str, organisation: str) -> bool:
    """Whether an organisation has redeemed one."""
    mine = select(COUPON_USES.c.at_us).where(COUPON_USES.c.coupon == id, COUPON_USES.c.organisation == organisation)
    return connection.execute(mine).first() is not None


def uses(connection: Connection, id: str) -> int:
    """How often one was redeemed."""
    count = select(func.count()).select_from(COUPON_USES).where(COUPON_USES.c.coupon == id)
    return int(connection.execute(count).scalar_one())


def listed(connection: Connection) -> list[tuple[CouponRow, int]]:
    """All there ever were, oldest first, and how often each was redeemed."""
    counts = select(COUPON_USES.c.coupon, func.count()).group_by(COUPON_USES.c.coupon)
    used = {coupon: int(count) for coupon, count in connection.execute(counts)}
    rows = connection.execute(select(*_COLUMNS).order_by(COUPONS.c.created_us, COUPONS.c.id)).mappings()
    return [(row, used.get(row.id, 0)) for row in (CouponRow(**each) for each in rows)]
