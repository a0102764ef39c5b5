"""The keys that a server cannot do without: the admin key, and at the very first start a client key to try things with.

They are made only if the operator gave no admin key; of what is made only a hash is kept, so it is shown this once.
"""

import secrets

from msgspec import Struct

from headgate.policies.issuing import NewKey, create_key
from headgate.policies.pepper import Pepper
from headgate.server.admin.guard import AdminKey
from headgate.store.base import Store
from headgate.store.queries import keys, meta

ADMIN_KEY_NAME = "admin_key"
"""Under which the hash of the admin key is kept."""
ADMIN_KEY_PREFIX = "sk-hg-admin_"


class FirstKeys(Struct, frozen=True, kw_only=True):
    """The keys of a start; a plain text is empty unless its key was made just now."""

    admin: AdminKey
    admin_plain: str = ""
    client_plain: str = ""


def first_keys(store: Store, pepper: Pepper, given: str) -> FirstKeys:
    """Makes what is missing. `given`: the operator's own admin key, or empty. Waits for the store."""
    if given:
        return FirstKeys(admin=AdminKey.of(given, pepper.digest))
    made = f"{ADMIN_KEY_PREFIX}{secrets.token_urlsafe(32)}"
    with store.write() as connection:
        kept = meta.get(connection, ADMIN_KEY_NAME)
        if kept is None:
            meta.put(connection, ADMIN_KEY_NAME, pepper.digest(made.encode()).hex())
        has_keys = keys.revision(connection) > 0
    if kept is not None:
        return FirstKeys(admin=AdminKey(bytes.fromhex(kept), pepper.digest))
    client_plain = "" if has_keys else create_key(store, pepper, NewKey(name="first"), actor="first start")[0]
    return FirstKeys(admin=AdminKey.of(made, pepper.digest), admin_plain=made, client_plain=client_plain)
