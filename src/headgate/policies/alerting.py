"""What is worth telling: budgets and credit that run out, prices that change. Values in, alerts out.

An alert's id says what happened and in which window, so the same thing is told once.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from headgate.core.money import shown_usd
from headgate.store.queries.auto_top_ups import AutoTopUp

AlertKind = Literal["budget.threshold", "credit.low", "top_up.failed", "price.changed"]


class Alert(Struct, frozen=True, kw_only=True):
    """Something that people want to know."""

    id: str
    kind: AlertKind
    account: str
    """The organisation, team or key that it is about; empty: all."""
    text: str
    data: Mapping[str, str | int]


class BudgetUse(Struct, frozen=True, kw_only=True):
    """How far a budget is used in its present window."""

    level: str
    id: str
    user: str
    what: str
    """The budget in words, such as `5 USD per month`."""
    window_us: int
    """When the window began."""
    limit: int
    settled: int


class Balance(Struct, frozen=True, kw_only=True):
    """What is left of an account's credit."""

    id: str
    name: str
    nano_usd: int
    postings: int
    """How often credit has changed: an account that was topped up may run low again."""


def budget_alerts(budgets: Iterable[BudgetUse], thresholds: Sequence[int]) -> list[Alert]:
    """Of each budget the highest threshold (per cent) that was reached."""
    found: list[Alert] = []
    for each in budgets:
        reached = [percent for percent in thresholds if each.limit and each.settled * 100 >= percent * each.limit]
        if not reached:
            continue
        whose = f"{each.level} {each.id}" + (f", end user {each.user}" if each.user else "")
        name = f"{each.level} {each.id} {each.user} {each.what} {each.window_us} {max(reached)}"
        alert = Alert(
            id=f"budget {_digest(name)}",
            kind="budget.threshold",
            account=each.id,
            text=f"{max(reached)} % of {each.what} is used by {whose}.",
            data={
                "threshold": max(reached),
                "level": each.level,
                "user": each.user,
                "budget": each.what,
                "limit": each.limit,
                "settled": each.settled,
            },
        )
        found.append(alert)
    return found


def balance_alerts(balances: Iterable[Balance], low_nano_usd: int) -> list[Alert]:
    """Of each account that has less than so much left."""
    return [
        Alert(
            id=f"credit {each.id} {each.postings}",
            kind="credit.low",
            account=each.id,
            text=f"{shown_usd(each.nano_usd)} USD of credit is left to {each.name} ({each.id}).",
            data={"balance_nano_usd": each.nano_usd, "low_nano_usd": low_nano_usd},
        )
        for each in balances
        if each.nano_usd < low_nano_usd
    ]


def top_up_alerts(rules: Iterable[AutoTopUp]) -> list[Alert]:
    """Of each automatic top-up that failed."""
    return [
        Alert(
            id=f"top-up {each.account} {each.failed_us}",
            kind="top_up.failed",
            account=each.account,
            text=f"{each.account} was not topped up: {each.error}. Nothing is tried until its rule is set again.",
            data={"nano_usd": each.nano_usd, "error": each.error},
        )
        for each in rules
        if each.failed_us is not None
    ]


def price_alerts(before: Mapping[str, str], now: Mapping[str, str]) -> list[Alert]:
    """Of each model in use whose price, in words, is not what it was; one that is new is no change."""
    return [
        Alert(
            id=f"price {model} {_digest(was + ' ' + price)}",
            kind="price.changed",
            account="",
            text=f"The price of {model} is now {price}; it was {was}.",
            data={"model": model, "price": price, "before": was},
        )
        for model, price in sorted(now.items())
        if (was := before.get(model, price)) != price
    ]


def _digest(text: str) -> str:
    """Names come from callers and may be long."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
