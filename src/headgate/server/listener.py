"""The client listener: what each endpoint does. No framework, since every call pays for what stands here.

Who calls is decided before what is called: no body is kept and nothing is looked up for a caller without a key.
"""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote_plus

import msgspec
from msgspec import Struct, structs

from headgate.core.principal import PRIORITIES, Principal
from headgate.core.problems import HeadgateError, InvalidRequest, NotFound, Problem, TooLarge, Unauthenticated
from headgate.core.record import CallRecord
from headgate.dialects.base import Envelope
from headgate.dialects.betas import betas_of
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import is_form
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.counting import count
from headgate.engine.exchange import Exchange, FromAfar
from headgate.engine.keeping import keep
from headgate.engine.passing import pass_through
from headgate.engine.quoting import quote
from headgate.engine.receiving import is_no_json
from headgate.engine.side import operate
from headgate.engine.straight import go_straight
from headgate.limits.terms import checked_tags
from headgate.server import paths
from headgate.server.caching import wish_of
from headgate.server.described import document
from headgate.server.incoming import Headers, Incoming, Manner, Meaning, Reply, RequestHead, render_fields
from headgate.server.listening import Spawn
from headgate.server.listing import Listing
from headgate.server.live import Live
from headgate.server.once import HEADER, Make, Memory, Once
from headgate.server.relaying import keeping_ask, passing_endpoint, passing_of

_log = logging.getLogger("headgate")


class Settings(Struct, frozen=True, kw_only=True):
    """Bounds of the client listener."""

    body_bytes_max: int = 20 * 1024 * 1024
    upload_bytes_max: int = 32 * 1024 * 1024
    """Of a form with files in it."""
    relay_bytes_max: int = 100 * 1024 * 1024
    """Of a body that is sent on as it is, and held in memory for that."""
    stream_bytes_max: int = 512 * 1024 * 1024
    """Of a form that is sent on, or kept, while it comes."""


class KeyRing(Protocol):
    """Says who a presented key belongs to."""

    def recall(self, presented: bytes) -> Principal | None:
        """The caller, if memory knows the key and it is good."""
        ...

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
    memory: Memory | None = None
    """Where answers to calls with an Idempotency-Key outlive this process."""


class ClientListener:
    """Greets requests by their heads and serves those it let in. What it does not let in is told so in a `Reply`."""

    def __init__(self, doors: Doors, settings: Settings | None = None) -> None:
        self._doors = doors
        self._settings = settings or Settings()
        self._once = Once(memory=doors.memory)
        self._live = Live(doors.engine, doors.keys, presented_key, call_of)
        self._actions: dict[paths.Action, Callable[[Incoming, Exchange], Awaitable[None]]] = {
            "generate": self._generate,
            "count": self._count,
            "quote": self._quote,
            "operate": self._operate,
            "models": self._models,
            "model": self._model,
            "generation": self._generation,
            "keep": self._keep,
            "pass": self._pass,
            "converse": self._live.converse,
            "realtime": self._live.relay,
            "secret": self._live.mint,
        }
        self._open_actions: dict[paths.Action, Callable[[], Reply]] = {
            "live": lambda: Reply(200, b'{"status":"live"}'),
            "hello": lambda: Reply(200, b'{"service":"headgate"}'),
            "ready": self._readiness,
            "document": lambda: Reply(200, document()),
        }

    def greet(self, incoming: Incoming) -> Reply | Coroutine[Any, Any, Reply | None] | None:
        """By the head alone: a refusal, None for a caller that memory knows, or a look for the key in the store."""
        incoming.body_bytes_max = self._settings.body_bytes_max
        meaning = incoming.head.meaning or self._understand(incoming)
        if isinstance(meaning, Reply):
            return meaning
        endpoint = incoming.endpoint = meaning.endpoint
        if endpoint.action in _RELAYING:
            incoming.is_streamed = _RELAYING[endpoint.action](text_of(incoming.headers, b"content-type"))
            settings = self._settings
            incoming.body_bytes_max = settings.stream_bytes_max if incoming.is_streamed else settings.relay_bytes_max
        elif endpoint.takes_files:
            incoming.body_bytes_max = self._settings.upload_bytes_max
        open_action = self._open_actions.get(endpoint.action)
        if open_action is not None:
            return open_action()
        presented = self._live.key_behind(incoming, meaning.presented)
        if not presented:
            return _refusal(incoming, Unauthenticated().problem)
        principal = self._doors.keys.recall(presented)
        if principal is None:
            return self._introduce(incoming, presented)
        incoming.principal = principal
        return self._check_body(incoming)

    def _understand(self, incoming: Incoming) -> Meaning | Reply:
        """Where to, and by what key; or nowhere. Only what no configuration can change stays known."""
        head = incoming.head
        endpoint = paths.find(head.method, head.path)
        if isinstance(endpoint, paths.Endpoint):
            head.meaning = Meaning(endpoint, presented_key(incoming))
            return head.meaning
        passing = passing_endpoint(incoming, self._doors.engine)
        return _nowhere(endpoint, incoming) if passing is None else Meaning(passing, presented_key(incoming))

    def too_large(self, incoming: Incoming) -> Reply:
        """What to say to a body that is over the limit."""
        limit = incoming.body_bytes_max
        endpoint = incoming.endpoint
        room = "kept" if endpoint.action in _RELAYING else "server"
        name = f"{room}.{'upload' if endpoint.takes_files or incoming.is_streamed else 'body'}_bytes_max"
        error = TooLarge(f"The request body is over the limit of {limit} bytes ({name}).")
        return _refusal(incoming, error.problem)

    def begin(self, incoming: Incoming, exchange: Exchange, spawn: Spawn) -> bool:
        """Sends a plain call on its way, whose answer comes by itself. False: this is none."""
        engine = self._doors.engine
        if (
            incoming.endpoint.action != "generate"
            or HEADER in incoming.head.headers
            or incoming.principal.key_id in engine.metering.limits.limited
        ):
            return False
        try:
            incoming.call = call_of(incoming, "generate")
            return go_straight(engine, incoming.call, exchange, spawn)
        except HeadgateError:
            return False  # who serves it finds the same, and says so
        except Exception:
            _log.exception("a bug in Headgate ended %s %s", incoming.method, incoming.endpoint.action)
            _tell(exchange, _refusal(incoming, Problem(kind="internal", message="Headgate failed on this request.")))
            return True

    async def serve(self, incoming: Incoming, exchange: Exchange) -> None:
        """Answers a request that `greet` let in."""
        try:
            limited = self._doors.engine.metering.limits.limited.get(incoming.principal.key_id)
            if limited is not None and limited.gate is not None:
                peer = exchange.peer if isinstance(exchange, FromAfar) else ""
                limited.gate.check(incoming.endpoint.operation or incoming.endpoint.action, peer)
            await self._actions[incoming.endpoint.action](incoming, exchange)
        except HeadgateError as error:
            _tell(exchange, _refusal(incoming, error.problem))
        except Exception:
            _log.exception("a bug in Headgate ended %s %s", incoming.method, incoming.endpoint.action)
            _tell(exchange, _refusal(incoming, Problem(kind="internal", message="Headgate failed on this request.")))

    async def _introduce(self, incoming: Incoming, presented: bytes) -> Reply | None:
        principal = await self._doors.keys.identify(presented)
        if principal is None:
            return _refusal(incoming, Unauthenticated().problem)
        incoming.principal = principal
        return self._check_body(incoming)

    def _check_body(self, incoming: Incoming) -> Reply | None:
        if incoming.head.headers.get(b"content-encoding", b"identity") != b"identity":
            problem = InvalidRequest("Compressed request bodies are not accepted. Send the body without encoding.")
            return _refusal(incoming, structs.replace(problem.problem, status=415))
        return self.too_large(incoming) if incoming.declared_bytes > incoming.body_bytes_max else None

    def _generate(self, incoming: Incoming, exchange: Exchange) -> Awaitable[None]:
        call, serve = incoming.call or call_of(incoming, "generate"), self._doors.engine.serve
        if HEADER in incoming.head.headers:
            return self._make_once(incoming, call, exchange, serve)
        return serve(call, exchange)

    def _count(self, incoming: Incoming, exchange: Exchange) -> Awaitable[None]:
        return count(self._doors.engine, call_of(incoming, "count"), exchange)

    async def _quote(self, incoming: Incoming, exchange: Exchange) -> None:
        _tell(exchange, Reply(200, quote(self._doors.engine, call_of(incoming, "quote"))))

    def _keep(self, incoming: Incoming, exchange: Exchange) -> Awaitable[None]:
        call = call_of(incoming, "keep")
        return keep(self._doors.engine, call, keeping_ask(incoming, call), exchange)

    def _pass(self, incoming: Incoming, exchange: Exchange) -> Awaitable[None]:
        call = call_of(incoming, "pass")
        return pass_through(self._doors.engine, call, passing_of(incoming, call), exchange)

    def _operate(self, incoming: Incoming, exchange: Exchange) -> Awaitable[None]:
        engine, call = self._doors.engine, call_of(incoming, incoming.endpoint.operation)
        if HEADER in incoming.head.headers:
            return self._make_once(incoming, call, exchange, partial(operate, engine))
        return operate(engine, call, exchange)

    async def _make_once(self, incoming: Incoming, call: Call, exchange: Exchange, make: Make) -> None:
        problem = await self._once.serve(call, incoming.headers[HEADER], exchange, make)
        if problem is not None:
            _tell(exchange, _refusal(incoming, problem))

    async def _models(self, incoming: Incoming, exchange: Exchange) -> None:
        query = dict(parse_qsl(incoming.query.decode("latin-1")))
        shape = _shape(incoming, query)
        _tell(exchange, Reply(200, self._doors.listing().page(shape, incoming.principal.models, query)))

    async def _model(self, incoming: Incoming, exchange: Exchange) -> None:
        name = incoming.endpoint.argument
        body = self._doors.listing().one(_shape(incoming, {}), incoming.principal.models, name)
        if body is None:
            raise NotFound(f"The model {name!r} is not known here. GET /v1/models lists the names this key may use.")
        _tell(exchange, Reply(200, body))

    async def _generation(self, incoming: Incoming, exchange: Exchange) -> None:
        record = await self._doors.calls.find(incoming.endpoint.argument)
        if record is None or record.key_id != incoming.principal.key_id:
            raise NotFound(f"No call of this key has the id {incoming.endpoint.argument!r}.")
        listing = self._doors.listing()
        shown = listing.generation if incoming.principal.tariff is None else listing.generation_sold
        _tell(exchange, Reply(200, shown(record)))

    def _readiness(self) -> Reply:
        reason = self._doors.is_ready()
        if reason:
            return Reply(503, msgspec.json.encode({"status": "not ready", "reason": reason}))
        return Reply(200, b'{"status":"ready"}')


def presented_key(incoming: Incoming) -> bytes:
    """The key, from wherever the client's SDK puts it; b"" when there is none."""
    headers = incoming.headers
    bearer = headers.get(b"authorization")
    if bearer is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    for name in _KEY_HEADERS:
        if name in headers:
            return headers[name]
    for offer in headers.get(b"sec-websocket-protocol", b"").split(b","):
        if (name := offer.strip()).startswith(_BROWSERS_KEY):
            return name[len(_BROWSERS_KEY) :]
    for member in incoming.query.split(b"&") if incoming.query else ():
        if member.startswith(b"key="):
            return unquote_plus(member[4:].decode("latin-1")).encode()
    return b""


def call_of(incoming: Incoming, operation: str) -> Call:
    """The call that a request makes."""
    endpoint, head = incoming.endpoint, incoming.head
    manner = head.manner
    if manner is None:
        manner = head.manner = manner_of(endpoint, head)
    now_ns = time.time_ns()
    call_id = new_id(now_ns)
    record = CallRecord(
        id=call_id,
        started_us=now_ns // 1000,
        key_id=incoming.principal.key_id,
        surface=endpoint.dialect,
        operation=operation,
        model=endpoint.argument,
        is_stream=bool(endpoint.is_stream),
        user=manner.user,
        session=manner.session,
        tags=manner.spend_tags,
    )
    return Call(
        id=call_id,
        dialect=DIALECTS[endpoint.dialect],
        envelope=manner.envelope,
        body=incoming.body,
        upload=incoming.upload,
        principal=incoming.principal,
        record=record,
        started_s=incoming.started_s,
        headers=manner.headers,
        query=manner.query,
        path=head.path,
        framing=manner.framing,
        timeout_s=manner.timeout_s,
        patience_s=manner.patience_s,
        cost_nano_usd_max=manner.cost_nano_usd_max,
        tags=manner.tags,
        wish=manner.wish,
        priority=None if manner.priority is None else _permitted(manner.priority, incoming.principal),
    )


def manner_of(endpoint: paths.Endpoint, head: RequestHead) -> Manner:
    """What a head says of a call."""
    headers, query = head.headers, head.query
    return Manner(
        envelope=_envelope(endpoint, headers),
        user=text_of(headers, b"x-headgate-user"),
        session=session_of(headers),
        headers=travelling(endpoint, headers),
        query=without_key(query) if query and endpoint.is_stream is None else "",
        framing="array" if endpoint.is_stream and b"alt=sse" not in query else "sse",
        timeout_s=timeout_of(headers),
        patience_s=patience_of(headers),
        cost_nano_usd_max=cost_max_of(headers),
        tags=tags_of(headers),
        spend_tags=spend_tags_of(headers),
        wish=wish_of(headers),
        priority=priority_of(headers),
    )


def _envelope(endpoint: paths.Endpoint, headers: Headers) -> Envelope:
    is_anthropic = b"anthropic-version" in headers or b"anthropic-beta" in headers
    if not is_anthropic and endpoint.is_stream is None and not endpoint.argument:
        return _NO_ENVELOPE
    version, betas = text_of(headers, b"anthropic-version"), betas_of(text_of(headers, b"anthropic-beta"))
    return Envelope(model=endpoint.argument, is_stream=endpoint.is_stream, version=version, betas=betas)


_NO_ENVELOPE = Envelope()
_NUMBER: Final = re.compile(rb"\d{1,9}(\.\d{1,9})?")


_RELAYING: dict[paths.Action, Callable[[str], bool]] = {"keep": is_form, "pass": is_no_json}
"""What sends requests on as they are, and by their content types which bodies it reads while they come."""
_KEY_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")
_BROWSERS_KEY = b"openai-insecure-api-key."
"""Among the sub-protocols of a WebSocket, since browsers can set no header field there:
https://platform.openai.com/docs/guides/realtime-websocket (2026-11)."""
_SESSIONS = (b"x-claude-code-session-id", b"x-session-id", b"session-id", b"x-headgate-session")


def new_id(now_ns: int) -> str:
    """An id that sorts by time: milliseconds, then 64 random bits. Not a secret."""
    return f"req_{now_ns // 1_000_000:012x}{random.getrandbits(64):016x}"


def text_of(headers: Headers, name: bytes) -> str:
    """A header's text, bounded; empty when absent."""
    value = headers.get(name)
    return value[:512].decode("latin-1") if value else ""


def session_of(headers: Headers) -> str:
    """The conversation that the client says the call belongs to."""
    return next((text_of(headers, name) for name in _SESSIONS if name in headers), "")


def travelling(endpoint: paths.Endpoint, headers: Headers) -> dict[str, str]:
    """The header fields that may go on: what kind of body it is, where there are several kinds, and an open list of
    Anthropic's, of which the dialect chooses."""
    if endpoint.action == "operate":
        return {"content-type": text_of(headers, b"content-type")}
    if endpoint.dialect != "anthropic":
        return {}
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name.startswith(b"anthropic-")
    }


def tags_of(headers: Headers) -> frozenset[str]:
    """What the client wants a target to be marked with."""
    value = headers.get(b"x-headgate-tags")
    if value is None:
        return _NO_TAGS
    return frozenset(tag for part in value.decode("latin-1").split(",") if (tag := part.strip()))


def spend_tags_of(headers: Headers) -> tuple[str, ...]:
    """What the client marks the call with."""
    value = headers.get(b"x-headgate-spend-tags")
    if value is None:
        return ()
    return checked_tags((part.strip() for part in value.decode("latin-1").split(",")), "x-headgate-spend-tags")


def priority_of(headers: Headers) -> int | None:
    """The class that the client asks for."""
    value = headers.get(b"x-headgate-priority")
    if value is None:
        return None
    for number, name in enumerate(PRIORITIES):
        if value == name.encode():
            return number
    shown = value[:40].decode("latin-1")
    told = f"x-headgate-priority is {shown!r}; it takes {', '.join(PRIORITIES)}."
    raise InvalidRequest(told, param="x-headgate-priority")


def _permitted(priority: int, principal: Principal) -> int:
    """The class, unless it is above the caller's."""
    if priority >= principal.priority:
        return priority
    own = " or ".join(PRIORITIES[principal.priority :])
    told = f"x-headgate-priority is {PRIORITIES[priority]}; calls of this key may be {own}."
    raise InvalidRequest(told, param="x-headgate-priority")


_NO_TAGS: frozenset[str] = frozenset()


def timeout_of(headers: Headers) -> float | None:
    """The client's own deadline in seconds."""
    value = headers.get(b"x-headgate-timeout-ms")
    if value is None:
        return None
    if not value.isdigit() or len(value) > 9 or not 0 < int(value) <= 86_400_000:
        shown = value[:40].decode("latin-1")
        raise InvalidRequest(f"x-headgate-timeout-ms is {shown!r}; it takes whole milliseconds from 1 to 86400000.")
    return int(value) / 1000


_SDK_TIMEOUTS: Final = (b"x-stainless-timeout", b"x-stainless-read-timeout")
"""In seconds, as the SDKs of OpenAI and Anthropic send them (openai 2.x, anthropic 0.7x, 2026-11)."""
_AHEAD: Final = 0.95
"""An answer that says that it took too long comes a little before the client has given up."""


def patience_of(headers: Headers) -> float | None:
    """How long the client's SDK waits for the first byte, in seconds; None: it does not say, or not as a number."""
    told = [headers[name] for name in _SDK_TIMEOUTS if name in headers]
    waits_s = [float(value) for value in told if _NUMBER.fullmatch(value)]
    return _AHEAD * min(waits_s) if waits_s and min(waits_s) > 0.0 else None


def cost_max_of(headers: Headers) -> int | None:
    """The most that the client lets the call cost, in nano-USD."""
    value = headers.get(b"x-headgate-max-cost-usd")
    if value is None:
        return None
    match = _USD.fullmatch(value)
    if match is None:
        shown = value[:40].decode("latin-1")
        raise InvalidRequest(
            f"x-headgate-max-cost-usd is {shown!r}; it takes dollars such as 0.05, down to 0.000000001."
        )
    return int(match[1]) * 1_000_000_000 + int((match[2] or b"").ljust(9, b"0"))


_USD = re.compile(rb"(\d{1,6})(?:\.(\d{1,9}))?")


def without_key(query: bytes) -> str:
    """The query string without the credential."""
    return "&".join(member for member in query.decode("latin-1").split("&") if not member.startswith("key="))


def _shape(incoming: Incoming, query: Mapping[str, str]) -> str:
    """Which of the four shapes of a model list the caller reads."""
    if incoming.endpoint.dialect == "gemini":
        return "gemini"
    if "client_version" in query:
        return "codex"
    if b"anthropic-version" in incoming.headers:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in incoming.headers else "openai"


def _nowhere(found: paths.WrongMethod | None, incoming: Incoming) -> Reply:
    """No such path, or not for this method."""
    if found is None:
        problem = NotFound(f"There is nothing at {incoming.method} {incoming.path[:200]}.").problem
        return Reply(*DIALECTS["openai_chat"].render_error(problem))
    allowed = ", ".join(found.allowed)
    message = f"{incoming.method} is not allowed here. Use {allowed}."
    problem = Problem(kind="invalid_request", status=405, message=message)
    status, body = DIALECTS[found.dialect].render_error(problem)
    return Reply(status, body, render_fields([(b"allow", allowed.encode())]))


def _refusal(incoming: Incoming, problem: Problem) -> Reply:
    """An error outside of a call, whose own errors the engine tells: in the endpoint's words, or in the caller's where
    several share a path."""
    endpoint = incoming.endpoint
    is_shared = endpoint.action in ("models", "model") and b"anthropic-version" in incoming.headers
    return Reply(*DIALECTS["anthropic" if is_shared else endpoint.dialect].render_error(problem))


def _tell(exchange: Exchange, reply: Reply) -> None:
    exchange.start(reply.status, reply.head)
    exchange.end(reply.body)
