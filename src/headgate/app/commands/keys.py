"""`headgate keys`: opens the store itself; a running gateway notices by itself what changed."""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from headgate.app.config import Setup
from headgate.core.problems import InvalidRequest
from headgate.policies.issuing import NewKey, create_key, let_pass, list_keys, revoke_key
from headgate.policies.pepper import load_pepper
from headgate.server.admin.expiry import parse_expiry, shown_time
from headgate.store.base import Store
from headgate.store.queries.keys import KeyRow
from headgate.store.sqlite import open_sqlite

ACTOR = "command line"


@contextmanager
def _opened(setup: Setup) -> Generator[Store]:
    store = open_sqlite(setup.config.store_path)
    try:
        yield store
    finally:
        store.close()


def create(setup: Setup, name: str, models: Sequence[str] | None, expires: str | None) -> dict[str, object]:
    """A new key: what is kept of it, and `key`, this once."""
    wanted = NewKey(
        name=name,
        models=_names(models),
        expires_us=None if expires is None else parse_expiry(expires, time.time_ns() // 1000),
    )
    with _opened(setup) as store:
        key, row = create_key(store, load_pepper(setup.config.data_dir, os.environ), wanted, actor=ACTOR)
    return {**_shown(row), "key": key}


def _names(models: Sequence[str] | None) -> tuple[str, ...] | None:
    """The option may be given several times, or hold several names with commas between."""
    if not models:
        return None
    names = tuple(name.strip() for text in models for name in text.split(","))
    if not all(names):
        raise InvalidRequest("--models takes names of models or routes, with commas between several")
    return names


def listed(setup: Setup) -> list[dict[str, object]]:
    """All keys, oldest first."""
    with _opened(setup) as store:
        return [_shown(row) for row in list_keys(store)]


def pass_through(setup: Setup, kid: str, providers: Sequence[str]) -> dict[str, object]:
    """Sets the providers that a key may call as they are."""
    known = [settings.name for settings in setup.providers]
    unknown = next((name for name in providers if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"No provider {unknown!r} is configured; there are: {', '.join(known)}")
    with _opened(setup) as store:
        return _shown(let_pass(store, kid, tuple(providers), actor=ACTOR))


def revoke(setup: Setup, kid: str) -> dict[str, object]:
    """Ends a key."""
    with _opened(setup) as store:
        return _shown(revoke_key(store, kid, actor=ACTOR))


def _shown(row: KeyRow) -> dict[str, object]:
    return {
        "id": row.kid,
        "name": row.name,
        "models": None if row.models is None else list(row.models),
        "created": shown_time(row.created_us),
        "expires": shown_time(row.expires_us),
        "revoked": shown_time(row.revoked_us),
    }
