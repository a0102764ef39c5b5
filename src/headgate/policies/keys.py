"""Who calls: a presented key is checked in memory, and memory follows the store. Must not know what is called."""

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from hmac import compare_digest
from threading import Lock
from typing import NamedTuple

from headgate.core.principal import Principal
from headgate.core.problems import ConfigError
from headgate.policies.key_text import KID, is_well_formed
from headgate.policies.pepper import Pepper
from headgate.policies.tenancy import Tenancy
from headgate.store.base import Store, StoreError
from headgate.store.queries import keys, meta
from headgate.store.queries.keys import KeyRow

PEPPER_NAME = "pepper"
"""Under which the fingerprint of the pepper of all keys is kept."""
_REFRESH_S = 1.0
_REFRESH_S_MIN = 0.2
"""Not more often, whatever is presented."""
_NO_HMAC = bytes(32)


class Refusal(StrEnum):
    """Why a key is refused: for logs. The caller is told the same in every case."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


class _Held(NamedTuple):
    hmac: bytes
    principal: Principal
    is_revoked: bool
    expires_us: int | None


def _wall_us() -> int:
    return time.time_ns() // 1000


class KeyRing:
    """Every key of a store. Waits for the store when it is made, then only in threads."""

    def __init__(
        self, store: Store, pepper: Pepper, clock_us: Callable[[], int] = _wall_us, tenancy: Tenancy | None = None
    ) -> None:
        self._store = store
        self._tenancy = tenancy or Tenancy(store, clock_us)
        self._pepper = pepper
        self._clock_us = clock_us
        self._held: dict[bytes, _Held] = {}
        self._genuine: dict[bytes, _Held] = {}
        """Keys that were found genuine since memory last changed, as presented: each is hashed once."""
        self._revision = 0
        self._refreshed_s = 0.0
        self._lock = Lock()
        self.failure = ""
        """Why the keys may be out of date; empty: they are not."""
        with store.read() as connection:
            known = meta.get(connection, PEPPER_NAME)
        if known not in (None, pepper.fingerprint):
            raise ConfigError(
                "The keys in this database were made with another pepper, so none of them would work. "
                "Give back the HEADGATE_PEPPER or the file `pepper` that they were made with."
            )
        self.refresh()

    def check(self, presented: str | bytes) -> Principal | Refusal:
        """The caller whose key this is, by what is in memory."""
        key = presented.encode("utf-8", "replace") if isinstance(presented, str) else presented
        held = self._genuine.get(key) or self._verify(key)  # 5 µs → 1 µs per call
        if held is None:
            return Refusal.UNKNOWN if is_well_formed(key) else Refusal.MALFORMED
        if held.is_revoked:
            return Refusal.REVOKED
        if held.expires_us is not None and self._clock_us() >= held.expires_us:
            return Refusal.EXPIRED
        return held.principal

    def _verify(self, key: bytes) -> _Held | None:
        """What is kept of a key, if it is genuine."""
        held = self._held.get(key[KID])
        # The same work whether the key is there or not, so that time tells nothing.
        is_genuine = compare_digest(self._pepper.digest(key), _NO_HMAC if held is None else held.hmac)
        if held is None or not is_genuine:
            return None
        self._genuine[key] = held
        return held

    def principal_of(self, key_id: str) -> Principal | None:
        """The caller with this key, if it is good: for who calls in the key's name without having it."""
        held = self._held.get(key_id.encode())
        return None if held is None or self.has_ended(key_id) else held.principal

    def has_ended(self, key_id: str) -> bool:
        """Whether a key that there was is revoked or expired by now: for work that goes on without its caller."""
        held = self._held.get(key_id.encode())
        if held is None:
            return False
        return held.is_revoked or (held.expires_us is not None and self._clock_us() >= held.expires_us)

    def recall(self, presented: str | bytes) -> Principal | None:
        """The caller whose key this is, if memory knows it and it is good."""
        found = self.check(presented)
        return found if isinstance(found, Principal) else None

    async def identify(self, presented: str | bytes) -> Principal | None:
        """The caller whose key this is; a key that is not in memory is looked for in the store. None: refused."""
        found = self.check(presented)
        if found is Refusal.UNKNOWN:
            await self._look_again()
            found = self.check(presented)
        return found if isinstance(found, Principal) else None

    def refresh(self) -> None:
        """Reads what changed in the store."""
        with self._lock:
            self._read_changes()

    def renew(self) -> None:
        """Reads all of it once more: what keys may do has changed by something that is not written with them."""
        with self._lock:
            self._tenancy.forget()
            self._read_changes()

    async def keep_fresh(self) -> None:
        """Refreshes once a second, forever: how a revocation by another process gets here."""
        while True:
            await asyncio.sleep(_REFRESH_S)
            await self._refresh_since(time.monotonic())

    async def _look_again(self) -> None:
        arrived_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._refreshed_s + _REFRESH_S_MIN - arrived_s))
        if self._refreshed_s < arrived_s:
            await self._refresh_since(arrived_s)

    async def _refresh_since(self, moment_s: float) -> None:
        try:
            await asyncio.to_thread(self._refresh_unless_after, moment_s)
            self.failure = ""
        except StoreError as fault:
            self.failure = str(fault)

    def _refresh_unless_after(self, moment_s: float) -> None:
        with self._lock:
            if self._refreshed_s < moment_s:
                self._read_changes()

    def _read_changes(self) -> None:
        now_s = time.monotonic()
        with self._store.read() as connection:
            since = 0 if self._tenancy.refresh(connection) else self._revision  # those above bound all below them
            revision = keys.revision(connection)
            changed = keys.changed_since(connection, since) if revision != since else []
        if changed:
            principals = self._tenancy.principals(changed)
            held = {row.kid.encode(): _hold(row, each) for row, each in zip(changed, principals, strict=True)}
            self._held = self._held | held
            self._genuine = {}
        self._revision = revision
        self._refreshed_s = now_s


def _hold(row: KeyRow, principal: Principal) -> _Held:
    return _Held(row.hmac, principal, row.revoked_us is not None, row.expires_us)
