"""Joins the administration to the books of this process. Must not know who calls it, nor how."""

import os
from collections.abc import Callable, Sequence

from msgspec import structs

from headgate.app.accounting import Accounting
from headgate.app.commands.listing import provider_rows
from headgate.app.core import Core
from headgate.app.credit_doors import Coupons, Credits, Payments
from headgate.app.disk_room import room_at
from headgate.app.price_keeping import history
from headgate.app.reuse_desk import ReuseDesk
from headgate.app.till import Till
from headgate.core.problems import Forbidden
from headgate.core.record import CallRecord
from headgate.ledger.billing.forecasting import Forecast
from headgate.ledger.billing.invoices import Invoice
from headgate.ledger.calls import Page
from headgate.limits.compiling import BudgetOf
from headgate.limits.terms import Terms
from headgate.policies.administrators import NewAdministrator, appoint, dismiss, list_administrators, recognise
from headgate.policies.issuing import (
    NewKey,
    change_key,
    create_key,
    home_of_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from headgate.policies.organising import (
    NewTenant,
    change_tenant,
    create_tenant,
    find_tenant,
    home_of,
    list_tenants,
)
from headgate.policies.roles import OPERATOR, Administrator
from headgate.policies.tenancy import home_of_tenant
from headgate.server.admin.doors import Doors
from headgate.store.queries import audit, keys, outbox
from headgate.store.queries.administrators import AdministratorRow
from headgate.store.queries.audit import AuditQuery, Linked
from headgate.store.queries.calls import CallFilter
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.outbox import Message
from headgate.store.queries.tenants import TenantRow


class _Keys:
    """The book of keys, as somebody sees it and changed in their name; callers see a change at once."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def create(self, wanted: NewKey) -> tuple[str, KeyRow]:
        who = self._who
        wanted = structs.replace(wanted, team=wanted.team or who.team)
        if not wanted.team:
            wanted = structs.replace(wanted, organisation=wanted.organisation or who.organisation)
        with self._core.store.read() as connection:
            home = home_of(connection, wanted.organisation, wanted.team)
        what = f"team {wanted.team!r}" if wanted.team else f"organisation {wanted.organisation!r}"
        who.check_reach(what, home, "tenant_not_found")
        made = create_key(self._core.store, self._core.pepper, wanted, actor=who.actor)
        self._core.keys.refresh()
        return made

    def list(self) -> Sequence[KeyRow]:
        rows = list_keys(self._core.store)
        if self._who.role is None:
            return rows
        with self._core.store.read() as connection:
            return [row for row in rows if self._who.reaches(*home_of_key(connection, row))]

    def revoke(self, kid: str) -> KeyRow:
        self._check(kid)
        ended = revoke_key(self._core.store, kid, actor=self._who.actor)
        self._core.keys.refresh()
        return ended

    def rotate(self, kid: str, overlap_us: int) -> tuple[str, KeyRow]:
        self._check(kid)
        made = rotate_key(self._core.store, self._core.pepper, kid, overlap_us, actor=self._who.actor)
        self._core.keys.refresh()
        return made

    def change(self, kid: str, change: Callable[[Terms], Terms]) -> KeyRow:
        self._check(kid)
        changed = change_key(self._core.store, kid, change, actor=self._who.actor)
        self._core.keys.refresh()
        return changed

    def _check(self, kid: str) -> None:
        """What a key belongs to never changes, so this holds for what follows."""
        with self._core.store.read() as connection:
            row = keys.find(connection, kid)
            if row is not None:
                self._who.check_reach(f"key with the id {kid!r}", home_of_key(connection, row))


class _Tenants:
    """The book of organisations and teams, likewise."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def create(self, wanted: NewTenant) -> TenantRow:
        if not self._who.governs(wanted.organisation):
            raise Forbidden("Teams are made by who stands above them.", code="role_not_allowed")
        made = create_tenant(self._core.store, wanted, actor=self._who.actor)
        self._core.keys.refresh()
        return made

    def list(self) -> Sequence[TenantRow]:
        rows = list_tenants(self._core.store)
        return [row for row in rows if self._who.reaches(*home_of_tenant(row)) or row.id == self._who.organisation]

    def change(self, id: str, name: str | None, change: Callable[[Terms], Terms]) -> TenantRow:
        with self._core.store.read() as connection:
            home = home_of_tenant(find_tenant(connection, id))
        self._who.check_reach(f"organisation or team {id!r}", home, "tenant_not_found")
        if not self._who.governs(home[0]) or (self._who.role is not None and not home[1]):
            raise Forbidden("Nobody sets the terms that they are held to themselves.", code="role_not_allowed")
        changed = change_tenant(self._core.store, id, name, change, actor=self._who.actor)
        self._core.keys.refresh()
        return changed

    def budgets(self) -> Sequence[dict[str, object]]:
        now_us, tenancy = self._core.now_us(), self._core.tenancy
        found = tenancy.gauges.budgets()
        if self._who.role is not None:
            found = [each for each in found if self._who.reaches(*tenancy.home(each.whose.id))]
        return [_budget_use(each, now_us) for each in found]


class _Accounting(Accounting):
    """What leaves the books, of those whom somebody may see."""

    def __init__(self, core: Core, who: Administrator) -> None:
        super().__init__(core.store, core.now_us, core.applier.drain)
        self._tenancy = core.tenancy
        self._who = who

    def invoice(self, account: str, month: str) -> Invoice:
        self._check(account)
        return super().invoice(account, month)

    def forecast(self, account: str = "") -> Forecast:
        account = account or self._who.team or self._who.organisation
        if account:
            self._check(account)
        return super().forecast(account)

    def _check(self, account: str) -> None:
        self._tenancy.kids(account)
        home = self._tenancy.home(account)
        self._who.check_reach(f"organisation, team or key {account!r}", home, "account_not_found")


class _Calls:
    """What happened with their keys."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    async def recent(self, wanted: CallFilter, *, limit: int = 50, after: str = "") -> Page:
        who = self._who
        if who.role is not None:
            kids = self._core.tenancy.kids(who.team or who.organisation)
            wanted = structs.replace(wanted, key_ids=tuple(kids))
        return await self._core.calls.recent(wanted, limit=limit, after=after)

    async def find(self, call_id: str) -> CallRecord | None:
        record = await self._core.calls.find(call_id)
        if record is None or not self._who.reaches(*self._core.tenancy.home(record.key_id)):
            return None
        return record


class _Administrators:
    """Those who may come in."""

    def __init__(self, core: Core, who: Administrator) -> None:
        self._core = core
        self._who = who

    def create(self, wanted: NewAdministrator) -> tuple[str, AdministratorRow]:
        return appoint(self._core.store, self._core.pepper, wanted, by=self._who)

    def list(self) -> Sequence[AdministratorRow]:
        return list_administrators(self._core.store, by=self._who)

    def revoke(self, kid: str) -> AdministratorRow:
        return dismiss(self._core.store, kid, by=self._who)

    def audit(self, wanted: AuditQuery, limit: int) -> Sequence[Linked]:
        with self._core.store.read() as connection:
            return audit.listed(connection, wanted, limit)


def _budget_use(budget: BudgetOf, now_us: int) -> dict[str, object]:
    whose, terms = budget.whose, budget.budget.terms
    settled, held = budget.budget.used(now_us)
    level = "user" if whose.user else whose.kind
    about = {"level": level, "id": whose.id, "user": whose.user, "what": terms.what}
    return {**about, "limit": terms.most, "settled": settled, "held": held}


def _status(core: Core) -> dict[str, object]:
    """Empty texts: all is well. `lag_s`: how long ago the database had everything."""
    journal, applier, room = core.journal, core.applier, room_at(core.setup.config.data_dir)
    return {
        "disk": {"free_bytes": room.free_bytes, "room": room.level},
        "journal": {"failure": journal.failure, "calls_unwritten": journal.unwritten},
        "database": {
            "failure": applier.failure,
            "lag_bytes": applier.lag_bytes,
            "lag_s": round(applier.lag_s, 3),
            "calls_cut_short": applier.cut_short,
            "records_rejected": applier.rejected,
            "other_gateways": core.neighbours,
        },
    }


def _alerts(core: Core, limit: int, before: tuple[int, str] | None) -> Sequence[Message]:
    with core.store.read() as connection:
        return outbox.newest(connection, limit, before)


def admin_doors(core: Core, till: Till | None = None) -> Doors:
    """What the administration shows and changes, as the operator sees it."""
    rows = provider_rows(core.setup, os.environ)

    def seen_by(who: Administrator) -> Doors:
        return Doors(
            seen_by=seen_by,
            recognise=lambda presented: recognise(core.store, core.pepper, presented, core.now_us()),
            administrators=_Administrators(core, who),
            keys=_Keys(core, who),
            tenants=_Tenants(core, who),
            credit=Credits(core, who),
            coupons=Coupons(core, who),
            payments=None if till is None else Payments(core, who, till),
            receive=None if till is None else till.receive,
            accounting=_Accounting(core, who),
            calls=_Calls(core, who),
            reuse=ReuseDesk(core, who),
            prices=lambda provider, model: history(core.store, provider, model),
            alerts=lambda limit, before: _alerts(core, limit, before),
            providers=lambda: rows,
            models=lambda: core.compiled.listing.page("openai", None, {}),
            status=lambda: _status(core),
            now_us=core.now_us,
        )

    return seen_by(OPERATOR)
