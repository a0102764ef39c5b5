"""Organisations, teams and keys through the administration: narrower downwards, changed, rotated, blocked, audited."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.policies.keys import Refusal
from headgate.policies.roles import OPERATOR
from headgate.server.admin.application import create_api
from headgate.server.admin.guard import as_known
from headgate.store.queries import audit


class Office:
    def __init__(self, core: Core, client: httpx2.AsyncClient) -> None:
        self.core = core
        self.client = client

    async def __call__(self, method: str, path: str, body: object = None, status: int = 0) -> dict:
        answer = await self.client.request(method, f"/admin/v1{path}", json=body)
        assert answer.status_code == (status or {"POST": 201}.get(method, 200)), answer.text
        return answer.json()

    async def organisation(self, **terms: object) -> str:
        return (await self("POST", "/organisations", {"name": "Acme", "terms": terms}))["id"]

    async def team(self, organisation: str, **terms: object) -> str:
        return (await self("POST", "/teams", {"name": "Red", "organisation": organisation, "terms": terms}))["id"]


def run(folder: Path, work: Callable[[Office], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with open_core(build({"data_dir": str(folder)}, environ={})) as core:
            transport = httpx2.ASGITransport(as_known(create_api(admin_doors(core)), OPERATOR))
            async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
                await work(Office(core, client))

    asyncio.run(inside())


TERMS = {
    "models": ["demo/echo", "demo/lorem"],
    "endpoints": ["generate"],
    "addresses": ["192.0.2.0/24"],
    "limits": {"rpm": 60, "tpm": 9000, "concurrency": 4, "rates": [{"of": "requests", "most": 5, "per": "second"}]},
    "budgets": [
        {"usd": "2.5", "window": "month", "zone": "Europe/Berlin"},
        {"tokens": 7, "window": "PT1H", "soft": True},
    ],
    "users": {"limits": {"rpm": 3}, "budgets": [{"usd": "0.000000001", "window": "total", "model": "demo/echo"}]},
}


def test_terms_are_shown_as_they_were_set(tmp_path: Path):
    async def work(office: Office) -> None:
        id = await office.organisation(**TERMS)
        [shown] = (await office("GET", "/organisations"))["data"]
        terms = shown["terms"]
        assert (shown["id"], shown["kind"], shown["organisation"], shown["name"]) == (id, "organisation", None, "Acme")
        assert {name: terms[name] for name in ("models", "endpoints", "addresses", "blocked")} == {
            **{name: TERMS[name] for name in ("models", "endpoints", "addresses")},
            "blocked": False,
        }
        assert terms["limits"] == {
            **TERMS["limits"],
            "rates": [{"of": "requests", "most": 5, "per": "second", "burst": 0, "model": "", "tag": ""}],
        }
        assert [each["usd"] for each in terms["budgets"]] == ["2.5", None]
        assert [(each["tokens"], each["soft"], each["zone"]) for each in terms["budgets"]] == [
            (None, False, "Europe/Berlin"),
            (7, True, "UTC"),
        ]
        assert terms["users"]["limits"]["rpm"] == 3
        assert terms["users"]["budgets"][0]["usd"] == "1E-9"

        changed = await office("PATCH", f"/organisations/{id}", {"name": "New", "terms": {"models": None}})
        assert changed["name"] == "New"
        assert changed["terms"] == {**terms, "models": None}

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("terms", "param", "told"),
    [
        ({"models": ["demo/lorem"]}, "models", "'demo/lorem' is not among the models of its team: demo/echo"),
        ({"endpoints": ["embeddings"]}, "endpoints", "not among the endpoints of its organisation"),
        ({"limits": {"rpm": 61}}, "limits[0].most", "is more than its organisation has: 60"),
        (
            {"budgets": [{"usd": 3, "window": "month", "zone": "Europe/Berlin"}]},
            "budgets[0]",
            "3 USD per month is more",
        ),
        ({"addresses": ["198.51.100.1"]}, "addresses", "is not within the addresses of its organisation"),
        ({"budgets": [{"usd": 3, "window": "year"}]}, "budgets[0].window", "'year' is no window"),
    ],
)
def test_a_key_asks_for_no_more_than_those_above_have(tmp_path: Path, terms: dict, param: str, told: str):
    async def work(office: Office) -> None:
        team = await office.team(await office.organisation(**TERMS), models=["demo/echo"])
        refused = await office("POST", "/keys", {"name": "k", "team": team, **terms}, status=400)
        assert refused["error"]["param"] == param
        assert told in refused["error"]["message"]

        made = await office("POST", "/keys", {"name": "k", "team": team})
        refused = await office("PATCH", f"/keys/{made['id']}", terms, status=400)
        assert refused["error"]["param"] == param

    run(tmp_path, work)


def test_those_above_bind_those_below_when_they_change(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation = await office.organisation()
        team = await office.team(organisation)
        made = await office("POST", "/keys", {"name": "k", "team": team, "models": ["a", "b", "c"]})
        check = office.core.keys.check
        assert check(made["key"]).models == ("a", "b", "c")
        assert check(made["key"]).organisation == organisation
        assert office.core.tenancy.limited == {}

        await office("PATCH", f"/organisations/{organisation}", {"terms": {"models": ["b", "c", "d"]}})
        await office("PATCH", f"/teams/{team}", {"terms": {"models": ["a", "c"], "limits": {"rpm": 1}}}, status=400)
        await office("PATCH", f"/teams/{team}", {"terms": {"models": ["c"], "limits": {"rpm": 1}}})
        assert check(made["key"]).models == ("c",)
        assert len(office.core.tenancy.limited[made["id"]].allowance.plain) == 1

        await office("PATCH", f"/teams/{team}", {"terms": {"models": None, "limits": {}}})
        assert check(made["key"]).models == ("b", "c")
        assert office.core.tenancy.limited == {}

    run(tmp_path, work)


def test_a_key_is_rotated_with_an_overlap_and_counted_on(tmp_path: Path):
    async def work(office: Office) -> None:
        old = await office("POST", "/keys", {"name": "k", "budgets": [{"usd": 1, "window": "day"}]})
        new = await office("POST", f"/keys/{old['id']}/rotate", {"overlap_s": 3600})
        newest = await office("POST", f"/keys/{new['id']}/rotate", {"overlap_s": 0})

        limited = office.core.tenancy.limited
        gauges = {limited[each["id"]].allowance.plain for each in (old, new, newest)}
        assert len(gauges) == 1
        assert [each["replaces"] for each in (old, new, newest)] == [None, old["id"], old["id"]]
        assert newest["terms"] == old["terms"]
        assert office.core.keys.check(old["key"]).key_id == old["id"]
        assert office.core.keys.check(new["key"]) is Refusal.EXPIRED
        assert office.core.keys.check(newest["key"]).key_id == newest["id"]
        refused = await office("POST", f"/keys/{new['id']}/rotate", {"overlap_s": 0}, status=400)
        assert "has ended" in refused["error"]["message"]

    run(tmp_path, work)


def test_budgets_are_told(tmp_path: Path):
    async def work(office: Office) -> None:
        made = await office("POST", "/keys", {"name": "k", "budgets": [{"usd": 1, "window": "day"}]})
        assert (await office("GET", "/budgets"))["data"] == [
            {
                "level": "key",
                "id": made["id"],
                "user": "",
                "what": "1 USD per day",
                "limit": 1_000_000_000,
                "settled": 0,
                "held": 0,
            }
        ]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/teams", {"name": "t", "organisation": "org_none"}, "organisation"),
        ("/organisations", {"name": " "}, "name"),
        ("/organisations", {"name": "a", "terms": {"limits": {"rpm": -1}}}, "terms.limits.rpm"),
        ("/organisations", {"name": "a", "terms": {"addresses": ["here"]}}, "addresses"),
        ("/keys", {"name": "k", "team": "team_none"}, "team"),
        ("/keys", {"name": "k", "organisation": "org_none"}, "organisation"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, path: str, body: object, param: str):
    async def work(office: Office) -> None:
        refused = await office("POST", path, body, status=400)
        assert refused["error"]["param"] == param

    run(tmp_path, work)


def test_what_is_not_there(tmp_path: Path):
    async def work(office: Office) -> None:
        await office("PATCH", "/teams/none", {}, status=404)
        await office("PATCH", "/keys/none", {}, status=404)
        made = await office("POST", "/keys", {"name": "over"}, status=201)
        await office("DELETE", f"/keys/{made['id']}")
        refused = await office("PATCH", f"/keys/{made['id']}", {}, status=404)
        assert "has been revoked" in refused["error"]["message"]
        organisations = [await office.organisation() for _ in range(2)]
        team = await office.team(organisations[0])
        body = {"name": "k", "team": team, "organisation": organisations[1]}
        refused = await office("POST", "/keys", body, status=400)
        assert "is not of the organisation" in refused["error"]["message"]
        assert [each["id"] for each in (await office("GET", f"/teams?organisation={organisations[0]}"))["data"]] == [
            team
        ]
        assert (await office("GET", f"/teams?organisation={organisations[1]}"))["data"] == []

    run(tmp_path, work)


def test_prices_are_an_organisations_and_shown_as_they_were_set(tmp_path: Path):
    async def work(office: Office) -> None:
        prices = [
            {"markup_percent": "12.5"},
            {"model": "smart", "provider": "lab", "input": "0.0375", "output": "15", "cached": "0", "request": "0.001"},
        ]
        id = await office.organisation(prices=prices)
        [shown] = (await office("GET", "/organisations"))["data"]
        assert [{name: value for name, value in each.items() if value} for each in shown["terms"]["prices"]] == prices
        await office("PATCH", f"/organisations/{id}", {"name": "Other"})
        assert (await office("GET", "/organisations"))["data"][0]["terms"] == shown["terms"]
        await office("PATCH", f"/organisations/{id}", {"terms": {"prices": []}})
        assert (await office("GET", "/organisations"))["data"][0]["terms"]["prices"] == []
        refused = await office("POST", "/teams", {"name": "R", "organisation": id, "terms": {"prices": prices}}, 400)
        assert refused["error"]["param"] == "terms.prices"
        for wrong, param in [
            ({"markup_percent": -101}, "terms.prices.0.markup_percent"),
            ({"markup_percent": "1e9"}, "terms.prices.0.markup_percent"),
            ({"input": -1, "output": 1}, "terms.prices.0.input"),
            ({"input": "0.0000001", "output": 1}, "terms.prices.0.input"),
            ({"input": 1, "output": 1, "currency": "EUR"}, "terms.prices.0.currency"),
            ({}, "prices[0]"),
        ]:
            refused = await office("PATCH", f"/organisations/{id}", {"terms": {"prices": [wrong]}}, status=400)
            assert refused["error"]["param"] == param, wrong

    run(tmp_path, work)


def test_every_change_is_in_the_audit_which_is_only_added_to(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation = await office.organisation()
        made = await office("POST", "/keys", {"name": "k", "organisation": organisation})
        await office("PATCH", f"/keys/{made['id']}", {"blocked": True})
        await office("PATCH", f"/organisations/{organisation}", {"name": "b"})
        with office.core.store.read() as connection:
            lines = audit.newest(connection, 9)
        assert [(line.action, line.object) for line in lines] == [
            ("organisation.change", organisation),
            ("key.change", made["id"]),
            ("key.create", made["id"]),
            ("organisation.create", organisation),
        ]
        for statement in ("DELETE FROM audit", "UPDATE audit SET actor = 'me'"):
            with pytest.raises(DatabaseError, match="only added to"), office.core.store.write() as connection:
                connection.execute(text(statement))

    run(tmp_path, work)


def test_credit_is_given_once_paid_back_and_told(tmp_path: Path):
    async def work(office: Office) -> None:
        id = await office.organisation(prepaid=True)
        path = f"/credit/{id}"
        for _ in range(2):
            await office("POST", path, {"usd": "10.5", "reference": "pay-1"})
        await office("POST", path, {"usd": 2, "kind": "promotion", "reference": "welcome", "note": "hello"})
        shown = await office("POST", path, {"usd": "0.5", "kind": "refund", "reference": "pay-1"})
        assert (shown["credited_usd"], shown["used_usd"], shown["balance_usd"]) == ("12", "0", "12")
        assert [(each["kind"], each["usd"]) for each in shown["postings"]] == [
            ("top-up", "10.5"),
            ("promotion", "2"),
            ("refund", "0.5"),
        ]
        assert await office("GET", path) == shown
        with office.core.store.read() as connection:
            assert [line.action for line in audit.newest(connection, 3)] == [
                "credit.refund",
                "credit.promotion",
                "credit.top-up",
            ]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"usd": -1, "reference": "a"}, "usd"),
        ({"usd": 0, "reference": "a"}, "usd"),
        ({"usd": 10**7, "reference": "a"}, "usd"),
        ({"usd": "1e-10", "reference": "a"}, "usd"),
        ({"usd": 1, "currency": "EUR", "reference": "a"}, "currency"),
        ({"usd": 1}, "reference"),
        ({"usd": 7, "reference": "known"}, "reference"),
        ({"usd": 6, "kind": "refund", "reference": "a"}, "usd"),
    ],
)
def test_credit_that_cannot_be(tmp_path: Path, body: object, param: str):
    async def work(office: Office) -> None:
        path = f"/credit/{await office.organisation()}"
        await office("POST", path, {"usd": 5, "reference": "known"})
        assert (await office("POST", path, body, status=400))["error"]["param"] == param
        assert (await office("GET", path))["credited_usd"] == "5"

    run(tmp_path, work)


def test_nobody_gives_credit_to_nobody(tmp_path: Path):
    async def work(office: Office) -> None:
        await office("POST", "/credit/org_none", {"usd": 5, "reference": "a"}, status=404)
        await office("GET", "/statements/org_none?month=2026-11", status=404)
        id = await office.organisation()
        await office("GET", f"/statements/{id}?month=2026-13", status=400)

    run(tmp_path, work)


def test_classes_and_weights_reach_the_callers(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation = await office.organisation(weight=2.5)
        team = await office.team(organisation, priority="interactive")
        made = await office("POST", "/keys", {"name": "k", "team": team, "priority": "standard"})
        plain = await office("POST", "/keys", {"name": "k"})
        check = office.core.keys.check

        def told(key: str) -> tuple[int, float]:
            principal = check(key)
            return principal.priority, principal.weight

        assert (told(made["key"]), told(plain["key"])) == ((1, 2.5), (1, 1.0))
        await office("PATCH", f"/keys/{made['id']}", {"priority": None})
        assert told(made["key"]) == (0, 2.5)
        await office("PATCH", f"/teams/{team}", {"terms": {"weight": 4}})
        await office("PATCH", f"/organisations/{organisation}", {"terms": {"priority": "batch"}})
        assert told(made["key"]) == (2, 4.0)
        shown = await office("PATCH", f"/keys/{plain['id']}", {"weight": 0.5, "priority": "interactive"})
        assert (shown["terms"]["weight"], shown["terms"]["priority"]) == (0.5, "interactive")
        assert told(plain["key"]) == (0, 0.5)
        await office("PATCH", f"/keys/{made['id']}", {"weight": 2}, status=400)

    run(tmp_path, work)
