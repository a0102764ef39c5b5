"""The dashboard's doors, by HTTP: who comes in, what each role sees, what no page ever does."""

import re

import msgspec
import pytest
from tests.unit.app.browsing import EVIL, KEY, PAGES, House, Reader, Visiting, faults

from headgate.core.record import Attempt, CallRecord
from headgate.core.usage import Usage
from headgate.ledger import rolling
from headgate.policies.administrators import dismiss
from headgate.policies.key_text import kid_of
from headgate.policies.roles import OPERATOR, ROLES, Role
from headgate.server.dashboard.application import CSP
from headgate.server.dashboard.sessions import FAILURES_MAX
from headgate.server.dashboard.table import ROUTES
from headgate.store.queries import calls


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
