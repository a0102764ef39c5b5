"""Who is logged in: a random token in a cookie stands for the key that was shown, looked at again at every visit.

Kept in memory alone, so a restart logs everybody out, and a key that has ended ends its sessions at once.
"""

import hashlib
import hmac
import secrets
from typing import Final

from msgspec import Struct

SESSION_S: Final = 12 * 3600
"""How long one lasts."""
SESSIONS_MAX: Final = 1000
FAILURES_MAX: Final = 10
FAILURES_S: Final = 60
"""So many wrong keys in so much time, then none is looked at."""


class Session(Struct, frozen=True):
    """Somebody who is logged in."""

    presented: bytes
    """Their key."""
    csrf: str
    """What their forms must carry."""
    ends_s: float


class Sessions:
    """All of them."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._held: dict[bytes, Session] = {}
        self._failed_s: list[float] = []

    def begin(self, presented: bytes, now_s: float) -> str:
        """A new one's token. The oldest makes room."""
        self._held = {digest: each for digest, each in self._held.items() if each.ends_s > now_s}
        while len(self._held) >= SESSIONS_MAX:
            del self._held[next(iter(self._held))]
        token = secrets.token_urlsafe(32)
        csrf = hmac.new(self._secret, token.encode(), hashlib.sha256).hexdigest()
        self._held[_digest(token)] = Session(presented, csrf, now_s + SESSION_S)
        return token

    def find(self, token: str, now_s: float) -> Session | None:
        """Whose token this is; None: nobody's, or it has ended."""
        found = self._held.get(_digest(token))
        return found if found is not None and found.ends_s > now_s else None

    def end(self, token: str) -> None:
        """Logs out."""
        self._held.pop(_digest(token), None)

    def may_try(self, now_s: float) -> bool:
        """Whether a key may be looked at: not after too many wrong ones."""
        self._failed_s = [at_s for at_s in self._failed_s if at_s > now_s - FAILURES_S]
        return len(self._failed_s) < FAILURES_MAX

    def failed(self, now_s: float) -> None:
        """A wrong key was shown."""
        self._failed_s.append(now_s)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
