"""WebSockets to upstreams: opened, refused in HTTP, or failed as the pool's requests fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import FakeUpstream, HangUp, Say, Status
from headgate.transport.pool import Pool
from headgate.transport.sockets import Refusal, Sockets
from headgate.transport.websocket import Message, SocketBounds, WebSocket

QUICK = Timeouts(connect_s=0.5, head_s=0.3)
BOUNDS = SocketBounds()


def request(url: str, **headers: str) -> UpstreamRequest:
    return UpstreamRequest(method="GET", url=f"{url}/v1/realtime?model=m", headers=tuple(headers.items()))


@asynccontextmanager
async def sockets(tls: ssl.SSLContext | None = None) -> AsyncIterator[Sockets]:
    pool = Pool(tls=tls)
    made = Sockets(pool)
    try:
        yield made
    finally:
        await made.aclose()
        await pool.aclose()


def run(act: Callable[[Sockets], Awaitable[None]]) -> None:
    async def play() -> None:
        async with sockets() as made:
            await act(made)

    asyncio.run(play())


def test_messages_go_both_ways():
    async def act(made: Sockets) -> None:
        async with FakeUpstream() as upstream:
            socket = await made.open(request(upstream.url, authorization="Bearer k"), QUICK, BOUNDS)
            assert isinstance(socket, WebSocket)
            greeting = await socket.receive()
            assert greeting is not None
            assert b"session.created" in greeting.data
            socket.send(Message(b'{"type":"nonsense"}'))
            told = await socket.receive()
            assert told is not None
            assert b"invalid_value" in told.data
            assert upstream.log[0].headers["authorization"] == "Bearer k"
            assert upstream.talks[0].heard == [b'{"type":"nonsense"}']

    run(act)


def test_what_was_said_before_a_quick_end_is_still_read():
    async def act(made: Sockets) -> None:
        async with FakeUpstream() as upstream:
            upstream.talk([Say(b"last words"), HangUp(1011, "sorry")])
            socket = await made.open(request(upstream.url), QUICK, BOUNDS)
            assert isinstance(socket, WebSocket)
            await asyncio.sleep(0.05)
            assert await socket.receive() == Message(b"last words")
            assert await socket.receive() is None
            assert (socket.close_code, socket.close_reason, socket.is_left) == (1011, "sorry", True)

    run(act)


def test_an_answer_in_http_is_a_refusal():
    async def act(made: Sockets) -> None:
        async with FakeUpstream() as upstream:
            upstream.fail(Status(429, retry_after_s=3))
            refused = await made.open(request(upstream.url), QUICK, BOUNDS)
            assert isinstance(refused, Refusal)
            assert (refused.status, refused.headers["retry-after"]) == (429, "3")
            assert refused.body.startswith(b"{")

    run(act)


async def failure(made: Sockets, answer: bytes | None, *, closes: bool = True) -> Outcome:
    """How it fails against a server that says just this."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
        if closes:
            writer.close()
        else:
            await reader.read()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(UpstreamError) as caught:
            await made.open(request(f"http://127.0.0.1:{port}"), QUICK, BOUNDS)
        await asyncio.sleep(0.02)
    finally:
        server.close()
    assert f"http://127.0.0.1:{port}" in caught.value.problem.message
    return caught.value.problem.outcome


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n%b\r\n"


@pytest.mark.parametrize(
    ("answer", "closes", "outcome"),
    [
        (None, True, Outcome.CUT),
        (b"HTTP/1.1 101 Swit", True, Outcome.CUT),
        (b"SSH-2.0-OpenSSH\r\n\r\n", True, Outcome.CUT),
        (None, False, Outcome.SLOW),
        (SWITCH % b"", False, Outcome.PROTOCOL),
        (SWITCH % b"sec-websocket-accept: bm90IGl0\r\n", False, Outcome.PROTOCOL),
    ],
    ids=["nothing", "half a head", "not HTTP", "silence", "no proof", "a wrong proof"],
)
def test_what_is_no_answer(answer: bytes | None, closes: bool, outcome: Outcome):
    async def act(made: Sockets) -> None:
        assert await failure(made, answer, closes=closes) is outcome

    run(act)


def test_nobody_listens():
    async def act(made: Sockets) -> None:
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(UpstreamError) as caught:
            await made.open(request(f"http://127.0.0.1:{port}"), QUICK, BOUNDS)
        assert caught.value.problem.outcome is Outcome.CONNECT

    run(act)


def test_whoever_stops_waiting_leaves_no_socket_behind():
    async def act(made: Sockets) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            left.set_result(await reader.read())
            writer.close()

        left = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await made.open(request(url), Timeouts(head_s=30), BOUNDS)
        assert (await left).startswith(b"GET /v1/realtime?model=m HTTP/1.1\r\nhost: ")
        server.close()

    run(act)


def test_closing_ends_what_is_open():
    async def play() -> None:
        async with FakeUpstream() as upstream:
            async with sockets() as made:
                socket = await made.open(request(upstream.url), QUICK, BOUNDS)
                assert isinstance(socket, WebSocket)
                await socket.receive()
            assert socket.is_over
            assert await socket.receive() is None

    asyncio.run(play())


def test_a_header_that_would_forge_another_is_refused():
    async def act(made: Sockets) -> None:
        with pytest.raises(ValueError, match="authorization"):
            await made.open(request("http://127.0.0.1:1", authorization="a\r\nb: c"), QUICK, BOUNDS)

    run(act)
