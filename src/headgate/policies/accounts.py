"""Whose credit and invoices there are: organisations, teams and lines of keys, each with its keys. Reads only."""

from collections.abc import Iterator

from sqlalchemy import Connection

from headgate.core.problems import NotFound
from headgate.ledger.billing.invoices import Payer
from headgate.policies.tenancy import key_terms
from headgate.store.queries import keys, tenants
from headgate.store.queries.keys import KeyRow


def find_payer(connection: Connection, id: str) -> Payer:
    """One of them, with the keys that ever belonged to it. Raises `NotFound`."""
    for each in payers(connection):
        if each.id == id:
            return each
    raise NotFound(f"There is no organisation, team or key {id!r}.", code="account_not_found")


def payers(connection: Connection) -> Iterator[Payer]:
    """All of them: organisations and teams, oldest first, then keys."""
    rows = keys.changed_since(connection, 0)
    above = {row.id: row for row in tenants.listed(connection)}

    def organisation(key: KeyRow) -> str:
        team = above.get(key.team)
        return key_terms(key).organisation or (team.parent if team is not None else "")

    for tenant in above.values():
        own = {row.kid: row.name for row in rows if tenant.id in (row.team, organisation(row))}
        yield Payer(id=tenant.id, kind=tenant.kind, name=tenant.name, keys=own)
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        lines.setdefault(key_terms(row).lineage or row.kid, {})[row.kid] = row.name
    for id, own in lines.items():
        yield Payer(id=id, kind="key", name=next(iter(own.values())), keys=own)
