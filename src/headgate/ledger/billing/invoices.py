"""An account's month: what was used, what was paid in, what is left. Values in, values out, in nano-USD."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from headgate.ledger.billing.months import Month, shown_time
from headgate.store.queries.spend import Spent
from headgate.store.queries.transfers import Transfer


class Payer(Struct, frozen=True, kw_only=True):
    """Whose invoice it is."""

    id: str
    kind: Literal["organisation", "team", "key"]
    name: str
    keys: Mapping[str, str]
    """The ids of its keys, and what they are called."""


class Line(Struct, frozen=True, kw_only=True):
    """What was used of one model at one provider, with one key."""

    key_id: str
    key_name: str
    model: str
    provider: str
    calls: int
    input_tokens: int
    output_tokens: int
    charge_nano_usd: int


class Movement(Struct, frozen=True, kw_only=True):
    """Credit that came, or went otherwise than by use (then below zero)."""

    at: str
    kind: str
    reference: str
    note: str
    nano_usd: int


class Invoice(Struct, frozen=True, kw_only=True):
    """A month (UTC) of one account. The same books make the same invoice, byte for byte."""

    number: str
    account: str
    kind: str
    name: str
    month: str
    start: str
    end: str
    is_final: bool
    """False: the month is not over, and more may come."""
    opening_nano_usd: int
    """Credit less use, of all time before the month."""
    movements: list[Movement]
    lines: list[Line]
    charge_nano_usd: int
    """The sum of the lines."""
    closing_nano_usd: int
    """The opening balance, with the movements, less the charge."""
    due_nano_usd: int
    """What is not covered by credit at the end of the month, arrears of earlier ones included."""


class Books(Struct, frozen=True, kw_only=True):
    """What an invoice is made of."""

    spent: Sequence[Spent]
    """Within the month."""
    used_before_nano_usd: int
    postings: Sequence[Transfer]
    """From and to the credit account, of all time."""
    account: str
    """The name of the credit account."""


class _Detail(Struct):
    reference: str = ""
    note: str = ""


_decode_detail = msgspec.json.Decoder(_Detail).decode


def make_invoice(payer: Payer, month: Month, books: Books, now_us: int) -> Invoice:
    """The invoice of a month, or what there is of it so far."""
    before = sum(_signed(each, books.account) for each in books.postings if each.at_us < month.start_us)
    within = [each for each in books.postings if month.start_us <= each.at_us < month.end_us]
    movements = [_movement(each, books.account) for each in within]
    lines = _lines(payer, books.spent)
    charge = sum(line.charge_nano_usd for line in lines)
    opening = before - books.used_before_nano_usd
    closing = opening + sum(each.nano_usd for each in movements) - charge
    return Invoice(
        number=f"{month.name}-{payer.id}",
        account=payer.id,
        kind=payer.kind,
        name=payer.name,
        month=month.name,
        start=shown_time(month.start_us),
        end=shown_time(month.end_us),
        is_final=now_us >= month.end_us,
        opening_nano_usd=opening,
        movements=movements,
        lines=lines,
        charge_nano_usd=charge,
        closing_nano_usd=closing,
        due_nano_usd=max(0, -closing),
    )


def _signed(transfer: Transfer, account: str) -> int:
    return transfer.nano_usd if transfer.credit == account else -transfer.nano_usd


def _movement(transfer: Transfer, account: str) -> Movement:
    detail = _decode_detail(transfer.detail)
    return Movement(
        at=shown_time(transfer.at_us),
        kind=transfer.kind,
        reference=detail.reference,
        note=detail.note,
        nano_usd=_signed(transfer, account),
    )


def _lines(payer: Payer, spent: Iterable[Spent]) -> list[Line]:
    sums: dict[tuple[str, str, str], list[int]] = {}
    for place, each in spent:
        so_far = sums.setdefault((place.key_id, place.model, place.provider), [0, 0, 0, 0])
        for at, number in enumerate((each.calls, each.input_tokens, each.output_tokens, each.charge_nano_usd)):
            so_far[at] += number
    return [
        Line(
            key_id=key_id,
            key_name=payer.keys.get(key_id, ""),
            model=model,
            provider=provider,
            calls=calls,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            charge_nano_usd=charge,
        )
        for (key_id, model, provider), (calls, input_tokens, output_tokens, charge) in sorted(sums.items())
    ]
