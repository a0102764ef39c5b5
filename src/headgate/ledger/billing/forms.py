"""An invoice as JSON, CSV, a page to print, or PDF. Must not know what was used, nor by whom."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final, Literal

import msgspec

from headgate.core.money import shown_usd
from headgate.core.problems import ConfigError, InvalidRequest
from headgate.ledger.billing.invoices import Invoice
from headgate.ledger.billing.sheets import Amount, csv_text

Form = Literal["json", "csv", "html", "pdf"]
MEDIA_TYPES: Final[Mapping[Form, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}
_USE: Final = ("Key", "Model", "Provider", "Calls", "Input tokens", "Output tokens", "USD")
_CREDIT: Final = ("Date", "Kind", "Reference", "Note", "USD")
_SHEET: Final = ("number", "month", "line", "date", "key_id", "key_name", "model", "provider", "calls")
_SHEET_SUMS: Final = ("input_tokens", "output_tokens", "reference", "note", "usd")
_encode = msgspec.json.Encoder().encode


def form_of(name: str) -> Form:
    """The form of that name. Raises `InvalidRequest`."""
    for form in MEDIA_TYPES:
        if form == name:
            return form
    raise InvalidRequest(
        f"{name[:40]!r} is no form of an invoice; write one of {', '.join(MEDIA_TYPES)}.", param="format"
    )


def told(invoice: Invoice) -> dict[str, object]:
    """As JSON has it: amounts in nano-USD, and the totals as exact dollars too."""
    totals = ("opening", "charge", "closing", "due")
    dollars = {f"{name}_usd": shown_usd(getattr(invoice, f"{name}_nano_usd")) for name in totals}
    built: dict[str, object] = msgspec.to_builtins(invoice)
    return built | dollars


def write_invoice(invoice: Invoice, form: Form) -> bytes:
    """The whole document. PDF needs `headgate[pdf]`: raises `ConfigError` without it."""
    return _WRITERS[form](invoice)


def _json(invoice: Invoice) -> bytes:
    return _encode(told(invoice))


def _csv(invoice: Invoice) -> bytes:
    """One row for the opening balance, each movement and each line, and the closing balance: they add up."""
    about = (invoice.number, invoice.month)
    rows: list[tuple[object, ...]] = [_balance(about, "opening", invoice.start, invoice.opening_nano_usd)]
    for move in invoice.movements:
        amount = Amount(shown_usd(move.nano_usd))
        rows.append((*about, move.kind, move.at, *("",) * 7, move.reference, move.note, amount))
    for line in invoice.lines:
        whose = (line.key_id, line.key_name, line.model, line.provider)
        counts = (line.calls, line.input_tokens, line.output_tokens)
        rows.append((*about, "usage", "", *whose, *counts, "", "", Amount(shown_usd(-line.charge_nano_usd))))
    rows.append(_balance(about, "closing", invoice.end, invoice.closing_nano_usd))
    return csv_text((*_SHEET, *_SHEET_SUMS), rows).encode()


def _balance(about: tuple[str, str], name: str, at: str, nano_usd: int) -> tuple[object, ...]:
    return (*about, name, at, *("",) * 9, Amount(shown_usd(nano_usd)))


def _use_rows(invoice: Invoice) -> list[tuple[str, ...]]:
    return [
        (
            line.key_name or line.key_id,
            line.model,
            line.provider,
            f"{line.calls:,}",
            f"{line.input_tokens:,}",
            f"{line.output_tokens:,}",
            shown_usd(line.charge_nano_usd),
        )
        for line in invoice.lines
    ]


def _credit_rows(invoice: Invoice) -> list[tuple[str, ...]]:
    return [
        (move.at[:10], move.kind, move.reference, move.note, shown_usd(move.nano_usd)) for move in invoice.movements
    ]


def _sum_rows(invoice: Invoice) -> list[tuple[str, ...]]:
    credit = sum(move.nano_usd for move in invoice.movements)
    amounts = (
        ("Balance before", invoice.opening_nano_usd),
        ("Credit", credit),
        ("Usage", -invoice.charge_nano_usd),
        ("Balance after", invoice.closing_nano_usd),
        ("Due", invoice.due_nano_usd),
    )
    return [(name, shown_usd(amount)) for name, amount in amounts]


def _heading(invoice: Invoice) -> tuple[str, str]:
    title = "Invoice" if invoice.is_final else "Statement so far"
    about = f"{invoice.name} ({invoice.kind} {invoice.account}), {invoice.start[:10]} to {invoice.end[:10]} (UTC)"
    return f"{title} {invoice.number}", about


_STYLE: Final = (
    "body{font:10pt/1.4 sans-serif;margin:2cm auto;max-width:19cm;color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%;margin:0 0 1.5em}thead{display:table-header-group}"
    "th,td{text-align:left;padding:.25em .5em;border-bottom:1px solid #bbb;overflow-wrap:anywhere}"
    "tr{break-inside:avoid}.n{text-align:right;font-variant-numeric:tabular-nums}"
    "@page{size:A4;margin:1.5cm}@media print{body{margin:0}}"
)


def _html(invoice: Invoice) -> bytes:
    title, about = _heading(invoice)
    parts = [_html_table("Usage", _USE, _use_rows(invoice), 4)]
    if invoice.movements:
        parts.append(_html_table("Credit", _CREDIT, _credit_rows(invoice), 1))
    parts.append(_html_table("Totals in USD", ("", "USD"), _sum_rows(invoice), 1))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<h1>{escape(title)}</h1><p>{escape(about)}</p>{''.join(parts)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'.encode()


def _html_table(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> str:
    """The last columns are `numbers`."""
    first = len(header) - numbers

    def row(cells: Sequence[str], tag: str) -> str:
        told = (f"<{tag}{' class=n' * (at >= first)}>{escape(cell)}</{tag}>" for at, cell in enumerate(cells))
        return f"<tr>{''.join(told)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<h2>{name}</h2><table><thead>{row(header, 'th')}</thead><tbody>{body}</tbody></table>"


def _pdf(invoice: Invoice) -> bytes:
    """The standard fonts know Western letters only: others stand as their escapes (`\\u4e2d`), none is dropped."""
    try:
        from fpdf import FPDF  # noqa: PLC0415 - an extra, wanted by few
    except ImportError:
        raise ConfigError("A PDF needs `pip install headgate[pdf]`; html can be printed without it.") from None
    title, about = _heading(invoice)
    page = FPDF(format="A4")
    page.set_creation_date(datetime.fromisoformat(invoice.end))
    page.set_title(_western(title))
    page.set_producer("Headgate")
    page.add_page()
    page.set_font("Helvetica", size=15)
    page.multi_cell(0, 9, _western(title), new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", size=9)
    page.multi_cell(0, 6, _western(about), new_x="LMARGIN", new_y="NEXT")
    for header, rows, numbers, widths in (
        (_USE, _use_rows(invoice), 4, (34, 48, 26, 16, 22, 22, 30)),
        (_CREDIT, _credit_rows(invoice), 1, (22, 22, 50, 60, 30)),
        (("Totals", "USD"), _sum_rows(invoice), 1, (100, 40)),
    ):
        if not rows:
            continue
        page.ln(5)
        aligns = ("LEFT",) * (len(header) - numbers) + ("RIGHT",) * numbers
        with page.table(
            col_widths=widths, text_align=aligns, line_height=5, borders_layout="HORIZONTAL_LINES"
        ) as table:
            for cells in (header, *rows):
                table.row([_western(cell) for cell in cells])
    return bytes(page.output())


def _western(text: str) -> str:
    return text.encode("latin-1", "backslashreplace").decode("latin-1")


_WRITERS: Final[Mapping[Form, Callable[[Invoice], bytes]]] = {"json": _json, "csv": _csv, "html": _html, "pdf": _pdf}
