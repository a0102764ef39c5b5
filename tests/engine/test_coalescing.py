"""Identical calls under way share one: everybody gets everything, and nobody depends on anybody."""

import asyncio
from pathlib import Path

import pytest

from headgate.core.fold import fold
from headgate.core.problems import Outcome
from headgate.dialects.registry import DIALECTS as TABLE
from headgate.transport.fake import Answer, CutAfter, Drip, FakeUpstream, Status, Wait
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import Bench, bench

EXACT = {"mode": "exact"}
MODEL = "r_openai_chat"
CALLERS = 200


async def read(gateway: Bench, model: str = MODEL) -> tuple[dict[str, str], bytes]:
    async with gateway.stream("openai_chat", model) as response:
        return dict(response.headers), await response.aread()


async def leave(gateway: Bench, *, after: int = 1) -> None:
    """Reads a little and hangs up."""
    async with gateway.stream("openai_chat", MODEL) as response:
        async for _ in response.aiter_bytes():
            after -= 1
            if not after:
                return


def fail_late(upstream: FakeUpstream, status: int = 503, times: int | None = None) -> None:
    """An error that others have had the time to wait for."""
    answer = Answer()
    upstream.script([Wait(0.2), *Status(status).steps(answer)], times=times)


def words(body: bytes) -> str:
    parser = TABLE["openai_chat"].stream_parser()
    answer = fold([*parser.feed(body), *parser.close()])
    assert answer.problem is None, answer
    return answer.text


def test_many_identical_streams_make_one_call_upstream(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.02))
            answers = await asyncio.gather(*(read(gateway) for _ in range(CALLERS)))
            assert len(gateway.upstreams["a"].log) == 1
            assert {words(body) for _, body in answers} == {TEXT}
            assert len({body for _, body in answers}) == 1
            said = [headers["x-headgate-cache"] for headers, _ in answers]
            assert (said.count("miss"), said.count("coalesced")) == (1, CALLERS - 1)
            [paid] = [
                headers["x-headgate-request-id"] for headers, _ in answers if headers["x-headgate-cache"] == "miss"
            ]
            ids = {headers["x-headgate-request-id"] for headers, _ in answers}
            assert len(ids) == CALLERS
            for id in ids - {paid}:
                record = await gateway.core.calls.find(id)
                assert record is not None
                assert record.reused is not None
                assert (record.reused.how, record.reused.source) == ("coalesced", paid)
                assert (record.status, record.outcome, record.cost_nano_usd, record.usage) == (200, Outcome.OK, 0, None)
                assert record.attempts == []

    asyncio.run(run())


def test_the_first_ones_leaving_hurts_nobody(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.05))
            first = asyncio.ensure_future(leave(gateway))  # noqa: TID251
            await asyncio.sleep(0)
            answers = await asyncio.gather(*(read(gateway) for _ in range(CALLERS - 1)))
            await first
            assert {words(body) for _, body in answers} == {TEXT}
            assert {headers["x-headgate-cache"] for headers, _ in answers} == {"coalesced"}
            [asked] = gateway.upstreams["a"].log
            assert asked.closed_early is False

    asyncio.run(run())


def test_when_all_have_left_it_is_not_asked_for_any_more(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.1))
            await asyncio.gather(*(leave(gateway) for _ in range(3)))
            async with asyncio.timeout(5):
                while gateway.upstreams["a"].log[0].closed_s is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert gateway.upstreams["a"].log[0].closed_early is True
            assert len(gateway.upstreams["a"].log) == 1
            gateway.upstreams["a"].heal()
            headers, body = await read(gateway)
            assert (headers["x-headgate-cache"], words(body)) == ("miss", TEXT)

    asyncio.run(run())


@pytest.mark.parametrize("count", [2, 5])
def test_a_failure_is_tried_again_once_for_all(tmp_path: Path, count: int):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT, attempts_max=1) as gateway:
            fail_late(gateway.upstreams["a"], times=1)
            answers = await asyncio.gather(*(read(gateway) for _ in range(count)))
            assert {words(body) for _, body in answers} == {TEXT}
            assert len(gateway.upstreams["a"].log) == 2
            said = sorted(headers["x-headgate-cache"] for headers, _ in answers)
            assert said == ["coalesced"] * (count - 1) + ["miss"]

    asyncio.run(run())


def test_a_second_failure_is_told_to_all(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT, attempts_max=1) as gateway:
            fail_late(gateway.upstreams["a"])
            answers = await asyncio.gather(*(gateway.post("openai_chat", MODEL) for _ in range(4)))
            assert [answer.status_code for answer in answers] == [503] * 4
            assert len(gateway.upstreams["a"].log) == 2
            told = [answer.json()["error"]["metadata"]["request_id"] for answer in answers]
            assert told == [answer.headers["x-headgate-request-id"] for answer in answers]
            assert len(set(told)) == 4
            for answer in answers:
                record = await gateway.record(answer)
                assert (record.status, record.outcome) == (503, Outcome.OVERLOAD)

    asyncio.run(run())


def test_a_fault_of_the_callers_is_not_tried_again(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT, attempts_max=1) as gateway:
            fail_late(gateway.upstreams["a"], 400)
            answers = await asyncio.gather(*(gateway.post("openai_chat", MODEL) for _ in range(3)))
            assert [answer.status_code for answer in answers] == [400] * 3
            assert len(gateway.upstreams["a"].log) == 1

    asyncio.run(run())


def test_what_breaks_off_breaks_off_for_all(tmp_path: Path):
    async def run() -> None:
        async with bench(tmp_path, "a", cache=EXACT, attempts_max=1) as gateway:
            gateway.upstreams["a"].fail(CutAfter(bytes=700))
            answers = await asyncio.gather(*(read(gateway) for _ in range(3)))
            assert len({body for _, body in answers}) == 1
            assert b"[DONE]" not in answers[0][1]
            assert b'"error"' in answers[0][1]
            for headers, _ in answers:
                record = await gateway.core.calls.find(headers["x-headgate-request-id"])
                assert record is not None
                assert record.outcome is Outcome.CUT

    asyncio.run(run())


@pytest.mark.parametrize("settings", [{"coalesce": False}, {}])
def test_who_wants_a_fresh_answer_shares_none(tmp_path: Path, settings: dict[str, bool]):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={**EXACT, **settings}) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.02))
            if not settings:
                gateway.client.headers["cache-control"] = "no-cache"
            await asyncio.gather(*(read(gateway) for _ in range(3)))
            assert len(gateway.upstreams["a"].log) == 3

    asyncio.run(run())


@pytest.mark.parametrize("shares", ["first", "equal"])
def test_who_pays_for_a_shared_answer(tmp_path: Path, shares: str):
    async def run() -> None:
        async with bench(tmp_path, "a", cache={**EXACT, "shares": shares}) as gateway:
            gateway.upstreams["a"].fail(Drip(gap_s=0.02))
            answers = await asyncio.gather(*(gateway.post("openai_chat", MODEL) for _ in range(3)))
            records = [await gateway.record(answer) for answer in answers]
            [paid] = [record for record in records if record.reused is None]
            cost = paid.attempts[0].cost_nano_usd
            assert cost > 0
            charges = [record.charge_nano_usd for record in records if record is not paid]
            if shares == "first":
                assert (paid.charge_nano_usd, charges) == (None, [None, None])
            else:
                assert charges == [cost // 3] * 2
                assert paid.charge_nano_usd == cost - 2 * (cost // 3)
            for record in records:
                assert record.cost_nano_usd == (cost if record is paid else 0)

    asyncio.run(run())
