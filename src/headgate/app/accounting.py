"""What people ask of the books about a time that has passed: for the administration and for the command line alike."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from headgate.ledger.billing.focus import Export, FocusVersion, Owner, Row, focus_rows
from headgate.ledger.billing.forecasting import DAY_US, DAYS_MAX, Forecast, forecast
from headgate.ledger.billing.invoices import Books, Invoice, Payer, make_invoice
from headgate.ledger.billing.months import Month, month_of, parse_month
from headgate.ledger.billing.reconciling import Drift, Report, compare, counted, read_report
from headgate.ledger.credit import credit_account
from headgate.policies.accounts import find_payer, payers
from headgate.providers.spec import packaged
from headgate.store.base import Store
from headgate.store.queries import spend, transfers


class Accounting:
    """Reads the store. `catch_up` waits until it has what ended just now."""

    def __init__(self, store: Store, now_us: Callable[[], int], catch_up: Callable[[], object] = lambda: None) -> None:
        self._issuer = "Headgate"
        self._store = store
        self._now_us = now_us
        self._catch_up = catch_up

    def invoice(self, account: str, month: str) -> Invoice:
        """An account's month. Raises `NotFound`, and `InvalidRequest` for what is no month."""
        wanted = parse_month(month)
        self._catch_up()
        with self._store.read() as connection:
            return self._invoice(connection, find_payer(connection, account), wanted)

    def invoices(self, month: str) -> Sequence[Invoice]:
        """The month of every organisation, and of each key that belongs to none, if anything happened in it."""
        wanted = parse_month(month)
        self._catch_up()
        with self._store.read() as connection:
            everybody = list(payers(connection))
            covered = {kid for each in everybody if each.kind == "organisation" for kid in each.keys}
            found = [
                self._invoice(connection, each, wanted)
                for each in everybody
                if each.kind == "organisation" or (each.kind == "key" and not covered.intersection(each.keys))
            ]
        return [each for each in found if each.lines or each.movements or each.due_nano_usd]

    def focus(self, month: str, account: str = "", version: FocusVersion = "1.4") -> Sequence[Row]:
        """The month in FOCUS, of one account or of all."""
        wanted = parse_month(month)
        self._catch_up()
        with self._store.read() as connection:
            everybody = list(payers(connection))
            owners = _owners(everybody)
            chosen = find_payer(connection, account).keys if account else None
            spent = list(spend.within(connection, wanted.start_us, wanted.end_us, chosen))
        export = Export(
            month=wanted,
            owners=owners,
            titles={name: spec.title for name, spec in packaged().items()},
            issuer=self._issuer,
            is_final=self._now_us() >= wanted.end_us,
        )
        return focus_rows(export, spent, version)

    def forecast(self, account: str = "") -> Forecast:
        """What the present month will probably come to, for one account or all."""
        now_us = self._now_us()
        self._catch_up()
        with self._store.read() as connection:
            chosen = find_payer(connection, account).keys if account else None
            month, first_us = month_of(now_us), spend.first(connection, chosen)
            since_us = min(month.start_us, now_us - now_us % DAY_US - DAYS_MAX * DAY_US)
            spent = list(spend.within(connection, since_us, month.end_us, chosen))
        by_day: dict[date, int] = {}
        for place, sums in spent:
            day = _day(place.quarter_us)
            by_day[day] = by_day.get(day, 0) + sums.charge_nano_usd
        return forecast(month, by_day, None if first_us is None else _day(first_us), now_us)

    def reconcile(self, data: bytes, provider: str) -> tuple[Report, list[Drift]]:
        """A provider's export beside our own books of the same time."""
        report = read_report(data)
        self._catch_up()
        with self._store.read() as connection:
            spent = spend.within(connection, report.start_us, report.end_us, provider=provider)
            ours = counted(spent, provider, report)
        return report, compare(ours, report.counts)

    def _invoice(self, connection: Connection, payer: Payer, month: Month) -> Invoice:
        account = credit_account(payer.id)
        books = Books(
            spent=sorted(spend.within(connection, month.start_us, month.end_us, payer.keys)),
            used_before_nano_usd=spend.total(connection, list(payer.keys), 0, month.start_us).charge_nano_usd,
            postings=transfers.of_account(connection, account),
            account=account,
        )
        return make_invoice(payer, month, books, self._now_us())


def _owners(everybody: Sequence[Payer]) -> dict[str, Owner]:
    """Who is charged for each key."""
    owners: dict[str, Owner] = {}
    teams = {kid: each for each in everybody if each.kind == "team" for kid in each.keys}
    above = {kid: each for each in everybody if each.kind == "organisation" for kid in each.keys}
    for line in everybody:
        for kid, name in line.keys.items() if line.kind == "key" else ():
            payer, team = above.get(kid, line), teams.get(kid)
            owners[kid] = Owner(
                account=payer.id,
                account_name=payer.name,
                account_type=payer.kind.capitalize(),
                team="" if team is None else team.id,
                team_name="" if team is None else team.name,
                key_name=name,
            )
    return owners


def _day(at_us: int) -> date:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).date()
