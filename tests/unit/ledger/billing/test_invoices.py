"""Invoices: they add up, exactly, whatever was used and paid; the same in every form; written twice, the same bytes."""

import csv
import io
import json
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest
from headgate.ledger.billing.forms import MEDIA_TYPES, form_of, told, write_invoice
from headgate.ledger.billing.invoices import Books, Invoice, Payer, make_invoice
from headgate.ledger.billing.months import month_of, parse_month
from headgate.store.queries.spend import Place, Spent, Sums
from headgate.store.queries.transfers import Transfer

NOVEMBER = parse_month("2026-11")
ACME = Payer(id="org_1", kind="organisation", name="Ac<me> 中", keys={"k1": "=cmd", "k2": "ci"})
AFTER = NOVEMBER.end_us


def used(key: str, model: str, charge: int, calls: int = 1) -> Spent:
    return Spent(Place(NOVEMBER.start_us, key, "", model, "demo", model), Sums(calls, 10, 5, charge, charge))


def paid(kind: str, nano: int, at_us: int, reference: str = "r") -> Transfer:
    outside, own = "external:payments", "credit:org_1"
    debit, credit = (own, outside) if kind == "refund" else (outside, own)
    detail = json.dumps({"reference": reference, "note": "n"})
    return Transfer(
        id=f"{kind} {at_us}", at_us=at_us, debit=debit, credit=credit, nano_usd=nano, kind=kind, detail=detail
    )


def invoice(spent=(), postings=(), before: int = 0, now_us: int = AFTER, payer: Payer = ACME) -> Invoice:
    books = Books(spent=spent, used_before_nano_usd=before, postings=postings, account="credit:org_1")
    return make_invoice(payer, NOVEMBER, books, now_us)


EXAMPLE = invoice(
    [used("k1", "a", 1), used("k1", "a", 2_000_000_000), used("k2", "b", 3)],
    [
        paid("top-up", 5_000_000_000, NOVEMBER.start_us - 1),
        paid("top-up", 1_000_000_000, NOVEMBER.start_us, "-7"),
        paid("refund", 400_000_000, NOVEMBER.end_us - 1),
        paid("top-up", 9_000_000_000, NOVEMBER.end_us),
    ],
    before=500_000_000,
)


def test_what_came_before_is_the_opening_balance_and_what_comes_after_is_left_out():
    assert EXAMPLE.opening_nano_usd == 4_500_000_000
    assert [(each.kind, each.nano_usd) for each in EXAMPLE.movements] == [
        ("top-up", 1_000_000_000),
        ("refund", -400_000_000),
    ]
    assert [(line.key_name, line.calls, line.charge_nano_usd) for line in EXAMPLE.lines] == [
        ("=cmd", 2, 2_000_000_001),
        ("ci", 1, 3),
    ]
    assert EXAMPLE.charge_nano_usd == 2_000_000_004
    assert EXAMPLE.closing_nano_usd == 3_099_999_996
    assert EXAMPLE.due_nano_usd == 0
    assert (EXAMPLE.number, EXAMPLE.start, EXAMPLE.end) == (
        "2026-11-org_1",
        "2026-11-01T00:00:00Z",
        "2026-12-01T00:00:00Z",
    )


def test_what_credit_does_not_cover_is_due():
    assert invoice([used("k1", "a", 7)], [paid("top-up", 5, NOVEMBER.start_us)], before=10).due_nano_usd == 12


@pytest.mark.parametrize(("now_us", "is_final"), [(AFTER - 1, False), (AFTER, True)])
def test_a_month_is_final_when_it_is_over(now_us: int, is_final: bool):
    made = invoice(now_us=now_us)
    assert made.is_final is is_final
    assert (b"Statement so far" in write_invoice(made, "html")) is not is_final


AMOUNTS = st.integers(0, 10**15)


@given(
    st.lists(st.tuples(st.sampled_from(["k1", "k2"]), st.sampled_from("abc"), AMOUNTS), max_size=8),
    st.lists(st.tuples(st.sampled_from(["top-up", "promotion", "refund"]), AMOUNTS), max_size=5),
    AMOUNTS,
)
def test_every_form_adds_up_to_the_nano_dollar(lines, movements, before):
    made = invoice(
        [used(*each) for each in lines],
        [paid(kind, nano, NOVEMBER.start_us + at) for at, (kind, nano) in enumerate(movements)],
        before,
    )
    rows = list(csv.DictReader(io.StringIO(write_invoice(made, "csv").decode())))
    nanos = [nano(row["usd"]) for row in rows]
    assert sum(nanos[:-1]) == nanos[-1] == made.closing_nano_usd
    assert made.charge_nano_usd == sum(charge for _, _, charge in lines)
    shown = json.loads(write_invoice(made, "json"))
    assert shown["closing_nano_usd"] == made.closing_nano_usd
    assert nano(shown["due_usd"]) == max(0, -made.closing_nano_usd)


def nano(usd: str) -> int:
    whole, _, part = usd.removeprefix("-").partition(".")
    return (int(whole) * 10**9 + int(part.ljust(9, "0") or 0)) * (-1 if usd.startswith("-") else 1)


def test_text_of_a_sheet_that_looks_like_a_formula_is_quoted_and_amounts_are_not():
    rows = list(csv.DictReader(io.StringIO(write_invoice(EXAMPLE, "csv").decode())))
    assert [row["line"] for row in rows] == ["opening", "top-up", "refund", "usage", "usage", "closing"]
    assert rows[1]["reference"] == "'-7"
    assert rows[3]["key_name"] == "'=cmd"
    assert rows[3]["usd"] == "-2.000000001"


def test_a_page_escapes_names():
    page = write_invoice(EXAMPLE, "html").decode()
    assert "Ac&lt;me&gt; 中" in page
    assert "<me>" not in page
    for amount in ("4.5", "0.6", "-2.000000004", "3.099999996"):
        assert f">{amount}</td>" in page
    assert "http" not in page


def pdf_text(data: bytes) -> str:
    streams = re.findall(rb"stream\n(.*?)\nendstream", data, re.DOTALL)
    text = b"".join(zlib.decompress(each) for each in streams)
    return b" ".join(re.findall(rb"\((.*?)\) Tj", text)).replace(b"\\", b"").decode("latin-1")


def test_a_pdf_says_the_same():
    data = write_invoice(EXAMPLE, "pdf")
    text = pdf_text(data)
    assert data.startswith(b"%PDF-")
    assert "Invoice 2026-11-org_1" in text
    assert "u4e2d" in text
    for amount in ("2.000000001", "-2.000000004", "3.099999996", "-0.4"):
        assert amount in text


def test_a_pdf_runs_over_many_pages():
    many = invoice([used("k1", f"model-{number:03}", number) for number in range(200)])
    data = write_invoice(many, "pdf")
    assert data.count(b"/Type /Page\n") > 3
    assert all(f"model-{number:03}" in pdf_text(data) for number in range(200))


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_the_same_books_make_the_same_bytes(form):
    assert write_invoice(EXAMPLE, form) == write_invoice(EXAMPLE, form)
    assert form_of(form) == form


def test_an_unknown_form_is_refused():
    with pytest.raises(InvalidRequest, match="json, csv, html, pdf"):
        form_of("docx")


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "26-11", "2026-11-01", "", "1999-12"])
def test_what_is_no_month_is_refused(month: str):
    with pytest.raises(InvalidRequest, match=r"write 2026-11"):
        parse_month(month)


def test_months_meet():
    assert parse_month("2026-12").start_us == NOVEMBER.end_us
    assert parse_month("2026-12").end == parse_month("2027-01").start
    assert month_of(NOVEMBER.end_us - 1) == NOVEMBER
    assert month_of(NOVEMBER.end_us).name == "2026-12"


def test_totals_are_told_in_dollars_too():
    assert told(EXAMPLE)["charge_usd"] == shown_usd(2_000_000_004) == "2.000000004"
