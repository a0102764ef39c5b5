"""`/admin/v1/credit` and `/admin/v1/statements`: prepaid credit, what is left of it, and what was used in a month."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from headgate.core.money import shown_usd
from headgate.ledger.billing.months import parse_month
from headgate.ledger.billing.sheets import csv_text
from headgate.ledger.credit import Credit, CreditKind
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import parse_expiry, shown_time
from headgate.server.admin.terms import NANO_PER_USD
from headgate.store.queries.proposals import Proposal
from headgate.store.queries.spend import Spent
from headgate.store.queries.transfers import Transfer

YEAR_S: Final = 366 * 86_400


class CreditBody(BaseModel):
    """Credit that is given or paid back."""

    model_config = ConfigDict(extra="forbid")

    usd: Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9)]
    kind: CreditKind = "top-up"
    reference: Annotated[
        str,
        Field(min_length=1, max_length=200, strict=True, description="Such as a payment's number: posted once."),
    ]
    note: Annotated[str, Field(max_length=500, strict=True)] = ""
    expires: Annotated[str | None, Field(max_length=40, description="Of a promotion: 30d, or a date.")] = None
    pending: Annotated[
        bool, Field(strict=True, description="Only held, until it is posted or void: a payment that may come.")
    ] = False
    lasts_s: Annotated[
        int | None, Field(ge=60, le=YEAR_S, strict=True, description="When what is pending is void by itself.")
    ] = None


class DecisionBody(BaseModel):
    """Which pending transfer is meant."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["top-up", "refund"] = "top-up"
    reference: Annotated[str, Field(min_length=1, max_length=200, strict=True)]
    usd: Annotated[
        Decimal | None,
        Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9, description="How much to post; null: all of it."),
    ] = None


class Posting(BaseModel):
    """One transfer of the ledger."""

    id: str
    at: str | None
    kind: str
    usd: str
    debit: str
    credit: str


class Part(BaseModel):
    """One credit, and what is left of it."""

    id: str
    left_usd: str
    paid: bool
    expires: str | None


class Account(BaseModel):
    """An account's credit: `balance` is what was credited less what its keys have used, `held` what is being paid back,
    `available` the rest. Exact dollars, as text."""

    id: str
    credited_usd: str
    used_usd: str
    balance_usd: str
    held_usd: str
    available_usd: str
    postings: list[Posting]
    pending: list[Posting]
    parts: list[Part]


class Line(BaseModel):
    """What was used of one model, with one key."""

    key_id: str
    user: str
    model: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    charge_usd: str


class Statement(BaseModel):
    """A month (UTC) of one account."""

    account: str
    month: str
    lines: list[Line]
    charge_usd: str


def credit_router(doors: Doors) -> APIRouter:
    """The paths, joined to the ledger."""
    router = APIRouter(prefix="/admin/v1", tags=["credit"])

    @router.get("/credit/{account}", summary="An organisation's, team's or key's credit")
    def show(who: Who, account: str) -> Account:
        return _account(doors.seen_by(who), account)

    @router.post("/credit/{account}", status_code=201, summary="Give credit, or pay it back")
    def give(who: Who, account: str, body: CreditBody) -> Account:
        seen = doors.seen_by(who)
        expires_us = 0 if body.expires is None else parse_expiry(body.expires, doors.now_us())
        amount = int(body.usd * NANO_PER_USD)
        credit = Credit(account, body.kind, amount, body.reference, body.note, expires_us)
        if body.pending:
            seen.credit.propose(credit, None if body.lasts_s is None else body.lasts_s * 1_000_000)
        else:
            seen.credit.grant(credit)
        return _account(seen, account)

    @router.post("/credit/{account}/post", summary="Post what is pending")
    def post(who: Who, account: str, body: DecisionBody) -> Account:
        seen = doors.seen_by(who)
        seen.credit.post(Credit(account, body.kind, int((body.usd or 0) * NANO_PER_USD), body.reference))
        return _account(seen, account)

    @router.post("/credit/{account}/void", summary="Let what is pending come to nothing")
    def void(who: Who, account: str, body: DecisionBody) -> Account:
        seen = doors.seen_by(who)
        seen.credit.void(Credit(account, body.kind, 0, body.reference))
        return _account(seen, account)

    @router.get("/statements/{account}", summary="What an account has used in a month", response_model=Statement)
    def statement(who: Who, account: str, month: str, format: Literal["json", "csv"] = "json") -> Statement | Response:
        wanted = parse_month(month)
        lines = _lines(doors.seen_by(who).credit.spent(account, wanted.start_us, wanted.end_us))
        total = sum(nano for _, nano in lines)
        if format == "csv":
            rows = (line.model_dump().values() for line, _ in lines)
            return Response(csv_text(tuple(Line.model_fields), rows), media_type="text/csv; charset=utf-8")
        told = [line for line, _ in lines]
        return Statement(account=account, month=month, lines=told, charge_usd=shown_usd(total))

    _ = show, give, post, void, statement
    return router


def _account(doors: Doors, account: str) -> Account:
    state = doors.credit.state(account)
    return Account(
        id=account,
        credited_usd=shown_usd(state.credited),
        used_usd=shown_usd(state.used),
        balance_usd=shown_usd(state.credited - state.used),
        held_usd=shown_usd(state.held),
        available_usd=shown_usd(state.credited - state.used - state.held),
        postings=[_posting(each) for each in state.postings],
        pending=[_posting(each) for each in state.pending],
        parts=[
            Part(
                id=each.id,
                left_usd=shown_usd(each.left),
                paid=each.is_paid,
                expires=shown_time(each.expires_us or None),
            )
            for each in state.parts
            if each.left
        ],
    )


def _posting(transfer: Transfer | Proposal) -> Posting:
    return Posting(
        id=transfer.id,
        at=shown_time(transfer.at_us),
        kind=transfer.kind,
        usd=shown_usd(transfer.nano_usd),
        debit=transfer.debit,
        credit=transfer.credit,
    )


def _lines(spent: Sequence[Spent]) -> list[tuple[Line, int]]:
    sums: dict[tuple[str, str, str, str], list[int]] = {}
    for place, each in spent:
        so_far = sums.setdefault((place.key_id, place.user, place.model, place.provider), [0, 0, 0, 0])
        amounts = (each.calls, each.input_tokens, each.output_tokens, each.charge_nano_usd)
        for at, number in enumerate(amounts):
            so_far[at] += number
    return [
        (
            Line(
                key_id=key_id,
                user=user,
                model=model,
                provider=provider,
                calls=calls,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                charge_usd=shown_usd(charge),
            ),
            charge,
        )
        for (key_id, user, model, provider), (calls, input_tokens, output_tokens, charge) in sorted(sums.items())
    ]
