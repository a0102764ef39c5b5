"""Looks for what is worth telling, keeps it in the outbox, and sends it until it has arrived. Off the path of calls."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.app.alert_channels import Send, Undelivered
from headgate.app.config_models import Alerts
from headgate.app.core import Core
from headgate.core.money import NANO_PER_USD
from headgate.ledger.credit import credit_account, credited, used
from headgate.limits.budgets import CalendarBudget
from headgate.limits.compiling import CREDIT_WORDS, BudgetOf
from headgate.limits.windows import duration_us
from headgate.policies.accounts import payers
from headgate.policies.alerting import (
    Alert,
    Balance,
    BudgetUse,
    balance_alerts,
    budget_alerts,
    price_alerts,
    top_up_alerts,
)
from headgate.store.base import StoreError
from headgate.store.queries import auto_top_ups, meta, outbox, spend, transfers
from headgate.store.queries.outbox import Message
from headgate.store.tables import INT64_MAX

BATCH: Final = 50
CLAIM_S: Final = 120
"""How long a message belongs to the process that sends it: longer than an attempt takes."""
RETRY_S: Final = 10
RETRY_S_MAX: Final = 3600
ATTEMPTS_MAX: Final = 80
"""About three days."""
IN_USE_US: Final = 30 * 86_400_000_000
"""A model is in use that was called within so long."""
_PRICES: Final = "alerts.prices"
_S: Final = 1_000_000
_log = logging.getLogger("headgate")
_encode = msgspec.json.Encoder().encode


class Alerting:
    """Waits for disk and network: called in threads."""

    def __init__(self, core: Core, settings: Alerts, channels: Mapping[str, Send]) -> None:
        self._core = core
        self._settings = settings
        self._channels = channels

    def look(self) -> None:
        """Keeps what is new to tell."""
        now_us = self._core.now_us()
        budgets = [_use(each, now_us) for each in self._core.tenancy.gauges.budgets()]
        found = budget_alerts([each for each in budgets if each is not None], self._settings.thresholds)
        found += balance_alerts(self._balances(), int(self._settings.low_balance_usd * NANO_PER_USD))
        with self._core.store.read() as connection:
            found += top_up_alerts(auto_top_ups.listed(connection))
        prices = self._prices(now_us)
        with self._core.store.write() as connection:
            before: dict[str, str] = json.loads(meta.get(connection, _PRICES) or "{}")
            found += price_alerts(before, prices)
            outbox.add(connection, [each for alert in found for each in self._messages(alert, now_us)])
            if before | prices != before:
                meta.put(connection, _PRICES, json.dumps(before | prices))

    def send(self) -> int:
        """Sends what is due. Gives how many have arrived."""
        now_us, arrived = self._core.now_us(), 0
        with self._core.store.read() as connection:
            due = outbox.due(connection, now_us, BATCH)
        for message in due:
            with self._core.store.write() as connection:
                if not outbox.claim(connection, message, now_us + CLAIM_S * _S):
                    continue
            arrived += self._deliver(message)
        return arrived

    def _deliver(self, message: Message) -> bool:
        send = self._channels.get(message.channel)
        try:
            if send is None:
                raise Undelivered(f"{message.channel} is not configured any more")
            send(message.id, message.body.encode())
        except Undelivered as fault:
            tried = message.attempts + 1
            wait_s = min(RETRY_S_MAX, RETRY_S * 2 ** min(tried - 1, 20))
            next_us = self._core.now_us() + wait_s * _S if tried < ATTEMPTS_MAX else INT64_MAX
            _log.warning("alert %r did not arrive by %s: %s", message.id, message.channel, fault)
            with self._core.store.write() as connection:
                outbox.failed(connection, message.id, str(fault)[:500], next_us)
            return False
        with self._core.store.write() as connection:
            outbox.sent(connection, message.id, self._core.now_us())
        return True

    def _messages(self, alert: Alert, now_us: int) -> list[Message]:
        body = _encode(alert).decode()
        return [
            Message(id=f"{name} {alert.id}", at_us=now_us, next_us=now_us, channel=name, body=body)
            for name in self._channels
        ]

    def _balances(self) -> list[Balance]:
        found: list[Balance] = []
        with self._core.store.read() as connection:
            for each in payers(connection):
                postings = len(transfers.of_account(connection, credit_account(each.id)))
                if postings:
                    left = credited(connection, each.id) - used(connection, list(each.keys))
                    found.append(Balance(id=each.id, name=each.name, nano_usd=left, postings=postings))
        return found

    def _prices(self, now_us: int) -> dict[str, str]:
        with self._core.store.read() as connection:
            models = spend.models_since(connection, now_us - IN_USE_US)
        found: dict[str, str] = {}
        for provider, model in models:
            known = self._core.compiled.directory.providers.get(provider)
            price = self._core.prices.find(provider if known is None else known.price_name, model) if provider else None
            if price is not None:
                words = ", ".join(f"{name} {usd}" for name, usd in sorted(price.shown().items()))
                found[f"{provider}/{model}"] = words
        return found


def _use(budget: BudgetOf, now_us: int) -> BudgetUse | None:
    """A rolling window has no beginning: it is told once in its length. Credit is told by its balance instead."""
    whose, terms = budget.whose, budget.budget.terms
    if terms.what == CREDIT_WORDS:
        return None
    if isinstance(budget.budget, CalendarBudget):
        window_us = budget.budget.since_us(now_us)
    else:
        length_us = duration_us(budget.term.window, "window")
        window_us = now_us - now_us % length_us
    return BudgetUse(
        level=whose.kind,
        id=whose.id,
        user=whose.user,
        what=terms.what,
        window_us=window_us,
        limit=terms.most,
        settled=budget.budget.used(now_us)[0],
    )


async def keep_alerting(alerting: Alerting, every_s: float) -> None:
    """Looks and sends, for ever."""
    while True:
        try:
            await asyncio.to_thread(alerting.look)
            await asyncio.to_thread(alerting.send)
        except StoreError as fault:
            _log.warning("alerts have to wait for the store: %s", fault)
        await asyncio.sleep(every_s)
