"""Limits and budgets of a caller, from its key to the answer: what is refused, how it is told, and what is left."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
from msgspec import structs

from headgate.app import wiring
from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.money import shown_usd
from headgate.engine.conduct import Engine
from headgate.ledger.charging import charge_of
from headgate.ledger.credit import REVENUE, Credit, grant, usage_account, used, verify
from headgate.limits.budgets import CalendarBudget, RollingBudget
from headgate.limits.terms import NO_TERMS, BudgetTerm, PriceTerm, RateTerm, Terms
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

    async def ask_as(self, key: str, path: str, body: object) -> httpx2.Response:
        return await self.client.post(path, json=body, headers={"authorization": f"Bearer {key}"})

    def used(self) -> list[tuple[int, int]]:
        """Of every budget, what is settled and what is held."""
        now_us = self.core.now_us()
        return [each.budget.used(now_us) for each in self.core.tenancy.gauges.budgets()]


@asynccontextmanager
async def opened(folder: Path, store: str) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        setup = build({"data_dir": str(folder), "store": store}, environ={})
        core = await stack.enter_async_context(open_core(setup))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        transport = AsyncTransport(wiring.client_listener(core, engine, core.keys), spawn)
        client = httpx2.AsyncClient(transport=transport, base_url="http://gateway", timeout=60)
        yield Place(core, engine, await stack.enter_async_context(client))


def run(folder: Path, work: Callable[[Place], Awaitable[None]], store: str = "sqlite:///headgate.db") -> None:
    async def inside() -> None:
        async with opened(folder, store) as place:
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
        ("key", 50, True),
        ("organisation", 50, False),
        ("user", 50, False),
        ("model", 50, False),
        ("provider", 50, False),
        ("credit", 50, False),
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
        if level == "credit":
            terms = Terms(is_prepaid=True)
        elif level == "user":
            terms = Terms(each_user_budgets=terms.budgets)
        elif level in ("model", "provider"):
            terms = money(limit, **{level: {"model": "lorem@1ms", "provider": "demo"}[level]})
        where = {"organisation": "organisation", "credit": "organisation", "team": "team"}.get(level, "key")
        organisation = place.tenant("organisation", terms if where == "organisation" else Terms())
        if level == "credit":
            grant(place.core.store, Credit(organisation, "top-up", limit, "1"), kids=(), actor="test")
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


def test_what_was_spent_is_known_after_a_restart(tmp_path: Path, store_url: str):
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

    run(tmp_path, first, store_url)
    assert all(settled > 0 and held == 0 for settled, held in before)
    assert len(before) == 4
    run(tmp_path, second, store_url)


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


@pytest.mark.parametrize("most", [0.5, "0.000000001"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "demo/echo", "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/responses", {"model": "demo/echo", "input": "hi"}),
        ("/v1/messages", {"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1beta/models/demo/echo:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        ("/v2/chat", {"model": "demo/echo", "messages": [{"role": "user", "content": "hi"}]}),
        ("/api/chat", {"model": "demo/echo", "stream": False, "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/embeddings", {"model": "demo/echo", "input": "hi"}),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_body_can_say_what_it_may_cost(tmp_path: Path, path: str, body: dict, most: object):
    async def work(place: Place) -> None:
        headers = {"authorization": f"Bearer {place.key()}", "x-headgate-max-cost-usd": "1"}
        answer = await place.client.post(path, json={**body, "max_cost_usd": most}, headers=headers)
        assert answer.status_code == (200 if most == 0.5 else 400), answer.text
        if most != 0.5:
            assert "which is more than its max_cost_usd" in answer.text
        dear = {**body, "max_price": {"prompt": 0.000001}}
        refused = await place.client.post(path, json=dear, headers=headers)
        assert refused.status_code == 400
        assert "for the price that 'provider.max_price' allows" in refused.text

    run(tmp_path, work)


def test_an_account_pays_by_its_own_prices_and_both_are_kept(tmp_path: Path):
    async def work(place: Place) -> None:
        terms = Terms(prices=(PriceTerm(markup_ppm=500_000),), budgets=money(USD).budgets)
        dear, plain = place.key(organisation=place.tenant("organisation", terms)), place.key()
        records, told = [], []
        for key in (plain, dear):
            answer = await place.ask(key)
            id = answer.headers["x-headgate-request-id"]
            told.append(answer.headers["x-headgate-cost-usd"])
            records.append(await place.core.calls.find(id))
            shown = await place.client.get(f"/v1/generations/{id}", headers={"authorization": f"Bearer {key}"})
            told.append(shown.json()["cost_usd"])
        cost, charge = records[0].cost_nano_usd, records[1].charge_nano_usd
        assert records[1].cost_nano_usd == cost == charge_of(records[0]) > 0
        assert charge == charge_of(records[1]) == cost * 3 // 2
        assert "charge_nano_usd" not in shown.json()
        assert told == [f"0.{cost:09d}"] * 2 + [f"0.{charge:09d}"] * 2
        assert place.used() == [(charge, 0)]
        most = [(await place.ask(key, max_cost_usd="0.000000001")).json()["error"]["message"] for key in (plain, dear)]
        least, more = (Decimal(message.split()[4]) for message in most)
        assert more * 2 == least * 3
        place.core.applier.drain()
        with place.core.store.read() as connection:
            assert verify(connection) == []
            assert used(connection, [dear[6:16]]) == charge

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


def test_prepaid_credit_ends_where_it_ends_and_the_books_balance(tmp_path: Path, store_url: str):
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

    run(tmp_path, work, store_url)


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
