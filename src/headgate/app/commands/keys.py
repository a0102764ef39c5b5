"""`headgate keys`: opens the store itself; a running gateway notices by itself what changed."""

import os
import re
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec

from headgate.app.config import Setup
from headgate.core.problems import InvalidRequest
from headgate.limits.terms import BudgetTerm, Counted, RateTerm, Terms, budget_words, rate_words
from headgate.policies.issuing import NewKey, change_key, create_key, let_pass, list_keys, revoke_key
from headgate.policies.pepper import load_pepper
from headgate.server.admin.expiry import parse_expiry, shown_time
from headgate.store.base import Store
from headgate.store.opening import open_store
from headgate.store.queries.keys import KeyRow

ACTOR = "command line"
NANO_PER_USD: Final = 1_000_000_000


@contextmanager
def _opened(setup: Setup) -> Generator[Store]:
    store = open_store(setup.config.store_url)
    try:
        yield store
    finally:
        store.close()


def create(setup: Setup, name: str, models: Sequence[str] | None, expires: str | None) -> dict[str, object]:
    """A new key: what is kept of it, and `key`, this once."""
    wanted = NewKey(
        name=name,
        models=_names(models),
        expires_us=None if expires is None else parse_expiry(expires, time.time_ns() // 1000),
    )
    with _opened(setup) as store:
        key, row = create_key(store, load_pepper(setup.config.data_dir, os.environ), wanted, actor=ACTOR)
    return {**_shown(row), "key": key}


def limit(setup: Setup, kid: str, limits: Sequence[str]) -> dict[str, object]:
    """Sets a key's limits and budgets; what else it may do stays."""
    wanted = terms_of(limits)

    def limited(old: Terms) -> Terms:
        return msgspec.structs.replace(old, rates=wanted.rates, budgets=wanted.budgets)

    with _opened(setup) as store:
        return _shown(change_key(store, kid, limited, actor=ACTOR))


def limit_words(limits: Sequence[str]) -> str:
    """As people read them."""
    terms = terms_of(limits)
    told = [*map(rate_words, terms.rates), *map(budget_words, terms.budgets)]
    return ", ".join(told) or "no limits"


def terms_of(limits: Sequence[str]) -> Terms:
    """Limits and budgets as they are written on a command line."""
    rates: list[RateTerm] = []
    budgets: list[BudgetTerm] = []
    for text in limits:
        rate, budget = _RATE.fullmatch(text.strip()), _BUDGET.fullmatch(text.strip())
        if rate is not None:
            rates.append(RateTerm(of=_COUNTED[rate[2]], most=int(rate[1])))
        elif budget is not None:
            is_money = budget[2] == "usd"
            amount = Decimal(budget[1]) * (NANO_PER_USD if is_money else 1)
            if amount != int(amount):
                raise InvalidRequest(f"{text!r} is finer than can be counted.", param="limits")
            nano_usd, tokens = (int(amount), 0) if is_money else (0, int(amount))
            budgets.append(BudgetTerm(window=budget[3], nano_usd=nano_usd, tokens=tokens))
        else:
            raise InvalidRequest(
                f"{text!r} is no limit; write 60rpm, 9000tpm, 4concurrent, 5usd/month or 100tokens/PT1H.",
                param="limits",
            )
    return Terms(rates=tuple(rates), budgets=tuple(budgets))


_COUNTED: Final[dict[str, Counted]] = {"rpm": "requests", "tpm": "tokens", "concurrent": "concurrency"}
_RATE: Final = re.compile(r"(\d{1,15})\s*(rpm|tpm|concurrent)")
_BUDGET: Final = re.compile(r"(\d{1,15}(?:\.\d{1,12})?)\s*(usd|tokens)/(\w{1,20})")


def _names(models: Sequence[str] | None) -> tuple[str, ...] | None:
    """The option may be given several times, or hold several names with commas between."""
    if not models:
        return None
    names = tuple(name.strip() for text in models for name in text.split(","))
    if not all(names):
        raise InvalidRequest("--models takes names of models or routes, with commas between several")
    return names


def listed(setup: Setup) -> list[dict[str, object]]:
    """All keys, oldest first."""
    with _opened(setup) as store:
        return [_shown(row) for row in list_keys(store)]


def pass_through(setup: Setup, kid: str, providers: Sequence[str]) -> dict[str, object]:
    """Sets the providers that a key may call as they are."""
    known = [settings.name for settings in setup.providers]
    unknown = next((name for name in providers if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"No provider {unknown!r} is configured; there are: {', '.join(known)}")
    with _opened(setup) as store:
        return _shown(let_pass(store, kid, tuple(providers), actor=ACTOR))


def revoke(setup: Setup, kid: str) -> dict[str, object]:
    """Ends a key."""
    with _opened(setup) as store:
        return _shown(revoke_key(store, kid, actor=ACTOR))


def _shown(row: KeyRow) -> dict[str, object]:
    return {
        "id": row.kid,
        "name": row.name,
        "models": None if row.models is None else list(row.models),
        "created": shown_time(row.created_us),
        "expires": shown_time(row.expires_us),
        "revoked": shown_time(row.revoked_us),
    }
