"""An instant upstream: answers every chat call at once, whole or as a stream of events, each event its own write.

`python -m bench.upstream PORT EVENTS` serves until it is ended. Streams take turns, one event each per turn of the
loop, and wait while the gateway does not read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import httptools
import uvloop

from bench import wire


def _whole_response() -> bytes:
    body = wire.whole_answer()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


WHOLE = _whole_response()
# `x-accel-buffering: no` is nginx's own word for "pass each read on"; the others ignore it
STREAM_START = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    b"transfer-encoding: chunked\r\n\r\n" + _chunk(wire.first_event())
)
STREAM_EVENT = _chunk(wire.text_event())
STREAM_END = _chunk(wire.last_events()) + b"0\r\n\r\n"
MEMBER = b'"stream":'


def asks_for_stream(body: bytes) -> bool:
    at = body.find(MEMBER)
    return at >= 0 and body[at + len(MEMBER) : at + len(MEMBER) + 8].lstrip().startswith(b"true")


class Carousel:
    """The streams under way; one event each per turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turning = False
        self.streams: set[Connection] = set()

    def join(self, stream: Connection) -> None:
        self.streams.add(stream)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        waiting = True
        for stream in tuple(self.streams):
            if not stream.is_paused:
                waiting = False
                stream.write_event()
        if not self.streams:
            self._turning = False
        elif waiting:
            self._loop.call_later(0.001, self._turn)
        else:
            self._loop.call_soon(self._turn)


class Connection(asyncio.Protocol):
    def __init__(self, carousel: Carousel, events: int) -> None:
        self._carousel = carousel
        self._events = events
        self._left = 0
        self._body: list[bytes] = []
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]
        self._parser = httptools.HttpRequestParser(self)
        transport.set_write_buffer_limits(high=16_384)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        if asks_for_stream(body):
            self._left = self._events
            self._write(STREAM_START)
            self._carousel.join(self)
        else:
            self._write(WHOLE)

    def write_event(self) -> None:
        if self._left:
            self._left -= 1
            self._write(STREAM_EVENT)
        else:
            self._carousel.streams.discard(self)
            self._write(STREAM_END)

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._carousel.streams.discard(self)


async def serve(port: int, events: int) -> None:
    loop = asyncio.get_running_loop()
    carousel = Carousel(loop)
    server = await loop.create_server(lambda: Connection(carousel, events), wire.HOST, port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
