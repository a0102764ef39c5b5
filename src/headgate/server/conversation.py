"""OpenAI's responses over a client's WebSocket: every `response.create` is a call, every event of it a message.

The calls go through the engine like any other, so that any upstream can answer them. Calls of one lane (`stream_id`)
follow each other, lanes run side by side. Must not know how frames are made.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from headgate.core.events import Finished, Started
from headgate.core.needs import NO_WISHES
from headgate.core.principal import Principal
from headgate.core.problems import HeadgateError, InvalidRequest, NotFound, Problem, TooLarge, Unauthenticated
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope, ReplyTo
from headgate.dialects.registry import DIALECTS
from headgate.dialects.sse import Splitter
from headgate.engine.call import Call
from headgate.engine.candidates import planned
from headgate.engine.conduct import Engine
from headgate.server.incoming import Incoming, RequestHead
from headgate.server.paths import Endpoint
from headgate.server.turns import Turn, history_of, parse_turn, with_lane
from headgate.transport.websocket import Message, WebSocket

LANES_MAX: Final = 8
"""Of one socket: calls that it may have under way at a time."""
WAITING_MAX: Final = 16
"""Of one lane: messages that wait for their turn; beyond them nothing more is read from the socket."""
POLICY_VIOLATION: Final = 1008
BROKEN_OFF: Final = 502
"""The status of an answer that failed after it had begun."""

_CREATE: Final = Endpoint("generate", "openai_responses")
_DIALECT: Final = DIALECTS["openai_responses"]
_log = logging.getLogger("headgate")


class KeyCheck(Protocol):
    """Says who a presented key belongs to."""

    async def identify(self, presented: bytes) -> Principal | None:
        """The caller, or None for a key that is not good."""
        ...


class Visit(Struct, frozen=True, kw_only=True):
    """Whose socket it is, and what its calls are made with."""

    engine: Engine
    keys: KeyCheck
    presented: bytes
    """The key, which is looked at again for every call."""
    incoming: Incoming
    """The request that opened the socket: its header fields hold for every call."""
    call_of: Callable[[Incoming, str], Call]


class Conversation:
    """What goes on over one socket, until it is closed."""

    def __init__(self, visit: Visit, socket: WebSocket) -> None:
        self._visit = visit
        self._socket = socket
        self._lanes: dict[str, asyncio.Queue[Turn | None]] = {}
        self._histories: dict[str, tuple[str, bytes]] = {}
        """By lane: the newest response's id, and what it leaves behind."""
        self._busy = 0

    async def run(self) -> None:
        """Serves until the client leaves. Never raises but when it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while (message := await self._socket.receive()) is not None:
                    await self._take(message, group)
                for waiting in self._lanes.values():
                    await waiting.put(None)
        finally:
            if not self._socket.is_over:
                self._socket.abort()

    async def _take(self, message: Message, group: asyncio.TaskGroup) -> None:
        """A message goes to its lane, or is answered with what is wrong with it."""
        try:
            if not message.is_text:
                raise InvalidRequest("Messages have to be text.")
            turn = parse_turn(message.data)
            waiting = self._lanes.get(turn.lane)
            if waiting is None:
                if len(self._lanes) >= LANES_MAX:
                    told = f"This socket has its {LANES_MAX} lanes already; use one of them, or another socket."
                    raise InvalidRequest(told, param="stream_id", code="websocket_stream_limit_reached")
                waiting = self._lanes[turn.lane] = asyncio.Queue(WAITING_MAX)
                group.create_task(self._serve_lane(waiting))
        except HeadgateError as error:
            self._tell(error.problem, "")
            return
        await waiting.put(turn)

    async def _serve_lane(self, waiting: asyncio.Queue[Turn | None]) -> None:
        while (turn := await waiting.get()) is not None:
            if self._socket.is_over:
                continue
            self._busy += 1
            self._socket.busy(is_busy=True)
            try:
                await self._serve(turn)
            except HeadgateError as error:
                self._tell(error.problem, turn.lane)
            except Exception:
                _log.exception("a bug in Headgate ended a turn of a socket")
                self._tell(Problem(kind="internal", message="Headgate failed on this call."), turn.lane)
            finally:
                self._busy -= 1
                self._socket.busy(is_busy=self._busy > 0)

    async def _serve(self, turn: Turn) -> None:
        visit = self._visit
        incoming = Incoming(RequestHead("POST", visit.incoming.path, b"", visit.incoming.headers))
        incoming.endpoint = _CREATE
        principal = await visit.keys.identify(visit.presented)
        if principal is None:
            self._tell(Unauthenticated().problem, turn.lane)
            self._socket.close(POLICY_VIOLATION, "the key is not good any more")
            return
        incoming.principal = principal
        before = next((kept for id, kept in self._histories.values() if turn.previous and id == turn.previous), b"")
        is_kept = turn.previous and await visit.engine.metering.minted.find(principal.owner, turn.previous)
        incoming.body = turn.body(b"" if is_kept else before)
        if len(incoming.body) > visit.incoming.body_bytes_max:
            told = f"With what came before it this turn is over {visit.incoming.body_bytes_max} bytes (body_bytes_max)."
            raise TooLarge(told)
        answer = _Answer(self._socket, turn.lane)
        if turn.is_warming:
            self._warm(turn, incoming, before, answer)
        else:
            await visit.engine.serve(visit.call_of(incoming, "generate"), answer)
        if answer.response_id:
            self._histories.pop(turn.lane, None)
            self._histories[turn.lane] = answer.response_id, history_of(before, turn, answer.output)
            self._forget_surplus()

    def _forget_surplus(self) -> None:
        """All histories together are no longer than one message may be: the oldest go first."""
        while sum(len(kept) for _, kept in self._histories.values()) > self._visit.incoming.body_bytes_max:
            del self._histories[next(iter(self._histories))]

    def _warm(self, turn: Turn, incoming: Incoming, before: bytes, answer: "_Answer") -> None:
        """Answers a turn that only prepares another: nothing is asked of an upstream, which would bill for it."""
        if turn.previous and not before:
            told = f"The response {turn.previous!r} is not known on this socket, so nothing can be prepared from it."
            raise NotFound(told, param="previous_response_id", code="previous_response_not_found")
        request = _DIALECT.parse_request(incoming.body, Envelope())
        planned(self._visit.engine, incoming.principal, request.model, NO_WISHES)
        call = self._visit.call_of(incoming, "generate")
        reply_to = ReplyTo(
            id=call.id.replace("req_", "resp_", 1),
            model=request.model,
            now_s=int(time.time()),
            is_stream=True,
            echo=request,
        )
        events = [Started(id=reply_to.id), Finished(reason="stop", usage=Usage())]
        answer.start(200, b"")
        answer.end(_DIALECT.stream_renderer(reply_to).render(events))

    def _tell(self, problem: Problem, lane: str) -> None:
        status, body = _DIALECT.render_error(problem)
        self._socket.send(Message(with_lane(error_event(status, body), lane)))


class _Kind(Struct):
    type: str = ""


class _Done(Struct):
    item: Raw
    output_index: int = 0


class _Response(Struct):
    id: str = ""
    output: list[Raw] = []


class _End(Struct):
    response: _Response


_KIND: Final = msgspec.json.Decoder(_Kind)
_DONE: Final = msgspec.json.Decoder(_Done)
_END: Final = msgspec.json.Decoder(_End)
_ERROR: Final = msgspec.json.Decoder(dict[str, Raw])
_TELLING: Final = frozenset({b"x-request-id", b"retry-after", b"retry-after-ms", b"x-headgate-attempts"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})


class _Answer:
    """The exchange of one turn: events of the stream become messages. Remembers what the next turn may build on."""

    def __init__(self, socket: WebSocket, lane: str) -> None:
        self._socket = socket
        self._lane = lane
        self._status = 200
        self._fields = b""
        self._body: list[bytes] = []
        self._events = Splitter()
        self._error = b""
        """An error event that is held back: where `response.failed` follows, it says the same, and ends the turn."""
        self._leaving: Callable[[], None] | None = None
        self._items: dict[int, Raw] = {}
        self.response_id = ""
        """Of an answer that is complete."""
        self.output: list[Raw] = []

    # The exchange

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        self._status, self._fields = status, fields

    def write(self, data: bytes) -> None:
        """More of the stream, or of an error's body."""
        if self._status != 200:
            self._body.append(data)
            return
        for event in self._events.feed(data):
            self._pass(event.name, event.data)

    def end(self, data: bytes = b"") -> None:
        """The last of it."""
        self.write(data)
        if self._leaving is not None:
            self._socket.forget(self._leaving)
        if self._status != 200:
            self._send(error_event(self._status, b"".join(self._body), self._fields))
            return
        for event in self._events.close():
            self._pass(event.name, event.data)
        if self._error:
            self._send(self._error)

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write."""
        return self._socket.is_congested

    async def drained(self) -> None:
        """Waits until it has caught up, or has gone."""
        await self._socket.drained()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back if the client closes the socket before `end`."""
        self._leaving = callback
        self._socket.on_leaving(callback)

    # Helpers

    def _pass(self, name: str, data: bytes) -> None:
        """One event: looked at where a later turn may need it, and sent as it is."""
        if not data.startswith(b"{"):  # `[DONE]`, which some services add
            return
        kind = name or _KIND.decode(data).type
        if kind == "response.output_item.done":
            done = _DONE.decode(data)
            self._items[done.output_index] = done.item
        elif kind in _ENDS:
            response = _END.decode(data).response
            items = [self._items[place] for place in sorted(self._items)]
            self.response_id, self.output = response.id, items or response.output
        elif kind == "error":
            self._error = wrapped(data)
            return
        elif kind == "response.failed":
            self._error = b""
        self._send(data)

    def _send(self, data: bytes) -> None:
        self._socket.send(Message(with_lane(data, self._lane)))


def error_event(status: int, body: bytes, fields: bytes = b"") -> bytes:
    """An error's body as the event that tells it: https://developers.openai.com/api/docs/guides/websocket-mode
    (2026-11). `headers` is what Codex reads the wait before another try from."""
    event: dict[str, object] = {"type": "error", "status": status}
    try:
        event |= _ERROR.decode(body)
    except (msgspec.DecodeError, ValueError):
        event["error"] = {"type": "server_error", "message": body[:500].decode("utf-8", "replace")}
    lines = [line.partition(b": ") for line in fields.split(b"\r\n")]
    headers = {name.decode(): value.decode("latin-1") for name, _, value in lines if name in _TELLING}
    return msgspec.json.encode({**event, "headers": headers} if headers else event)


def wrapped(data: bytes) -> bytes:
    """An error event of a stream over HTTP, whose members are the error's own, as WebSockets have it."""
    members = _ERROR.decode(data)
    number = {name: members.pop(name) for name in ("sequence_number",) if name in members}
    kind = members.pop("type", None)
    error = members.get("error") or {"type": "server_error", **members}
    return msgspec.json.encode({"type": kind, "status": BROKEN_OFF, **number, "error": error})
