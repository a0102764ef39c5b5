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

from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest
from headgate.core.record import CallRecord
from headgate.ledger import pending
from headgate.ledger.charging import spent
from headgate.ledger.parts import Movement, Part, Parts, parts_of
from headgate.store.base import Store
from headgate.store.queries import audit, calls, meta, promotions, proposals, spend, transfers
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.promotions import Promotion
from headgate.store.queries.proposals import Proposal
from headgate.store.queries.spend import Spent
from headgate.store.queries.transfers import Transfer

REVENUE: Final = "revenue:usage"
COSTS: Final = "costs:providers"
PAYABLE: Final = "payable:providers"
PAYMENTS: Final = "external:payments"
PROMOTION: Final = "promotion"
_CREDIT: Final = "credit:"
_CHANGES: Final = "credit.changes"
CREDIT_MAX: Final = 10**15
"""A million dollars at a time, in nano-USD."""
CreditKind = Literal["top-up", "promotion", "refund"]
_encode = msgspec.json.Encoder().encode


class _Told(msgspec.Struct, omit_defaults=True):
    """What a transfer of credit keeps besides."""

    reference: str = ""
    note: str = ""
    used: int = 0
    """All that had been used of the account by then."""
    expires_us: int = 0
    of: str = ""
    """The id of the promotion whose rest it takes away."""


_decode_told = msgspec.json.Decoder(_Told).decode


class Credit(NamedTuple):
    """A change of somebody's credit."""

    account: str
    """The id of an organisation, team or key."""
    kind: CreditKind
    nano_usd: int
    reference: str
    """What it stands for outside, such as a payment's number: the same is posted once."""
    note: str = ""
    expires_us: int = 0
    """When a promotion ends; 0: never."""
    is_fact: bool = False
    """It has happened outside: what was paid back is booked whatever is left."""


class CreditState(NamedTuple):
    """How an account stands."""

    credited: int
    used: int
    held: int
    """What is being paid back."""
    postings: list[Transfer]
    pending: list[Proposal]
    parts: list[Part]


class Difference(NamedTuple):
    """Two books that do not say the same."""

    what: str
    ledger: int
    others: int


def credit_account(tenant: str) -> str:
    """Where credit of a tenant is kept."""
    return f"{_CREDIT}{tenant}"


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


def grant(store: Store, credit: Credit, kids: Sequence[str], *, actor: str) -> Transfer:
    """Posts credit of an account with these keys, once for each reference. Raises `InvalidRequest` if the same
    reference stands for another amount, or more is paid back than is left of what was paid in."""
    with store.write() as connection:
        now_us = _now_us()
        transfer = _transfer(connection, credit, kids, now_us)
        known = transfers.find(connection, transfer.id)
        if known is not None:
            if known.nano_usd != transfer.nano_usd:
                raise InvalidRequest("This reference stands for another amount already.", param="reference")
            return known
        if proposals.find(connection, transfer.id) is not None:
            raise InvalidRequest("This reference is pending: post it, or let it be void.", param="reference")
        post_credit(connection, transfer)
        _note(connection, credit, f"credit.{credit.kind}", actor, now_us)
    return transfer


def post_credit(connection: Connection, transfer: Transfer) -> None:
    """Posts what `grant` or a coupon makes, and sees to it that a promotion ends."""
    transfers.post(connection, [transfer])
    _count(connection)
    told = _decode_told(transfer.detail)
    if told.expires_us:
        promotions.add(connection, Promotion(transfer.id, transfer.credit.removeprefix(_CREDIT), told.expires_us))


def promotion_transfer(connection: Connection, credit: Credit, kids: Sequence[str], id: str) -> Transfer:
    """What gives a promotion for which there is a better id than its reference."""
    return msgspec.structs.replace(_transfer(connection, credit, kids, _now_us()), id=id)


def propose(store: Store, credit: Credit, kids: Sequence[str], *, actor: str, lasts_us: int | None = None) -> None:
    """Makes credit pending: a payment that may come, or what is being paid back, which cannot be used meanwhile.
    Again: nothing happens. Raises `InvalidRequest` as `grant` does."""
    if credit.kind == "promotion":
        raise InvalidRequest("A promotion is given at once, it cannot be pending.", param="kind")
    with store.write() as connection:
        now_us = _now_us()
        transfer = _transfer(connection, credit, kids, now_us)
        wanted = Proposal(
            id=transfer.id,
            at_us=now_us,
            debit=transfer.debit,
            credit=transfer.credit,
            nano_usd=transfer.nano_usd,
            kind=transfer.kind,
            expires_us=None if lasts_us is None else now_us + lasts_us,
            detail=transfer.detail,
        )
        if pending.propose(connection, wanted):
            _count(connection)
            _note(connection, credit, f"credit.{credit.kind}.pending", actor, now_us)


def post(store: Store, credit: Credit, *, actor: str) -> Transfer:
    """Posts what was pending, with the amount of `credit` (0: all of it). Again: the same transfer."""
    with store.write() as connection:
        now_us, id = _now_us(), credit_id(credit)
        is_new = transfers.find(connection, id) is None
        transfer = pending.post(connection, id, credit.nano_usd or None, now_us)
        if is_new:
            _count(connection)
            posted = credit._replace(nano_usd=transfer.nano_usd)
            _note(connection, posted, f"credit.{credit.kind}.post", actor, now_us)
    return transfer


def void(store: Store, credit: Credit, *, actor: str) -> None:
    """Lets what was pending come to nothing. Again: nothing happens."""
    with store.write() as connection:
        now_us = _now_us()
        if pending.void(connection, credit_id(credit), now_us):
            _count(connection)
            _note(connection, credit, f"credit.{credit.kind}.void", actor, now_us)


def expire(store: Store, account: str, kids: Sequence[str], now_us: int) -> list[Transfer]:
    """Takes away what is left of an account's promotions that have ended, each once."""
    with store.write() as connection:
        found = [
            Transfer(
                id=f"expiry {part.id}",
                at_us=now_us,
                debit=credit_account(account),
                credit=PROMOTION,
                nano_usd=part.left,
                kind="expiry",
                detail=_encode(_Told(reference=part.id, used=used(connection, kids), of=part.id)).decode(),
            )
            for part in parts(connection, account, kids).ended(now_us)
        ]
        transfers.post(connection, found)
        _count(connection)
        promotions.end(connection, account, now_us)
    return found


def parts(connection: Connection, account: str, kids: Sequence[str]) -> Parts:
    """What is left of each credit that an account was given."""
    own = credit_account(account)
    return parts_of((_movement(each, own) for each in transfers.of_account(connection, own)), used(connection, kids))


def held(connection: Connection, account: str) -> int:
    """What is being paid back, and cannot be used."""
    return proposals.held(connection, credit_account(account), _now_us())


def changes(connection: Connection) -> int:
    """How often any credit has changed: whoever keeps balances at hand looks again when it has."""
    return meta.get_number(connection, _CHANGES)


def _count(connection: Connection) -> None:
    meta.put(connection, _CHANGES, str(changes(connection) + 1))


def credit_id(credit: Credit) -> str:
    """The id of its transfer: what it is for, not how much."""
    return f"{credit.kind} {credit.account} {credit.reference}"


def _transfer(connection: Connection, credit: Credit, kids: Sequence[str], now_us: int) -> Transfer:
    """Raises `InvalidRequest` for what cannot be posted."""
    if not 0 < credit.nano_usd <= CREDIT_MAX:
        raise InvalidRequest("'usd' takes an amount above 0, up to 1000000.", param="usd")
    if credit.expires_us and credit.kind != "promotion":
        raise InvalidRequest("Only a promotion expires: what was paid stays.", param="expires")
    id, account = credit_id(credit), credit_account(credit.account)
    is_new = transfers.find(connection, id) is None and proposals.find(connection, id) is None
    if credit.kind == "refund" and is_new and not credit.is_fact:
        left = parts(connection, credit.account, kids).paid - held(connection, credit.account)
        if left < credit.nano_usd:
            told = f"More cannot be paid back than is left of what was paid in: {shown_usd(max(0, left))} USD."
            raise InvalidRequest(told, param="usd")
    outside = PROMOTION if credit.kind == "promotion" else PAYMENTS
    debit, to = (account, outside) if credit.kind == "refund" else (outside, account)
    told = _Told(
        reference=credit.reference, note=credit.note, used=used(connection, kids), expires_us=credit.expires_us
    )
    return Transfer(
        id=id,
        at_us=now_us,
        debit=debit,
        credit=to,
        nano_usd=credit.nano_usd,
        kind=credit.kind,
        detail=_encode(told).decode(),
    )


def _movement(transfer: Transfer, account: str) -> Movement:
    told = _decode_told(transfer.detail)
    return Movement(
        id=transfer.id,
        nano_usd=transfer.nano_usd if transfer.credit == account else -transfer.nano_usd,
        used=told.used,
        is_paid=PROMOTION not in (transfer.debit, transfer.credit),
        expires_us=told.expires_us,
        of=told.of,
    )


def _note(connection: Connection, credit: Credit, action: str, actor: str, now_us: int) -> None:
    detail = _encode({"nano_usd": credit.nano_usd, "reference": credit.reference}).decode()
    audit.add(connection, AuditEntry(at_us=now_us, actor=actor, action=action, object=credit.account, detail=detail))


def _now_us() -> int:
    return time.time_ns() // 1000


def credited(connection: Connection, tenant: str) -> int:
    """All that a tenant was ever given, less what was paid back or has expired."""
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
    found += [Difference(f"pending {id}: resolved and posted", *both) for id, *both in pending.unsound(connection)]
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
