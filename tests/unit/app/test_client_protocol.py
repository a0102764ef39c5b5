import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn

from headgate.app.client_protocol import HEAD_BYTES_MAX, HEAD_FIELDS_MAX, ClientProtocol, without_h2c

Message = dict[str, Any]


class Quick(ClientProtocol):
    request_s_max = 0.1
    unread_s_max = 0.6


async def echo(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]):
    """Answers with the request's body, once it is whole."""
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        is_more = message["more_body"]
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


async def flood(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]):
    """Answers without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await send({"type": "http.response.body", "body": b"f" * 100_000, "more_body": True})


@asynccontextmanager
async def connected(application: Any = echo) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to an application."""
    options = {"lifespan": "off", "log_config": None, "server_header": False, "date_header": False, "ws": "none"}
    config = uvicorn.Config(application, http=Quick, **options)
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Quick(config=config, server_state=state, app_state={}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


async def answer_to(*pieces: bytes, gap_s: float = 0.0) -> bytes:
    """Everything that comes back before the connection ends, or 0.3 s pass."""
    async with connected() as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(gap_s)
        data = b""
        try:
            async with asyncio.timeout(0.3):
                while more := await reader.read(65536):
                    data += more
        except TimeoutError:
            return data + b"<open>"
        except ConnectionResetError:
            pass
        return data


GOOD = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello"
ECHOED = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def head(*fields: bytes) -> bytes:
    return b"".join([b"POST / HTTP/1.1\r\nhost: h\r\n", *fields])


def test_a_good_request_in_any_pieces():
    for cut in (1, 10, 20, len(GOOD) - 5, len(GOOD) - 1):
        assert asyncio.run(answer_to(GOOD[:cut], GOOD[cut:], gap_s=0.01)) == ECHOED + b"<open>"


def test_many_requests_in_one_write():
    assert asyncio.run(answer_to(GOOD * 3)) == ECHOED * 3 + b"<open>"


def test_an_offer_of_http2_is_ignored():
    offers = b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    whole = head(offers, b"content-length: 5\r\n\r\nhello")
    chunked = head(offers, b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert asyncio.run(answer_to(whole + GOOD)) == ECHOED * 2 + b"<open>"
    assert asyncio.run(answer_to(chunked)) == ECHOED + b"<open>"


def test_h2c_elsewhere_stays():
    for data in (b"POST /h2c HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n\r\nupgrade: h2c\r\n", b"half of a head"):
        assert without_h2c(data) == data


def test_a_long_head_is_refused():
    value = b"x: " + b"v" * HEAD_BYTES_MAX + b"\r\n"
    fields = b"".join(b"x-%d: v\r\n" % number for number in range(HEAD_FIELDS_MAX))
    url = b"POST /" + b"u" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n"
    for sent in (head(value, b"\r\n"), head(value), head(fields, b"\r\n"), url):
        answer = asyncio.run(answer_to(sent))
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"32768 bytes or 100 fields" in answer
        assert b"<open>" not in answer


def test_a_long_body_in_the_read_of_its_head_is_no_long_head():
    body = b"b" * (HEAD_BYTES_MAX + 1)
    answer = asyncio.run(answer_to(head(b"content-length: %d\r\n\r\n" % len(body)) + body))
    assert answer.endswith(body + b"<open>")


def test_a_head_that_does_not_end_is_refused():
    assert asyncio.run(answer_to(head())).startswith(b"HTTP/1.1 408 ")
    assert asyncio.run(answer_to(GOOD, head(), gap_s=0.01)).startswith(ECHOED + b"HTTP/1.1 408 ")


def test_a_body_that_does_not_come_is_refused():
    declared = head(b"content-length: 50000\r\n\r\n")
    assert asyncio.run(answer_to(declared)).startswith(b"HTTP/1.1 408 ")
    assert asyncio.run(answer_to(declared, b"a", b"a", b"a", gap_s=0.05)).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_comes_in_its_own_time_is_read():
    pieces = [b"a" * 20_000] * 6
    declared = head(b"content-length: %d\r\n\r\n" % 120_000)
    assert asyncio.run(answer_to(declared, *pieces, gap_s=0.06)).endswith(b"a" * 120_000 + b"<open>")


def test_silence_after_an_answer_is_no_slow_request():
    async def scene() -> bytes:
        async with connected() as (reader, writer):
            writer.write(GOOD)
            await reader.readexactly(len(ECHOED))
            await asyncio.sleep(0.3)
            writer.write(GOOD)
            return await reader.readexactly(len(ECHOED))

    assert asyncio.run(scene()) == ECHOED


def test_a_client_that_stops_reading_is_cut_off():
    async def scene() -> int:
        async with connected(flood) as (reader, writer):
            writer.write(GOOD)
            await asyncio.sleep(1.0)
            read = 0
            with suppress(ConnectionResetError):
                while data := await reader.read(1_000_000):
                    read += len(data)
            return read

    assert 0 < asyncio.run(scene()) < 100_000_000


def test_a_client_that_reads_slowly_is_not():
    async def scene() -> int:
        async with connected(flood) as (reader, writer):
            writer.write(GOOD)
            read = 0
            while read < 20_000_000:
                data = await reader.read(1_000_000)
                assert data
                read += len(data)
                await asyncio.sleep(0.005)
            return read

    assert asyncio.run(scene()) >= 20_000_000
