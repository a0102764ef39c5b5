"""A token that expires: fetched once for all who wait, renewed ahead, and never shown."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from headgate.core.problems import Outcome
from headgate.transport.base import UpstreamRequest
from headgate.transport.signing.tokens import RENEWED_AHEAD_S, RETRIED_AFTER_S, NoToken, Token, TokenSigner

REQUEST = UpstreamRequest(method="POST", url="http://h/", headers=(("a", "b"),), body=b"{}")


class Issuer:
    """Gives tokens `t1`, `t2`, … that live an hour; the clock stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.fetched = 0
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()

    def clock(self) -> float:
        return self.now_s

    def fetch(self) -> Token:
        self.fetched += 1
        assert self.gate.wait(10)
        if self.fails:
            raise NoToken("The issuer", "is\n  closed")
        return Token(f"t{self.fetched}", self.now_s + 3600, (("x-project", "p"),))


def signed_with(request: UpstreamRequest) -> str:
    return dict(request.headers)["authorization"]


async def settled(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - what is waited for is a thread's, not ours
            await asyncio.sleep(0.001)


def test_the_token_is_put_on_the_request_and_kept():
    async def work() -> None:
        issuer = Issuer()
        signer = TokenSigner(issuer.fetch, issuer.clock)
        signed = await signer.sign(REQUEST)
        assert signed == UpstreamRequest(
            method="POST",
            url="http://h/",
            headers=(("a", "b"), ("authorization", "Bearer t1"), ("x-project", "p")),
            body=b"{}",
        )
        assert await signer.sign(REQUEST) == signed
        assert issuer.fetched == 1
        assert "t1" not in repr(signer)

    asyncio.run(work())


def test_many_who_wait_cause_one_fetch_and_one_who_leaves_spoils_nothing():
    async def work() -> None:
        issuer = Issuer()
        issuer.gate.clear()
        signer = TokenSigner(issuer.fetch, issuer.clock)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(signer.sign(REQUEST)) for _ in range(20)]
            await settled(lambda: issuer.fetched == 1)
            waiting[0].cancel()
            issuer.gate.set()
        assert {signed_with(task.result()) for task in waiting[1:]} == {"Bearer t1"}
        assert (issuer.fetched, waiting[0].cancelled()) == (1, True)

    asyncio.run(work())


def test_a_token_that_ends_soon_is_used_while_the_next_is_fetched():
    async def work() -> None:
        issuer = Issuer()
        signer = TokenSigner(issuer.fetch, issuer.clock)
        await signer.sign(REQUEST)
        issuer.now_s += 3600 - RENEWED_AHEAD_S
        issuer.gate.clear()
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t1"
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t1"
        issuer.gate.set()
        await settled(lambda: "4900" not in repr(signer) and issuer.fetched == 2 and "4600" not in repr(signer))
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t2"

    asyncio.run(work())


def test_a_token_that_has_ended_is_waited_for():
    async def work() -> None:
        issuer = Issuer()
        signer = TokenSigner(issuer.fetch, issuer.clock)
        await signer.sign(REQUEST)
        issuer.now_s += 3600
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t2"

    asyncio.run(work())


def test_a_renewal_that_fails_is_tried_again_after_a_while():
    async def work() -> None:
        issuer = Issuer()
        signer = TokenSigner(issuer.fetch, issuer.clock)
        await signer.sign(REQUEST)
        issuer.now_s += 3600 - 60
        issuer.fails = True
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t1"
        await settled(lambda: issuer.fetched == 2)
        await asyncio.sleep(0.05)
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t1"
        assert issuer.fetched == 2
        issuer.now_s += RETRIED_AFTER_S
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t1"
        await settled(lambda: issuer.fetched == 3)

    asyncio.run(work())


def test_no_token_is_the_operators_affair():
    async def work() -> None:
        issuer = Issuer()
        issuer.fails = True
        signer = TokenSigner(issuer.fetch, issuer.clock)
        with pytest.raises(NoToken, match="The issuer gave no token: is closed") as caught:
            await signer.sign(REQUEST)
        assert caught.value.problem.outcome is Outcome.ACCOUNT
        issuer.fails = False
        assert signed_with(await signer.sign(REQUEST)) == "Bearer t2"

    asyncio.run(work())
