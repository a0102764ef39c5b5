"""Signs calls for AWS: with a key of Amazon Bedrock as it is, or by Signature Version 4 with botocore.

botocore comes with the extra `bedrock` and is imported only where a signature must be computed. Whence the
credentials come is its affair: the usual chain of variables, profiles, web identities, containers and instances. That
may block, so it happens in a thread, one at a time, ahead of expiry.
"""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from msgspec import Struct, structs

from headgate.core.problems import ConfigError, Outcome, Problem, UpstreamError
from headgate.transport.base import Signer, UpstreamRequest

REFRESH_BEFORE_S: Final = 15 * 60
"""From so long before they expire, credentials are renewed while they still serve."""
WAIT_BEFORE_S: Final = 10 * 60
"""From so long before they expire, calls wait for new ones. Both numbers are botocore's own."""

_SIGNED: Final = ("content-type", "x-amz-", "x-amzn-")
"""Beginnings of the header fields that the signature covers, besides `host`: no hop on the way may touch them."""


class Settings(Struct, frozen=True, kw_only=True):
    """Where calls go and with whose credentials; without any of its own: those that botocore finds."""

    region: str
    service: str = "bedrock"
    bearer: str = ""
    """A key of Amazon Bedrock (`AWS_BEARER_TOKEN_BEDROCK`); nothing is signed then."""
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    profile: str = ""

    def __repr__(self) -> str:
        return f"Settings(region={self.region!r}, service={self.service!r})"


def aws_signer(*, region: str, service: str = "bedrock", credential: str = "") -> Signer:
    """Signs with what an operator gave: `ID:SECRET`, `ID:SECRET:TOKEN`, or a key of Amazon Bedrock; empty: with what
    botocore finds."""
    id, colon, rest = credential.partition(":")
    if not colon:
        return signer_of(Settings(region=region, service=service, bearer=credential))
    secret, _, token = rest.partition(":")
    keys = Settings(region=region, service=service, access_key_id=id, secret_access_key=secret, session_token=token)
    return signer_of(keys)


def signer_of(settings: Settings) -> Signer:
    """The signer that fits. Raises `ConfigError` where half of a key is missing, or the extra that it needs."""
    if settings.bearer:
        return BearerSigner(settings.bearer)
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise ConfigError("an AWS key has two halves: give access_key_id and secret_access_key, or neither")
    return SignatureSigner(settings)


class BearerSigner:
    """Puts a key of Amazon Bedrock on a request."""

    def __init__(self, bearer: str) -> None:
        self._authorization = f"Bearer {bearer}"

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The same request with the key."""
        return _with(request, [("authorization", self._authorization)])


class SignatureSigner:
    """Signs requests by Signature Version 4."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._auth = _botocore("auth")
        self._awsrequest = _botocore("awsrequest")
        self._lock = asyncio.Lock()
        self._credentials: Any = None
        """As botocore found them; some renew themselves."""
        self._frozen: Any = None
        """What they were when they were last looked at."""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The same request with its signature. Credentials that cannot be had are the upstream's failure."""
        frozen = await self._current()
        signed = {name: value for name, value in request.headers if name.lower().startswith(_SIGNED)}
        draft = self._awsrequest.AWSRequest(method=request.method, url=request.url, data=request.body, headers=signed)
        self._auth.SigV4Auth(frozen, self._settings.service, self._settings.region).add_auth(draft)
        return _with(request, [(name.lower(), str(value)) for name, value in draft.headers.items()])

    async def _current(self) -> Any:
        """Credentials that are good for a while."""
        held = self._credentials
        if held is not None and not _is_due(held, REFRESH_BEFORE_S):
            self._frozen = held.get_frozen_credentials()
            return self._frozen
        if self._frozen is not None and self._lock.locked() and not _is_due(held, WAIT_BEFORE_S):
            return self._frozen  # another call is renewing them already
        async with self._lock:
            try:
                self._frozen = await asyncio.to_thread(self._renew)
            except _botocore("exceptions").BotoCoreError as error:
                raise _without_credentials(f"AWS credentials could not be had: {error}") from None
            return self._frozen

    def _renew(self) -> Any:
        """Finds the credentials, or renews them; blocks."""
        if self._credentials is None:
            self._credentials = self._found()
        return self._credentials.get_frozen_credentials()

    def _found(self) -> Any:
        settings = self._settings
        if settings.access_key_id:
            keys = (settings.access_key_id, settings.secret_access_key, settings.session_token or None)
            return _botocore("credentials").Credentials(*keys)
        found = _botocore("session").Session(profile=settings.profile or None).get_credentials()
        if found is None:
            raise _without_credentials(
                "no AWS credentials were found: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
            )
        return found


def _botocore(part: str) -> Any:
    try:
        return import_module(f"botocore.{part}")
    except ModuleNotFoundError:
        raise ConfigError(
            "signing for AWS needs botocore: install headgate[bedrock], or set AWS_BEARER_TOKEN_BEDROCK"
        ) from None


def _is_due(credentials: Any, seconds: int) -> bool:
    """Whether credentials expire so soon; those without a term never do."""
    needed = getattr(credentials, "refresh_needed", None)
    return needed is not None and bool(needed(refresh_in=seconds))


def _with(request: UpstreamRequest, fields: Sequence[tuple[str, str]]) -> UpstreamRequest:
    """The request with header fields in place of those of the same names, and of any other credential."""
    names = {"authorization", *(name for name, _ in fields)}
    kept = [(name, value) for name, value in request.headers if name.lower() not in names]
    return structs.replace(request, headers=(*kept, *fields))


def _without_credentials(message: str) -> UpstreamError:
    return UpstreamError(Problem(kind="authentication", message=message, outcome=Outcome.ACCOUNT))
