"""`headgate admins`: who may come into the administration. Opens the store itself, in the operator's name."""

import os

from headgate.app.config import Setup
from headgate.policies.administrators import NewAdministrator, appoint, dismiss, list_administrators
from headgate.policies.pepper import load_pepper
from headgate.policies.roles import Administrator
from headgate.server.admin.expiry import shown_time
from headgate.store.queries.administrators import AdministratorRow
from headgate.store.sqlite import open_sqlite

_BY = Administrator(actor="command line", role=None)


def create(setup: Setup, name: str, role: str, of: str) -> dict[str, object]:
    """A new one: what is kept of it, and `key`, this once. `of`: the id of an organisation or a team."""
    team, organisation = (of, "") if of.startswith("team_") else ("", of)
    wanted = NewAdministrator(name=name, role=role, organisation=organisation, team=team)
    with open_sqlite(setup.config.store_path) as store:
        pepper = load_pepper(setup.config.data_dir, os.environ)
        key, row = appoint(store, pepper, wanted, by=_BY)
    return {**_shown(row), "key": key}


def listed(setup: Setup) -> list[dict[str, object]]:
    """All, oldest first."""
    with open_sqlite(setup.config.store_path) as store:
        return [_shown(row) for row in list_administrators(store, by=_BY)]


def revoke(setup: Setup, kid: str) -> dict[str, object]:
    """Ends one."""
    with open_sqlite(setup.config.store_path) as store:
        return _shown(dismiss(store, kid, by=_BY))


def _shown(row: AdministratorRow) -> dict[str, object]:
    return {
        "id": row.kid,
        "name": row.name,
        "role": row.role,
        "organisation": row.organisation,
        "team": row.team,
        "created": shown_time(row.created_us),
        "expires": shown_time(row.expires_us),
        "revoked": shown_time(row.revoked_us),
    }
