"""Makes, lists and ends keys; every change leaves a line in the audit. Must not know who asks or how it is shown."""

import time

import msgspec

from headgate.core.problems import ConfigError, InvalidRequest, NotFound
from headgate.policies.key_text import kid_of, new_key
from headgate.policies.keys import PEPPER_NAME
from headgate.policies.pepper import Pepper
from headgate.store.base import Store
from headgate.store.queries import audit, keys, meta
from headgate.store.queries.audit import AuditEntry
from headgate.store.queries.keys import KeyRow

_NAME_MAX = 200
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is to be."""

    name: str
    team: str = ""
    models: tuple[str, ...] | None = None
    """Models and routes it may ask for; None: all."""
    expires_us: int | None = None
    limits: msgspec.Raw = msgspec.Raw(b"{}")


def create_key(store: Store, pepper: Pepper, wanted: NewKey, *, actor: str) -> tuple[str, KeyRow]:
    """A new key, in plain for this once, and what is kept of it."""
    now_us = time.time_ns() // 1000
    _check(wanted, now_us)
    plain, row = mint(pepper, wanted, now_us)
    with store.write() as connection:
        known = meta.get(connection, PEPPER_NAME)
        if known is None:
            meta.put(connection, PEPPER_NAME, pepper.fingerprint)
        elif known != pepper.fingerprint:
            raise ConfigError("The other keys in this database were made with another pepper; this one would not work.")
        keys.add(connection, row)
        audit.add(connection, _entry(now_us, actor, "key.create", row))
    return plain, row


def mint(pepper: Pepper, wanted: NewKey, now_us: int) -> tuple[str, KeyRow]:
    """A key and its row, kept nowhere yet."""
    key = new_key()
    row = KeyRow(
        kid=kid_of(key).decode(),
        hmac=pepper.digest(key),
        pepper=pepper.fingerprint,
        name=wanted.name,
        team=wanted.team,
        models=wanted.models,
        limits=wanted.limits,
        created_us=now_us,
        expires_us=wanted.expires_us,
    )
    return key.decode(), row


def list_keys(store: Store) -> list[KeyRow]:
    """Every key there ever was, oldest first."""
    with store.read() as connection:
        return keys.changed_since(connection, 0)


def revoke_key(store: Store, kid: str, *, actor: str) -> KeyRow:
    """Ends a key for good; one that has ended stays as it is."""
    now_us = time.time_ns() // 1000
    with store.write() as connection:
        has_ended = keys.revoke(connection, kid, now_us)
        row = keys.find(connection, kid)
        if row is None:
            raise NotFound(f"There is no key with the id {kid!r}.")
        if has_ended:
            audit.add(connection, _entry(now_us, actor, "key.revoke", row))
    return row


def let_pass(store: Store, kid: str, providers: tuple[str, ...], *, actor: str) -> KeyRow:
    """Sets the providers that a key may call as they are; its other limits stay."""
    with store.write() as connection:
        row = keys.find(connection, kid)
        if row is None:
            raise NotFound(f"There is no key with the id {kid!r}.")
        if providers and row.models is not None:
            raise InvalidRequest("This key is held to some models, to which calls that pass through cannot be held.")
        limits = _encode({**_decode(row.limits), "pass_through": providers})
        keys.limit(connection, kid, limits.decode())
        detail = _encode({"pass_through": providers}).decode()
        audit.add(connection, _line(actor, kid, detail))
    return msgspec.structs.replace(row, limits=msgspec.Raw(limits))


def _check(wanted: NewKey, now_us: int) -> None:
    if not wanted.name.strip() or len(wanted.name) > _NAME_MAX or not wanted.name.isprintable():
        raise InvalidRequest(f"A key's name has 1 to {_NAME_MAX} printable characters.", param="name")
    if wanted.models is not None and not all(wanted.models):
        raise InvalidRequest("The name of a model cannot be empty.", param="models")
    if wanted.expires_us is not None and wanted.expires_us <= now_us:
        raise InvalidRequest("The key would have expired already.", param="expires")


def _line(actor: str, kid: str, detail: str) -> AuditEntry:
    return AuditEntry(at_us=time.time_ns() // 1000, actor=actor, action="key.pass_through", object=kid, detail=detail)


def _entry(at_us: int, actor: str, action: str, row: KeyRow) -> AuditEntry:
    detail = {"name": row.name, "team": row.team, "models": row.models, "expires_us": row.expires_us}
    return AuditEntry(at_us=at_us, actor=actor, action=action, object=row.kid, detail=_encode(detail).decode())
