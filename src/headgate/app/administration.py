"""Joins the administration to the books of this process. Must not know who calls it, nor how."""

import os
from collections.abc import Callable, Sequence

from headgate.app.accounting import Accounting
from headgate.app.commands.listing import provider_rows
from headgate.app.core import Core
from headgate.ledger.credit import Credit, CreditState, credit_account, credited, grant, used
from headgate.limits.compiling import BudgetOf
from headgate.limits.terms import Terms
from headgate.policies.issuing import NewKey, change_key, create_key, list_keys, revoke_key, rotate_key
from headgate.policies.organising import NewTenant, change_tenant, create_tenant, list_tenants
from headgate.server.admin.doors import Doors
from headgate.store.queries import spend, transfers
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.spend import Spent
from headgate.store.queries.tenants import TenantRow

ACTOR = "admin"
"""Whom the audit names for what is changed here."""


class _Keys:
    """The book of keys, changed in the administration's name; callers see a change at once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, wanted: NewKey) -> tuple[str, KeyRow]:
        made = create_key(self._core.store, self._core.pepper, wanted, actor=ACTOR)
        self._core.keys.refresh()
        return made

    def list(self) -> Sequence[KeyRow]:
        return list_keys(self._core.store)

    def revoke(self, kid: str) -> KeyRow:
        ended = revoke_key(self._core.store, kid, actor=ACTOR)
        self._core.keys.refresh()
        return ended

    def rotate(self, kid: str, overlap_us: int) -> tuple[str, KeyRow]:
        made = rotate_key(self._core.store, self._core.pepper, kid, overlap_us, actor=ACTOR)
        self._core.keys.refresh()
        return made

    def change(self, kid: str, change: Callable[[Terms], Terms]) -> KeyRow:
        changed = change_key(self._core.store, kid, change, actor=ACTOR)
        self._core.keys.refresh()
        return changed


class _Tenants:
    """The book of organisations and teams, likewise."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, wanted: NewTenant) -> TenantRow:
        made = create_tenant(self._core.store, wanted, actor=ACTOR)
        self._core.keys.refresh()
        return made

    def list(self) -> Sequence[TenantRow]:
        return list_tenants(self._core.store)

    def change(self, id: str, name: str | None, change: Callable[[Terms], Terms]) -> TenantRow:
        changed = change_tenant(self._core.store, id, name, change, actor=ACTOR)
        self._core.keys.refresh()
        return changed

    def budgets(self) -> Sequence[dict[str, object]]:
        now_us = self._core.now_us()
        return [_budget_use(each, now_us) for each in self._core.tenancy.gauges.budgets()]


class _Credits:
    """The ledger, likewise."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def grant(self, credit: Credit) -> None:
        self._core.tenancy.kids(credit.account)
        grant(self._core.store, credit, actor=ACTOR)
        self._core.keys.renew()

    def state(self, account: str) -> CreditState:
        kids = self._core.tenancy.kids(account)
        self._core.applier.drain()
        with self._core.store.read() as connection:
            postings = transfers.of_account(connection, credit_account(account))
            return CreditState(credited(connection, account), used(connection, kids), postings)

    def spent(self, account: str, since_us: int, before_us: int) -> Sequence[Spent]:
        kids = self._core.tenancy.kids(account)
        self._core.applier.drain()
        with self._core.store.read() as connection:
            found = spend.since(connection, kids, since_us)
        return [each for each in found if since_us <= each.place.quarter_us < before_us]


def _budget_use(budget: BudgetOf, now_us: int) -> dict[str, object]:
    whose, terms = budget.whose, budget.budget.terms
    settled, held = budget.budget.used(now_us)
    level = "user" if whose.user else whose.kind
    about = {"level": level, "id": whose.id, "user": whose.user, "what": terms.what}
    return {**about, "limit": terms.most, "settled": settled, "held": held}


def admin_doors(core: Core) -> Doors:
    """What the administration shows and changes."""
    rows = provider_rows(core.setup, os.environ)
    return Doors(
        keys=_Keys(core),
        tenants=_Tenants(core),
        credit=_Credits(core),
        accounting=Accounting(core.store, core.now_us, core.applier.drain),
        calls=core.calls,
        providers=lambda: rows,
        models=lambda: core.compiled.listing.page("openai", None, {}),
        now_us=core.now_us,
    )
