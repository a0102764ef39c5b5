"""Clients' HTTP/1.1 connections: requests in, answers out, bounds on both. Must not know what is served.

Hot: every call and every streamed read passes here. A request that comes whole in one read creates no timer; the one
timer of a connection is looked at when it is due, not set anew for every request.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast
from urllib.parse import unquote

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from headgate.core.problems import Problem
from headgate.server.answering import STATUS_LINES, Http1Exchange
from headgate.server.heads import KnownHeads, split
from headgate.server.incoming import Incoming, Reply, RequestHead
from headgate.server.listening import Bounds, Listener, Spawn, Tenant
from headgate.server.uploading import Bound, Upload


class Connections:
    """Every client's connection to one listener; what they share. Call it to make the protocol of a new one."""

    def __init__(self, listener: Listener, spawn: Spawn, bounds: Bounds | None = None) -> None:
        self.listener = listener
        self.spawn = spawn
        self.bounds = bounds or Bounds()
        self.is_closing = False
        self.heads = KnownHeads()
        self.open: set[ClientConnection | Tenant] = set()
        self._emptied: asyncio.Future[None] | None = None

    def __call__(self) -> "ClientConnection":
        return ClientConnection(self)

    async def close(self) -> None:
        """Lets every request under way be answered, takes no other, and returns when all are closed."""
        self.is_closing = True
        for connection in tuple(self.open):
            connection.close_when_idle()
        if self.open:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def abort(self) -> None:
        """Closes every connection at once."""
        for connection in tuple(self.open):
            connection.abort()

    def gone(self, connection: "ClientConnection | Tenant") -> None:
        """A socket is closed."""
        self.open.discard(connection)
        if self._emptied is not None and not self.open and not self._emptied.done():
            self._emptied.set_result(None)


_H2C: Final = re.compile(rb"\r\nupgrade:[ \t]*h2c[^\r\n]*", re.IGNORECASE)
_PLAIN_HEAD: Final = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
_BAD: Final = "The request is not valid HTTP."
_WORDS: Final = {408: "The request came too slowly.", 500: "Headgate failed on this request."}

_log = logging.getLogger("headgate")


class ClientConnection(asyncio.Protocol):
    """The protocol of one client's socket. Requests are served one after the other, in order."""

    __slots__ = (
        "_chunk_bytes",
        "_errand",
        "_head",
        "_head_bytes",
        "_headers",
        "_idle_since_s",
        "_is_deaf",
        "_is_in_head",
        "_looked_bytes",
        "_loop",
        "_parser",
        "_reading",
        "_serving",
        "_shared",
        "_status",
        "_surplus",
        "_timer",
        "_timer_s",
        "_transport",
        "_unread_since_s",
        "_url",
        "_waiters",
        "_waiting",
        "is_congested",
        "is_last",
        "write",
    )

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._parser = HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head: RequestHead | None = None
        """The one parsed last, if another like it may be served without the parser."""
        self._is_in_head = False
        self._is_deaf = False
        """Nothing that comes is HTTP any more."""
        self._surplus: bytes | None = None
        """What has come of the protocol that a client wishes to go on in; None: it wishes for none."""
        self._status = 400
        self._chunk_bytes = self._head_bytes = self._looked_bytes = 0
        self._reading: Http1Exchange | None = None
        self._serving: Http1Exchange | None = None
        self._waiting: deque[Http1Exchange] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = self._idle_since_s = self._unread_since_s = 0.0
        self._waiters: list[asyncio.Future[None]] = []
        self._errand: asyncio.Future[Http1Exchange | None] | None = None
        """What the task that serves waits for; None: there is no task yet."""
        self.is_congested = False
        self.is_last = False
        """Close once what is under way is answered."""

    @property
    def peer(self) -> str:
        """The client's address."""
        name = cast("tuple[str, ...] | None", self._transport.get_extra_info("peername"))
        return name[0] if name else ""

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.write: Callable[[bytes], None] = self._transport.write
        self._shared.open.add(self)
        self._idle_since_s = self._loop.time()
        self._look_in(self._shared.bounds.idle_s_max)
        if self._shared.is_closing:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = True
        self._shared.gone(self)
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._wake()
        if self._errand is not None and not self._errand.done():
            self._errand.set_result(None)
        serving, reading = self._serving, self._reading
        self._serving = self._reading = None
        if reading is not None and reading.incoming.upload is not None:
            reading.incoming.upload.lose()
        if serving is not None:
            serving.lost()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            self._keep_surplus(data)
            return
        if self._reading is None and not self._is_in_head:
            found = split(data)
            if found is None:
                data = without_h2c(data)
            else:
                self._take(data, *found)
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        self._chunk_bytes = len(data)
        self._looked_bytes += self._chunk_bytes
        if self._is_in_head:
            self._head_bytes += self._chunk_bytes
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:  # what follows would be another protocol
            self._is_deaf = self.is_last = True
            self._surplus = data[int(upgrade.args[0]) :]
        except HttpParserError as error:
            if self._status == 400 and _is_ours(error):
                _log.error("a bug in Headgate ended a request at its head", exc_info=error.__context__)
                self._status = 500
            self._refuse(self._status)
            return
        reading = self._reading
        if reading is not None and reading.reply is not None and reading.is_greeted:
            self._dismiss(reading)
        elif self._is_in_head and self._head_bytes > self._shared.bounds.head_bytes_max:
            self._refuse(431)
        elif (reading is not None or self._is_in_head) and not self._is_deaf:
            self._look_in(self._shared.bounds.request_s_max)

    def pause_writing(self) -> None:
        self.is_congested = True
        self._unread_since_s = self._loop.time()
        self._look_in(self._shared.bounds.unread_s_max)

    def resume_writing(self) -> None:
        self.is_congested = False
        self._wake()

    # What the parser tells

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._url = b""
        self._headers = {}
        self._head_bytes = self._chunk_bytes

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # else a trailer
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        bounds, headers = self._shared.bounds, self._headers
        is_suspect = self._head_bytes > bounds.head_bytes_max or len(headers) > bounds.head_fields_max
        if is_suspect and self._is_long():
            self._status = 431
            raise _LongHead
        self._is_in_head = False
        self._looked_bytes = bounds.body_bytes_per_look_min  # the first look only starts the count
        parser = self._parser
        path, query = _target(self._url)
        declared = int(headers.pop(b"content-length", b"0"))  # the parser takes digits only
        head = RequestHead(parser.get_method().decode(), path, query, headers)
        if b"%" in self._url:
            head.raw_path = self._url.partition(b"?")[0].decode("latin-1")
        version, keeps_alive = parser.get_http_version(), parser.should_keep_alive()
        self._head = head if keeps_alive and version == "1.1" else None
        self._reading = Http1Exchange(self, Incoming(head, declared), version, keeps_alive=keeps_alive)
        self._greet(self._reading)

    def on_body(self, body: bytes) -> None:
        exchange = self._reading
        if exchange is None or exchange.reply is not None:
            return
        exchange.body_bytes += len(body)
        if exchange.incoming.upload is not None:
            exchange.incoming.upload.push(body)
            return
        exchange.parts.append(body)
        if exchange.body_bytes > exchange.incoming.body_bytes_max and exchange.is_greeted:
            self._forget(exchange, self._shared.listener.too_large(exchange.incoming))

    def on_message_complete(self) -> None:
        exchange, self._reading = self._reading, None
        if exchange is None:
            return
        exchange.is_complete = True
        if exchange.incoming.upload is not None:
            exchange.incoming.upload.finish()
            return
        parts = exchange.parts
        exchange.incoming.body = parts[0] if len(parts) == 1 else b"".join(parts)
        exchange.parts = []
        self._line_up(exchange)

    # What others ask for

    def answered(self, exchange: Http1Exchange, *, keeps_alive: bool) -> None:
        """An answer is complete: the next request, or silence, or the end."""
        self._serving = None
        if not keeps_alive or (self.is_last and not self._waiting):
            self._is_deaf = True
            if exchange.is_complete or not exchange.is_greeted:
                self._transport.close()
            else:  # the client still sends: reset now, it might never read what was said
                self._reading = None
                self._transport.resume_reading()
                self._loop.call_later(self._shared.bounds.linger_s_max, self._transport.close)
            return
        self._idle_since_s = self._loop.time()
        if self._waiting:
            self._next()

    async def drained(self) -> None:
        """Waits until the client has read most of what was written, or has gone."""
        if self.is_congested and not self._transport.is_closing():
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def switch(self, tenant: Tenant, head: bytes) -> None:
        """Gives the socket to another protocol, as the client wished; from here on that is what is open."""
        self._is_deaf, self._serving = True, None
        if self._timer is not None:
            self._timer.cancel()
        if self._errand is not None and not self._errand.done():
            self._errand.set_result(None)
        self.write(head)
        self._transport.set_protocol(cast(asyncio.Protocol, tenant))
        tenant.on_gone = self._shared.gone
        self._shared.open.discard(self)
        self._shared.open.add(tenant)
        tenant.connection_made(self._transport)
        self._transport.resume_reading()  # who came with an unknown key was not listened to meanwhile
        if self._surplus:
            tenant.data_received(self._surplus)
        if self._shared.is_closing:
            tenant.close_when_idle()

    def close_when_idle(self) -> None:
        """Closes now, or as soon as what is under way is answered."""
        self.is_last = True
        if self._serving is None and not self._waiting and self._reading is None:
            self._transport.close()

    def abort(self) -> None:
        """Closes now, whatever is under way."""
        self._transport.abort()

    # Helpers

    def _take(self, data: bytes, key: bytes, body_at: int) -> None:
        """A whole request and nothing else. Without the parser, if it has read such a head before."""
        head = self._shared.heads.find(key)
        if head is None:
            self._head = None
            self._parse(without_h2c(data))
            if self._head is not None:
                self._shared.heads.remember(key, self._head)
            return
        incoming = Incoming(head, len(data) - body_at)
        exchange = Http1Exchange(self, incoming, "1.1", keeps_alive=True)
        exchange.is_complete = True
        exchange.body_bytes = incoming.declared_bytes
        self._greet(exchange)
        if exchange.reply is None:
            incoming.body = data[body_at:]
            if exchange.body_bytes > incoming.body_bytes_max and exchange.is_greeted:
                self._forget(exchange, self._shared.listener.too_large(incoming))
        self._line_up(exchange)

    def _greet(self, exchange: Http1Exchange) -> None:
        greeting = self._shared.listener.greet(exchange.incoming)
        if greeting is None:
            if b"expect" in exchange.incoming.head.headers:
                self._go_on(exchange)
            self._open_upload(exchange)
        elif isinstance(greeting, Reply):
            exchange.reply = greeting
        else:
            exchange.is_greeted = False
            self._transport.pause_reading()
            self._shared.spawn(self._await_greeting(exchange, greeting))

    def _open_upload(self, exchange: Http1Exchange) -> None:
        """Serves a request before its body is here, if it is one of those."""
        incoming = exchange.incoming
        if not incoming.is_streamed or exchange.is_complete:
            return
        bounds = Bound(incoming.declared_bytes, incoming.body_bytes_max)
        incoming.upload = upload = Upload(bounds, self._transport.pause_reading, self._listen_on)
        for part in exchange.parts:
            upload.push(part)
        exchange.parts = []
        self._line_up(exchange)

    def _listen_on(self) -> None:
        """The reader of an upload has caught up. How slow its client is counts from now."""
        self._looked_bytes = self._shared.bounds.body_bytes_per_look_min
        if not self._waiting and not self._transport.is_closing():
            self._transport.resume_reading()

    def _line_up(self, exchange: Http1Exchange) -> None:
        """A request is here whole: its turn is now, or after those before it."""
        if self._serving is None and not self._waiting and exchange.is_greeted:
            self._begin(exchange)
            return
        self._waiting.append(exchange)
        self._transport.pause_reading()

    def _begin(self, exchange: Http1Exchange) -> None:
        self._serving = exchange
        if exchange.reply is not None:
            exchange.tell(exchange.reply)
        elif self._shared.listener.begin(exchange.incoming, exchange, self._shared.spawn):
            pass
        elif self._errand is None:
            self._errand = self._loop.create_future()
            self._errand.set_result(exchange)
            self._shared.spawn(self._serve(self._errand))
        else:
            self._errand.set_result(exchange)

    async def _serve(self, errand: "asyncio.Future[Http1Exchange | None]") -> None:
        """Serves one request after the other until the connection is gone: a task for each would cost more."""
        while (exchange := await errand) is not None:
            errand = self._errand = self._loop.create_future()
            try:
                await self._shared.listener.serve(exchange.incoming, exchange)
            except Exception:  # of this request alone: the task group that it is in is everybody's
                _log.exception("a bug in Headgate ended a connection")
            finally:
                if not exchange.is_over:
                    exchange.abandon()
            del exchange  # what it holds is free while this waits

    def _keep_surplus(self, data: bytes) -> None:
        """A client may speak the protocol that it wishes for before it is told that it may."""
        if self._surplus is not None:
            self._surplus += data
            if len(self._surplus) > self._shared.bounds.head_bytes_max:
                self.abort()

    def _next(self) -> None:
        """Serves the first that waits, if it has been greeted."""
        if self._serving is None and self._waiting and self._waiting[0].is_greeted:
            self._begin(self._waiting.popleft())
        if not self._waiting and not self._is_deaf and not self._transport.is_closing():
            self._transport.resume_reading()

    async def _await_greeting(self, exchange: Http1Exchange, greeting: Coroutine[Any, Any, Reply | None]) -> None:
        try:
            reply = await greeting
        except Exception:
            _log.exception("a bug in Headgate ended a connection")
            self.abort()
            return
        exchange.is_greeted = True
        if reply is None and exchange.body_bytes > exchange.incoming.body_bytes_max:
            reply = self._shared.listener.too_large(exchange.incoming)
        if reply is not None:
            self._forget(exchange, reply)
        elif b"expect" in exchange.incoming.headers:
            self._go_on(exchange)
        if reply is None:
            self._open_upload(exchange)
        self._next()
        if reply is not None and self._reading is exchange:
            self._dismiss(exchange)

    def _forget(self, exchange: Http1Exchange, reply: Reply) -> None:
        exchange.reply = reply
        exchange.parts = []
        exchange.incoming.body = b""

    def _dismiss(self, exchange: Http1Exchange) -> None:
        """Answers a refused request whose body is still coming, and closes: nobody waits for the rest of it."""
        if self._serving is None and not self._waiting:
            self._reading = None
            self._serving = exchange
            exchange.tell(exchange.reply or self._shared.listener.too_large(exchange.incoming), closes=True)

    def _go_on(self, exchange: Http1Exchange) -> None:
        """Tells a client to send the body that it has announced."""
        is_expected = exchange.incoming.headers[b"expect"].lower() == b"100-continue"
        if is_expected and self._serving is None and not self._waiting and not exchange.is_complete:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, status: int) -> None:
        """Says what is wrong with what came, unless another answer is under way; and closes."""
        self._is_deaf = True
        upload = self._reading.incoming.upload if self._reading is not None else None
        if upload is not None:
            upload.refuse(Problem(kind="invalid_request", status=status, message=_words(status, self._shared.bounds)))
        self._reading, self._is_in_head = None, False
        if self._serving is not None or self._waiting:
            self.is_last = True
            return
        words = _words(status, self._shared.bounds).encode()
        self.write(STATUS_LINES[status] + _PLAIN_HEAD % len(words) + words)
        self._transport.close()

    def _is_long(self) -> bool:
        bounds, headers = self._shared.bounds, self._headers
        size = len(self._url) + sum(len(name) + len(value) + 4 for name, value in headers.items())
        return size > bounds.head_bytes_max or len(headers) > bounds.head_fields_max

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _look_in(self, delay_s: float) -> None:
        """Looks after `delay_s` at the latest."""
        due_s = self._loop.time() + delay_s
        if self._timer is not None:
            if self._timer_s <= due_s:
                return
            self._timer.cancel()
        self._timer_s = due_s
        self._timer = self._loop.call_at(due_s, self._look)

    def _look(self) -> None:
        """Whether the client does its part."""
        self._timer = None
        bounds, now_s = self._shared.bounds, self._loop.time()
        if self.is_congested and now_s - self._unread_since_s >= bounds.unread_s_max:
            self.abort()
        elif self._is_in_head:
            self._refuse(408)
        elif self._reading is not None and self._reading.is_greeted and not self._waiting:
            upload = self._reading.incoming.upload
            if self._looked_bytes < bounds.body_bytes_per_look_min and (upload is None or not upload.is_held):
                self._refuse(408)
                return
            self._looked_bytes = 0
            self._look_in(bounds.request_s_max)
        elif self._serving is None and not self._waiting:
            left_s = self._idle_since_s + bounds.idle_s_max - now_s
            if left_s <= 0:
                self._transport.close()
            else:
                self._look_in(left_s)
        else:
            self._look_in(min(bounds.idle_s_max, bounds.unread_s_max))


class _LongHead(Exception):
    """Ends the parsing of a head."""


def _words(status: int, bounds: Bounds) -> str:
    if status == 431:
        limits = f"{bounds.head_bytes_max} bytes or {bounds.head_fields_max} fields"
        return f"The head of the request is over the limit of {limits}."
    return _WORDS.get(status, _BAD)


def _is_ours(error: HttpParserError) -> bool:
    """Whether a callback of ours failed, and not on account of what the client sent."""
    return isinstance(error, HttpParserCallbackError) and not isinstance(error.__context__, HttpParserError)


def _target(url: bytes) -> tuple[str, bytes]:
    """Path and query of a request line."""
    if not url.startswith(b"/"):  # a proxy's form, or `*`
        parsed = parse_url(url) if b"://" in url else None
        url = url if parsed is None else (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
    path, _, query = url.partition(b"?")
    text = path.decode("latin-1")
    return (unquote(text) if "%" in text else text), query


def without_h2c(data: bytes) -> bytes:
    """A request without its offer to go on in HTTP/2, which a server may ignore (RFC 9110, 7.8). The parser would take
    it for agreed and lose the body: https://github.com/Kludex/uvicorn/issues/2722 (2026-11), for the clients of Java
    and of JetBrains' editors."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or data.find(b"h2c", 0, end) < 0:
        return data
    return _H2C.sub(b"", data[:end], count=1) + data[end:]
