"""Two at once: what a slow deployment does to a call that could go elsewhere; judged by the upstreams' own logs."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate.core.problems import Outcome
from headgate.core.record import CallRecord
from headgate.core.usage import Usage
from headgate.engine.trying import Trying
from headgate.routing.health import State
from headgate.routing.quotas import Need
from headgate.transport.fake import (
    Attempt,
    BlackHole,
    FakeUpstream,
    HeadersThenSilence,
    PingsOnly,
    SlowFirstByte,
    Status,
)
from headgate.transport.fake.upstream import TEXT
from tests.engine.harness import Bench, bench, text_of

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"
SLOW = SlowFirstByte(s=20)


def teach(gateway: Bench, *names: str, seconds: float = 0.05) -> None:
    """Two hundred answers of each, so that what is usual of them is known."""
    fleet, since_s = gateway.engine.fleet, time.monotonic() - 2.0
    for name in names:
        for is_stream in (False, True):
            for step in range(200):
                now_s = since_s + 0.01 * step
                member = next(each for each in fleet.members() if each.id == f"{name}_{CHAT}/m")
                ticket = fleet.sent(member, Need(20, 10), now_s, is_stream=is_stream)
                fleet.first(ticket, now_s + seconds)
                fleet.used(ticket, Usage(input_tokens=20, output_tokens=9), now_s + seconds)
                fleet.ended(ticket, Outcome.OK, now_s + seconds, 0.5)


async def known(gateway: Bench, **members: Any) -> None:
    """One call to each upstream, and what is usual of it."""
    for name in gateway.upstreams:
        await gateway.post(CHAT, f"{name}_{CHAT}/m", **members)
        teach(gateway, name)


def later(upstream: FakeUpstream, known: int = 1) -> list[Attempt]:
    """What it was asked after it was known."""
    return upstream.log[known:]


async def asked(gateway: Bench, *, is_stream: bool, **members: Any) -> tuple[dict[str, str], str, CallRecord]:
    """Header fields, text and record of one call."""
    if not is_stream:
        response = await gateway.post(CHAT, f"r_{CHAT}", **members)
        assert response.status_code == 200
        return dict(response.headers), text_of(CHAT, response.content), await gateway.record(response)
    async with gateway.stream(CHAT, f"r_{CHAT}", **members) as response:
        body = (await response.aread()).decode()
    assert response.status_code == 200
    assert body.count('"finish_reason":"stop"') == 1
    return dict(response.headers), body, await gateway.record(response)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the log of an upstream has nobody to tell
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_a_slow_one_is_hedged_and_the_loser_is_cancelled_and_booked(tmp_path: Path, is_stream: bool):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SLOW)
        headers, _, record = await asked(gateway, is_stream=is_stream)
        await until(lambda: later(a)[0].closed_early)
    assert headers["x-headgate-provider"] == f"b_{CHAT}"
    assert (headers["x-headgate-attempts"], headers["x-headgate-hedged"]) == ("2", "true")
    assert [len(later(a)), len(later(b))] == [1, 1]
    lost, won = record.attempts
    assert [(each.number, each.why, each.outcome) for each in (lost, won)] == [
        (1, "first", Outcome.LOCAL), (2, "hedge", Outcome.OK)
    ]  # fmt: skip
    assert (lost.usage_source, won.usage_source) == ("estimated_prompt", "provider_reported")
    assert lost.cost_nano_usd > 0
    assert record.extra_nano_usd == lost.cost_nano_usd
    assert record.cost_nano_usd == lost.cost_nano_usd + won.cost_nano_usd
    assert record.usage == won.usage
    assert record.outcome is Outcome.OK
    assert record.overhead_ms < record.duration_ms / 2


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
async def test_the_first_may_win_after_all(tmp_path: Path, is_stream: bool):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SlowFirstByte(s=1.0))
        b.fail(SLOW)
        headers, text, record = await asked(gateway, is_stream=is_stream)
        await until(lambda: later(b)[0].closed_early)
    assert headers["x-headgate-provider"] == f"a_{CHAT}"
    assert headers["x-headgate-attempts"] == "2"
    assert is_stream or text == TEXT
    assert [(each.why, each.outcome) for each in record.attempts] == [("first", Outcome.OK), ("hedge", Outcome.LOCAL)]
    assert record.attempts[1].duration_ms < record.attempts[0].duration_ms


@pytest.mark.parametrize("fault", [HeadersThenSilence(), PingsOnly(gap_s=0.05)], ids=["headers", "pings"])
async def test_headers_and_pings_alone_are_no_answer(tmp_path: Path, fault: Any):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        gateway.upstreams["a"].fail(fault)
        headers, _, record = await asked(gateway, is_stream=True)
    assert headers["x-headgate-provider"] == f"b_{CHAT}"
    assert record.hedge == 2


@pytest.mark.parametrize(
    ("route", "members"),
    [
        ({"hedge_share": 0}, {}),
        ({"attempts_max": 1}, {}),
        ({}, {"web_search_options": {"search_context_size": "low"}}),
    ],
)
async def test_what_must_not_be_doubled_is_not(tmp_path: Path, route: dict[str, Any], members: dict[str, Any]):
    async with bench(tmp_path, "ab", **route) as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SlowFirstByte(s=1.0))
        headers, _, record = await asked(gateway, is_stream=True, **members)
    assert headers["x-headgate-provider"] == f"a_{CHAT}"
    assert "x-headgate-hedged" not in headers
    assert (len(later(b)), record.hedge) == (0, 0)


async def test_without_money_nothing_is_doubled(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        purse = gateway.engine.means(gateway.engine.route(f"r_{CHAT}")).purse
        assert purse.take(purse.balance)
        a.fail(SlowFirstByte(s=1.0))
        headers, _, _ = await asked(gateway, is_stream=True)
        assert headers["x-headgate-provider"] == f"a_{CHAT}"
        assert later(b) == []


async def test_a_purse_gets_back_what_a_hedge_did_not_cost(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a = gateway.upstreams["a"]
        purse = gateway.engine.means(gateway.engine.route(f"r_{CHAT}")).purse
        before = purse.balance
        a.fail(SlowFirstByte(s=20))
        _, _, record = await asked(gateway, is_stream=False)
        assert before - purse.balance == pytest.approx(record.extra_nano_usd, abs=0.04 * record.cost_nano_usd)


async def test_both_failing_is_told_with_both(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SlowFirstByte(s=20))
        b.fail(Status(status=500))
        gateway.client.headers["x-headgate-timeout-ms"] = "1500"
        response = await gateway.post(CHAT, f"r_{CHAT}")
        assert response.status_code == 504
        attempts = response.json()["error"]["metadata"]["attempts"]
        assert [each["outcome"] for each in attempts] == ["slow", "server"]
        assert len(later(a)) == len(later(b)) == 1


async def test_a_refusal_of_the_call_itself_ends_both(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SLOW)
        refusal = b'{"error": {"message": "no", "type": "invalid_request_error", "param": "x", "code": null}}'
        b.reply(refusal, status=400)
        response = await gateway.post(CHAT, f"r_{CHAT}")
        assert (response.status_code, response.content) == (400, refusal)
        await until(lambda: later(a)[0].closed_early)


async def test_who_leaves_ends_both(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SLOW)
        b.fail(SLOW)
        async with asyncio.TaskGroup() as group:
            call = group.create_task(gateway.post(CHAT, f"r_{CHAT}"))
            await until(lambda: later(b))
            call.cancel()
        await until(lambda: later(a)[0].closed_early and later(b)[0].closed_early)
        for member in gateway.engine.fleet.members():
            assert member.in_flight == 0
            assert not member.health.bad


async def test_a_sole_deployment_is_waited_for(tmp_path: Path):
    async with bench(tmp_path, "a") as gateway:
        await known(gateway)
        gateway.upstreams["a"].fail(SlowFirstByte(s=1.0))
        headers, _, record = await asked(gateway, is_stream=True)
        assert headers["x-headgate-attempts"] == "1"
        assert len(record.attempts) == 1


async def test_a_hedge_whose_upstream_fails_leaves_the_first_all_its_time(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SlowFirstByte(s=2.5))  # after `move_s`, which is 2 s of a stream that is known to be quick
        b.fail(Status(status=500))
        headers, _, record = await asked(gateway, is_stream=True)
    assert headers["x-headgate-provider"] == f"a_{CHAT}"
    assert [each.outcome for each in record.attempts] == [Outcome.OK, Outcome.SERVER]


async def test_embeddings_are_hedged_and_pictures_are_not(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        a = gateway.upstreams["a"]
        paths = {"/v1/embeddings": {"input": "a"}, "/v1/images/generations": {"prompt": "a"}}
        for path, members in paths.items():
            for name in "ab":
                asked = {"model": f"{name}_{CHAT}/m", **members}
                assert (await gateway.client.post(path, json=asked)).status_code == 200
                teach(gateway, name)
        a.fail(SlowFirstByte(s=1.0))
        told = [
            (await gateway.client.post(path, json={"model": f"r_{CHAT}", **members})).headers
            for path, members in paths.items()
        ]
    assert [each["x-headgate-provider"] for each in told] == [f"b_{CHAT}", f"a_{CHAT}"]
    assert [attempt.closed_early for attempt in later(a, 2)] == [True, False]


async def test_a_trial_of_what_was_out_of_order_does_not_keep_its_caller(tmp_path: Path):
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a = gateway.upstreams["a"]
        member = next(each for each in gateway.engine.fleet.members() if each.id == f"a_{CHAT}/m")
        for _ in range(5):
            member.health.failed(1.0, time.monotonic() - 10.0, 0.5)
        assert gateway.engine.fleet.standing(member, Need(1, 1), time.monotonic()).state is State.HALF_OPEN
        a.fail(BlackHole())
        headers, _, _ = await asked(gateway, is_stream=True)
        assert headers["x-headgate-provider"] == f"b_{CHAT}"
        assert len(later(a)) == 1


async def test_an_answer_that_comes_before_its_hedge_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both in one turn of the loop: the hedge is decided, and the first token is read before its task runs."""
    late, claim, claimed = Trying._late, Trying.claim, list[BaseException | None]()

    def claim_once(trying: Trying, number: int) -> None:
        if trying.winner != number:
            claim(trying, number)

    def late_and_answered(trying: Trying, number: int) -> None:
        late(trying, number)
        try:
            trying.claim(number)
            claimed.append(None)
        except BaseException as error:
            claimed.append(error)

    monkeypatch.setattr(Trying, "_late", late_and_answered)
    monkeypatch.setattr(Trying, "claim", claim_once)
    async with bench(tmp_path, "ab") as gateway:
        await known(gateway)
        a, b = gateway.upstreams.values()
        a.fail(SlowFirstByte(s=1))
        response = await gateway.post(CHAT, f"r_{CHAT}")
        record = await gateway.record(response)

    assert response.status_code == 200
    assert claimed[0] is None
    assert len(later(a)) == 1
    assert later(b) == []
    assert record.hedge == 2
    assert record.extra_nano_usd == 0
