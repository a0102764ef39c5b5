"""Paying for credit: `/admin/v1/credit/{account}/checkout` and `/auto-top-up`, and where Stripe tells what was paid."""

import asyncio
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest, NotFound
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors, Payments
from headgate.server.admin.expiry import shown_time
from headgate.server.admin.guard import STRIPE
from headgate.server.admin.terms import NANO_PER_USD
from headgate.store.queries.auto_top_ups import AutoTopUp

_Usd = Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=9, decimal_places=2)]


class CheckoutBody(BaseModel):
    """How much credit to pay for."""

    model_config = ConfigDict(extra="forbid")

    usd: _Usd
    save_card: Annotated[bool, Field(strict=True, description="So that later top-ups can be automatic.")] = False


class Checkout(BaseModel):
    """A page to pay on. The credit comes when it has been paid."""

    order: str
    url: str


class RuleBody(BaseModel):
    """When to charge the card that was saved."""

    model_config = ConfigDict(extra="forbid")

    below_usd: Annotated[_Usd, Field(description="When less than so much is left.")]
    usd: Annotated[_Usd, Field(description="By how much to top up.")]
    month_usd_max: Annotated[_Usd, Field(description="How much in a month (UTC) at most.")]


class Rule(BaseModel):
    """How an account is topped up; amounts are null while it is not. After a failure nothing is tried until it is set
    again."""

    account: str
    card: bool
    below_usd: str | None
    usd: str | None
    month_usd_max: str | None
    failed: str | None
    error: str | None


class Received(BaseModel):
    """Whether an event changed anything."""

    booked: bool


def payments_router(doors: Doors) -> APIRouter:
    """The paths, joined to the till."""
    router = APIRouter(tags=["credit"])

    def till(who: Who) -> Payments:
        found = doors.seen_by(who).payments
        if found is None:
            raise InvalidRequest(
                "Nothing can be paid here: set payments.stripe in the configuration.", code="payments_not_configured"
            )
        return found

    @router.post("/admin/v1/credit/{account}/checkout", status_code=201, summary="Get a page to pay for credit on")
    def checkout(who: Who, account: str, body: CheckoutBody) -> Checkout:
        order, url = till(who).checkout(account, int(body.usd * NANO_PER_USD), saves_card=body.save_card)
        return Checkout(order=order, url=url)

    @router.get("/admin/v1/credit/{account}/auto-top-up", summary="How an account is topped up by itself")
    def rule(who: Who, account: str) -> Rule:
        return _shown(account, till(who).rule(account))

    @router.put("/admin/v1/credit/{account}/auto-top-up", summary="Top up an account by itself")
    def set_rule(who: Who, account: str, body: RuleBody) -> Rule:
        below, usd, most = (int(each * NANO_PER_USD) for each in (body.below_usd, body.usd, body.month_usd_max))
        wanted = AutoTopUp(account=account, customer="", below_nano_usd=below, nano_usd=usd, month_nano_usd_max=most)
        return _shown(account, till(who).set_rule(wanted))

    @router.delete("/admin/v1/credit/{account}/auto-top-up", summary="Top it up no more")
    def end_rule(who: Who, account: str) -> Rule:
        return _shown(account, till(who).set_rule(AutoTopUp(account=account, customer="")))

    @router.post(STRIPE, summary="Where Stripe tells what was paid")
    async def stripe(request: Request) -> Received:
        receive = doors.receive
        if receive is None:
            raise NotFound("Nothing is paid here.", code="payments_not_configured")
        body, signature = await request.body(), request.headers.get("stripe-signature", "")
        return Received(booked=await asyncio.to_thread(receive, body, signature))

    _ = checkout, rule, set_rule, end_rule, stripe
    return router


def _shown(account: str, rule: AutoTopUp | None) -> Rule:
    is_on = rule is not None and rule.below_nano_usd > 0
    return Rule(
        account=account,
        card=rule is not None,
        below_usd=shown_usd(rule.below_nano_usd) if rule is not None and is_on else None,
        usd=shown_usd(rule.nano_usd) if rule is not None and is_on else None,
        month_usd_max=shown_usd(rule.month_nano_usd_max) if rule is not None and is_on else None,
        failed=None if rule is None else shown_time(rule.failed_us),
        error=None if rule is None else rule.error or None,
    )
