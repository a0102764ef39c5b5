"""Administrators of organisations and teams: what they see and change, and that they never get beyond their own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2

from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.core.record import CallRecord
from headgate.policies.administrators import recognise
from headgate.server.admin.application import create_admin
from headgate.server.admin.guard import AdminKey

KEY = "k" * 40


class Office:
    def __init__(self, core: Core, client: httpx2.AsyncClient) -> None:
        self.core = core
        self.client = client

    async def __call__(self, method: str, path: str, body: object = None, key: str = KEY) -> tuple[int, dict]:
        headers = {"authorization": f"Bearer {key}"}
        answer = await self.client.request(method, f"/admin/v1{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    async def made(self, path: str, body: object, key: str = KEY) -> dict:
        status, answer = await self("POST", path, body, key)
        assert status == 201, answer
        return answer

    async def seen(self, path: str, key: str) -> list[str]:
        status, answer = await self("GET", path, None, key)
        assert status == 200, answer
        return [each["id"] for each in answer["data"]]


def run(folder: Path, work: Callable[[Office], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with open_core(build({"data_dir": str(folder)}, environ={})) as core:
            application = create_admin(admin_doors(core), AdminKey.of(KEY, core.pepper.digest))
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
                await work(Office(core, client))

    asyncio.run(inside())


class Houses:
    """Two organisations: the first with two teams, a key each, and one of its own."""

    def __init__(self, office: Office) -> None:
        self.office = office

    async def build(self) -> None:
        made = self.office.made
        terms = {"budgets": [{"usd": 5, "window": "day"}]}
        self.acme = (await made("/organisations", {"name": "Acme", "terms": terms}))["id"]
        self.other = (await made("/organisations", {"name": "Other"}))["id"]
        self.red = (await made("/teams", {"name": "Red", "organisation": self.acme}))["id"]
        self.blue = (await made("/teams", {"name": "Blue", "organisation": self.acme}))["id"]
        self.acme_key = (await made("/keys", {"name": "a", "organisation": self.acme}))["id"]
        self.red_key = (await made("/keys", {"name": "r", "team": self.red}))["id"]
        self.blue_key = (await made("/keys", {"name": "b", "team": self.blue}))["id"]
        self.other_key = (await made("/keys", {"name": "o", "organisation": self.other}))["id"]
        self.free_key = (await made("/keys", {"name": "f"}))["id"]

    async def admin(self, role: str, key: str = KEY, **place: str) -> str:
        return (await self.office.made("/administrators", {"name": role, "role": role, **place}, key))["key"]


def in_houses(folder: Path, work: Callable[[Office, Houses], Awaitable[None]]) -> None:
    async def inside(office: Office) -> None:
        houses = Houses(office)
        await houses.build()
        await work(office, houses)

    run(folder, inside)


def test_each_sees_their_own_alone(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        acme = await houses.admin("viewer", organisation=houses.acme)
        red = await houses.admin("viewer", team=houses.red)
        assert await office.seen("/keys", acme) == [houses.acme_key, houses.red_key, houses.blue_key]
        assert await office.seen("/keys", red) == [houses.red_key]
        assert await office.seen("/organisations", acme) == [houses.acme] == await office.seen("/organisations", red)
        assert await office.seen("/teams", acme) == [houses.red, houses.blue]
        assert await office.seen("/teams", red) == [houses.red]
        assert await office.seen("/budgets", acme) == [houses.acme]
        assert await office.seen("/budgets", red) == []
        for account, own, team in [
            (houses.acme, 200, 404),
            (houses.red, 200, 200),
            (houses.red_key, 200, 200),
            (houses.blue_key, 200, 404),
            (houses.other, 404, 404),
            (houses.other_key, 404, 404),
            (houses.free_key, 404, 404),
        ]:
            for path in (f"/credit/{account}", f"/statements/{account}?month=2026-11"):
                found = [(await office("GET", path, None, key))[0] for key in (acme, red)]
                assert found == [own, team], account
        assert (await office("GET", "/credit/nobody", None, acme))[1] == {
            "error": {
                "message": "There is no organisation, team or key 'nobody'.",
                "type": "not_found_error",
                "code": "account_not_found",
                "param": None,
            }
        }

    in_houses(tmp_path, work)


def test_calls_are_seen_by_those_whose_keys_made_them(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        for kid in (houses.red_key, houses.blue_key, houses.other_key, houses.free_key):
            office.core.metering.call_ended(
                CallRecord(
                    id=f"req_{kid}",
                    started_us=1,
                    key_id=kid,
                    surface="openai_chat",
                    operation="generate",
                    model="demo/echo",
                    is_stream=False,
                )
            )
        office.core.applier.drain()
        acme = await houses.admin("viewer", organisation=houses.acme)
        red = await houses.admin("viewer", team=houses.red)
        mine, both = f"req_{houses.red_key}", f"req_{houses.blue_key}"
        assert await office.seen("/calls", acme) == [both, mine]
        assert await office.seen("/calls", red) == [mine]
        assert await office.seen(f"/calls?key_id={houses.other_key}", acme) == []
        statuses = [
            (await office("GET", f"/calls/req_{kid}", None, key))[0]
            for key in (acme, red)
            for kid in (houses.red_key, houses.blue_key, houses.other_key, houses.free_key)
        ]
        assert statuses == [200, 200, 404, 404, 200, 404, 404, 404]

    in_houses(tmp_path, work)


def test_nobody_changes_what_is_not_theirs(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        red = await houses.admin("owner", team=houses.red)
        acme = await houses.admin("owner", organisation=houses.acme)
        for method, path, body in [
            ("PATCH", "/keys/{}", {"blocked": True}),
            ("POST", "/keys/{}/rotate", {}),
            ("DELETE", "/keys/{}", None),
        ]:
            for kid in (houses.blue_key, houses.other_key, houses.free_key, houses.acme_key, "missing"):
                status, answer = await office(method, path.format(kid), body, red)
                told = f"There is no key with the id {kid!r}."
                assert (status, answer["error"]["message"]) == (404, told)
        assert (await office("PATCH", f"/keys/{houses.red_key}", {"blocked": True}, red))[0] == 200
        assert (await office("PATCH", f"/teams/{houses.red}", {"name": "Redder"}, acme))[0] == 200
        for path, who, status in [
            (f"/teams/{houses.red}", red, 403),
            (f"/teams/{houses.blue}", red, 404),
            (f"/teams/{houses.acme}", acme, 403),
            (f"/teams/{houses.other}", acme, 404),
        ]:
            assert (await office("PATCH", path, {"name": "Mine"}, who))[0] == status
        assert (await office("POST", "/teams", {"name": "New", "organisation": houses.acme}, red))[0] == 403
        assert (await office("POST", "/teams", {"name": "New", "organisation": houses.other}, acme))[0] == 403
        assert (await office("POST", "/teams", {"name": "New", "organisation": houses.acme}, acme))[0] == 201

    in_houses(tmp_path, work)


def test_keys_are_made_at_home_and_nowhere_else(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        member = await houses.admin("member", organisation=houses.acme)
        red = await houses.admin("member", team=houses.red)
        made = await office.made("/keys", {"name": "x"}, member)
        assert (made["organisation"], made["team"]) == (houses.acme, None)
        assert (await office.made("/keys", {"name": "x", "team": houses.blue}, member))["team"] == houses.blue
        assert (await office.made("/keys", {"name": "x"}, red))["team"] == houses.red
        for who, body in [
            (member, {"organisation": houses.other}),
            (red, {"team": houses.blue}),
        ]:
            status, answer = await office("POST", "/keys", {"name": "x", **body}, who)
            assert (status, answer["error"]["code"]) == (404, "tenant_not_found")
        too_much = {"name": "x", "budgets": [{"usd": 6, "window": "day"}]}
        status, answer = await office("POST", "/keys", too_much, member)
        assert (status, answer["error"]["param"]) == (400, "budgets[0]")
        assert "more than its organisation has" in answer["error"]["message"]

    in_houses(tmp_path, work)


def test_none_makes_an_administrator_who_may_do_more(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        owner = await houses.admin("owner", organisation=houses.acme)
        red = await houses.admin("owner", owner, team=houses.red)
        viewer = await houses.admin("viewer", red)
        assert await office.seen("/keys", viewer) == [houses.red_key]
        for body, key, status, code in [
            ({"role": "owner", "organisation": houses.other}, owner, 404, "tenant_not_found"),
            ({"role": "viewer", "team": houses.blue}, red, 404, "tenant_not_found"),
            ({"role": "viewer", "organisation": houses.acme, "team": houses.blue}, red, 404, "tenant_not_found"),
            ({"role": "viewer"}, KEY, 400, None),
            ({"role": "operator", "organisation": houses.acme}, KEY, 400, "invalid_request"),
            ({"role": "viewer", "team": houses.red, "organisation": houses.other}, KEY, 400, None),
            ({"role": "viewer", "organisation": "org_none"}, KEY, 400, None),
            ({"role": "viewer", "team": houses.red, "expires": "2020-01-01"}, KEY, 400, None),
        ]:
            status_told, answer = await office("POST", "/administrators", {"name": "x", **body}, key)
            assert (status_told, answer["error"]["code"]) == (status, code), body
        assert [each[:3] for each in [owner, red, viewer]] == ["sk-"] * 3
        rows = (await office("GET", "/administrators", None, red))[1]["data"]
        assert [(each["role"], each["organisation"], each["team"]) for each in rows] == [
            ("owner", houses.acme, houses.red),
            ("viewer", houses.acme, houses.red),
        ]

    in_houses(tmp_path, work)


def test_a_key_of_an_administrator_ends(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        place = {"organisation": houses.acme}
        made = await office.made("/administrators", {"name": "x", "role": "owner", "expires": "1h", **place})
        key = made["key"]
        core = office.core
        assert recognise(core.store, core.pepper, key.encode(), core.now_us()).role == "owner"
        assert recognise(core.store, core.pepper, key.encode(), core.now_us() + 3_601_000_000) is None
        changed = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
        for wrong in (changed, "sk-hg_nothing", "", "x" * 54):
            assert (await office("GET", "/keys", None, wrong))[0] == 401

        red = await houses.admin("owner", team=houses.red)
        assert (await office("DELETE", f"/administrators/{made['id']}", None, red))[0] == 404
        for _ in range(2):
            status, ended = await office("DELETE", f"/administrators/{made['id']}")
            assert (status, ended["revoked"] is None) == (200, False)
        assert (await office("GET", "/keys", None, key))[0] == 401
        assert (await office("GET", "/audit", None, red))[1]["data"][0]["action"] == "administrator.create"

    in_houses(tmp_path, work)


def test_the_audit_is_seen_by_those_whose_affair_it_is(tmp_path: Path) -> None:
    async def work(office: Office, houses: Houses) -> None:
        acme = await houses.admin("admin", organisation=houses.acme)
        red = await houses.admin("admin", team=houses.red)
        await office("PATCH", f"/keys/{houses.red_key}", {"limits": {"rpm": 3}}, red)
        told = (await office("GET", "/audit", None, red))[1]["data"]
        assert (told[0]["action"], told[0]["object"]) == ("key.change", houses.red_key)
        assert told[0]["actor"].startswith("admin:")
        assert told[0]["detail"]["rates"] == [{"of": "requests", "most": 3}]
        assert {(each["organisation"], each["team"]) for each in told} == {(houses.acme, houses.red)}
        own = (await office("GET", "/audit", None, acme))[1]["data"]
        assert {each["organisation"] for each in own} == {houses.acme}

        everything, after = [], ""
        while True:
            page = (await office("GET", f"/audit?limit=5&after={after}"))[1]
            everything += page["data"]
            after = page["next"]
            if after is None:
                break
        assert [each["id"] for each in everything] == list(range(len(everything), 0, -1))
        assert len({each["digest"] for each in everything}) == len(everything)
        assert {each["organisation"] for each in everything} == {houses.acme, houses.other, None}

    in_houses(tmp_path, work)
