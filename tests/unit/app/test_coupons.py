"""Coupons: redeemed once by an organisation, so often in all, until they end; their codes are kept nowhere."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from tests.unit.app.test_credit import key_of
from tests.unit.app.test_tenants import Office, run

from headgate.app.administration import admin_doors
from headgate.core.problems import InvalidRequest, NotFound
from headgate.ledger.coupons import NewCoupon, list_coupons, make_coupon, revoke_coupon
from headgate.ledger.credit import verify
from headgate.policies.roles import Administrator
from headgate.server.admin.application import create_api
from headgate.server.admin.guard import as_known
from headgate.store.memory import open_memory

USD = 10**9
DAY_US = 86_400_000_000


async def redeem(office: Office, code: str, account: str, status: int = 201) -> dict:
    return await office("POST", "/redemptions", {"code": code, "account": account}, status)


def test_an_organisation_redeems_a_code_once_whoever_of_it_does(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation, other = await office.organisation(prepaid=True), await office.organisation()
        team, lone = await office.team(organisation), key_of(office)
        key_of(office, organisation)
        made = await office("POST", "/coupons", {"usd": "5", "uses": 2, "lasts_days": 30, "note": "hello"})
        code = made.pop("code")
        assert made == (await office("GET", "/coupons"))["data"][0]
        assert (made["redeemed"], made["expires"], made["lasts_days"]) == (0, None, 30)

        assert await redeem(office, f" {code.lower().replace('-', ' ')}", organisation) == {
            "account": organisation,
            "usd": "5",
        }
        for account in (organisation, team):
            refused = await redeem(office, code, account, 400)
            assert refused["error"]["code"] == "coupon_redeemed"
        assert (await redeem(office, "AAAAA-" + code[6:], other, 400))["error"]["code"] == "coupon_invalid"
        assert (await redeem(office, code, "org_nobody", 404))["error"]["code"] == "account_not_found"
        await redeem(office, code, lone)
        assert (await redeem(office, code, other, 400))["error"]["code"] == "coupon_used_up"

        told = await office("GET", f"/credit/{organisation}")
        assert (told["balance_usd"], len(told["postings"])) == ("5", 1)
        assert told["postings"][0]["id"] == f"coupon {made['id']} {organisation}"
        assert (told["parts"][0]["paid"], told["parts"][0]["expires"] is not None) == (False, True)
        [budget] = office.core.tenancy.gauges.budgets()
        assert budget.budget.terms.most == 5 * USD
        assert (await office("GET", "/coupons"))["data"][0]["redeemed"] == 2
        actions = [line["action"] for line in (await office("GET", "/audit"))["data"]]
        assert (actions.count("coupon.redeem"), actions.count("coupon.create")) == (2, 1)
        with office.core.store.read() as connection:
            assert verify(connection) == []
        database = (tmp_path / "headgate.db").read_bytes() + (tmp_path / "headgate.db-wal").read_bytes()
        assert made["id"].encode() in database
        assert code.encode() not in database
        assert code.replace("-", "").encode() not in database

    run(tmp_path, work)


def test_a_coupon_that_has_ended_is_worth_nothing(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation = await office.organisation()
        made = await office("POST", "/coupons", {"usd": "5", "expires": "1d"})
        ended = await office("DELETE", f"/coupons/{made['id']}")
        assert ended["revoked"] is not None
        assert (await office("DELETE", f"/coupons/{made['id']}"))["revoked"] == ended["revoked"]
        assert (await redeem(office, made["code"], organisation, 400))["error"]["code"] == "coupon_invalid"
        assert (await office("DELETE", "/coupons/x", None, 404))["error"]["code"] == "coupon_not_found"

        late = NewCoupon(nano_usd=1, expires_us=office.core.now_us() + 50_000)
        code, _ = make_coupon(office.core.store, late, actor="t")
        await asyncio.sleep(0.1)
        assert (await redeem(office, code, organisation, 400))["error"]["code"] == "coupon_invalid"
        assert (await office("GET", f"/credit/{organisation}"))["postings"] == []

    run(tmp_path, work)


def test_at_once_a_code_is_worth_no_more(tmp_path: Path):
    async def work(office: Office) -> None:
        organisations = [await office.organisation() for _ in range(6)]
        made = await office("POST", "/coupons", {"usd": "1", "uses": 4})
        body = {"code": made["code"]}
        answers = await asyncio.gather(
            *(
                office.client.post("/admin/v1/redemptions", json=body | {"account": each})
                for each in [*organisations, *organisations]
            )
        )
        assert sorted(answer.status_code for answer in answers) == [201] * 4 + [400] * 8
        balances = [(await office("GET", f"/credit/{each}"))["balance_usd"] for each in organisations]
        assert sorted(balances) == ["0"] * 2 + ["1"] * 4

    run(tmp_path, work)


def test_an_administrator_redeems_for_their_own_and_makes_none(tmp_path: Path):
    async def work(office: Office) -> None:
        own, other = await office.organisation(), await office.organisation()
        made = await office("POST", "/coupons", {"usd": "1"})
        for role, account, status in (("member", own, 403), ("admin", other, 404), ("admin", own, 201)):
            who = Administrator(actor="ann", role=role, organisation=own)
            transport = httpx2.ASGITransport(as_known(create_api(admin_doors(office.core)), who))
            async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
                body = {"code": made["code"], "account": account}
                assert (await client.post("/admin/v1/redemptions", json=body)).status_code == status
                assert (await client.post("/admin/v1/coupons", json={"usd": "1"})).status_code == 403
                assert (await client.get("/admin/v1/coupons")).status_code == 403

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"usd": "0"}, "usd"),
        ({"usd": "-5"}, "usd"),
        ({"usd": "1000000.1"}, "usd"),
        ({"usd": "1", "uses": 0}, "uses"),
        ({"usd": "1", "uses": 1_000_001}, "uses"),
        ({"usd": "1", "uses": True}, "uses"),
        ({"usd": "1", "lasts_days": 0}, "lasts_days"),
        ({"usd": "1", "lasts_days": 10**18}, "lasts_days"),
        ({"usd": "1", "expires": "yesterday"}, "expires"),
        ({"usd": "1", "code": "MINE"}, "code"),
    ],
)
def test_what_no_coupon_can_be_is_refused_by_name(tmp_path: Path, body: dict, param: str):
    async def work(office: Office) -> None:
        refused = await office("POST", "/coupons", body, 400)
        assert refused["error"]["param"] == param

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (NewCoupon(nano_usd=0), "usd"),
        (NewCoupon(nano_usd=10**15 + 1), "usd"),
        (NewCoupon(nano_usd=1, uses_max=0), "uses"),
        (NewCoupon(nano_usd=1, uses_max=1_000_001), "uses"),
        (NewCoupon(nano_usd=1, expires_us=1), "expires"),
        (NewCoupon(nano_usd=1, lasts_us=0), "lasts_days"),
        (NewCoupon(nano_usd=1, lasts_us=3661 * DAY_US), "lasts_days"),
    ],
)
def test_nor_can_the_machine_itself_make_one(wanted: NewCoupon, param: str):
    with open_memory() as store:
        with pytest.raises(InvalidRequest) as refused:
            make_coupon(store, wanted, actor="t")
        assert refused.value.problem.param == param
        assert list_coupons(store) == []
        with pytest.raises(NotFound):
            revoke_coupon(store, "x", actor="t")
