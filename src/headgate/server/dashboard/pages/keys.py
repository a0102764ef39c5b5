"""Keys, teams, credit and invoices: who may call, what they have and owe. Keys can be made and ended here."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from headgate.ledger.billing.forms import MEDIA_TYPES, write_invoice
from headgate.ledger.billing.invoices import Invoice
from headgate.ledger.billing.months import parse_month
from headgate.limits.terms import NO_TERMS
from headgate.policies.issuing import NewKey
from headgate.policies.tenancy import key_terms
from headgate.server.admin.expiry import parse_expiry
from headgate.server.dashboard.asking import question
from headgate.server.dashboard.board import Board, page_of
from headgate.server.dashboard.periods import PERIODS
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Redirect, Sent, Visit
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.tenants import TenantRow

_AT: Final = "/dashboard/keys"


async def keys(visit: Visit) -> Page:
    """Those they see."""
    return page_of(visit, await asyncio.to_thread(_board, visit, ""))


async def make_key(visit: Visit) -> Page:
    """Makes one, and shows it this once."""
    return page_of(visit, await asyncio.to_thread(_make, visit))


async def end_key(visit: Visit) -> Redirect:
    """Ends one for good."""
    await asyncio.to_thread(visit.sights.doors.keys.revoke, visit.params["id"])
    return Redirect(_AT)


def _make(visit: Visit) -> Board:
    form = visit.form
    models = tuple(name for each in form.get("models", "").split(",") if (name := each.strip()))
    expires = form.get("expires")
    wanted = NewKey(
        name=form.get("name", ""),
        team=form.get("team", ""),
        models=models or None,
        expires_us=None if expires is None else parse_expiry(expires, visit.now_us),
        terms=NO_TERMS,
    )
    plain, _ = visit.sights.doors.keys.create(wanted)
    return _board(visit, plain)


def _board(visit: Visit, plain: str) -> Board:
    window, money = PERIODS["30d"].window(visit.now_us), visit.money
    used = {
        str(each.place[0]): each.sums
        for each in visit.sights.traffic.calls(question(visit, window, ("calls", money), "key_id"))
    }
    tenants = {row.id: row for row in visit.sights.doors.tenants.list()}
    rows = [_row(visit, row, used, tenants) for row in reversed(visit.sights.doors.keys.list())]
    columns = [
        Column("Name"),
        Column("State", "tag"),
        Column("Of"),
        Column("May ask for"),
        Column("Calls, 30 days", "number"),
        Column("Cost, 30 days", "usd"),
        Column("Made (UTC)", "moment"),
        Column("Id", "code"),
    ]
    table = Table(title=f"{len(rows)} keys", columns=columns, rows=rows, empty="There are no keys yet.")
    good = [row for row in visit.sights.doors.keys.list() if _state(row, visit.now_us) == "good"]
    more: dict[str, object] = {
        "plain": plain,
        "may_issue": visit.who.may("issue"),
        "teams": [row for row in tenants.values() if row.kind == "team"],
        "good": good,
    }
    return Board(title="Keys", tables=[table], template="keys.html", more=more)


def _row(
    visit: Visit, row: KeyRow, used: Mapping[str, Mapping[str, int]], tenants: Mapping[str, TenantRow]
) -> Sequence[Cell]:
    state, sums = _state(row, visit.now_us), used.get(row.kid, {})
    home = tenants.get(row.team or key_terms(row).organisation)
    return [
        Cell(row.name, visit.link("/dashboard", key=row.kid, period="30d")),
        Cell(state, "", "good" if state == "good" else ""),
        Cell(home.name if home is not None else None),
        Cell("everything" if row.models is None else ", ".join(row.models)),
        Cell(sums.get("calls")),
        Cell(sums.get(visit.money)),
        Cell(row.created_us),
        Cell(row.kid),
    ]


def _state(row: KeyRow, now_us: int) -> str:
    if row.revoked_us is not None:
        return "revoked"
    return "expired" if row.expires_us is not None and row.expires_us <= now_us else "good"


async def teams(visit: Visit) -> Page:
    """Organisations and teams, and how they stand."""
    return page_of(visit, await asyncio.to_thread(_teams, visit))


def _teams(visit: Visit) -> Board:
    month = datetime.fromtimestamp(visit.now_us / 1e6, UTC).strftime("%Y-%m")
    rows = list(visit.sights.doors.tenants.list())
    names = {row.id: row.name for row in rows}
    in_order = sorted(rows, key=lambda row: (names.get(row.parent, row.name), row.parent != "", row.name))
    shown: list[Sequence[Cell]] = []
    for row in in_order:
        if not visit.who.reaches(row.parent or row.id, row.id if row.parent else ""):
            continue
        state = visit.sights.doors.credit.state(row.id)
        shown.append(
            [
                Cell(row.name if not row.parent else f"{names.get(row.parent, '')} / {row.name}"),
                Cell(row.kind),
                Cell(state.credited),
                Cell(state.used),
                Cell(state.credited - state.used if state.credited else None),
                Cell(month, f"/dashboard/invoices/{row.id}/{month}"),
                Cell(row.id),
            ]
        )
    columns = [
        Column("Name"),
        Column("Is a"),
        Column("Credited", "usd"),
        Column("Used", "usd"),
        Column("Left", "usd"),
        Column("Invoice"),
        Column("Id", "code"),
    ]
    table = Table(title="Organisations and teams", columns=columns, rows=shown, empty="There are none yet.")
    note = "They are made, and their limits, budgets and credit set, over the administration's API or the command line."
    return Board(title="Teams and credit", tables=[table], notes=[note])


async def invoice(visit: Visit) -> Page | Sent:
    """An account's month."""
    account, month = visit.params["account"], visit.params["month"]
    found = await asyncio.to_thread(visit.sights.doors.accounting.invoice, account, month)
    if visit.query.get("format") == "csv":
        return Sent(media_type=MEDIA_TYPES["csv"], body=write_invoice(found, "csv"))
    return page_of(visit, _invoice(visit, found))


def _invoice(visit: Visit, found: Invoice) -> Board:
    movements = [
        [Cell(each.at), Cell(each.kind), Cell(each.reference), Cell(each.note), Cell(each.nano_usd)]
        for each in found.movements
    ]
    lines = [
        [
            Cell(each.key_name),
            Cell(each.model),
            Cell(each.provider),
            Cell(each.calls),
            Cell(each.input_tokens),
            Cell(each.output_tokens),
            Cell(each.charge_nano_usd),
        ]
        for each in found.lines
    ]
    sums = [
        [Cell(label), Cell(value)]
        for label, value in (
            ("Balance before", found.opening_nano_usd),
            ("Charged", found.charge_nano_usd),
            ("Balance after", found.closing_nano_usd),
            ("Due", found.due_nano_usd),
        )
    ]
    tables = [
        Table(title="Sums", columns=[Column("What"), Column("USD", "usd")], rows=sums),
        Table(
            title="Credit that came and went",
            columns=[Column("When"), Column("What"), Column("Reference"), Column("Note"), Column("USD", "usd")],
            rows=movements,
            empty="None.",
        ),
        Table(
            title="Used",
            columns=[
                *(Column(name) for name in ("Key", "Model", "Provider")),
                *(Column(name, "number") for name in ("Calls", "Tokens in", "Tokens out")),
                Column("Charge", "usd"),
            ],
            rows=lines,
            empty="Nothing.",
        ),
    ]
    start = parse_month(found.month).start
    before = f"{start.year - (start.month == 1)}-{(start.month - 2) % 12 + 1:02}"
    links = [
        (f"Before: {before}", f"/dashboard/invoices/{found.account}/{before}"),
        ("As CSV", visit.link(format="csv")),
    ]
    note = "" if found.is_final else "The month is not over: more may come."
    return Board(
        title=f"Invoice {found.number}, {found.name}",
        tables=tables,
        notes=[note] if note else [],
        template="invoice.html",
        more={"links": links},
    )
