"""What people ask of the books about a time that has passed: for the administration and for the command line alike."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from headgate.ledger.billing.invoices import Books, Invoice, Payer, make_invoice
from headgate.ledger.billing.months import Month, parse_month
from headgate.ledger.credit import credit_account
from headgate.policies.accounts import find_payer, payers
from headgate.store.base import Store
from headgate.store.queries import spend, transfers
from headgate.store.queries.spend import Spent


class Accounting:
    """Reads the store. `catch_up` waits until it has what ended just now."""

    def __init__(self, store: Store, now_us: Callable[[], int], catch_up: Callable[[], object] = lambda: None) -> None:
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

    def _invoice(self, connection: Connection, payer: Payer, month: Month) -> Invoice:
        account = credit_account(payer.id)
        books = Books(
            spent=_within(connection, payer, month),
            used_before_nano_usd=spend.total(connection, list(payer.keys), 0, month.start_us).charge_nano_usd,
            postings=transfers.of_account(connection, account),
            account=account,
        )
        return make_invoice(payer, month, books, self._now_us())


def _within(connection: Connection, payer: Payer, month: Month) -> list[Spent]:
    found = spend.since(connection, list(payer.keys), month.start_us)
    return [each for each in found if month.start_us <= each.place.quarter_us < month.end_us]
