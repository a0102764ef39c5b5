"""What clients' WebSockets are for: responses turn by turn, live sessions, and the secrets that open these.

Must not know frames, nor what is said in a session.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from headgate.core.problems import HeadgateError, InvalidRequest, Outcome, Problem
from headgate.dialects import realtime
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Exchange
from headgate.engine.realtime import Session, Wish, live_wanted
from headgate.engine.trial import STOPPED
from headgate.server.conversation import Conversation, KeyCheck, Visit
from headgate.server.incoming import Incoming, Reply
from headgate.server.secrets import PREFIX, ClientSecrets, Grant, Minting, parse_client_secret, parse_session
from headgate.server.sockets import shake
from headgate.transport.websocket import SocketBounds

SUBPROTOCOL: Final = "realtime"
_TRAVELLING: Final = (b"openai-beta", b"openai-safety-identifier")
_INTENTS: Final = ("", "transcription")


class Live:
    """The part of the client listener that outlasts an answer."""

    def __init__(
        self,
        engine: Engine,
        keys: KeyCheck,
        presented_key: Callable[[Incoming], bytes],
        call_of: Callable[[Incoming, str], Call],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._presented_key = presented_key
        self._call_of = call_of
        self._secrets = ClientSecrets()

    def key_behind(self, incoming: Incoming, presented: bytes) -> bytes:
        """The key that a client secret stands for, where it may be used; anything else as it is."""
        if incoming.endpoint.action != "realtime" or not presented.startswith(PREFIX.encode()):
            return presented
        grant = self._secrets.find(presented)
        return presented if grant is None else grant.presented

    async def converse(self, incoming: Incoming, exchange: Exchange) -> None:
        """Responses over a WebSocket."""
        handshake = shake(incoming, exchange, SocketBounds(message_bytes_max=incoming.body_bytes_max))
        if isinstance(handshake, Reply):
            _tell(exchange, handshake)
        elif (socket := handshake.accept()) is not None:
            visit = Visit(
                engine=self._engine,
                keys=self._keys,
                presented=self._presented_key(incoming),
                incoming=incoming,
                call_of=self._call_of,
            )
            await Conversation(visit, socket).run()

    async def relay(self, incoming: Incoming, exchange: Exchange) -> None:
        """A live session."""
        bounds = SocketBounds(message_bytes_max=incoming.body_bytes_max)
        handshake = shake(incoming, exchange, bounds, (SUBPROTOCOL,))
        if isinstance(handshake, Reply):
            _tell(exchange, handshake)
            return
        presented = self._presented_key(incoming)
        grant = self._secrets.find(presented)
        session = Session(self._engine, self._call_of(incoming, "realtime"), wish_of(incoming, grant), bounds)
        problem: Problem | None = Problem(kind="internal", message=STOPPED, outcome=Outcome.LOCAL)
        try:
            await session.open()
            client = handshake.accept(session.fields)
            if client is None:
                problem = Problem(kind="internal", message="", status=499, outcome=Outcome.CLIENT_GONE)
                return
            key = presented if grant is None else grant.presented

            async def is_good() -> bool:
                is_paid = self._engine.metering.limits.has_room(incoming.principal.key_id)
                return is_paid and await self._keys.identify(key) is not None

            try:
                await session.join(client, is_good)
                problem = None
            finally:
                if not client.is_over:
                    client.abort()
        except HeadgateError as error:
            problem = error.problem
            raise
        finally:
            session.end(problem)

    async def mint(self, incoming: Incoming, exchange: Exchange) -> None:
        """A client secret, in the shape of the endpoint that was asked."""
        kind = incoming.endpoint.argument
        if kind == "client_secret":
            minting = parse_client_secret(incoming.body)
        else:
            minting = parse_session(incoming.body, is_transcribing=kind == "transcription_session")
        live_wanted(self._engine, incoming.principal, minting.model)
        text, grant = self._secrets.mint(minting, self._presented_key(incoming))
        _tell(exchange, Reply(200, msgspec.json.encode(_shown(kind, minting, text, grant))))


def wish_of(incoming: Incoming, grant: Grant | None) -> Wish:
    """What the query, or the secret, asks for. Raises `InvalidRequest`."""
    query = dict(parse_qsl(incoming.query.decode("latin-1")))
    for name, told in _ELSEWHERE.items():
        if name in query:
            raise InvalidRequest(told, param=name)
    model, intent = query.get("model") or query.get("deployment", ""), query.get("intent", "")
    if grant is not None:
        if model not in ("", grant.model):
            raise InvalidRequest(f"This client secret is for {grant.model!r} alone.", param="model")
        model, intent = grant.model, "transcription" if grant.is_transcribing else intent
    if intent not in _INTENTS:
        raise InvalidRequest(f"The intent {intent[:60]!r} is not known here.", param="intent")
    if not model:
        raise InvalidRequest("'model' is required in the query: name the model that is to be spoken to.", param="model")
    headers: list[tuple[str, str]] = []
    for name in _TRAVELLING:
        with suppress(KeyError):
            headers.append((name.decode(), incoming.headers[name].decode("latin-1")))
    session = realtime.session_update(msgspec.Raw(grant.session)) if grant and grant.session != b"{}" else b""
    return Wish(model=model, intent=intent, headers=tuple(headers), session=session)


_ELSEWHERE: Final = {
    "call_id": "Calls over WebRTC and SIP are not relayed here: open a session over a WebSocket.",
}


def _shown(kind: str, minting: Minting, text: str, grant: Grant) -> dict[str, object]:
    shape = "transcription_session" if minting.is_transcribing else "session"
    session: dict[str, object] = {"id": f"sess_hg_{secrets.token_hex(12)}", "object": f"realtime.{shape}"}
    if kind == "client_secret":
        settings = {"type": "transcription" if minting.is_transcribing else "realtime", **session, **minting.session}
        return {"value": text, "expires_at": grant.expires_s, "session": settings}
    return {**session, **minting.session, "client_secret": {"value": text, "expires_at": grant.expires_s}}


def _tell(exchange: Exchange, reply: Reply) -> None:
    exchange.start(reply.status, reply.head)
    exchange.end(reply.body)
