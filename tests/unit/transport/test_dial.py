"""Names and addresses: what is remembered, what is checked, which is tried next."""

import asyncio
import gc
import socket

import pytest

from headgate.core.problems import UpstreamError
from headgate.transport.dial import Dialler
from headgate.transport.origins import Origin
from headgate.transport.settings import PoolSettings


class Resolver:
    """Gives the next of its answers; the last again and again. `None` never answers."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host, port):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.sleep(60)
        if isinstance(answer, OSError):
            raise answer
        return answer


async def dialled(dialler, port):
    with await dialler.socket_to(Origin("http", "some.example", port)) as opened:
        return opened.getpeername()[0]


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_fresh_addresses_are_not_asked_for_again(run, listening):
    async def scene():
        resolver = Resolver(["127.0.0.1"])
        dialler = Dialler(PoolSettings(), resolver)
        return [await dialled(dialler, listening) for _ in range(3)], resolver.asked

    assert run(scene()) == (["127.0.0.1"] * 3, 1)


@pytest.mark.parametrize("failing", [socket.gaierror(-3, "try again"), None])
def test_stale_addresses_serve_when_the_resolver_does_not(run, listening, failing):
    async def scene():
        resolver = Resolver(["127.0.0.1"], failing)
        dialler = Dialler(PoolSettings(name_s_fresh=0, name_s_patience=0.05), resolver)
        return [await dialled(dialler, listening) for _ in range(2)], resolver.asked

    assert run(scene()) == (["127.0.0.1"] * 2, 2)


def test_addresses_that_are_too_old_serve_no_more(run, listening):
    async def scene():
        dialler = Dialler(
            PoolSettings(name_s_fresh=0, name_s_stale=0), Resolver(["127.0.0.1"], socket.gaierror(-2, "unknown"))
        )
        await dialled(dialler, listening)
        with pytest.raises(socket.gaierror):
            await dialled(dialler, listening)

    run(scene())


def test_the_next_address_is_tried_at_once_when_one_fails(run, listening):
    async def scene():
        dialler = Dialler(PoolSettings(stagger_s=60), Resolver(["127.0.0.2", "127.0.0.3", "127.0.0.1"]))
        return await dialled(dialler, listening)

    assert run(scene()) == "127.0.0.1"


def test_the_next_address_is_tried_soon_when_one_is_silent(run, listening):
    async def scene():
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.9", listening))
            deaf.listen(0)
            fillers = [socket.socket() for _ in range(3)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            dialler = Dialler(PoolSettings(stagger_s=0.02), Resolver(["127.0.0.9", "127.0.0.1"]))
            winner = await dialled(dialler, listening)
            for filler in fillers:
                filler.close()
            return winner

    assert run(scene()) == "127.0.0.1"


def test_sockets_that_came_second_are_closed(run, listening):
    async def scene():
        dialler = Dialler(PoolSettings(stagger_s=0), Resolver(["127.0.0.1"] * 20))
        for _ in range(5):
            await dialled(dialler, listening)
        gc.collect()  # an open socket that nobody holds is a ResourceWarning, and that an error

    run(scene())


def test_when_all_fail_the_first_failure_is_told(run):
    async def scene():
        with socket.create_server(("127.0.0.1", 0)) as server:
            free = server.getsockname()[1]
        await dialled(Dialler(PoolSettings(), Resolver(["127.0.0.2", "127.0.0.3"])), free)

    with pytest.raises(ConnectionRefusedError):
        run(scene())


def test_only_public_addresses_of_a_name_are_dialled(run, listening):
    async def scene():
        resolver = Resolver(["127.0.0.1", "::1", "10.0.0.1"])
        await dialled(Dialler(PoolSettings(public_only=True), resolver), listening)

    with pytest.raises(UpstreamError, match="not on the public Internet"):
        run(scene())
