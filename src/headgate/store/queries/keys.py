"""Keys: kept, listed, revoked, each change with its line in the audit. Knows what is kept of a key, never a key."""

import msgspec
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from headgate.store.tables import KEYS


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one key."""

    kid: str
    """The public part, by which it is found."""
    hmac: bytes
    pepper: str
    """Fingerprint of the pepper that `hmac` was made with."""
    name: str
    created_us: int
    team: str = ""
    models: tuple[str, ...] | None = None
    """Models and routes it may ask for; None: all."""
    limits: msgspec.Raw = msgspec.Raw(b"{}")
    """Its limits as a JSON object."""
    expires_us: int | None = None
    revoked_us: int | None = None


_decode_models = msgspec.json.Decoder(tuple[str, ...]).decode


def revision(connection: Connection) -> int:
    """A number that grows with every change of any key."""
    return connection.execute(select(func.coalesce(func.max(KEYS.c.revision), 0))).scalar_one()


def changed_since(connection: Connection, seen: int) -> list[KeyRow]:
    """The keys that changed after revision `seen`, oldest first; 0: all keys."""
    wanted = select(KEYS).where(KEYS.c.revision > seen).order_by(KEYS.c.created_us, KEYS.c.kid)
    return [_from_row(row) for row in connection.execute(wanted).mappings()]


def find(connection: Connection, kid: str) -> KeyRow | None:
    """One key."""
    row = connection.execute(select(KEYS).where(KEYS.c.kid == kid)).mappings().one_or_none()
    return None if row is None else _from_row(row)


def add(connection: Connection, key: KeyRow) -> None:
    """Keeps a new key."""
    values = msgspec.structs.asdict(key)
    values["models"] = None if key.models is None else msgspec.json.encode(key.models).decode()
    values["limits"] = bytes(key.limits).decode()
    connection.execute(insert(KEYS).values(**values, revision=revision(connection) + 1))


def revoke(connection: Connection, kid: str, now_us: int) -> bool:
    """Ends a key. False: there is none, or it had ended before."""
    change = update(KEYS).where(KEYS.c.kid == kid, KEYS.c.revoked_us.is_(None))
    result = connection.execute(change.values(revoked_us=now_us, revision=revision(connection) + 1))
    return result.rowcount > 0


def limit(connection: Connection, kid: str, limits: str, models: tuple[str, ...] | None) -> None:
    """Sets a key's limits, a JSON object, and its models."""
    named = None if models is None else msgspec.json.encode(models).decode()
    change = update(KEYS).where(KEYS.c.kid == kid)
    connection.execute(change.values(limits=limits, models=named, revision=revision(connection) + 1))


def expire(connection: Connection, kid: str, at_us: int) -> None:
    """Sets when a key ends."""
    change = update(KEYS).where(KEYS.c.kid == kid)
    connection.execute(change.values(expires_us=at_us, revision=revision(connection) + 1))


def _from_row(row: RowMapping) -> KeyRow:
    values = {name: row[name] for name in KeyRow.__struct_fields__}
    models, limits = values.pop("models"), values.pop("limits")
    return KeyRow(
        **values, models=None if models is None else _decode_models(models), limits=msgspec.Raw(limits.encode())
    )
