"""Lets an ASGI application answer on our connections: the administration, which is built with a framework."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headgate.engine.exchange import Exchange
from headgate.server.incoming import Incoming, Reply, render_fields
from headgate.server.listening import Spawn

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_log = logging.getLogger("headgate")
_FAILED = Reply(500, b'{"error":{"message":"Headgate failed on this request."}}')
_TOO_LARGE = Reply(413, b'{"error":{"message":"The request body is over the limit."}}')


class AsgiListener:
    """Serves every request by an application. It decides for itself who may call."""

    def __init__(self, application: Application, *, body_bytes_max: int) -> None:
        self._application = application
        self._body_bytes_max = body_bytes_max

    def greet(self, incoming: Incoming) -> Reply | None:
        """Everyone comes in, as far as the length of what they bring allows."""
        incoming.body_bytes_max = self._body_bytes_max
        return _TOO_LARGE if incoming.declared_bytes > self._body_bytes_max else None

    def too_large(self, incoming: Incoming) -> Reply:
        """What to say to a longer body."""
        return _TOO_LARGE

    def begin(self, incoming: Incoming, exchange: Exchange, spawn: Spawn) -> bool:
        """Everything here is served."""
        return False

    async def serve(self, incoming: Incoming, exchange: Exchange) -> None:
        """One request."""
        visit = _Visit(incoming, exchange)
        try:
            await self._application(visit.scope, visit.receive, visit.send)
        except Exception:
            _log.exception("a bug in Headgate ended %s %s", incoming.method, incoming.path)
        if not visit.is_started:
            exchange.start(_FAILED.status, _FAILED.head)
            exchange.end(_FAILED.body)


class _Visit:
    def __init__(self, incoming: Incoming, exchange: Exchange) -> None:
        self.scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": incoming.method,
            "scheme": "http",
            "path": incoming.path,
            "raw_path": incoming.path.encode(),
            "query_string": incoming.query,
            "root_path": "",
            "headers": [*incoming.headers.items(), (b"content-length", b"%d" % len(incoming.body))],
            "client": None,
            "server": None,
        }
        self._body: bytes | None = incoming.body
        self._exchange = exchange
        self._is_gone = asyncio.Event()
        self.is_started = False
        exchange.on_disconnect(self._is_gone.set)

    async def receive(self) -> Message:
        """The body, once; then the client's leaving."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The head, then the body's pieces."""
        if message["type"] == "http.response.start":
            self.is_started = True
            self._exchange.start(message["status"], render_fields(message.get("headers", ())))
            return
        body = message.get("body", b"")
        if not message.get("more_body", False):
            self._is_gone.set()
            self._exchange.end(body)
            return
        self._exchange.write(body)
        if self._exchange.is_congested:
            await self._exchange.drained()
