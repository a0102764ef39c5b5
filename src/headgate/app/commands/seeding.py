"""`headgate demo seed`: fills the store with made-up calls of made-up teams. Stopped, it goes on where it was."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headgate.app.config import Setup
from headgate.app.seeding import DAY_US, moment, moments, seeded_call
from headgate.core.problems import ConfigError
from headgate.ledger import rolling
from headgate.ledger.charging import spent
from headgate.ledger.credit import Credit, grant, usage_transfers
from headgate.limits.terms import BudgetTerm, Terms
from headgate.policies.issuing import NewKey, create_key
from headgate.policies.organising import NewTenant, create_tenant
from headgate.policies.pepper import load_pepper
from headgate.store.base import Store
from headgate.store.opening import open_store
from headgate.store.queries import calls, meta, spend, transfers

ACTOR: Final = "demo"
BATCH: Final = 2000
_TOLD_EVERY: Final = 100_000
_STATE: Final = "seeded"
_USD: Final = 1_000_000_000
_TEAMS: Final = {
    "Northwind": {
        "Search": ("search-api", "search-indexer", "search-eval"),
        "Support": ("support-assistant", "support-triage"),
    },
    "Contoso": {"Data": ("notebooks", "nightly-batch"), "Apps": ("mobile", "web", "internal-tools")},
}
_encode = msgspec.json.Encoder().encode


class Seeded(msgspec.Struct):
    """How far it is."""

    key_ids: list[str]
    begin_us: int
    days: int
    planned: int
    done: int = 0


def seed(setup: Setup, count: int, days: int, tell: Callable[[str], object]) -> Seeded:
    """Brings the store to so many made-up calls of the last days. Raises `ConfigError` if it was begun otherwise."""
    with open_store(setup.config.store_url) as store:
        state = _state(store)
        if state is None:
            now_us = time.time_ns() // 1000
            begin_us = now_us - days * DAY_US
            state = Seeded(key_ids=_people(setup, store), begin_us=begin_us, days=days, planned=count)
            with store.write() as connection:
                if not rolling.is_current(connection):
                    rolling.rebuild(connection, now_us)
                meta.put(connection, _STATE, _encode(state).decode())
        if (state.planned, state.days) != (count, days):
            raise ConfigError(f"This store was begun with --calls {state.planned} --days {state.days}.")
        with store.write() as connection:
            rolling.forget(connection, time.time_ns() // 1000)
        shares = moments(state.begin_us, 24 * days)
        while state.done < count:
            _add(store, state, shares)
            if state.done % _TOLD_EVERY == 0:
                tell(f"{state.done} of {count} calls")
        with store.write() as connection:
            rolling.forget(connection, time.time_ns() // 1000)
    return state


def _state(store: Store) -> Seeded | None:
    with store.read() as connection:
        found = meta.get(connection, _STATE)
    return None if found is None else msgspec.json.decode(found, type=Seeded)


def _add(store: Store, state: Seeded, shares: Sequence[float]) -> None:
    numbers = range(state.done, min(state.done + BATCH, state.planned))
    records = [
        seeded_call(number, state.key_ids, moment((number + 0.5) / state.planned, state.begin_us, shares))
        for number in numbers
    ]
    state.done = numbers.stop
    with store.write() as connection:
        fresh = calls.add(connection, [(record, _encode(record)) for record in records])
        sums = spent(fresh)
        spend.add(connection, sums)
        rolling.add(connection, fresh, rolling.kept_since(time.time_ns() // 1000))
        transfers.post(connection, usage_transfers(sums, f"seed {state.done}", time.time_ns() // 1000))
        meta.put(connection, _STATE, _encode(state).decode())


def _people(setup: Setup, store: Store) -> list[str]:
    """Organisations, teams and keys, with budgets and credit. Their keys are shown to nobody."""
    pepper = load_pepper(setup.config.data_dir, os.environ)
    kids: list[str] = []
    for name, teams in _TEAMS.items():
        terms = Terms(budgets=(BudgetTerm(nano_usd=50_000 * _USD, window="month"),))
        organisation = create_tenant(store, NewTenant(kind="organisation", name=name, terms=terms), actor=ACTOR)
        grant(store, Credit(organisation.id, "top-up", 250_000 * _USD, "seed"), (), actor=ACTOR)
        for team_name, keys in teams.items():
            wanted = NewTenant(kind="team", name=team_name, organisation=organisation.id)
            team = create_tenant(store, wanted, actor=ACTOR)
            kids += [create_key(store, pepper, NewKey(name=key, team=team.id), actor=ACTOR)[1].kid for key in keys]
    return kids
