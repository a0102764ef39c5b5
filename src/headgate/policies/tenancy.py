"""Whose key it is: organisation, team and key, each with its terms, made into what a caller carries along.

Follows the store together with the keys. Must not know what is called.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection

from headgate.core.principal import PRIORITIES, STANDARD, Principal, Tariff
from headgate.core.problems import ConfigError, NotFound
from headgate.ledger.credit import credited, held
from headgate.limits.amounts import amounts
from headgate.limits.compiling import BudgetOf, Gauges, Level, Whose
from headgate.limits.gate import Gate, Limited
from headgate.limits.holds import Place, Scoped
from headgate.limits.terms import Terms, networks
from headgate.policies.limiting import Names, as_told
from headgate.policies.tariffs import prices_of
from headgate.store.base import Store, StoreError
from headgate.store.queries import spend, tenants
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.spend import QUARTER_US, Spent
from headgate.store.queries.tenants import TenantRow


class KeyTerms(Terms, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=False):
    """A key's own terms, as its row keeps them, and where it belongs."""

    organisation: str = ""
    lineage: str = ""
    """The id of the first key that this one replaces; empty: it replaces none. Limits are counted by it."""


_decode_key = msgspec.json.Decoder(KeyTerms).decode
_decode_terms = msgspec.json.Decoder(Terms).decode
ORGANISATION: Final = "organisation"
NOTHING: Final = Limited()


def key_terms(row: KeyRow) -> KeyTerms:
    """What is kept of a key besides its names."""
    return _decode_key(row.limits)


def tenant_terms(row: TenantRow) -> Terms:
    """The terms of an organisation or a team."""
    return _decode_terms(row.terms)


def home_of_tenant(row: TenantRow) -> tuple[str, str]:
    """The organisation and the team that a tenant is."""
    return (row.id, "") if row.kind == "organisation" else (row.parent, row.id)


class BooksBehind(ConfigError, StoreError):
    """What was used lately is not in the store yet, so nobody can say what is left of a budget."""


class Tenancy:
    """Organisations, teams and the gauges of all that have limits. Changed in one thread at a time."""

    def __init__(
        self,
        store: Store,
        clock_us: Callable[[], int],
        catch_up: Callable[[], bool] = lambda: True,
        names: Names = as_told,
    ) -> None:
        self._store = store
        self._names = names
        self._clock_us = clock_us
        self._catch_up = catch_up
        """Waits until the store has what ended just now."""
        self._tenants: dict[str, TenantRow] = {}
        self._kids: dict[tuple[str, str], set[str]] = {}
        """The keys of each level, by which what was used is found."""
        self._homes: dict[str, tuple[str, str]] = {}
        """Organisation and team of each key, and of each line of keys."""
        self._is_current = False
        self._revision = 0
        self.gauges = Gauges(self)
        self.tariffs: dict[str, Tariff] = {}
        """What callers pay, by the ids of their keys: those who do not pay what it costs."""
        self.limited: dict[str, Limited] = {}
        """What holds for the callers of keys, by their ids: those for whom anything does. Read by every call."""

    def forget(self) -> None:
        """The next refresh is of everything."""
        self._revision = -1

    def refresh(self, connection: Connection) -> bool:
        """Reads organisations and teams. True: some have changed."""
        revision = tenants.revision(connection)
        if revision == self._revision:
            return False
        self._tenants = {row.id: row for row in tenants.listed(connection)}
        self._revision = revision
        return True

    def principals(self, rows: Sequence[KeyRow]) -> list[Principal]:
        """The callers of keys. Waits for the store where a budget is new."""
        self._is_current = False
        levels = [self._levels(row) for row in rows]
        for row, levels_of_key in zip(rows, levels, strict=True):
            home = (levels_of_key[0].id if levels_of_key[0].kind == ORGANISATION else "", row.team)
            self._homes[row.kid] = self._homes[levels_of_key[-1].id] = home
            for level in levels_of_key:
                self._kids.setdefault((level.kind, level.id), set()).add(row.kid)
        try:
            return [self._principal(row, each) for row, each in zip(rows, levels, strict=True)]
        except StoreError:
            self.forget()
            raise

    def load(self, budget: BudgetOf) -> None:
        """Books what was used of a new budget before it was made."""
        whose, now_us, unit = budget.whose, self._clock_us(), budget.budget.unit
        for place, sums in self._spent(whose, budget.budget.since_us(now_us)):
            there = Place(place.provider, self._names(place.model, place.provider, place.upstream))
            is_users = not whose.user or whose.user == place.user
            if is_users and Scoped(budget.budget, whose.model, whose.provider).counts_at(there):
                used = amounts(sums.input_tokens, sums.output_tokens, sums.charge_nano_usd)
                at_us = min(now_us, place.quarter_us + QUARTER_US - 1)  # nothing leaves a window too early
                budget.budget.load(now_us, at_us, used[unit])

    def kids(self, id: str) -> list[str]:
        """The keys of an organisation, a team, or the line of a key. Raises `NotFound` if there is no such thing."""
        found = [kids for (_, each), kids in self._kids.items() if each == id]
        if not found and id not in self._tenants:
            raise NotFound(f"There is no organisation, team or key {id!r}.", code="account_not_found")
        return sorted(set[str]().union(*found))

    def home(self, id: str) -> tuple[str, str]:
        """The organisation and the team that an organisation, a team or a key is or belongs to; empty: none."""
        row = self._tenants.get(id)
        if row is None:
            return self._homes.get(id, ("", ""))
        return home_of_tenant(row)

    def credited(self, id: str) -> int:
        """The credit that a tenant was ever given, less what is being paid back."""
        with self._store.read() as connection:
            return credited(connection, id) - held(connection, id)

    def users(self, kind: str, id: str) -> Iterable[str]:
        """The end users of a tenant who have used anything."""
        return {place.user for place, _ in self._spent(Whose(kind, id), 0) if place.user}

    def _spent(self, whose: Whose, since_us: int) -> list[Spent]:
        if not self._is_current:
            if not self._catch_up():
                raise BooksBehind
            self._is_current = True
        with self._store.read() as connection:
            kids = sorted(self._kids.get((whose.kind, whose.id), ()))
            if whose.tag:
                return spend.tagged_since(connection, kids, since_us, whose.tag)
            return spend.since(connection, kids, since_us)

    def _levels(self, row: KeyRow) -> list[Level]:
        own = key_terms(row)
        team = self._tenants.get(row.team)
        above = self._tenants.get(own.organisation or (team.parent if team is not None else ""))
        levels = [Level("key", own.lineage or row.kid, own)]
        if team is not None:
            levels.insert(0, Level("team", team.id, tenant_terms(team)))
        if above is not None:
            levels.insert(0, Level(ORGANISATION, above.id, tenant_terms(above)))
        return levels

    def _principal(self, row: KeyRow, levels: Sequence[Level]) -> Principal:
        all_terms = [level.terms for level in levels]
        limited = Limited(gate=_gate(all_terms), allowance=self.gauges.compile(levels))
        if limited != NOTHING:
            self.limited[row.kid] = limited
        else:
            self.limited.pop(row.kid, None)
        tariff = prices_of(levels[0].terms.prices, self._names)
        if tariff is None:
            self.tariffs.pop(row.kid, None)
        else:
            self.tariffs[row.kid] = tariff
        return Principal(
            tariff=tariff,
            key_id=row.kid,
            name=row.name,
            team=row.team,
            models=_common([row.models, *(terms.models for terms in all_terms)]),
            passing=levels[-1].terms.pass_through,
            organisation=levels[0].id if levels[0].kind == ORGANISATION else "",
            priority=_priority(all_terms),
            weight=next((terms.weight for terms in reversed(all_terms) if terms.weight is not None), 1.0),
        )


def _priority(all_terms: Iterable[Terms]) -> int:
    """The lowest class that any level names."""
    return max((PRIORITIES.index(each.priority) for each in all_terms if each.priority is not None), default=STANDARD)


def _common(lists: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    """What all of them name, in the order of the last; None: none of them says anything."""
    given = [names for names in lists if names is not None]
    if not given:
        return None
    return tuple(name for name in given[0] if all(name in names for names in given))


def _gate(all_terms: Sequence[Terms]) -> Gate | None:
    endpoints = _common(reversed([terms.endpoints for terms in all_terms]))
    gate = Gate(
        is_blocked=any(terms.is_blocked for terms in all_terms),
        endpoints=None if endpoints is None else frozenset(endpoints),
        addresses=tuple(networks(terms.addresses) for terms in all_terms if terms.addresses is not None),
    )
    return None if gate == Gate() else gate
