"""Joins the administration to the books of this process. Must not know who calls it, nor how."""

import os
from collections.abc import Sequence

from headgate.app.commands.listing import provider_rows
from headgate.app.core import Core
from headgate.policies.issuing import NewKey, create_key, list_keys, revoke_key
from headgate.server.admin.doors import Doors
from headgate.store.queries.keys import KeyRow

ACTOR = "admin"
"""Whom the audit names for what is changed here."""


class _Keys:
    """The book of keys, changed in the administration's name; callers see a change at once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(self, wanted: NewKey) -> tuple[str, KeyRow]:
        made = create_key(self._core.store, self._core.pepper, wanted, actor=ACTOR)
        self._core.keys.refresh()
        return made

    def list(self) -> Sequence[KeyRow]:
        return list_keys(self._core.store)

    def revoke(self, kid: str) -> KeyRow:
        ended = revoke_key(self._core.store, kid, actor=ACTOR)
        self._core.keys.refresh()
        return ended


def admin_doors(core: Core) -> Doors:
    """What the administration shows and changes."""
    rows = provider_rows(core.setup, os.environ)
    return Doors(
        keys=_Keys(core),
        calls=core.calls,
        providers=lambda: rows,
        models=lambda: core.compiled.listing.page("openai", None, {}),
        now_us=core.now_us,
    )
