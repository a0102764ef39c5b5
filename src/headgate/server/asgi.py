"""The client listener: an ASGI application without a framework, since every call pays for what stands here.

Who calls is decided before what is called: no body is read and nothing is looked up for a caller without a key.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Struct

from headgate.core.principal import Principal
from headgate.core.problems import (
    HeadgateError,
    InvalidRequest,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
)
from headgate.core.record import CallRecord
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.counting import count
from headgate.server import paths
from headgate.server.exchange import AsgiExchange, Message, Receive, Send, Spawn
from headgate.server.listing import Listing

_log = logging.getLogger("headgate")
Scope = Message
Headers = Mapping[bytes, bytes]


class Settings(Struct, frozen=True, kw_only=True):
    """Bounds of the client listener."""

    body_bytes_max: int = 20 * 1024 * 1024


class KeyRing(Protocol):
    """Says who a presented key belongs to."""

    async def identify(self, presented: bytes) -> Principal | None:
        """The caller, or None for a key that is unknown, revoked or expired."""
        ...


class Calls(Protocol):
    """Finds what happened."""

    async def find(self, call_id: str) -> CallRecord | None:
        """The record of a call."""
        ...


class Doors(Struct, frozen=True, kw_only=True):
    """What the client listener is joined to."""

    engine: Engine
    keys: KeyRing
    calls: Calls
    listing: Callable[[], Listing]
    """The current list of models: swapped with the configuration."""
    is_ready: Callable[[], str]
    """Empty when calls can be served, else why not."""
    spawn: Spawn


class ClientListener:
    """`await listener(scope, receive, send)`."""

    def __init__(self, doors: Doors, settings: Settings | None = None) -> None:
        self._doors = doors
        self._settings = settings or Settings()
        self._actions: dict[paths.Action, Callable[[_Incoming], Awaitable[None]]] = {
            "generate": self._generate,
            "count": self._count,
            "models": self._models,
            "model": self._model,
            "generation": self._generation,
            "upgrade": self._upgrade,
        }
        self._open_actions: dict[paths.Action, Callable[[], tuple[int, bytes]]] = {
            "live": lambda: (200, b'{"status":"live"}'),
            "hello": lambda: (200, b'{"service":"headgate"}'),
            "ready": self._readiness,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        endpoint = paths.find(scope["method"], scope["path"])
        if not isinstance(endpoint, paths.Endpoint):
            await _nowhere(endpoint, scope, send)
            return
        open_action = self._open_actions.get(endpoint.action)
        if open_action is not None:
            await _reply(send, *open_action())
            return
        incoming = _Incoming(scope, receive, send, endpoint)
        try:
            await self._identify(incoming)
            await self._actions[endpoint.action](incoming)
        except HeadgateError as error:
            await incoming.refuse(error.problem)
        except Exception:
            _log.exception("a bug in Headgate ended %s %s", scope["method"], endpoint.action)
            await incoming.refuse(Problem(kind="internal", message="Headgate failed on this request."))

    async def _identify(self, incoming: "_Incoming") -> None:
        presented = incoming.presented_key()
        principal = await self._doors.keys.identify(presented) if presented else None
        if principal is None:
            raise Unauthenticated()
        incoming.principal = principal

    async def _generate(self, incoming: "_Incoming") -> None:
        call = await self._call(incoming, "generate")
        exchange = AsgiExchange(incoming.receive, incoming.send, self._doors.spawn)
        try:
            await self._doors.engine.serve(call, exchange)
        finally:
            exchange.close()

    async def _count(self, incoming: "_Incoming") -> None:
        call = await self._call(incoming, "count")
        exchange = AsgiExchange(incoming.receive, incoming.send, self._doors.spawn)
        try:
            await count(self._doors.engine, call, exchange)
        finally:
            exchange.close()

    async def _call(self, incoming: "_Incoming", operation: str) -> Call:
        body = await incoming.body(self._settings.body_bytes_max)
        endpoint, headers, scope = incoming.endpoint, incoming.headers, incoming.scope
        is_gemini = endpoint.is_stream is not None
        call_id = new_id()
        record = CallRecord(
            id=call_id,
            started_us=time.time_ns() // 1000,
            key_id=incoming.principal.key_id,
            surface=endpoint.dialect,
            operation=operation,
            model=endpoint.argument,
            is_stream=bool(endpoint.is_stream),
            user=text_of(headers, b"x-headgate-user"),
            session=session_of(headers),
        )
        query = scope["query_string"]
        framing = "array" if endpoint.is_stream and b"alt=sse" not in query else "sse"
        return Call(
            id=call_id,
            dialect=DIALECTS[endpoint.dialect],
            envelope=Envelope(
                model=endpoint.argument,
                is_stream=endpoint.is_stream,
                version=text_of(headers, b"anthropic-version"),
            ),
            body=body,
            principal=incoming.principal,
            record=record,
            started_s=incoming.started_s,
            headers=travelling(headers) if endpoint.dialect == "anthropic" else {},
            query=without_key(query) if query and not is_gemini else "",
            framing=framing,
            timeout_s=timeout_of(headers),
        )

    async def _models(self, incoming: "_Incoming") -> None:
        query = dict(parse_qsl(incoming.scope["query_string"].decode("latin-1")))
        listing = self._doors.listing()
        body = listing.page(_shape(incoming, query), incoming.principal.models, query)
        await _reply(incoming.send, 200, body)

    async def _model(self, incoming: "_Incoming") -> None:
        name = incoming.endpoint.argument
        body = self._doors.listing().one(_shape(incoming, {}), incoming.principal.models, name)
        if body is None:
            raise NotFound(f"The model {name!r} is not known here. GET /v1/models lists the names this key may use.")
        await _reply(incoming.send, 200, body)

    async def _generation(self, incoming: "_Incoming") -> None:
        record = await self._doors.calls.find(incoming.endpoint.argument)
        if record is None or record.key_id != incoming.principal.key_id:
            raise NotFound(f"No call of this key has the id {incoming.endpoint.argument!r}.")
        await _reply(incoming.send, 200, self._doors.listing().generation(record))

    async def _upgrade(self, incoming: "_Incoming") -> None:
        """WebSockets are not spoken here; 426 is the answer that makes clients fall back to HTTP at once."""
        problem = Problem(
            kind="invalid_request", status=426, message="WebSockets are not supported here. Use POST over HTTP."
        )
        await incoming.refuse(problem)

    def _readiness(self) -> tuple[int, bytes]:
        reason = self._doors.is_ready()
        if reason:
            return 503, msgspec.json.encode({"status": "not ready", "reason": reason})
        return 200, b'{"status":"ready"}'


class _Incoming:
    """A request before it is a call."""

    __slots__ = ("endpoint", "headers", "principal", "receive", "scope", "send", "started_s")

    def __init__(self, scope: Scope, receive: Receive, send: Send, endpoint: paths.Endpoint) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.endpoint = endpoint
        self.headers: Headers = dict(scope["headers"])
        self.principal = _NOBODY
        self.started_s = time.monotonic()

    def presented_key(self) -> bytes:
        """The key, from wherever the client's SDK puts it; b"" when there is none."""
        headers = self.headers
        bearer = headers.get(b"authorization")
        if bearer is not None and bearer[:7].lower() == b"bearer ":
            return bearer[7:].strip()
        for name in _KEY_HEADERS:
            if name in headers:
                return headers[name]
        query: bytes = self.scope["query_string"]
        for member in query.split(b"&") if query else ():
            if member.startswith(b"key="):
                return unquote_plus(member[4:].decode("latin-1")).encode()
        return b""

    async def body(self, bytes_max: int) -> bytes:
        """The whole body, counted while it is read."""
        if self.headers.get(b"content-encoding", b"identity") != b"identity":
            problem = InvalidRequest("Compressed request bodies are not accepted. Send the body without encoding.")
            raise _with_status(problem, 415)
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > bytes_max:
            raise TooLarge(f"The request body has {int(declared)} bytes; the limit is {bytes_max} (body_bytes_max).")
        chunks: list[bytes] = []
        total, is_more = 0, True
        while is_more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("The client went away before the body was complete.")
            chunks.append(message["body"])
            total += len(chunks[-1])
            is_more = message["more_body"]
            if total > bytes_max:
                raise TooLarge(f"The request body is over the limit of {bytes_max} bytes (body_bytes_max).")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def refuse(self, problem: Problem) -> None:
        """An error outside of a call, whose own errors the engine tells."""
        status, body = DIALECTS[self.dialect].render_error(problem)
        await _reply(self.send, status, body)

    @property
    def dialect(self) -> str:
        """Whose words to use: the endpoint's, or the caller's where several share a path."""
        if self.endpoint.action in ("models", "model") and b"anthropic-version" in self.headers:
            return "anthropic"
        return self.endpoint.dialect


_NOBODY = Principal(key_id="", name="")
_KEY_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")
_SESSIONS = (b"x-claude-code-session-id", b"x-session-id", b"session-id", b"x-headgate-session")


def new_id() -> str:
    """An id that sorts by time: milliseconds, then 64 random bits. Not a secret."""
    return f"req_{time.time_ns() // 1_000_000:012x}{random.getrandbits(64):016x}"


def text_of(headers: Headers, name: bytes) -> str:
    """A header's text, bounded; empty when absent."""
    value = headers.get(name)
    return value[:512].decode("latin-1") if value else ""


def session_of(headers: Headers) -> str:
    """The conversation that the client says the call belongs to."""
    return (
        "" if headers.keys().isdisjoint(_SESSIONS) else text_of(headers, next(filter(headers.__contains__, _SESSIONS)))
    )


def travelling(headers: Headers) -> dict[str, str]:
    """The header fields that a dialect may send on: an open list of Anthropic's, nothing else."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name.startswith(b"anthropic-")
    }


def timeout_of(headers: Headers) -> float | None:
    """The client's own deadline in seconds."""
    value = headers.get(b"x-headgate-timeout-ms")
    if value is None:
        return None
    if not value.isdigit() or len(value) > 9 or not 0 < int(value) <= 86_400_000:
        shown = value[:40].decode("latin-1")
        raise InvalidRequest(f"x-headgate-timeout-ms is {shown!r}; it takes whole milliseconds from 1 to 86400000.")
    return int(value) / 1000


def without_key(query: bytes) -> str:
    """The query string without the credential."""
    return "&".join(member for member in query.decode("latin-1").split("&") if not member.startswith("key="))


def _with_status(error: InvalidRequest, status: int) -> InvalidRequest:
    from msgspec import structs  # noqa: PLC0415

    error.problem = structs.replace(error.problem, status=status)
    return error


def _shape(incoming: _Incoming, query: Mapping[str, str]) -> str:
    """Which of the four shapes of a model list the caller reads."""
    if incoming.endpoint.dialect == "gemini":
        return "gemini"
    if "client_version" in query:
        return "codex"
    if b"anthropic-version" in incoming.headers:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in incoming.headers else "openai"


async def _nowhere(found: paths.WrongMethod | None, scope: Scope, send: Send) -> None:
    """No such path, or not for this method."""
    if found is None:
        problem = NotFound(f"There is nothing at {scope['method']} {scope['path'][:200]}.").problem
        dialect = "openai_chat"
        headers: list[tuple[bytes, bytes]] = []
    else:
        allowed = ", ".join(found.allowed)
        message = f"{scope['method']} is not allowed here. Use {allowed}."
        problem = Problem(kind="invalid_request", status=405, message=message)
        dialect = found.dialect
        headers = [(b"allow", allowed.encode())]
    status, body = DIALECTS[dialect].render_error(problem)
    await _reply(send, status, body, headers)


async def _reply(send: Send, status: int, body: bytes, headers: "list[tuple[bytes, bytes]] | None" = None) -> None:
    fields: list[tuple[bytes, Any]] = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *(headers or ()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
