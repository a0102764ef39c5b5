"""`/admin/v1/invoices`: what leaves the books, in the forms that people pass on."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from headgate.ledger.billing.forms import MEDIA_TYPES, Form, told, write_invoice
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


class InvoiceList(BaseModel):
    """A month of everybody who pays."""

    data: list[InvoiceView]


_WRITTEN: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPES[form].partition(";")[0]: {} for form in ("csv", "html", "pdf")}}
}


def accounting_router(doors: Doors) -> APIRouter:
    """The paths, joined to the books."""
    router = APIRouter(prefix="/admin/v1", tags=["accounting"])

    @router.get(
        "/invoices/{account}/{month}", summary="An account's invoice", response_model=InvoiceView, responses=_WRITTEN
    )
    def invoice(account: str, month: str, format: Annotated[Form, Query()] = "json") -> Response:
        found = doors.accounting.invoice(account, month)
        name = f"invoice-{found.account}-{found.month}.{format}"
        kept = {} if format == "json" else {"content-disposition": f'inline; filename="{name}"'}
        return Response(write_invoice(found, format), media_type=MEDIA_TYPES[format], headers=kept)

    @router.get("/invoices/{month}", summary="A month of every organisation, and of keys without one")
    def invoices(month: str) -> InvoiceList:
        return InvoiceList(data=[InvoiceView.model_validate(told(each)) for each in doors.accounting.invoices(month)])

    _ = invoice, invoices
    return router
