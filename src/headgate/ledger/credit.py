"""Prepaid credit and the books that it stands in: double entry, in nano-USD, each thing posted once.

What callers use goes from their key's account to the revenue, what the operator owes from its costs to the payables,
both summed up per batch of calls, in the transaction that keeps them. Credit goes to the account of an organisation,
team or key from the world outside, or from promotion. What is left is credit less what its keys have used.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection

from headgate.core.problems import InvalidRequest
from headgate.core.record import CallRecord
from headgate.ledger.charging import spent
from headgate.store.base import Store
from headgate.store.queries import audit, calls, spend, transfers
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.spend import Spent
from headgate.store.queries.transfers import Transfer

REVENUE: Final = "revenue:usage"
COSTS: Final = "costs:providers"
PAYABLE: Final = "payable:providers"
PAYMENTS: Final = "external:payments"
PROMOTION: Final = "promotion"
CREDIT_MAX: Final = 10**15
"""A million dollars at a time, in nano-USD."""
CreditKind = Literal["top-up", "promotion", "refund"]
_encode = msgspec.json.Encoder().encode


class Credit(NamedTuple):
    """A change of somebody's credit."""

    account: str
    """The id of an organisation, team or key."""
    kind: CreditKind
    nano_usd: int
    reference: str
    """What it stands for outside, such as a payment's number: the same is posted once."""
    note: str = ""


class CreditState(NamedTuple):
    """How an account stands."""

    credited: int
    used: int
    postings: list[Transfer]


class Difference(NamedTuple):
    """Two books that do not say the same."""

    what: str
    ledger: int
    others: int


def credit_account(tenant: str) -> str:
    """Where credit of a tenant is kept."""
    return f"credit:{tenant}"


def usage_account(kid: str) -> str:
    """What a key has used is taken from there."""
    return f"usage:{kid}"


def usage_transfers(sums: Iterable[Spent], batch: str, at_us: int) -> list[Transfer]:
    """What a batch of calls comes to. `batch` names it and no other."""
    charges: dict[str, int] = {}
    costs = 0
    for place, each in sums:
        charges[place.key_id] = charges.get(place.key_id, 0) + each.charge_nano_usd
        costs += each.cost_nano_usd
    found = [
        Transfer(
            id=f"use {batch} {kid}",
            at_us=at_us,
            debit=usage_account(kid),
            credit=REVENUE,
            nano_usd=amount,
            kind="usage",
        )
        for kid, amount in charges.items()
        if amount
    ]
    if costs:
        cost = Transfer(id=f"cost {batch}", at_us=at_us, debit=COSTS, credit=PAYABLE, nano_usd=costs, kind="cost")
        found.append(cost)
    return found


def grant(store: Store, credit: Credit, *, actor: str) -> Transfer:
    """Posts credit, once for each reference. Raises `InvalidRequest` if the same reference stands for another amount,
    or more is paid back than was paid in."""
    if not 0 < credit.nano_usd <= CREDIT_MAX:
        raise InvalidRequest("'usd' takes an amount above 0, up to 1000000.", param="usd")
    account = credit_account(credit.account)
    outside = PROMOTION if credit.kind == "promotion" else PAYMENTS
    debit, to = (account, outside) if credit.kind == "refund" else (outside, account)
    transfer = Transfer(
        id=f"{credit.kind} {credit.account} {credit.reference}",
        at_us=time.time_ns() // 1000,
        debit=debit,
        credit=to,
        nano_usd=credit.nano_usd,
        kind=credit.kind,
        detail=_encode({"reference": credit.reference, "note": credit.note}).decode(),
    )
    with store.write() as connection:
        known = transfers.find(connection, transfer.id)
        if known is not None:
            if known.nano_usd != transfer.nano_usd:
                raise InvalidRequest("This reference stands for another amount already.", param="reference")
            return known
        if credit.kind == "refund" and transfers.balance(connection, account) < credit.nano_usd:
            raise InvalidRequest("More cannot be paid back than was credited.", param="usd")
        transfers.post(connection, [transfer])
        entry = AuditEntry(
            at_us=transfer.at_us,
            actor=actor,
            action=f"credit.{credit.kind}",
            object=credit.account,
            detail=_encode({"nano_usd": credit.nano_usd, "reference": credit.reference}).decode(),
        )
        audit.add(connection, entry)
    return transfer


def credited(connection: Connection, tenant: str) -> int:
    """All that a tenant was ever given, less what was paid back."""
    return transfers.balance(connection, credit_account(tenant))


def used(connection: Connection, kids: Sequence[str]) -> int:
    """All that was ever used with these keys."""
    return -sum(transfers.balance(connection, usage_account(kid)) for kid in kids)


def verify(connection: Connection) -> list[Difference]:
    """Where the ledger, the sums and the calls themselves differ; empty: nowhere."""
    balances = transfers.balances(connection)
    found = [Difference("all accounts together", sum(balances.values()), 0)]
    by_key, cost = _of_sums(spend.everything(connection))
    by_key_of_calls, cost_of_calls = _of_calls(calls.everything(connection))
    for kid in sorted({*by_key, *by_key_of_calls, *_keys_in(balances)}):
        ledger = -balances.get(usage_account(kid), 0)
        found.append(Difference(f"key {kid}: ledger and sums", ledger, by_key.get(kid, 0)))
        found.append(Difference(f"key {kid}: ledger and calls", ledger, by_key_of_calls.get(kid, 0)))
    found.append(Difference("costs: ledger and sums", balances.get(PAYABLE, 0), cost))
    found.append(Difference("costs: ledger and calls", balances.get(PAYABLE, 0), cost_of_calls))
    return [each for each in found if each.ledger != each.others]


def _keys_in(balances: Iterable[str]) -> set[str]:
    return {account.removeprefix("usage:") for account in balances if account.startswith("usage:")}


def _of_sums(lines: Iterable[Spent]) -> tuple[dict[str, int], int]:
    charges: dict[str, int] = {}
    cost = 0
    for place, sums in lines:
        charges[place.key_id] = charges.get(place.key_id, 0) + sums.charge_nano_usd
        cost += sums.cost_nano_usd
    return charges, cost


def _of_calls(records: Iterable[CallRecord]) -> tuple[dict[str, int], int]:
    return _of_sums(line for record in records for line in spent([record]))
