"""The store in one SQLite file, which several processes of one machine may share. Local disks only, no NFS."""

import os
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from headgate.core.problems import ConfigError
from headgate.store.base import Store
from headgate.store.migrations import bring_up_to_date

_BUSY_S = 5.0
_ON_CONNECT = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")


def open_sqlite(path: Path) -> Store:
    """The store in `path`, made or brought up to date if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as fault:
        raise ConfigError(f"The database {path} cannot be opened: {fault}") from fault
    store = Store(sqlite_engine(str(path)))
    try:
        bring_up_to_date(store)
    except DatabaseError as fault:
        store.close()
        raise ConfigError(f"The database {path} cannot be opened: {fault.orig}") from fault
    return store


def sqlite_engine(database: str, pool: type[Pool] | None = None) -> Engine:
    """An engine whose transactions begin where they say, not where the driver guesses."""
    engine = create_engine(
        URL.create("sqlite", database=database),
        poolclass=pool,
        connect_args={"timeout": _BUSY_S, "isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _ON_CONNECT:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
