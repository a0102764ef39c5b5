"""Google's application default credentials, by google-auth: metadata server, service accounts, a developer's login.

The library types little of what it gives, hence the casts.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol, cast

import google.auth
import google.auth.transport.requests
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account

from headgate.core.problems import ConfigError
from headgate.transport.signing.tokens import NoToken, Token, TokenSigner

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
FETCH_S: Final = 20
"""How long one request for a token may take."""


class _Credentials(Protocol):
    token: str
    expiry: datetime
    quota_project_id: str | None

    def refresh(self, request: object) -> None: ...


def google_signer(*, scope: str = SCOPE, account: str = "") -> TokenSigner:
    """Signs with a token of Google's. `account` is a service account's JSON; empty: what the machine has."""
    scopes = [scope or SCOPE]
    if account:
        given = _service_account(account, scopes)
        return TokenSigner(_fetcher(lambda: given))
    found: list[_Credentials] = []
    return TokenSigner(_fetcher(partial(_default, scopes, found)))


def _service_account(account: str, scopes: list[str]) -> _Credentials:
    try:
        info = cast(dict[str, object], json.loads(account))
        made: object = service_account.Credentials.from_service_account_info(info, scopes=scopes)  # pyright: ignore[reportUnknownMemberType]
    except (ValueError, TypeError, AttributeError, GoogleAuthError):
        raise ConfigError(
            "api_key must be a service account's JSON: write file:PATH of it. Other kinds of credentials are found "
            "by GOOGLE_APPLICATION_CREDENTIALS, without an api_key"
        ) from None
    return cast(_Credentials, made)


def _default(scopes: list[str], found: list[_Credentials]) -> _Credentials:
    """Looked for once there is a call to sign: it may mean asking the metadata server."""
    if not found:
        found.append(cast(_Credentials, google.auth.default(scopes=scopes)[0]))  # pyright: ignore[reportUnknownMemberType]
    return found[0]


def _fetcher(credentials: Callable[[], _Credentials]) -> Callable[[], Token]:
    def fetch() -> Token:
        try:
            return _refreshed(credentials())
        except (GoogleAuthError, OSError, ValueError) as error:
            raise NoToken("Google", f"{type(error).__name__}: {error}") from None

    return fetch


def _refreshed(credentials: _Credentials) -> Token:
    credentials.refresh(partial(google.auth.transport.requests.Request(), timeout=FETCH_S))
    ends_s = credentials.expiry.replace(tzinfo=UTC).timestamp()  # it tells UTC without saying so
    project = getattr(credentials, "quota_project_id", None)
    return Token(credentials.token, ends_s, (("x-goog-user-project", project),) if project else ())
