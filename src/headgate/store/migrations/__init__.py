"""Brings a database to the tables of this version. Alembic is loaded only if there is something to migrate.

An empty database gets its tables directly (a test proves that the migrations make the same), so that a first start is
as quick as any other.
"""

from sqlalchemy import Connection, inspect, text

from headgate.store.base import Store
from headgate.store.tables import METADATA

REVISION = "0014"
"""The newest file in `versions`."""


def bring_up_to_date(store: Store) -> None:
    """Does nothing if the database is of this version, else changes it in one transaction."""
    with store.read() as connection:
        if revision(connection) == REVISION:
            return
    with store.write() as connection:
        found = revision(connection)  # again: another process may have been quicker
        if found is None:
            METADATA.create_all(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": REVISION})
        elif found != REVISION:
            from headgate.store.migrations.upgrade import upgrade  # noqa: PLC0415  0.2 s that most starts can spare

            upgrade(connection)


def revision(connection: Connection) -> str | None:
    """The version of the database's tables; None: it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none() or ""
