"""FOCUS: the columns that each version has, by a linter of others; and no cent that is not in the books."""

import csv
import io
import json
from decimal import Decimal

import pytest
from focus_data_toolkit.model.validator import lint_focus_1_4_structure
from focus_data_toolkit.schema.registry import mandatory_columns, version_columns

from headgate.core.problems import InvalidRequest
from headgate.ledger.billing.focus import (
    FOCUS_VERSIONS,
    Export,
    Owner,
    columns,
    focus_rows,
    focus_version,
    write_focus,
)
from headgate.ledger.billing.months import parse_month
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums

MONTH = parse_month("2026-11")
OWNERS = {
    "k1": Owner(account="org_1", account_name="=Acme", account_type="Organisation", team="team_1", team_name="Red"),
    "k2": Owner(account="k2", account_name="ci", account_type="Key", key_name="ci"),
}


def used(key: str, quarter: int, charge: int, tokens: int = 10, upstream: str = "gpt-4o") -> Spent:
    place = Place(MONTH.start_us + quarter * QUARTER_US, key, "", "smart", "openai" if upstream else "", upstream)
    return Spent(place, Sums(1, tokens, tokens, charge + 1, charge))


SPENT = [used("k1", 0, 1), used("k1", 3, 2), used("k1", 4, 10**15), used("k2", 4, 0, 0), used("gone", 5, 7, 3, "")]


def export(is_final: bool = True) -> Export:
    return Export(month=MONTH, owners=OWNERS, titles={"openai": "OpenAI"}, issuer="Us", is_final=is_final)


def written(version, is_final: bool = True) -> list[dict[str, str]]:
    rows = focus_rows(export(is_final), SPENT, version)
    return list(csv.DictReader(io.StringIO(write_focus(rows, version, "csv").decode())))


@pytest.mark.parametrize("version", FOCUS_VERSIONS)
def test_every_column_that_must_be_is_there_and_none_that_is_unknown(version):
    ours = {name for name in columns(version) if not name.startswith("x_")}
    assert mandatory_columns("Cost and Usage", version) <= ours <= version_columns("Cost and Usage", version)
    assert list(columns(version)) == list(written(version)[0])


@pytest.mark.parametrize("is_final", [True, False])
def test_a_linter_of_others_finds_no_fault(is_final: bool):
    report = lint_focus_1_4_structure("Cost and Usage", written("1.4", is_final))
    assert report.violations == ()


def test_the_linter_would_find_one():
    [row, *_] = written("1.4")
    assert lint_focus_1_4_structure("Cost and Usage", [row | {"ChargePeriodEnd": "1 November"}]).violations


@pytest.mark.parametrize("version", FOCUS_VERSIONS)
def test_quarters_of_an_hour_are_one_row_and_nothing_is_lost(version):
    rows = written(version)
    assert [row["ChargePeriodStart"][11:16] for row in rows] == ["00:00", "01:00", "01:00", "01:00"]
    assert [row["BilledCost"] for row in rows] == ["0.000000003", "0.000000007", "1000000", "0"]
    assert sum(Decimal(row["x_ProviderCost"]) for row in rows) == Decimal("1000000.000000015")
    assert [(row["ConsumedQuantity"], row["ConsumedUnit"]) for row in rows] == [
        ("40", "Tokens"),
        ("6", "Tokens"),
        ("20", "Tokens"),
        ("1", "Requests"),
    ]
    assert [row["BillingAccountId"] for row in rows] == ["org_1", "gone", "org_1", "k2"]
    assert rows[0]["BillingAccountName"] == "'=Acme"
    assert (rows[0]["SubAccountType"], rows[3]["SubAccountType"]) == ("Team", "")
    assert rows[1]["ResourceId"] == ""


def test_invoices_are_named_once_the_month_is_over():
    assert {row["InvoiceId"] for row in written("1.4")} == {"2026-11-org_1", "2026-11-gone", "2026-11-k2"}
    assert {row["InvoiceId"] for row in written("1.4", is_final=False)} == {""}


def test_lines_of_json_say_the_same():
    rows = focus_rows(export(), SPENT, "1.2")
    lines = [json.loads(line) for line in write_focus(rows, "1.2", "jsonl").splitlines()]
    assert lines == rows
    assert lines[0]["ProviderName"] == lines[0]["PublisherName"] == "OpenAI"
    assert lines[0]["ChargeClass"] is None
    assert "ServiceProviderName" not in lines[0]


def test_a_version_that_is_not_written_is_refused():
    assert focus_version("1.2") == "1.2"
    with pytest.raises(InvalidRequest, match=r"1\.2 and 1\.4"):
        focus_version("1.3")
