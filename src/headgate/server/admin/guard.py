"""Who may come in: stands in front of every path of the administration, so that a new path is closed until opened.

Checks, in this order: the Host, against DNS rebinding; the key; the length of the body. Must not know the paths
behind it, except those it leaves open.
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

import msgspec

from headgate.core.problems import ConfigError
from headgate.policies.roles import OPERATOR, Administrator

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ADMINISTRATOR: Final = "administrator"
"""Under which it puts who is asking into the scope of a request."""
STRIPE: Final = "/webhooks/stripe"
OPEN: Final = frozenset({("GET", "/livez"), ("HEAD", "/livez"), ("POST", STRIPE)})
"""What needs neither key nor Host: whether the process is alive, and what proves itself by a signature."""
BODY_BYTES_MAX: Final = 1024 * 1024
ADMIN_KEY_CHARACTERS_MIN: Final = 32

_HEADERS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class AdminKey:
    """Compares a presented key with the right one, of which only a keyed hash is held."""

    def __init__(self, kept: bytes, digest: Callable[[bytes], bytes]) -> None:
        self._kept = kept
        self._digest = digest

    @classmethod
    def of(cls, key: str, digest: Callable[[bytes], bytes]) -> "AdminKey":
        """The operator's own key; refused when it is short enough to be guessed."""
        if len(key) < ADMIN_KEY_CHARACTERS_MIN:
            raise ConfigError(f"The admin key must have at least {ADMIN_KEY_CHARACTERS_MIN} characters.")
        return cls(digest(key.encode()), digest)

    def accepts(self, presented: bytes) -> bool:
        """Whether it is the right one; takes the same time for any wrong one."""
        return hmac.compare_digest(self._digest(presented), self._kept)


Recognise = Callable[[bytes], Administrator | None]
"""Whose key this is, if not the operator's; None: nobody's. Waits for a disk: called in a thread."""


class Guard:
    """An ASGI application around another one."""

    def __init__(self, application: Application, key: AdminKey, recognise: Recognise, names: Iterable[str]) -> None:
        self._application = application
        self._key = key
        self._recognise = recognise
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers why not."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if (scope["method"], scope["path"]) in OPEN:
            refusal = _too_long(headers)
            if refusal is not None:
                await _answer(send, *refusal)
                return
            await self._application(scope, receive, _with_headers(send))
            return
        if not is_known_host(headers.get(b"host", b"").decode("latin-1"), self._names):
            await _answer(send, 421, "unknown_host", "This Host is not known here. Add it to server.admin_names.")
            return
        who = await self._who(headers)
        if who is None:
            await _answer(send, 401, "invalid_admin_key", "Invalid admin key. Send it as a bearer token.")
            return
        refusal = _too_long(headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        known = {**scope, "headers": _as_json(scope["headers"]), ADMINISTRATOR: who}
        await self._application(known, receive, _with_headers(send))

    async def _who(self, headers: dict[bytes, bytes]) -> Administrator | None:
        scheme, _, presented = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        presented = presented.strip()
        if self._key.accepts(presented):
            return OPERATOR
        return await asyncio.to_thread(self._recognise, presented)


def is_known_host(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names loopback or one of these, in lower case."""
    name = host_name(host)
    if name in names or name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def as_known(application: Application, who: Administrator) -> Application:
    """The application for one administrator alone, without a guard: for who is in this process."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, ADMINISTRATOR: who}, receive, send)

    return call


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets; empty when it is malformed."""
    name, _, rest = host[1:].partition("]") if host.startswith("[") else host.partition(":")
    rest = rest.removeprefix(":") if host.startswith("[") else rest
    return name.lower() if not rest or rest.isdigit() else ""


def _too_long(headers: dict[bytes, bytes]) -> tuple[int, str, str] | None:
    if b"transfer-encoding" in headers:
        return 411, "length_required", "Send the body with a Content-Length."
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > BODY_BYTES_MAX:
        return 413, "request_too_large", f"The body is over the limit of {BODY_BYTES_MAX} bytes."
    return None


def _as_json(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Whatever a script calls its body (curl says it is a form), JSON is all that is taken here."""
    return [*(field for field in headers if field[0] != b"content-type"), (b"content-type", b"application/json")]


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Scope) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return send_with_headers


async def _answer(send: Send, status: int, code: str, message: str) -> None:
    body = error_body(status, code, message)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *_HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_TYPES: Final = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 500: "internal_error"}


def error_body(status: int, code: str | None, message: str, param: str | None = None) -> bytes:
    """An error in the one shape that the administration has."""
    kind = _TYPES.get(status, "invalid_request_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "code": code, "param": param}})
