"""The store in a PostgreSQL database, which gateways of several machines may share: the tables and queries of SQLite.

Transactions promise the same there: a reader sees one state, and one writer at a time has the database.
"""

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects.sqlite.dml import OnConflictClause
from sqlalchemy.exc import ArgumentError, DatabaseError

from headgate.core.problems import ConfigError
from headgate.store.base import Store
from headgate.store.migrations import bring_up_to_date

# The queries say ON CONFLICT in the words of SQLite's dialect, made after those of PostgreSQL's but for this
# one. To load PostgreSQL's for everyone would take 40 ms of each start.
OnConflictClause.constraint_target = None  # pyright: ignore[reportAttributeAccessIssue]

_CONNECT: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "headgate",
}
"""A server that has gone away without a word is noticed. What the address says itself comes before."""
_POOL_WAIT_S: Final = 5.0
_TURN: Final = 0x68656164_67617465
"""The advisory lock that stands for the right to write: `headgate` in ASCII."""
_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_WRITE: Final = f"SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock({_TURN})"
"""Released by the end of the transaction, however it ends."""


def open_postgresql(url: str) -> Store:
    """The store in a database that exists, with its tables made or brought up to date if need be."""
    try:
        parsed = make_url(url)
        store = Store(postgresql_engine(parsed))
    except (ArgumentError, ValueError) as fault:
        raise ConfigError("The address of the store cannot be read; write postgresql://USER@HOST/DATABASE.") from fault
    except ImportError as fault:
        raise ConfigError("A store in PostgreSQL needs `pip install 'headgate[postgresql]'`.") from fault
    try:
        bring_up_to_date(store)
    except DatabaseError as fault:
        store.close()
        raise ConfigError(f"The database {parsed.render_as_string()} cannot be opened: {fault.orig}") from fault
    return store


def postgresql_engine(url: URL) -> Engine:
    """An engine whose transactions promise what those of SQLite do."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
        pool_pre_ping=True,
        pool_timeout=_POOL_WAIT_S,
    )
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _entry: object) -> None:
    from headgate.store.plain_text import PlainText  # noqa: PLC0415  its driver is an extra

    connection.adapters.register_dumper(str, PlainText)


def _begin(connection: Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer", False)
    connection.exec_driver_sql(_WRITE if is_writer else _READ)
