"""Makes, lists and ends keys; every change leaves a line in the audit. Must not know who asks or how it is shown."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection

from headgate.core.problems import ConfigError, InvalidRequest, NotFound
from headgate.limits.terms import NO_TERMS, Terms, check_terms
from headgate.policies.key_text import kid_of, new_key
from headgate.policies.keys import PEPPER_NAME
from headgate.policies.organising import find_tenant, home_of
from headgate.policies.pepper import Pepper
from headgate.policies.tenancy import KeyTerms, key_terms, tenant_terms
from headgate.store.base import Store
from headgate.store.queries import audit, keys, meta, tenants
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
    terms: Terms = NO_TERMS
    organisation: str = ""
    """The id of the organisation it belongs to; empty: its team's, or none."""


def create_key(store: Store, pepper: Pepper, wanted: NewKey, *, actor: str) -> tuple[str, KeyRow]:
    """A new key, in plain for this once, and what is kept of it."""
    now_us = time.time_ns() // 1000
    _check(wanted, now_us)
    plain, row = mint(pepper, wanted, now_us)
    with store.write() as connection:
        check_terms(_all_terms(row), parents_of(connection, wanted.organisation, wanted.team))
        _check_pepper(connection, pepper)
        keys.add(connection, row)
        audit.add(connection, _entry(connection, actor, "key.create", row))
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
        limits=msgspec.Raw(_encode(_kept(wanted.terms, wanted.organisation))),
        created_us=now_us,
        expires_us=wanted.expires_us,
    )
    return key.decode(), row


def rotate_key(store: Store, pepper: Pepper, kid: str, overlap_us: int, *, actor: str) -> tuple[str, KeyRow]:
    """A new key in the place of another, which ends after `overlap_us`. Both are counted as one."""
    now_us = time.time_ns() // 1000
    with store.write() as connection:
        old = _found(connection, kid)
        if old.revoked_us is not None or (old.expires_us is not None and old.expires_us <= now_us):
            raise InvalidRequest(f"The key {kid!r} has ended; make a new one instead.", param="key_id")
        plain, row = mint(pepper, NewKey(name=old.name, team=old.team, models=old.models), now_us)
        terms = key_terms(old)
        limits = _encode(msgspec.structs.replace(terms, lineage=terms.lineage or old.kid))
        row = msgspec.structs.replace(row, limits=msgspec.Raw(limits), expires_us=old.expires_us)
        _check_pepper(connection, pepper)
        keys.add(connection, row)
        ends_us = now_us + overlap_us
        if old.expires_us is None or ends_us < old.expires_us:
            keys.expire(connection, kid, ends_us)
        audit.add(connection, _entry(connection, actor, "key.rotate", row))
    return plain, row


def change_key(store: Store, kid: str, change: Callable[[Terms], Terms], *, actor: str) -> KeyRow:
    """Sets a key's terms to what `change` makes of them."""
    with store.write() as connection:
        row = _found(connection, kid)
        if row.revoked_us is not None:
            raise NotFound(f"The key {kid!r} has been revoked; make a new one instead.")
        old = key_terms(row)
        terms = change(msgspec.structs.replace(old, models=row.models))
        kept = _kept(terms, old.organisation, old.lineage)
        limits = _encode(kept)
        changed = msgspec.structs.replace(row, limits=msgspec.Raw(limits), models=terms.models)
        check_terms(terms, parents_of(connection, old.organisation, row.team))
        keys.limit(connection, kid, limits.decode(), terms.models)
        audit.add(connection, _line(connection, actor, "key.change", row, limits.decode()))
    return changed


def parents_of(connection: Connection, organisation: str, team: str) -> list[tuple[str, Terms]]:
    """The terms above a key, widest first, by what callers are told they are. Raises `InvalidRequest`."""
    home = home_of(connection, organisation, team)
    named = zip(("organisation", "team"), home, strict=True)
    return [(kind, tenant_terms(find_tenant(connection, id))) for kind, id in named if id]


def home_of_key(connection: Connection, row: KeyRow) -> tuple[str, str]:
    """The organisation and the team that a key belongs to; empty: none."""
    organisation = key_terms(row).organisation
    team = tenants.find(connection, row.team) if row.team else None
    return organisation or ("" if team is None else team.parent), row.team


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
            audit.add(connection, _entry(connection, actor, "key.revoke", row))
    return row


def let_pass(store: Store, kid: str, providers: tuple[str, ...], *, actor: str) -> KeyRow:
    """Sets the providers that a key may call as they are; its other limits stay."""
    with store.write() as connection:
        row = _found(connection, kid)
        if providers and row.models is not None:
            raise InvalidRequest("This key is held to some models, to which calls that pass through cannot be held.")
        limits = _encode({**_decode(row.limits), "pass_through": providers})
        keys.limit(connection, kid, limits.decode(), row.models)
        detail = _encode({"pass_through": providers}).decode()
        audit.add(connection, _line(connection, actor, "key.pass_through", row, detail))
    return msgspec.structs.replace(row, limits=msgspec.Raw(limits))


def _check(wanted: NewKey, now_us: int) -> None:
    if not wanted.name.strip() or len(wanted.name) > _NAME_MAX or not wanted.name.isprintable():
        raise InvalidRequest(f"A key's name has 1 to {_NAME_MAX} printable characters.", param="name")
    if wanted.models is not None and not all(wanted.models):
        raise InvalidRequest("The name of a model cannot be empty.", param="models")
    if wanted.expires_us is not None and wanted.expires_us <= now_us:
        raise InvalidRequest("The key would have expired already.", param="expires")


def _found(connection: Connection, kid: str) -> KeyRow:
    row = keys.find(connection, kid)
    if row is None:
        raise NotFound(f"There is no key with the id {kid!r}.")
    return row


def _check_pepper(connection: Connection, pepper: Pepper) -> None:
    known = meta.get(connection, PEPPER_NAME)
    if known is None:
        meta.put(connection, PEPPER_NAME, pepper.fingerprint)
    elif known != pepper.fingerprint:
        raise ConfigError("The other keys in this database were made with another pepper; this one would not work.")


def _kept(terms: Terms, organisation: str, lineage: str = "") -> KeyTerms:
    """As a key's row keeps it: the models are a column of their own."""
    values: dict[str, Any] = {name: getattr(terms, name) for name in Terms.__struct_fields__}
    values |= {"models": None, "organisation": organisation, "lineage": lineage}
    return KeyTerms(**values)


def _all_terms(row: KeyRow) -> Terms:
    return msgspec.structs.replace(key_terms(row), models=row.models)


def _line(connection: Connection, actor: str, action: str, row: KeyRow, detail: str) -> AuditEntry:
    organisation, team = home_of_key(connection, row)
    return AuditEntry(
        at_us=time.time_ns() // 1000,
        actor=actor,
        action=action,
        object=row.kid,
        detail=detail,
        organisation=organisation,
        team=team,
    )


def _entry(connection: Connection, actor: str, action: str, row: KeyRow) -> AuditEntry:
    detail = {"name": row.name, "team": row.team, "models": row.models, "expires_us": row.expires_us}
    return _line(connection, actor, action, row, _encode(detail).decode())
