"""Lets a client's connection go on as a WebSocket: the handshake, by what is offered and what is taken."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from headgate.core.problems import Problem
from headgate.dialects.registry import DIALECTS
from headgate.server.incoming import Incoming, Reply, render_fields
from headgate.server.listening import Tenant
from headgate.transport.websocket import SocketBounds, WebSocket

_ASKED = ("connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol")
_MEANINGS = {
    426: "This address is a WebSocket too, but this request does not ask for one as RFC 6455 says.",
    400: "The WebSocket handshake is not valid: it needs sec-websocket-key (16 bytes in base64) and version 13.",
}


@runtime_checkable
class Switchable(Protocol):
    """An exchange on a connection that can go on in another protocol."""

    def switch(self, tenant: Tenant, head: bytes) -> bool:
        """Answers with `head` and gives the socket away; False: the client has gone already."""
        ...


class Handshake:
    """A handshake that is valid: nothing has been said yet."""

    def __init__(self, framing: ServerProtocol, answer: Response, exchange: Switchable, bounds: SocketBounds) -> None:
        self._framing = framing
        self._answer = answer
        self._exchange = exchange
        self._bounds = bounds

    def accept(self, fields: Mapping[str, str] | None = None) -> WebSocket | None:
        """The client's WebSocket; None: it has gone already."""
        for name, value in (fields or {}).items():
            self._answer.headers[name] = value
        socket = WebSocket(self._framing, self._bounds)
        return socket if self._exchange.switch(socket, self._answer.serialize()) else None


def shake(
    incoming: Incoming, exchange: object, bounds: SocketBounds, subprotocols: Sequence[str] = ()
) -> Handshake | Reply:
    """Whether this request can become a WebSocket; else what to say to it. The first of `subprotocols` that the client
    offers is taken, none is needed."""
    if not isinstance(exchange, Switchable):
        return _refusal(incoming, 426, "WebSockets need a connection of their own. Use POST over HTTP.")
    framing = ServerProtocol(
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        select_subprotocol=_first_of,
        state=State.OPEN,  # its head has been read already
        max_size=bounds.message_bytes_max,
    )
    headers = Headers()
    for name in _ASKED:
        value = incoming.headers.get(name.encode())
        if value is not None:
            headers[name] = value.decode("latin-1")
    answer = framing.accept(Request(incoming.path, headers))
    if answer.status_code != 101:
        return _refusal(incoming, answer.status_code, _MEANINGS.get(answer.status_code, _MEANINGS[400]))
    return Handshake(framing, answer, exchange, bounds)


def _first_of(framing: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in framing.available_subprotocols or () if name in offered), None)


def _refusal(incoming: Incoming, status: int, message: str) -> Reply:
    problem = Problem(kind="invalid_request", status=status, message=message)
    told, body = DIALECTS[incoming.endpoint.dialect].render_error(problem)
    return Reply(told, body, render_fields([(b"upgrade", b"websocket")] if told == 426 else []))
