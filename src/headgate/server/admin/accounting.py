"""`/admin/v1/invoices`, `/admin/v1/focus` and `/admin/v1/forecast`: what leaves the books."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from msgspec import to_builtins
from pydantic import BaseModel

from headgate.core.money import shown_usd
from headgate.ledger.billing.focus import FocusForm, FocusVersion, write_focus
from headgate.ledger.billing.forms import MEDIA_TYPES, Form, told, write_invoice
from headgate.server.admin.access import Who
from headgate.server.admin.doors import Doors


class InvoiceLine(BaseModel):
    """What was used of one model at one provider, with one key."""

    key_id: str
    key_name: str
    model: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    charge_nano_usd: int


class InvoiceMovement(BaseModel):
    """Credit that came, or went otherwise than by use (then below zero)."""

    at: str
    kind: str
    reference: str
    note: str
    nano_usd: int


class InvoiceView(BaseModel):
    """A month (UTC) of one account. `closing` is `opening`, with the movements, less `charge`."""

    number: str
    account: str
    kind: str
    name: str
    month: str
    start: str
    end: str
    is_final: bool
    opening_nano_usd: int
    movements: list[InvoiceMovement]
    lines: list[InvoiceLine]
    charge_nano_usd: int
    closing_nano_usd: int
    due_nano_usd: int
    opening_usd: str
    charge_usd: str
    closing_usd: str
    due_usd: str


class ForecastView(BaseModel):
    """The month so far, what it will probably come to, and the bounds within which nine in ten would end."""

    month: str
    so_far_nano_usd: int
    expected_nano_usd: int
    low_nano_usd: int
    high_nano_usd: int
    days_known: int
    so_far_usd: str
    expected_usd: str
    low_usd: str
    high_usd: str


class InvoiceList(BaseModel):
    """A month of everybody who pays."""

    data: list[InvoiceView]


_WRITTEN: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPES[form].partition(";")[0]: {} for form in ("csv", "html", "pdf")}}
}

_FOCUS_TYPES: dict[FocusForm, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
_FOCUS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/jsonl": {}}}}


def accounting_router(doors: Doors) -> APIRouter:
    """The paths, joined to the books."""
    router = APIRouter(prefix="/admin/v1", tags=["accounting"])

    @router.get(
        "/invoices/{account}/{month}", summary="An account's invoice", response_model=InvoiceView, responses=_WRITTEN
    )
    def invoice(who: Who, account: str, month: str, format: Annotated[Form, Query()] = "json") -> Response:
        found = doors.seen_by(who).accounting.invoice(account, month)
        name = f"invoice-{found.account}-{found.month}.{format}"
        kept = {} if format == "json" else {"content-disposition": f'inline; filename="{name}"'}
        return Response(write_invoice(found, format), media_type=MEDIA_TYPES[format], headers=kept)

    @router.get("/invoices/{month}", summary="A month of every organisation, and of keys without one")
    def invoices(month: str) -> InvoiceList:
        return InvoiceList(data=[InvoiceView.model_validate(told(each)) for each in doors.accounting.invoices(month)])

    @router.get("/focus/{month}", summary="A month of usage in FOCUS", response_model=None, responses=_FOCUS)
    def focus(month: str, account: str = "", version: FocusVersion = "1.4", format: FocusForm = "csv") -> Response:
        rows = doors.accounting.focus(month, account, version)
        return Response(write_focus(rows, version, format), media_type=_FOCUS_TYPES[format])

    @router.get("/forecast", summary="What the present month will probably come to")
    def forecast(who: Who, account: str = "") -> ForecastView:
        found = doors.seen_by(who).accounting.forecast(account)
        names = ("so_far", "expected", "low", "high")
        dollars = {f"{name}_usd": shown_usd(getattr(found, f"{name}_nano_usd")) for name in names}
        return ForecastView.model_validate(to_builtins(found) | dollars)

    _ = invoice, invoices, focus, forecast
    return router
