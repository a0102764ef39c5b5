"""Single values by name: how far the journal is applied, which pepper the keys were made with."""

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import META

_GET = select(META.c.value).where(META.c.name == bindparam("wanted"))
_NEW = insert(META)
_PUT = _NEW.on_conflict_do_update(index_elements=["name"], set_={"value": _NEW.excluded.value})


def get(connection: Connection, name: str) -> str | None:
    """The value of `name`; None: never put."""
    return connection.execute(_GET, {"wanted": name}).scalar_one_or_none()


def put(connection: Connection, name: str, value: str) -> None:
    """Sets the value of `name`."""
    connection.execute(_PUT, {"name": name, "value": value})


def starting_with(connection: Connection, prefix: str) -> dict[str, str]:
    """All values whose names begin so."""
    query = select(META.c.name, META.c.value).where(META.c.name >= prefix, META.c.name < prefix + "\U0010ffff")
    return {name: value for name, value in connection.execute(query) if name.startswith(prefix)}


def forget(connection: Connection, name: str) -> None:
    """As if it had never been put."""
    connection.execute(delete(META).where(META.c.name == name))


def get_number(connection: Connection, name: str) -> int:
    """The value of `name` as a number; 0: never put."""
    return int(get(connection, name) or 0)
