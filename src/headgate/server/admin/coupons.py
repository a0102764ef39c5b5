"""`/admin/v1/coupons` and `/admin/v1/redemptions`: codes that credit is given for."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from headgate.core.money import shown_usd
from headgate.ledger.coupons import USES_MAX, NewCoupon
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import parse_expiry, shown_time
from headgate.server.admin.terms import NANO_PER_USD
from headgate.store.queries.coupons import CouponRow

_DAY_US = 86_400_000_000


class CouponBody(BaseModel):
    """What a coupon is to be worth, and to whom."""

    model_config = ConfigDict(extra="forbid")

    usd: Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9)]
    uses: Annotated[int, Field(ge=1, le=USES_MAX, strict=True, description="How many organisations may.")] = 1
    expires: Annotated[str | None, Field(max_length=40, description="Until when: 30d, or a date; null: ever.")] = None
    lasts_days: Annotated[
        int | None, Field(ge=1, le=3660, strict=True, description="How long its credit lasts; null: for ever.")
    ] = None
    note: Annotated[str, Field(max_length=500, strict=True)] = ""


class Redemption(BaseModel):
    """A code, and whom to credit."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, Field(min_length=1, max_length=100, strict=True)]
    account: Annotated[str, Field(min_length=1, max_length=200, description="An organisation's, team's or key's id.")]


class Coupon(BaseModel):
    """A coupon, without its code."""

    id: str
    usd: str
    uses: int
    redeemed: int
    note: str
    created: str | None
    expires: str | None
    lasts_days: int | None
    revoked: str | None


class MadeCoupon(Coupon):
    """The same, with its code, this once."""

    code: str


class CouponList(BaseModel):
    """Coupons, oldest first."""

    data: list[Coupon]


class Redeemed(BaseModel):
    """What was credited, and until when it lasts."""

    account: str
    usd: str


def coupons_router(doors: Doors) -> APIRouter:
    """The paths, joined to the ledger."""
    router = APIRouter(prefix="/admin/v1", tags=["credit"])

    @router.post("/coupons", status_code=201, summary="Make a coupon")
    def create(who: Who, body: CouponBody) -> MadeCoupon:
        wanted = NewCoupon(
            nano_usd=int(body.usd * NANO_PER_USD),
            uses_max=body.uses,
            note=body.note,
            expires_us=None if body.expires is None else parse_expiry(body.expires, doors.now_us()),
            lasts_us=None if body.lasts_days is None else body.lasts_days * _DAY_US,
        )
        code, row = doors.seen_by(who).coupons.create(wanted)
        return MadeCoupon(**coupon_view(row, 0).model_dump(), code=code)

    @router.get("/coupons", summary="List coupons")
    def list_all(who: Who) -> CouponList:
        return CouponList(data=[coupon_view(*each) for each in doors.seen_by(who).coupons.list()])

    @router.delete("/coupons/{coupon_id}", summary="End a coupon")
    def revoke(who: Who, coupon_id: str) -> Coupon:
        return coupon_view(*doors.seen_by(who).coupons.revoke(coupon_id))

    @router.post("/redemptions", status_code=201, summary="Redeem a code")
    def redeem(who: Who, body: Redemption) -> Redeemed:
        row = doors.seen_by(who).coupons.redeem(body.code, body.account)
        return Redeemed(account=body.account, usd=shown_usd(row.nano_usd))

    _ = create, list_all, revoke, redeem
    return router


def coupon_view(row: CouponRow, redeemed: int) -> Coupon:
    """One as shown."""
    return Coupon(
        id=row.id,
        usd=shown_usd(row.nano_usd),
        uses=row.uses_max,
        redeemed=redeemed,
        note=row.note,
        created=shown_time(row.created_us),
        expires=shown_time(row.expires_us),
        lasts_days=None if row.lasts_us is None else row.lasts_us // _DAY_US,
        revoked=shown_time(row.revoked_us),
    )
