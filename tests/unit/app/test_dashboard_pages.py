"""The pages of the dashboard over a store full of made-up calls, by HTTP: each tells what is there."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx2
import msgspec
import pytest
from tests.unit.app.browsing import EVIL, House, Reader, Visiting, faults

from headgate.core.principal import Principal
from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord, Weighed
from headgate.core.usage import Usage
from headgate.policies.issuing import list_keys
from headgate.policies.keys import Refusal
from headgate.server.dashboard.pages.tail import LOOK_S
from headgate.store.queries import calls, tenants
from headgate.store.queries.calls import CallFilter


def rows_of(text: str) -> list[str]:
    return re.findall(r'href="/dashboard/requests/(req_[^"]*)"', text)


def test_requests_are_narrowed_down_and_paged_through(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        first = await browser.get("/dashboard/requests?model=fast")
        older = re.search(r'href="(/dashboard/requests\?[^"]*after=[^"]*)"', first.text)
        assert older is not None
        second = await browser.get(older[1].replace("&amp;", "&"), **{"hx-request": "true"})
        assert second.text.lstrip().startswith("<tr>")
        every = [*rows_of(first.text), *rows_of(second.text)]
        kept = await house.core.calls.recent(CallFilter(model="fast"), limit=len(every))
        assert every == [record.id for record in kept.records]
        assert len(rows_of(first.text)) == 50

    visit(work)


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("period=1y&outcome=failed", lambda record: record.outcome != "ok"),
        ("outcome=local&status=429", lambda record: record.status == 429),
        ("route=smart", lambda record: record.route == "smart"),
        ("user=user-0001", lambda record: record.user == "user-0001"),
        ("session=session-000000002", lambda record: record.session == "session-000000002"),
        ("period=6h", lambda record: record.started_us > time.time_ns() // 1000 - 6 * 3_600_000_000),
    ],
)
def test_a_filter_shows_what_fits_and_all_of_it(visit: Visiting, query: str, fits: Callable[[CallRecord], bool]):
    async def work(house: House) -> None:
        wanted = [
            record.id
            for record in (await house.core.calls.recent(CallFilter(), limit=500)).records
            if fits(record) and record.id.startswith("req_seed")
        ]
        page = await (await house.logged_in()).get(f"/dashboard/requests?{query}")
        shown = [id for id in rows_of(page.text) if id.startswith("req_seed")]
        assert shown == wanted[: len(shown)]
        assert len(rows_of(page.text)) >= min(50, len(wanted)) > 0

    visit(work)


@pytest.mark.parametrize("query", ["status=abc", "status=20", "outcome=nothing", "after=x", "period=never"])
def test_a_filter_that_means_nothing_is_refused(visit: Visiting, query: str):
    async def work(house: House) -> None:
        assert (await (await house.logged_in()).get(f"/dashboard/requests?{query}")).status_code == 400

    visit(work)


def test_one_request_is_told_in_full(visit: Visiting):
    async def work(house: House) -> None:
        usage = Usage(input_tokens=1000, output_tokens=100)
        shared: Any = {"model": "echo", "dialect": "openai_chat", "lane": "verbatim"}
        failed = Attempt(
            number=1, provider="demo", outcome=Outcome.SLOW, message="too late", duration_ms=40.0, **shared
        )
        answered = Attempt(
            number=2, provider="demo", why="retry", started_ms=41.0, ttft_ms=9.0, duration_ms=59.0, usage=usage,
            cost_nano_usd=1_000_000, status=200, **shared
        )  # fmt: skip
        record = CallRecord(
            id="req_told",
            started_us=house.core.now_us(),
            key_id="unknown",
            surface="openai_chat",
            operation="generate",
            model="demo/echo",
            is_stream=True,
            status=200,
            attempts=[failed, answered],
            candidates=["demo/echo"],
            weighed=(Weighed("demo/echo", "open", wait_s=2.0),),
            usage=usage,
            cost_nano_usd=1_000_000,
            duration_ms=100.0,
        )
        with house.core.store.write() as connection:
            calls.add(connection, [(record, msgspec.json.encode(record))])
        browser = await house.logged_in()
        page = await browser.get("/dashboard/requests/req_told")
        words = " ".join("".join(Reader(page.text).words).split())
        for told in ("slow: too late", "retry", "Sum at today’s prices", "1,000", "$0.001", "open", "2.00 s"):
            assert told in words, told
        assert 'x="41.0%"' in page.text
        part = await browser.get("/dashboard/requests/req_told", **{"hx-request": "true"})
        assert "<html" not in part.text
        assert (await browser.get("/dashboard/requests/req_nowhere")).status_code == 404
        sold = await (await house.logged_in(house.administrator("viewer"))).get("/dashboard/requests/req_told")
        assert sold.status_code == 404

    visit(work)


def words_of(page: httpx2.Response) -> str:
    return " ".join("".join(Reader(page.text).words).split())


def test_a_key_is_made_shown_once_and_ended(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in(house.administrator("member"))
        csrf = await browser.csrf()
        form = {"csrf": csrf, "name": "from the page", "models": "fast, smart", "expires": "30d"}
        made = await browser.post("/dashboard/keys", form)
        plain = re.findall(r'<pre id="plain">(sk-hg_\w+)</pre>', made.text)[0]
        caller = house.core.keys.check(plain)
        assert isinstance(caller, Principal)
        assert caller.models == ("fast", "smart")
        later = await browser.get("/dashboard/keys")
        assert plain not in later.text
        assert "from the page" in later.text
        ended = await browser.post(f"/dashboard/keys/{caller.key_id}/end", {"csrf": csrf})
        assert ended.headers["location"] == "/dashboard/keys"
        assert house.core.keys.check(plain) is Refusal.REVOKED
        assert (await browser.post("/dashboard/keys", {"csrf": csrf})).status_code == 400
        stranger = next(row.kid for row in list_keys(house.core.store) if row.name == "notebooks")
        assert (await browser.post(f"/dashboard/keys/{stranger}/end", {"csrf": csrf})).status_code == 404

    visit(work)


def test_a_plan_is_told_and_a_refusal_too(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        csrf, key = await browser.csrf(), next(row.kid for row in list_keys(house.core.store) if row.name == "web")
        body = '{"model": "demo/echo", "messages": [{"role": "user", "content": "Hello"}]}'
        told = await browser.post("/dashboard/routes", {"csrf": csrf, "key": key, "body": body})
        assert "It would try these" in told.text
        assert "demo/echo" in words_of(told)
        refused = await browser.post(
            "/dashboard/routes", {"csrf": csrf, "key": key, "body": body.replace("demo/echo", "nothing-like-it")}
        )
        assert "It would be refused. 404:" in words_of(refused)
        assert (await browser.post("/dashboard/routes", {"csrf": csrf, "key": "x", "body": body})).status_code == 404

    visit(work)


def test_the_playground_calls_in_the_name_of_a_key(visit: Visiting):
    async def work(house: House) -> None:
        owner = await house.logged_in(house.administrator("owner"))
        kids = {row.name: row.kid for row in list_keys(house.core.store)}
        form = {
            "csrf": await owner.csrf(),
            "key": kids["search-api"],
            "model": "demo/echo",
            "prompt": "say <b>this</b>",
        }
        answer = await owner.post("/dashboard/playground/talk", form | {"system": "briefly", "max_tokens": "50"})
        assert answer.headers["content-type"] == "text/event-stream"
        id = re.match(r": (req_\w+)\n\n", answer.text)
        assert id is not None
        assert answer.text.rstrip().endswith("data: [DONE]")
        record = await house.core.calls.find(id[1])
        assert record is not None
        assert (record.key_id, record.model, record.outcome) == (kids["search-api"], "demo/echo", "ok")
        unknown = await owner.post("/dashboard/playground/talk", form | {"model": "demo/none"})
        assert "does not exist" in unknown.text or "model_not_found" in unknown.text
        assert (await owner.post("/dashboard/playground/talk", form | {"key": kids["notebooks"]})).status_code == 404
        assert (await owner.post("/dashboard/playground/talk", form | {"prompt": ""})).status_code == 400
        assert (await owner.post("/dashboard/playground/talk", form | {"max_tokens": "many"})).status_code == 400

    visit(work)


def test_the_tail_tells_calls_as_they_end_and_stops_with_the_server(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        kid = next(row.kid for row in list_keys(house.core.store) if row.name == "web")

        async def call_then_stop() -> None:
            await asyncio.sleep(2 * LOOK_S)
            record = CallRecord(
                id="req_tailed",
                started_us=1,
                key_id=kid,
                surface="s",
                operation="generate",
                model=EVIL,
                is_stream=False,
            )
            with house.core.store.write() as connection:
                calls.add(connection, [(record, msgspec.json.encode(record))])
            await asyncio.sleep(3 * LOOK_S)
            house.is_stopping = True

        told, _ = await asyncio.gather(browser.get("/dashboard/tail/stream"), call_then_stop())
        events = [line.removeprefix("data: ") for line in told.text.splitlines() if line.startswith("data: ")]
        assert "".join(events).count("/dashboard/requests/req_tailed") == 1
        assert "/dashboard/requests/req_seed" not in told.text
        assert faults(f"<table>{''.join(events)}</table>") == []

    visit(work)


def test_an_invoice_is_shown_and_can_be_taken_along(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in(house.administrator("viewer"))
        page = await browser.get("/dashboard/teams")
        assert "Northwind / Search" in words_of(page)
        assert "Contoso" not in page.text
        at = re.findall(r'href="(/dashboard/invoices/org_[^"]*)"', page.text)[0]
        invoice = await browser.get(at)
        assert "search-api" in words_of(invoice)
        assert faults(invoice.text) == []
        assert (await browser.get(f"{at}?format=csv")).headers["content-type"].startswith("text/csv")
        with house.core.store.read() as connection:
            other = next(row.id for row in tenants.listed(connection) if row.name == "Contoso")
        assert (await browser.get(f"/dashboard/invoices/{other}/2026-11")).status_code == 404

    visit(work)


def test_costs_are_told_apart_by_whatever_is_asked(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        for by, name in (("team", "Support"), ("user", "user-0"), ("upstream", "gpt-4o-mini"), ("key", "search-api")):
            page = await browser.get(f"/dashboard/costs?period=30d&by={by}")
            assert name in words_of(page), by
        assert (await browser.get("/dashboard/costs?by=weather")).status_code == 400

    visit(work)
