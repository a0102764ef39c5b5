"""Coupons: codes that credit is given for, so often in all and once to each organisation. Must not know who asks.

A code is 122 bits by chance, so its SHA-256 is enough to keep: nobody guesses one, and nobody reads one in a database.
"""

import secrets
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection

from headgate.core.problems import InvalidRequest, NotFound
from headgate.ledger.credit import CREDIT_MAX, Credit, post_credit, promotion_transfer
from headgate.store.base import Store
from headgate.store.queries import audit, coupons
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.coupons import CouponRow, CouponUse

USES_MAX: Final = 1_000_000
LASTS_US_MAX: Final = 3660 * 86_400_000_000
"""Ten years."""
_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Those that are not taken for each other."""
_GROUPS: Final = 5
_IN_A_GROUP: Final = 5
_encode = msgspec.json.Encoder().encode


class NewCoupon(msgspec.Struct, frozen=True, kw_only=True):
    """What one is to be."""

    nano_usd: int
    uses_max: int = 1
    note: str = ""
    expires_us: int | None = None
    """Until when it can be redeemed."""
    lasts_us: int | None = None
    """How long the credit lasts that comes of it."""


class Redeemer(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets the credit."""

    account: str
    organisation: str
    """Empty: it belongs to none."""
    keys: Sequence[str]


def make_coupon(store: Store, wanted: NewCoupon, *, actor: str) -> tuple[str, CouponRow]:
    """A new one: its code, in plain for this once, and what is kept of it."""
    now_us = time.time_ns() // 1000
    _check(wanted, now_us)
    code = "-".join("".join(secrets.choice(_LETTERS) for _ in range(_IN_A_GROUP)) for _ in range(_GROUPS))
    row = CouponRow(
        id=f"coupon_{secrets.token_hex(8)}",
        digest=_digest(code),
        nano_usd=wanted.nano_usd,
        uses_max=wanted.uses_max,
        note=wanted.note,
        created_us=now_us,
        expires_us=wanted.expires_us,
        lasts_us=wanted.lasts_us,
    )
    with store.write() as connection:
        coupons.add(connection, row)
        _audit(connection, row, actor, "coupon.create", row.id)
    return code, row


def list_coupons(store: Store) -> list[tuple[CouponRow, int]]:
    """All, oldest first, and how often each was redeemed."""
    with store.read() as connection:
        return coupons.listed(connection)


def revoke_coupon(store: Store, id: str, *, actor: str) -> tuple[CouponRow, int]:
    """Ends one; what came of it stays. Raises `NotFound`."""
    now_us = time.time_ns() // 1000
    with store.write() as connection:
        row = coupons.find(connection, id)
        if row is None:
            raise NotFound(f"There is no coupon {id!r}.", code="coupon_not_found")
        if row.revoked_us is None:
            coupons.revoke(connection, id, now_us)
            _audit(connection, row, actor, "coupon.revoke", id)
            row = msgspec.structs.replace(row, revoked_us=now_us)
        return row, coupons.uses(connection, id)


def redeem(store: Store, code: str, who: Redeemer, *, actor: str) -> CouponRow:
    """Credits an account with what a coupon is worth. Raises `InvalidRequest` for a code that is worth nothing (any
    more), and for one that the organisation has redeemed already."""
    now_us = time.time_ns() // 1000
    organisation = who.organisation or who.account
    with store.write() as connection:
        row = coupons.find_by_code(connection, _digest(code))
        if row is None or row.revoked_us is not None or not now_us < (row.expires_us or now_us + 1):
            raise InvalidRequest("This code is not valid.", param="code", code="coupon_invalid")
        if coupons.is_used_by(connection, row.id, organisation):
            raise InvalidRequest("This code was redeemed here already.", param="code", code="coupon_redeemed")
        if coupons.uses(connection, row.id) >= row.uses_max:
            raise InvalidRequest("This code was redeemed as often as it can be.", param="code", code="coupon_used_up")
        use = CouponUse(coupon=row.id, organisation=organisation, account=who.account, at_us=now_us)
        coupons.use(connection, use)
        ends_us = 0 if row.lasts_us is None else now_us + row.lasts_us
        credit = Credit(who.account, "promotion", row.nano_usd, row.id, row.note, ends_us)
        id = f"coupon {row.id} {organisation}"
        post_credit(connection, promotion_transfer(connection, credit, who.keys, id))
        _audit(connection, row, actor, "coupon.redeem", who.account)
    return row


def _check(wanted: NewCoupon, now_us: int) -> None:
    if not 0 < wanted.nano_usd <= CREDIT_MAX:
        raise InvalidRequest("'usd' takes an amount above 0, up to 1000000.", param="usd")
    if not 0 < wanted.uses_max <= USES_MAX:
        raise InvalidRequest(f"'uses' takes 1 to {USES_MAX}.", param="uses")
    if wanted.expires_us is not None and wanted.expires_us <= now_us:
        raise InvalidRequest("The coupon would have expired already.", param="expires")
    if wanted.lasts_us is not None and not 0 < wanted.lasts_us <= LASTS_US_MAX:
        raise InvalidRequest("Credit of a coupon lasts above 0, up to ten years.", param="lasts_days")


def _digest(code: str) -> bytes:
    """Of a code as people write it: small letters, spaces and dashes do not matter."""
    return sha256("".join(code.upper().replace("-", " ").split()).encode()).digest()


def _audit(connection: Connection, row: CouponRow, actor: str, action: str, about: str) -> None:
    detail = _encode({"coupon": row.id, "nano_usd": row.nano_usd, "uses_max": row.uses_max}).decode()
    entry = AuditEntry(at_us=time.time_ns() // 1000, actor=actor, action=action, object=about, detail=detail)
    audit.add(connection, entry)
