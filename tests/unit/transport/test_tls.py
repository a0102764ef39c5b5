"""TLS with authorities made for the test: the right host is believed, every other refused."""

import asyncio
import shutil
import ssl
import subprocess

import pytest

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.base import Timeouts, UpstreamRequest
from headgate.transport.fake import FakeSettings, FakeUpstream, HangUp, Hear, Say
from headgate.transport.pool import Pool
from headgate.transport.sockets import Sockets
from headgate.transport.tls import client_context
from headgate.transport.websocket import Message, SocketBounds

TIMEOUTS = Timeouts(connect_s=2, head_s=5, idle_s=5)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with ca.pem, and server.pem + server.key for localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    folder = tmp_path_factory.mktemp("tls")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=TestCA "
        "-addext keyUsage=critical,keyCertSign",
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


def serving(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    return FakeUpstream(FakeSettings(tls=context))


def test_a_websocket_is_encrypted_too(authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))

    async def play():
        pool = Pool()
        sockets = Sockets(pool)
        async with serving(authority) as upstream:
            upstream.talk([Say(b"hello"), Hear(), HangUp(4000)])
            url = f"https://localhost:{upstream.port}/v1/realtime?model=m"
            socket = await sockets.open(UpstreamRequest(method="GET", url=url, headers=()), TIMEOUTS, SocketBounds())
            assert await socket.receive() == Message(b"hello")
            socket.send(Message(b"goodbye"))
            assert await socket.receive() is None
            assert (socket.close_code, upstream.talks[0].heard) == (4000, [b"goodbye"])
            await sockets.aclose()
            await pool.aclose()

    asyncio.run(play())


async def called(url):
    pool = Pool()
    try:
        for _ in range(2):
            flight = pool.start(UpstreamRequest(method="GET", url=url, headers=()), TIMEOUTS)
            await flight.head()
            body = await flight.read_all(10_000_000)
    except UpstreamError as error:
        return error.problem.outcome, error.problem.message
    finally:
        await pool.aclose()
    return None, body


def test_the_named_host_is_believed_when_its_authority_is(run, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))

    async def scene():
        async with serving(authority) as upstream:
            upstream.reply(b"x" * 1_000_000)
            answer = await called(f"https://localhost:{upstream.port}/")
            return answer, [attempt.connection for attempt in upstream.log]

    assert run(scene()) == ((None, b"x" * 1_000_000), [1, 1])


def test_another_name_is_refused(run, authority, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))

    async def scene():
        async with serving(authority) as upstream:
            return await called(f"https://127.0.0.1:{upstream.port}/")

    outcome, message = run(scene())
    assert outcome is Outcome.CONNECT
    assert "is not trusted: IP address mismatch" in message


def test_an_unknown_authority_is_refused(run, authority):
    async def scene():
        async with serving(authority) as upstream:
            return await called(f"https://localhost:{upstream.port}/")

    outcome, message = run(scene())
    assert outcome is Outcome.CONNECT
    assert message.startswith("TLS: the certificate of https://localhost:")


def test_a_server_that_speaks_no_tls(run):
    async def scene():
        async with FakeUpstream() as upstream:
            return await called(f"https://localhost:{upstream.port}/")

    assert run(scene())[0] is Outcome.CONNECT


def test_a_server_that_never_shakes_hands(run):
    async def scene():
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        async with server:
            pool = Pool()
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            flight = pool.start(UpstreamRequest(method="GET", url=url, headers=()), Timeouts(connect_s=0.1))
            with pytest.raises(UpstreamError, match=r"connect timeout: .* in 0\.1 s") as caught:
                await flight.head()
            await pool.aclose()
            await asyncio.sleep(0.05)
            return caught.value.problem.outcome

    assert run(scene()) is Outcome.CONNECT


def test_the_context_verifies_and_is_no_older_than_1_2():
    context = client_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
