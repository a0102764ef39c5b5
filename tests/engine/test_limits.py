"""Limits and budgets of a caller, from its key to the answer: what is refused, how it is told, and what is left."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from msgspec import structs

from headgate.app import wiring
from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.inprocess import AsyncTransport
from headgate.engine.conduct import Engine
from headgate.ledger.charging import charge_of
from headgate.ledger.credit import REVENUE, Credit, usage_account, verify
from headgate.limits.budgets import CalendarBudget, RollingBudget
from headgate.limits.terms import NO_TERMS, BudgetTerm, RateTerm, Terms, shown_usd
from headgate.policies.issuing import NewKey, create_key
from headgate.policies.organising import NewTenant, create_tenant
from headgate.policies.roles import OPERATOR
from headgate.server.admin.application import create_api
from headgate.server.admin.guard import as_known
from headgate.server.http1 import Connections
from headgate.store.queries import spend, transfers
from headgate.store.queries.transfers import Transfer

USD = 1_000_000_000
LOREM = {"model": "demo/lorem", "messages": [{"role": "user", "content": "go on"}], "max_tokens": 100}


class Place:
    def __init__(self, core: Core, engine: Engine, client: httpx2.AsyncClient) -> None:
        self.core = core
        self.engine = engine
        self.client = client

    def key(self, terms: Terms = NO_TERMS, **more: object) -> str:
        plain, _ = create_key(self.core.store, self.core.pepper, NewKey(name="k", terms=terms, **more), actor="test")
        self.core.keys.refresh()
        return plain

    def tenant(self, kind: str, terms: Terms = NO_TERMS, organisation: str = "") -> str:
        wanted = NewTenant(kind=kind, name="t", organisation=organisation, terms=terms)
        return create_tenant(self.core.store, wanted, actor="test").id

    async def ask(self, key: str, path: str = "/v1/chat/completions", **members: object) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key}", **members.pop("headers", {})}
        return await self.client.post(path, json={**LOREM, **members}, headers=headers)

    def used(self) -> list[tuple[int, int]]:
        """Of every budget, what is settled and what is held."""
        now_us = self.core.now_us()
        return [each.budget.used(now_us) for each in self.core.tenancy.gauges.budgets()]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        setup = build({"data_dir": str(folder)}, environ={})
        core = await stack.enter_async_context(open_core(setup))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        transport = AsyncTransport(wiring.client_listener(core, engine, core.keys), spawn)
        client = httpx2.AsyncClient(transport=transport, base_url="http://gateway", timeout=60)
        yield Place(core, engine, await stack.enter_async_context(client))


def run(folder: Path, work: Callable[[Place], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with opened(folder) as place:
            await work(place)

    asyncio.run(inside())


def rate(of: str, most: int, **more: object) -> Terms:
    return Terms(rates=(RateTerm(of=of, most=most, **more),))


def money(nano_usd: int, **more: object) -> Terms:
    return Terms(budgets=(BudgetTerm(nano_usd=nano_usd, **{"window": "month", **more}),))


def test_a_rate_is_told_in_openais_words(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(rate("requests", 2))
        first, _, third = [await place.ask(key) for _ in range(3)]

        assert first.status_code == 200
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-reset-requests"] == "30s"
        assert third.status_code == 429
        error = third.json()["error"]
        assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
        assert "2 requests per minute" in error["message"]
        assert 29 <= int(third.headers["retry-after"]) <= 30
        assert 28_000 < int(third.headers["retry-after-ms"]) <= 30_000
        assert third.headers["x-ratelimit-remaining-requests"] == "0"
        assert "x-should-retry" not in third.headers

    run(tmp_path, work)


def test_ones_own_limit_is_told_before_anybody_elses_is_waited_for(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(rate("requests", 1))
        assert (await place.ask(key)).status_code == 200
        for member in place.engine.fleet.members():
            member.quota.limited(3600.0, time.monotonic())

        refused = await place.ask(key)

        assert refused.json()["error"]["message"].startswith("Rate limit of this key reached")

    run(tmp_path, work)


def test_tokens_are_held_and_what_was_not_used_comes_back(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(rate("tokens", 1000))
        first = await place.ask(key)
        used = first.json()["usage"]["total_tokens"]
        second = await place.ask(key)

        assert int(first.headers["x-ratelimit-remaining-tokens"]) < 1000 - 100
        assert int(second.headers["x-ratelimit-remaining-tokens"]) > 1000 - 2 * used - 60
        large = await place.ask(key, max_tokens=2000)
        assert large.status_code == 429
        assert large.headers["x-should-retry"] == "false"
        assert "retry-after" not in large.headers
        assert "larger than this key may make" in large.json()["error"]["message"]

    run(tmp_path, work)


def test_calls_at_a_time(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(rate("concurrency", 3))
        answers = await asyncio.gather(*(place.ask(key, model="demo/lorem@2ms") for _ in range(8)))
        assert sorted(each.status_code for each in answers) == [200] * 3 + [429] * 5
        assert (await place.ask(key)).status_code == 200

    run(tmp_path, work)


SURFACES = {
    "/v1/chat/completions": lambda body: body["error"]["code"] == "insufficient_quota",
    "/v1/messages": lambda body: body["error"]["type"] == "billing_error",
    "/v1beta/models/demo%2Florem:generateContent": lambda body: body["error"]["status"] == "RESOURCE_EXHAUSTED",
    "/v1/responses": lambda body: body["error"]["code"] == "insufficient_quota",
}


@pytest.mark.parametrize("path", SURFACES)
def test_a_budget_that_is_used_up_is_told_in_the_callers_dialect(tmp_path: Path, path: str):
    async def work(place: Place) -> None:
        headers = {"authorization": f"Bearer {place.key(money(1))}"}
        bodies = {
            "/v1/chat/completions": LOREM,
            "/v1/messages": LOREM,
            "/v1/responses": {"model": "demo/lorem", "input": "go on"},
        }
        gemini = {"contents": [{"role": "user", "parts": [{"text": "go on"}]}]}
        refused = await place.client.post(path, json=bodies.get(path, gemini), headers=headers)

        assert refused.status_code == 429
        assert SURFACES[path](refused.json()), refused.text
        assert refused.headers["x-should-retry"] == "false"
        record = await place.core.calls.find(refused.headers["x-headgate-request-id"])
        assert record.attempts == []

    run(tmp_path, work)


def test_openrouters_path_says_402(tmp_path: Path):
    async def work(place: Place) -> None:
        refused = await place.ask(place.key(money(1)), "/api/v1/chat/completions")
        assert refused.status_code == 402
        assert refused.headers["x-should-retry"] == "false"

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("level", "covers", "is_stream"),
    [
        ("team", 50, False),
        ("key", 5, True),
        ("organisation", 5, False),
        ("user", 5, False),
        ("model", 5, False),
        ("provider", 5, False),
    ],
)
def test_no_overspend(tmp_path: Path, level: str, covers: int, is_stream: bool):
    """Ten times as many calls at once as a budget covers."""

    async def work(place: Place) -> None:
        probe = await place.ask(place.key())
        cost = charge_of(await place.core.calls.find(probe.headers["x-headgate-request-id"]))
        assert cost > 0
        limit = covers * cost
        terms = money(limit)
        if level == "user":
            terms = Terms(each_user_budgets=terms.budgets)
        elif level in ("model", "provider"):
            terms = money(limit, **{level: {"model": "lorem@1ms", "provider": "demo"}[level]})
        where = level if level in ("organisation", "team") else "key"
        organisation = place.tenant("organisation", terms if where == "organisation" else Terms())
        team = place.tenant("team", terms if where == "team" else Terms(), organisation)
        keys = [place.key(terms if where == "key" else Terms(), team=team) for _ in range(1 if where == "key" else 3)]

        async def one(number: int) -> int:
            answer = await place.ask(keys[number % len(keys)], user="ann", stream=is_stream, model="demo/lorem@1ms")
            return answer.status_code

        statuses = await asyncio.gather(*(one(number) for number in range(10 * covers)))

        answered = statuses.count(200)
        assert statuses.count(429) == 10 * covers - answered
        assert covers // 2 < answered <= covers
        assert place.used() == [(answered * cost, 0)]
        while answered <= covers and await one(0) == 200:  # what was held too much is there again
            answered += 1
        assert covers - 2 < answered <= covers
        assert place.core.applier.drain()
        with place.core.store.read() as connection:
            total = spend.total(connection, sorted(key[6:16] for key in keys))
        assert (total.calls, total.charge_nano_usd) == (answered, place.used()[0][0])

    run(tmp_path, work)


def test_what_was_spent_is_known_after_a_restart(tmp_path: Path):
    keys: list[str] = []
    terms = Terms(
        budgets=(
            BudgetTerm(nano_usd=USD, window="month"),
            BudgetTerm(tokens=10**6, window="PT1H"),
            BudgetTerm(nano_usd=USD, window="day", zone="Asia/Kathmandu", model="lorem"),
        ),
        each_user_budgets=(BudgetTerm(nano_usd=USD, window="total", provider="demo"),),
    )
    before: list[tuple[int, int]] = []

    async def first(place: Place) -> None:
        keys.append(place.key(terms))
        for _ in range(3):
            assert (await place.ask(keys[0], user="ann")).status_code == 200
        before.extend(place.used())

    async def second(place: Place) -> None:
        assert place.used() == before
        assert (await place.ask(keys[0], user="ann")).status_code == 200
        assert [each[0] for each in place.used()] == [each[0] * 4 // 3 for each in before]

    run(tmp_path, first)
    assert all(settled > 0 and held == 0 for settled, held in before)
    assert len(before) == 4
    run(tmp_path, second)


def test_a_restart_lets_nothing_leave_a_rolling_window_early(tmp_path: Path):
    """Sums are kept by the quarter of an hour; what began in one may have begun at its very end."""
    ended_us = time.time_ns() // 1000 // spend.QUARTER_US * spend.QUARTER_US
    window_s = (time.time_ns() // 1000 - ended_us) // 1_000_000 + 600

    async def first(place: Place) -> None:
        new = NewKey(name="k", terms=Terms(budgets=(BudgetTerm(tokens=10, window=f"PT{window_s}S"),)))
        _, row = create_key(place.core.store, place.core.pepper, new, actor="test")
        with place.core.store.write() as connection:
            quarter = spend.Place(ended_us - spend.QUARTER_US, row.kid, "", "demo/lorem", "demo", "lorem")
            spend.add(connection, [spend.Spent(quarter, spend.Sums(calls=1, input_tokens=3, output_tokens=4))])

    async def second(place: Place) -> None:
        assert place.used() == [(7, 0)]

    run(tmp_path, first)
    run(tmp_path, second)


def test_a_stream_that_outgrows_its_budget_is_cut_with_an_error(tmp_path: Path):
    async def work(place: Place) -> None:
        probe = await place.ask(place.key(), max_tokens=1000)
        cost = charge_of(await place.core.calls.find(probe.headers["x-headgate-request-id"]))
        key = place.key(money(2 * cost))
        answer = await place.ask(key, max_tokens=8000, stream=True)

        assert answer.status_code == 200
        events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert json.loads(events[-1])["error"]["code"] == "budget_exhausted"
        assert "[DONE]" not in answer.text
        [(settled, held)] = place.used()
        assert held == 0
        assert cost // 2 < settled <= 2 * cost

    run(tmp_path, work)


def test_a_call_that_nobody_answers_costs_its_caller_nothing(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(money(USD))
        refused = await place.ask(key, model="demo/nothing")
        assert refused.status_code == 404
        assert place.used() == [(0, 0)]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("most", "status", "code"),
    [("0.5", 200, None), ("0.000000001", 400, "max_cost_exceeded"), ("a lot", 400, None), ("-1", 400, None)],
)
@pytest.mark.parametrize("has_limits", [False, True])
def test_a_call_costs_no_more_than_it_may(tmp_path: Path, most: str, status: int, code: str | None, has_limits: bool):
    async def work(place: Place) -> None:
        key = place.key(rate("requests", 9) if has_limits else NO_TERMS)
        answer = await place.ask(key, headers={"x-headgate-max-cost-usd": most})
        assert answer.status_code == status, answer.text
        if status == 400:
            error = answer.json()["error"]
            assert error["code"] == code
            assert "x-headgate-max-cost-usd" in error["message"]

    run(tmp_path, work)


def test_who_has_no_limits_is_told_of_none(tmp_path: Path):
    async def work(place: Place) -> None:
        answer = await place.ask(place.key())
        assert [name for name in answer.headers if "ratelimit" in name] == []
        assert place.core.tenancy.limited == {}

    run(tmp_path, work)


def test_embeddings_count_too(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(rate("requests", 1))
        headers = {"authorization": f"Bearer {key}"}
        body = {"model": "demo/echo", "input": "words"}
        statuses = [(await place.client.post("/v1/embeddings", json=body, headers=headers)).status_code for _ in "ab"]
        assert statuses == [200, 429]

    run(tmp_path, work)


def test_kinds_of_budgets(tmp_path: Path):
    async def work(place: Place) -> None:
        place.key(Terms(budgets=(BudgetTerm(nano_usd=1, window="day"), BudgetTerm(tokens=1, window="PT1H"))))
        kinds = [type(each.budget) for each in place.core.tenancy.gauges.budgets()]
        assert kinds == [CalendarBudget, RollingBudget]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (Terms(is_blocked=True), "key_blocked"),
        (Terms(endpoints=("embeddings",)), "endpoint_not_allowed"),
        (Terms(addresses=("192.0.2.0/24",)), "address_not_allowed"),
        (Terms(endpoints=("generate",), addresses=("127.0.0.0/8", "::1/128")), None),
    ],
)
def test_who_may_not_come_in_is_told_why(tmp_path: Path, terms: Terms, code: str | None):
    """Over a real socket, since it takes one to have an address."""

    async def work(place: Place) -> None:
        async with asyncio.TaskGroup() as group:
            listener = wiring.client_listener(place.core, place.engine, place.core.keys)
            connections = Connections(listener, group.create_task)
            server = await asyncio.get_running_loop().create_server(connections, "127.0.0.1", 0)
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
            async with httpx2.AsyncClient() as client:
                headers = {"authorization": f"Bearer {place.key(terms)}"}
                answer = await client.post(url, json=LOREM, headers=headers)
            server.close()
            await connections.close()
        if code is None:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)

    run(tmp_path, work)


def test_prepaid_credit_ends_where_it_ends_and_the_books_balance(tmp_path: Path):
    async def work(place: Place) -> None:
        admin = admin_doors(place.core)
        organisation = place.tenant("organisation", Terms(is_prepaid=True))
        key = place.key(organisation=organisation)
        refused = await place.ask(key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert "prepaid credit" in refused.json()["error"]["message"]

        probe = await place.ask(place.key())
        cost = charge_of(await place.core.calls.find(probe.headers["x-headgate-request-id"]))
        admin.credit.grant(Credit(organisation, "top-up", 3 * cost, "pay-1"))
        statuses = [(await place.ask(key)).status_code for _ in range(5)]
        answered = statuses.count(200)
        assert statuses == [200] * answered + [429] * (5 - answered)
        assert 2 <= answered <= 3
        state = admin.credit.state(organisation)
        assert (state.credited, state.used) == (3 * cost, answered * cost)

        month = f"{datetime.now(UTC):%Y-%m}"
        transport = httpx2.ASGITransport(as_known(create_api(admin), OPERATOR))
        async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
            url = f"/admin/v1/statements/{organisation}?month={month}"
            told = (await client.get(url)).json()
            table = (await client.get(f"{url}&format=csv")).text.splitlines()
        assert told["charge_usd"] == shown_usd(answered * cost)
        [line] = told["lines"]
        assert (line["model"], line["provider"], line["calls"]) == ("demo/lorem", "demo", answered)
        assert table[0] == ",".join(line)
        assert table[1] == ",".join(str(value) for value in line.values())

        with place.core.store.read() as connection:
            assert verify(connection) == []
        with place.core.store.write() as connection:
            wrong = Transfer(id="x", at_us=1, debit=usage_account(key[6:16]), credit=REVENUE, nano_usd=5, kind="usage")
            transfers.post(connection, [wrong])
        with place.core.store.read() as connection:
            assert [each.what for each in verify(connection)] == [
                f"key {key[6:16]}: ledger and sums",
                f"key {key[6:16]}: ledger and calls",
            ]

    run(tmp_path, work)


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files"])
def test_calls_whose_use_nobody_can_tell_count_too(tmp_path: Path, path: str):
    async def work(place: Place) -> None:
        key = place.key(rate("requests", 1))
        statuses = [(await place.ask(key, path)).status_code for _ in range(2)]
        assert statuses[0] != 429
        assert statuses[1] == 429

    run(tmp_path, work)


def test_a_budget_without_anything_left_has_no_room(tmp_path: Path):
    async def work(place: Place) -> None:
        probe = await place.ask(place.key())
        cost = charge_of(await place.core.calls.find(probe.headers["x-headgate-request-id"]))
        key = place.key(money(2 * cost))
        limits = place.core.metering.limits
        assert limits.has_room(key[6:16])
        assert limits.has_room("somebody else")
        # what is booked without a hold, as live sessions are, can go over
        for _ in range(3):
            record = structs.replace(
                await place.core.calls.find(probe.headers["x-headgate-request-id"]), key_id=key[6:16]
            )
            limits.settle(record)
        assert not limits.has_room(key[6:16])
        assert (await place.ask(key)).status_code == 429

    run(tmp_path, work)
