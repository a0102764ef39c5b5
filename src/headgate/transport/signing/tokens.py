"""A bearer token that expires: fetched in a thread, kept, and renewed ahead of its end. Must not know who issues it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs

from headgate.core.problems import Outcome, Problem, UpstreamError
from headgate.transport.base import UpstreamRequest

RENEWED_AHEAD_S: Final = 300.0
"""How long before its end a token is renewed; until then whoever has it goes on with it."""
RETRIED_AFTER_S: Final = 10.0
"""How long a token that is still good is used before a renewal that failed is tried again."""


class Token(Struct, frozen=True):
    """A credential and when it ends, in Unix seconds. Its `repr` shows no secret."""

    value: str
    expires_s: float
    fields: tuple[tuple[str, str], ...] = ()
    """Header fields that go with it."""

    def __repr__(self) -> str:
        return f"Token(expires_s={self.expires_s!r})"


class NoToken(UpstreamError):
    """Whoever issues the credential gave none."""

    def __init__(self, issuer: str, reason: str) -> None:
        told = f"{issuer} gave no token: {' '.join(reason.split())[:300]}"
        super().__init__(Problem(kind="upstream", message=told, outcome=Outcome.ACCOUNT))


class TokenSigner:
    """A `Signer`. `fetch` blocks; it raises `NoToken`, and is under way at most once at a time."""

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._renewal: asyncio.Future[Token] | None = None
        self._not_before_s = 0.0

    def __repr__(self) -> str:
        return f"TokenSigner({self._token!r})"

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with a good token."""
        token = await self._good_token()
        headers = (*request.headers, ("authorization", f"Bearer {token.value}"), *token.fields)
        return structs.replace(request, headers=headers)

    async def _good_token(self) -> Token:
        """Waits only when there is none: one that ends soon is still used while the next one is fetched."""
        token, now_s = self._token, self._clock()
        left_s = token.expires_s - now_s if token else 0.0
        if token is not None and left_s > RENEWED_AHEAD_S:
            return token
        if token is None or left_s <= 0:
            # shielded: who gives up waiting leaves the others their token
            return await asyncio.shield(self._renew())
        if now_s >= self._not_before_s:
            self._renew()
        return token

    def _renew(self) -> asyncio.Future[Token]:
        if self._renewal is None:
            self._renewal = asyncio.get_running_loop().run_in_executor(None, self._fetch)
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    def _renewed(self, renewal: asyncio.Future[Token]) -> None:
        self._renewal = None
        if renewal.cancelled() or renewal.exception() is not None:
            self._not_before_s = self._clock() + RETRIED_AFTER_S
        else:
            self._token = renewal.result()
