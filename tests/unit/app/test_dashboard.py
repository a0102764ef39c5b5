"""The dashboard over a store full of made-up calls, by HTTP: who comes in, what each sees, what no page ever does."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from headgate.app.administration import admin_doors
from headgate.app.commands.seeding import seed
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.dashboard import dashboard_sights
from headgate.core.problems import Outcome
from headgate.core.record import Attempt, CallRecord, Weighed
from headgate.core.usage import Usage
from headgate.ledger import rolling
from headgate.policies.administrators import NewAdministrator, appoint, dismiss
from headgate.policies.key_text import kid_of
from headgate.policies.roles import OPERATOR, ROLES, Role
from headgate.server.admin.application import create_admin
from headgate.server.admin.guard import AdminKey
from headgate.server.dashboard.application import CSP, Dashboard, Entrance
from headgate.server.dashboard.sessions import FAILURES_MAX
from headgate.server.dashboard.table import ROUTES
from headgate.store.queries import calls, tenants
from headgate.store.queries.calls import CallFilter

KEY = "k" * 40
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
PAGES = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path and not route.is_endless]


class House:
    """A core and its dashboard, as a browser finds it."""

    def __init__(self, core: Core, application: Dashboard) -> None:
        self.core = core
        self.application = application

    def browser(self, host: str = "localhost") -> "Browser":
        return Browser(self.application, host)

    async def logged_in(self, key: str = KEY) -> "Browser":
        browser = self.browser()
        assert (await browser.log_in(key)).headers["location"] == "/dashboard"
        return browser

    def administrator(self, role: Role) -> str:
        """One of the first organisation's; returns the key."""
        with self.core.store.read() as connection:
            organisation = next(row.id for row in tenants.listed(connection) if row.name == "Northwind")
        wanted = NewAdministrator(name=role, role=role, organisation=organisation)
        return appoint(self.core.store, self.core.pepper, wanted, by=OPERATOR)[0]


class Browser:
    """Keeps cookies, follows nothing."""

    def __init__(self, application: Dashboard, host: str) -> None:
        transport = httpx2.ASGITransport(application)
        self.client = httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=headers)

    async def log_in(self, key: str, **headers: str) -> httpx2.Response:
        return await self.client.post("/dashboard/login", data={"key": key}, headers=headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx2.Response:
        return await self.client.post(path, data=form, headers=headers)

    async def csrf(self) -> str:
        page = await self.get("/dashboard")
        return re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0]


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with calls."""
    folder = tmp_path_factory.mktemp("seeded")
    seed(build({"data_dir": str(folder)}, environ={}), 400, 1, print)
    return folder


@pytest.fixture
def visit(seeded: Path) -> Callable[[Callable[[House], Awaitable[None]]], None]:
    """Runs something in a house that stands on that directory."""

    def run(work: Callable[[House], Awaitable[None]]) -> None:
        async def inside() -> None:
            async with open_core(build({"data_dir": str(seeded)}, environ={})) as core:
                core.keys.refresh()
                doors = admin_doors(core)
                key = AdminKey.of(KEY, core.pepper.digest)
                entrance = Entrance(key=key, names=frozenset({"gate.example"}))
                behind = create_admin(doors, key, ())
                await work(House(core, Dashboard(behind, dashboard_sights(core, doors), entrance, ROUTES)))

        asyncio.run(inside())

    return run


Visiting = Callable[[Callable[[House], Awaitable[None]]], None]


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside_script = False
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._inside_script = False

    def handle_data(self, data: str) -> None:
        (self.inline if self._inside_script else self.words).append(data)


def faults(text: str) -> list[str]:
    """What a strict policy would not let happen, and what markup from outside would look like."""
    page = Reader(text)
    found = [f"inline: {each}" for each in page.inline if each.strip()]
    for tag, attributes in page.tags:
        found += [f"{tag} {name}" for name in attributes if name.startswith("on") or name == "style"]
        address = attributes.get("src") or attributes.get("href") or attributes.get("action") or ""
        if not address.startswith(("/", "#", "?")) and address:
            found.append(f"{tag} leads to {address}")
    return found


def test_faults_are_found():
    text = '<p onclick="x()" style="a:b"><script>alert(1)</script><img src="https://x/y"></p>'
    assert faults(text) == ["inline: alert(1)", "p onclick", "p style", "img leads to https://x/y"]


def test_nobody_comes_in_without_a_key(visit: Visiting):
    async def work(house: House) -> None:
        browser = house.browser()
        assert (await browser.get("/")).headers["location"] == "/dashboard"
        for path in [*PAGES, "/dashboard/nowhere"]:
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/login"), path
        assert (await browser.post("/dashboard/logout", {})).status_code == 401
        refused = await browser.log_in("x" * 40)
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        assert "no key of the administration" in refused.text
        assert faults(refused.text) == []

    visit(work)


def test_the_operator_comes_in_and_goes(visit: Visiting):
    async def work(house: House) -> None:
        browser = house.browser()
        made = (await browser.log_in(KEY)).headers["set-cookie"]
        assert re.fullmatch(r"headgate-session=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200", made)
        page = await browser.get("/dashboard?period=7d")
        assert page.status_code == 200
        assert page.headers["content-security-policy"] == CSP
        assert page.headers["cache-control"] == "no-store"
        assert (await browser.client.head("/dashboard")).text == ""

        left = await browser.post("/dashboard/logout", {"csrf": await browser.csrf()})
        assert left.headers["location"] == "/dashboard/login"
        assert (await browser.get("/dashboard")).status_code == 303

    visit(work)


def test_elsewhere_than_on_this_machine_the_cookie_takes_tls(visit: Visiting):
    async def work(house: House) -> None:
        made = (await house.browser("gate.example").log_in(KEY)).headers["set-cookie"]
        assert made.startswith("__Host-headgate-session=")
        assert made.endswith("; Secure")
        assert (await house.browser("evil.example").log_in(KEY)).status_code == 421

    visit(work)


def test_another_site_sends_no_form(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        csrf = await browser.csrf()
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
            assert (await browser.post("/dashboard/logout", {"csrf": csrf}, **headers)).status_code == 403
            assert (await house.browser().log_in(KEY, **headers)).status_code == 403
        ours = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
        assert (await browser.post("/dashboard/logout", {"csrf": csrf}, **ours)).status_code == 303

    visit(work)


def test_wrong_keys_are_slowed_down(visit: Visiting):
    async def work(house: House) -> None:
        browser = house.browser()
        for _ in range(FAILURES_MAX):
            assert (await browser.log_in("wrong")).status_code == 401
        assert (await browser.log_in(KEY)).status_code == 429

    visit(work)


def test_a_key_that_has_ended_ends_its_session(visit: Visiting):
    async def work(house: House) -> None:
        key = house.administrator("viewer")
        browser = await house.logged_in(key)
        assert (await browser.get("/dashboard")).status_code == 200
        dismiss(house.core.store, kid_of(key.encode()).decode(), by=OPERATOR)
        assert (await browser.get("/dashboard")).status_code == 303

    visit(work)


@pytest.mark.parametrize("role", [*ROLES, "operator"])
def test_each_role_sees_its_pages_and_no_other(visit: Visiting, role: Role):
    async def work(house: House) -> None:
        who = OPERATOR if role == "operator" else msgspec.structs.replace(OPERATOR, role=role, organisation="x")
        browser = await house.logged_in(KEY if role == "operator" else house.administrator(role))
        told = Reader((await browser.get("/dashboard")).text)
        linked = {attributes.get("href") for tag, attributes in told.tags if tag == "a"}
        for route in ROUTES:
            if route.method == "GET" and not route.is_endless and "{" not in route.path:
                answer = await browser.get(route.path)
                assert answer.status_code == (200 if who.may(route.right) else 403), route.path
                assert faults(answer.text) == [], route.path
                if route.label:
                    assert (route.path in linked) == who.may(route.right)
            elif route.method == "POST" and not who.may(route.right):
                csrf = await browser.csrf()
                assert (
                    await browser.post(route.path.replace("{", "").replace("}", ""), {"csrf": csrf})
                ).status_code == 403

    visit(work)


def test_a_form_without_its_token_changes_nothing(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        for route in ROUTES:
            if route.method == "POST":
                path = route.path.replace("{", "").replace("}", "")
                assert (await browser.post(path, {"csrf": "0" * 64})).status_code == 403, path

    visit(work)


def test_an_organisation_sees_its_own_keys_alone(visit: Visiting):
    async def work(house: House) -> None:
        everything = await (await house.logged_in()).get("/dashboard?period=30d")
        own = await (await house.logged_in(house.administrator("owner"))).get("/dashboard?period=30d")
        others = re.search(r'href="(/dashboard\?period=30d&amp;key=[^"]*)">notebooks<', everything.text)
        assert others is not None
        assert "search-api" in own.text
        assert "notebooks" not in own.text
        asked = await (await house.logged_in(house.administrator("owner"))).get(others[1].replace("&amp;", "&"))
        assert "No calls in this time." in asked.text

    visit(work)


def test_markup_from_outside_is_text(visit: Visiting):
    async def work(house: House) -> None:
        now_us = house.core.now_us()
        attempt = Attempt(
            number=1,
            provider=EVIL,
            model=EVIL,
            dialect=EVIL,
            lane="verbatim",
            message=EVIL,
            usage=Usage(input_tokens=5),
        )
        record = CallRecord(
            id="req_evil",
            started_us=now_us,
            key_id=EVIL,
            surface=EVIL,
            operation="generate",
            model=EVIL,
            is_stream=True,
            user=EVIL,
            session=EVIL,
            route=EVIL,
            error=EVIL,
            dropped=[EVIL],
            candidates=[EVIL],
            attempts=[attempt],
            usage=Usage(input_tokens=5),
        )
        with house.core.store.write() as connection:
            rolling.add(connection, calls.add(connection, [(record, msgspec.json.encode(record))]))
        browser = await house.logged_in()
        seen = 0
        for path in [
            *PAGES,
            "/dashboard/requests/req_evil",
            "/dashboard/nowhere",
            "/dashboard?period=%3Cscript%3Ealert(1)%3C/script%3E",
        ]:
            page = await browser.get(path)
            seen += "<script>alert(1)" in "".join(Reader(page.text).words)
            assert faults(page.text) == [], path
            assert "<script>alert" not in page.text, path
            assert "49" not in [word.strip() for word in Reader(page.text).words if "script" in word], path
        assert seen >= 4

    visit(work)


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


def test_what_is_asked_wrongly_is_refused_in_words(visit: Visiting):
    async def work(house: House) -> None:
        browser = await house.logged_in()
        refused = await browser.get("/dashboard?period=5y")
        assert refused.status_code == 400
        assert "There is no period" in refused.text
        assert (await browser.get("/dashboard/nowhere")).status_code == 404
        assert (await browser.get("/dashboard?a=%FF")).status_code == 400
        assert (await browser.post("/dashboard/nowhere", {"csrf": await browser.csrf()})).status_code == 404
        many = await browser.post("/dashboard/logout", {"csrf": "x" * (1024 * 1024)})
        assert many.status_code == 413

    visit(work)


def test_assets_are_kept_for_good_under_a_name_of_their_contents(visit: Visiting):
    async def work(house: House) -> None:
        browser = house.browser()
        page = Reader((await (await house.logged_in()).get("/dashboard")).text)
        files = [attributes.get("src") or attributes.get("href") for _, attributes in page.tags]
        assets = {path for path in files if path and path.startswith("/dashboard/assets/")}
        assert len(assets) >= 5
        for path in assets:
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await browser.get("/dashboard/assets/x/../application.py")).status_code == 404

    visit(work)


def test_the_administration_is_behind_it(visit: Visiting):
    async def work(house: House) -> None:
        answer = await house.browser().get("/admin/v1/models", authorization=f"Bearer {KEY}")
        assert answer.status_code == 200
        assert (await house.browser().get("/livez")).json() == {"status": "live"}

    visit(work)
