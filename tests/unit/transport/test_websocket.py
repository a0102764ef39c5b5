"""One WebSocket: messages come through whole however they are cut, and no peer takes more than it may."""

import asyncio
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.protocol import State
from websockets.server import ServerProtocol

from headgate.transport.websocket import Message, SocketBounds, WebSocket

MASK = b"\x01\x02\x03\x04"
TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK, rsv: int = 0) -> bytes:
    """A frame as a client writes it; without a mask as none may."""
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    masked = 0x80 if mask is not None else 0
    if len(data) < 126:
        head += bytes([masked | len(data)])
    elif len(data) < 65536:
        head += bytes([masked | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", len(data))
    if mask is None:
        return head + data
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))


def close(code: int, reason: bytes = b"") -> bytes:
    return struct.pack("!H", code) + reason


class Wire(asyncio.Transport):
    """A transport that keeps what is written; `full` makes it say so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading = True
        self.is_ended = self.is_closed = self.is_aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_ended = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


def scene(act: Callable[[WebSocket, Wire], Coroutine[Any, Any, None]], **bounds: Any) -> None:
    """A server's socket and what it is written on."""

    async def play() -> None:
        limits = SocketBounds(**bounds)
        socket = WebSocket(ServerProtocol(state=State.OPEN, max_size=limits.message_bytes_max), limits)
        wire = Wire()
        socket.connection_made(wire)
        try:
            await act(socket, wire)
        finally:
            socket.connection_lost(None)

    asyncio.run(play())


async def drained(socket: WebSocket) -> list[Message]:
    """Every message that has come."""
    taken: list[Message] = []
    while socket._incoming:  # pyright: ignore[reportPrivateUsage]
        message = await socket.receive()
        assert message is not None
        taken.append(message)
    return taken


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.tuples(st.binary(max_size=300), st.booleans()), min_size=1, max_size=5),
    pieces=st.integers(1, 4),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
)
def test_a_cut_anywhere_changes_nothing(messages: list[tuple[bytes, bool]], pieces: int, cuts: list[int]):
    told = [(data.hex().encode() if is_text else data, is_text) for data, is_text in messages]
    wire = b""
    for data, is_text in told:
        size = -(-len(data) // pieces) or 1
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for place, part in enumerate(parts):
            kind = CONT if place else (TEXT if is_text else BINARY)
            wire += frame(kind, part, fin=place == len(parts) - 1) + frame(PING, b"?")

    async def act(socket: WebSocket, transport: Wire) -> None:
        ends = sorted({min(cut, len(wire)) for cut in cuts} | {len(wire)})
        start = 0
        for end in ends:
            if end > start:
                socket.data_received(wire[start:end])
            start = end
        assert [(message.data, message.is_text) for message in await drained(socket)] == told
        assert transport.written.startswith(b"\x8a\x01?")

    scene(act, waiting_messages_max=100)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(3, b"x"), 1002),
        (frame(11), 1002),
        (frame(TEXT, b"x", mask=None), 1002),
        (frame(TEXT, b"x", rsv=0x40), 1002),
        (frame(CONT, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"x"), 1002),
        (frame(CLOSE, close(1005)), 1002),
        (frame(CLOSE, close(1000, b"\xff")), 1007),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x"), 1007),
        (frame(TEXT, b"x" * 1001), 1009),
        (frame(TEXT, b"x" * 600, fin=False) + frame(CONT, b"x" * 600), 1009),
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 1009),
        (frame(TEXT, fin=False) + frame(CONT, fin=False) * 100, 1008),
    ],
    ids=[
        "opcode", "control opcode", "unmasked", "reserved bit", "continues nothing", "a message within another",
        "long ping", "cut ping", "short close", "code that is none", "reason is not text", "not UTF-8",
        "not UTF-8 across frames", "oversize", "oversize in pieces", "oversize by its head alone", "fragments",
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_closed_with_their_code(sent: bytes, code: int):
    async def act(socket: WebSocket, wire: Wire) -> None:
        left: list[bool] = []
        socket.on_leaving(lambda: left.append(True))
        socket.data_received(sent)
        assert (socket.is_over, left, await socket.receive()) == (True, [True], None)
        assert wire.written[:1] == b"\x88"
        assert struct.unpack("!H", wire.written[2:4]) == (code,)
        assert (socket.close_code, socket.is_left) == (code, False)
        assert wire.is_ended
        socket.data_received(frame(TEXT, b"nobody reads this"))
        assert await socket.receive() is None

    scene(act, message_bytes_max=1000, fragments_max=50)


def test_pings_are_answered_while_the_answers_are_read():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.data_received(frame(PING, b"a") * 500)
        assert wire.written == b"\x8a\x01a" * 500
        socket.pause_writing()
        socket.data_received(frame(PING, b"b") * 10)
        assert not socket.is_over
        socket.resume_writing()
        socket.pause_writing()
        socket.data_received(frame(PING, b"b") * 11)
        assert (socket.is_over, socket.close_code) == (True, 1008)

    scene(act, unread_pings_max=10)


def test_a_reader_that_is_behind_stops_the_reading_until_it_has_caught_up():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.data_received(frame(TEXT, b"x") * 4)
        assert not wire.is_reading
        assert await socket.receive() == Message(b"x")
        assert wire.is_reading
        socket.data_received(frame(TEXT, b"y" * 200))
        assert not wire.is_reading
        assert len(await drained(socket)) == 4
        assert wire.is_reading

    scene(act, waiting_messages_max=4, waiting_bytes_max=100)


def test_messages_that_came_before_the_close_are_read_before_it():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.data_received(frame(TEXT, b"last") + frame(CLOSE, close(4001, b"enough")))
        assert await socket.receive() == Message(b"last")
        assert await socket.receive() is None
        assert (socket.close_code, socket.close_reason, socket.is_left) == (4001, "enough", True)
        assert wire.written == b"\x88\x08" + close(4001, b"enough")
        socket.send(Message(b"too late"))
        assert wire.written.count(b"\x81") == 0

    scene(act)


def test_an_end_without_a_word_is_one():
    async def act(socket: WebSocket, wire: Wire) -> None:
        waiting = asyncio.get_running_loop().create_future()
        socket.on_leaving(lambda: waiting.set_result(None))
        forgotten: list[int] = []
        callback = lambda: forgotten.append(1)  # noqa: E731
        socket.on_leaving(callback)
        socket.forget(callback)
        socket.data_received(frame(TEXT, b"half")[:-1])
        socket.eof_received()
        await waiting
        assert (await socket.receive(), socket.close_code, socket.is_left, forgotten) == (None, 1006, True, [])
        socket.on_leaving(lambda: forgotten.append(2))
        assert forgotten == [2]

    scene(act)


@pytest.mark.parametrize(
    ("code", "reason", "sent"),
    [
        (1000, "", b"\x88\x02" + close(1000)),
        (4000, "ü" * 100, b"\x88\x7c" + close(4000, "ü".encode() * 61)),
        (1005, "", b"\x88\x00"),
        (1006, "cut", b"\x88\x05" + close(1011, b"cut")),
    ],
)
def test_a_close_says_why(code: int, reason: str, sent: bytes):
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.close(code, reason)
        assert (wire.written, socket.is_over, socket.is_left) == (sent, True, False)
        socket.close(1001, "again")
        assert wire.written == sent
        socket.data_received(frame(CLOSE, close(1000)))
        assert wire.is_ended

    scene(act)


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to be")


def test_a_peer_that_does_not_close_is_cut_off():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.close()
        await until(lambda: wire.is_aborted)

    scene(act, close_s_max=0.02)


def test_a_silent_peer_is_asked_and_then_given_up():
    async def act(socket: WebSocket, wire: Wire) -> None:
        await until(lambda: wire.written.startswith(b"\x89\x00"))
        socket.data_received(frame(PONG))
        await until(lambda: socket.is_over)
        assert (socket.close_code, socket.close_reason) == (1011, "no answer to a ping in pong_s_max=0.1 s")

    scene(act, ping_s=0.04, pong_s_max=0.1)


def test_an_idle_socket_is_closed_but_not_while_something_is_under_way():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.busy(is_busy=True)
        await asyncio.sleep(0.12)
        assert not socket.is_over
        socket.busy(is_busy=False)
        await until(lambda: socket.is_over)
        assert (socket.close_code, socket.close_reason) == (1001, "idle for idle_s_max=0.05 s")

    scene(act, idle_s_max=0.05)


def test_a_peer_that_reads_nothing_is_cut_off():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.pause_writing()
        waiting = asyncio.get_running_loop().create_task(socket.drained())
        await until(lambda: wire.is_aborted)
        socket.connection_lost(None)
        await waiting

    scene(act, unread_s_max=0.03)


def test_a_slow_peer_is_waited_for():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.pause_writing()
        order: list[str] = []

        async def wait() -> None:
            await socket.drained()
            order.append("drained")

        waiting = asyncio.get_running_loop().create_task(wait())
        await asyncio.sleep(0.01)
        order.append("read")
        socket.resume_writing()
        await waiting
        await socket.drained()
        assert order == ["read", "drained"]

    scene(act)


def test_stopping_waits_for_what_is_under_way():
    async def act(socket: WebSocket, wire: Wire) -> None:
        socket.busy(is_busy=True)
        socket.close_when_idle()
        assert not socket.is_over
        socket.busy(is_busy=False)
        assert (socket.is_over, socket.close_code, socket.close_reason) == (True, 1001, "Headgate is stopping")

    scene(act)


def test_whoever_waits_for_a_message_gets_it_or_learns_of_the_end():
    async def act(socket: WebSocket, wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        first = loop.create_task(socket.receive())
        await asyncio.sleep(0)
        socket.data_received(frame(BINARY, b"\xff"))
        assert await first == Message(b"\xff", is_text=False)
        second = loop.create_task(socket.receive())
        await asyncio.sleep(0)
        socket.connection_lost(ConnectionResetError())
        assert await second is None

    scene(act)


def test_binary_and_text_are_sent_as_what_they_are():
    async def act(socket: WebSocket, wire: Wire) -> None:
        sent: Sequence[Message] = (Message(b"a"), Message(b"b", is_text=False))
        for message in sent:
            socket.send(message)
        assert wire.written == b"\x81\x01a\x82\x01b"

    scene(act)
