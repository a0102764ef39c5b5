"""`/admin/v1/credit` and `/admin/v1/statements`: prepaid credit, what is left of it, and what was used in a month."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from headgate.core.problems import InvalidRequest
from headgate.ledger.credit import Credit, CreditKind
from headgate.limits.terms import shown_usd
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors
from headgate.server.admin.expiry import shown_time
from headgate.server.admin.terms import NANO_PER_USD
from headgate.store.queries.spend import Spent
from headgate.store.queries.transfers import Transfer

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


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


class Posting(BaseModel):
    """One transfer of the ledger."""

    id: str
    at: str | None
    kind: str
    usd: str
    debit: str
    credit: str


class Account(BaseModel):
    """An account's credit: `balance` is what was credited less what its keys have used. Exact dollars, as text."""

    id: str
    credited_usd: str
    used_usd: str
    balance_usd: str
    postings: list[Posting]


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
        amount = int(body.usd * NANO_PER_USD)
        doors.seen_by(who).credit.grant(Credit(account, body.kind, amount, body.reference, body.note))
        return _account(doors.seen_by(who), account)

    @router.get("/statements/{account}", summary="What an account has used in a month", response_model=Statement)
    def statement(who: Who, account: str, month: str, format: Literal["json", "csv"] = "json") -> Statement | Response:
        start_us, end_us = _month_us(month)
        lines = _lines(doors.seen_by(who).credit.spent(account, start_us, end_us))
        total = sum(nano for _, nano in lines)
        if format == "csv":
            return Response(_csv([line for line, _ in lines]), media_type="text/csv; charset=utf-8")
        told = [line for line, _ in lines]
        return Statement(account=account, month=month, lines=told, charge_usd=shown_usd(total))

    _ = show, give, statement
    return router


def _account(doors: Doors, account: str) -> Account:
    state = doors.credit.state(account)
    return Account(
        id=account,
        credited_usd=shown_usd(state.credited),
        used_usd=shown_usd(state.used),
        balance_usd=shown_usd(state.credited - state.used),
        postings=[_posting(each) for each in state.postings],
    )


def _posting(transfer: Transfer) -> Posting:
    return Posting(
        id=transfer.id,
        at=shown_time(transfer.at_us),
        kind=transfer.kind,
        usd=shown_usd(transfer.nano_usd),
        debit=transfer.debit,
        credit=transfer.credit,
    )


def _month_us(month: str) -> tuple[int, int]:
    match = _MONTH.fullmatch(month)
    if match is None:
        raise InvalidRequest(f"{month[:40]!r} is no month; write 2026-11.", param="month")
    year, number = int(match[1]), int(match[2])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    start, end = (int(datetime(*each, 1, tzinfo=UTC).timestamp()) for each in ((year, number), after))
    return start * 1_000_000, end * 1_000_000


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


def _csv(lines: list[Line]) -> str:
    """A spreadsheet takes a cell that begins like a formula for one: such names are quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(Line.model_fields)
    for line in lines:
        cells = (str(value) for value in line.model_dump().values())
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in cells])
    return out.getvalue()
