"""Credit paid by Stripe: pages, events in any order and number, cards charged when credit runs low; what is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import httpx2
import pytest
from tests.unit.app.stripe_double import SECRET_KEY, WEBHOOK_SECRET, Stripe, event, running, signed
from tests.unit.app.test_credit import key_of, use
from tests.unit.app.test_tenants import Office

from headgate.app.administration import admin_doors
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.crediting import Lookout
from headgate.app.till import RETRIES, Till, open_till
from headgate.core.problems import ConfigError
from headgate.ledger.credit import verify
from headgate.policies.roles import Administrator
from headgate.server.admin.application import create_admin
from headgate.server.admin.guard import AdminKey

USD = 10**9
ADMIN = "a" * 40
SETTINGS = {
    "secret_key": "env:STRIPE_KEY",
    "webhook_secret": "env:STRIPE_SECRET",
    "success_url": "https://example.com/paid",
    "cancel_url": "https://example.com/not",
}
NOBODY = cast("httpx2.AsyncClient", None)
ENVIRON = {"STRIPE_KEY": SECRET_KEY, "STRIPE_SECRET": WEBHOOK_SECRET}


class Shop(Office):
    """The administration with a till, behind its guard."""

    def __init__(self, core: Core, client: httpx2.AsyncClient, double: Stripe, url: str) -> None:
        super().__init__(core, client)
        self.double = double
        self.url = url
        settings = core.setup.config.payments.stripe
        assert settings is not None
        self.till = Till(core, settings, url)

    async def tell(self, body: bytes, signature: str | None = None) -> httpx2.Response:
        headers = {"stripe-signature": signed(body) if signature is None else signature, "host": "anything.example"}
        return await self.client.post("/webhooks/stripe", content=body, headers=headers | {"authorization": ""})

    async def told(self, type: str, account: str, order: str, **about: object) -> bool:
        answer = await self.tell(event(type, account, order, **about))
        assert answer.status_code == 200, answer.text
        return answer.json()["booked"]

    async def ordered(self, account: str, usd: str = "10", **more: object) -> str:
        return (await self("POST", f"/credit/{account}/checkout", {"usd": usd, **more}))["order"]

    async def balance(self, account: str) -> str:
        return (await self("GET", f"/credit/{account}"))["balance_usd"]


def open_shop(folder: Path, work: Callable[[Shop], Awaitable[None]]) -> None:
    async def inside(double: Stripe, url: str) -> None:
        setup = build({"data_dir": str(folder), "payments": {"stripe": SETTINGS}}, environ=ENVIRON)
        async with open_core(setup) as core:
            shop = Shop(core, NOBODY, double, url)
            key = AdminKey.of(ADMIN, core.pepper.digest)
            transport = httpx2.ASGITransport(create_admin(admin_doors(core, shop.till), key))
            headers = {"authorization": f"Bearer {ADMIN}"}
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                shop.client = client
                await work(shop)
            with core.store.read() as connection:
                assert verify(connection) == []

    with running() as (double, url):
        asyncio.run(inside(double, url))


def test_what_was_paid_is_credited_once_however_often_it_is_told(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account = await shop.organisation(prepaid=True)
        key_of(shop, account)
        page = await shop("POST", f"/credit/{account}/checkout", {"usd": "12.34"})
        order = page["order"]
        assert page["url"] == f"https://checkout.test/{order}"
        [(_, _, form)] = shop.double.asked
        assert form["line_items[0][price_data][unit_amount]"] == "1234"
        assert form["line_items[0][price_data][currency]"] == "usd"
        assert form["payment_intent_data[metadata][headgate_order]"] == form["client_reference_id"] == order
        assert "customer_creation" not in form
        told = await shop("GET", f"/credit/{account}")
        assert (told["balance_usd"], [each["usd"] for each in told["pending"]]) == ("0", ["12.34"])

        paid = {"amount_total": 1234, "payment_status": "paid"}
        assert not await shop.told("checkout.session.completed", account, order, **paid | {"payment_status": "unpaid"})
        assert await shop.balance(account) == "0"
        assert await shop.told("checkout.session.async_payment_succeeded", account, order, **paid)
        for _ in range(2):
            assert not await shop.told("checkout.session.completed", account, order, **paid)
            assert not await shop.told("payment_intent.succeeded", account, order, amount_received=1234)
        assert not await shop.told("payment_intent.payment_failed", account, order)
        assert not await shop.told("invoice.paid", account, order)
        told = await shop("GET", f"/credit/{account}")
        assert (told["balance_usd"], len(told["postings"]), told["pending"]) == ("12.34", 1, [])
        [budget] = shop.core.tenancy.gauges.budgets()
        assert budget.budget.terms.most == 12_340_000_000

    open_shop(tmp_path, work)


def test_what_is_not_paid_comes_to_nothing_unless_it_is_paid_all_the_same(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        order = await shop.ordered(account)
        assert await shop.told("checkout.session.expired", account, order)
        assert not await shop.told("checkout.session.expired", account, order)
        assert await shop.balance(account) == "0"
        paid = {"amount_total": 1000, "payment_status": "paid"}
        assert await shop.told("checkout.session.completed", account, order, **paid)
        assert not await shop.told("checkout.session.completed", account, order, **paid)
        assert await shop.balance(account) == "10"
        assert await shop.told("charge.refunded", account, order, id="ch_1", amount_refunded=1000)
        assert await shop.balance(account) == "0"

        shop.double.page_status = 500
        refused = await shop("POST", f"/credit/{account}/checkout", {"usd": "10"}, 502)
        assert refused["error"]["code"] == "payment_failed"
        assert (await shop("GET", f"/credit/{account}"))["pending"] == []

    open_shop(tmp_path, work)


def test_what_was_paid_back_is_taken_from_credit_even_where_it_was_used(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        kid = key_of(shop, account)
        order = await shop.ordered(account)
        assert not await shop.told("charge.refunded", account, order, id="ch_1", amount_refunded=1000)
        await shop.told("checkout.session.completed", account, order, amount_total=1000, payment_status="paid")
        use(shop, kid, 4 * USD, "c")
        for cents, is_new in ((300, True), (300, False), (1000, True), (300, False)):
            assert await shop.told("charge.refunded", account, order, id="ch_1", amount_refunded=cents) is is_new
        assert await shop.balance(account) == "-4"

    open_shop(tmp_path, work)


PAID = {"amount_total": 1000, "payment_status": "paid"}


@pytest.mark.parametrize(
    ("type", "about", "code"),
    [
        ("checkout.session.completed", PAID | {"currency": "eur"}, "payment_currency"),
        ("checkout.session.completed", PAID | {"currency": "xxx"}, "payment_currency"),
        ("checkout.session.completed", PAID | {"currency": None}, "payment_currency"),
        ("checkout.session.completed", PAID | {"amount_total": 999}, "payment_mismatch"),
        ("checkout.session.completed", PAID | {"amount_total": 100_000}, "payment_mismatch"),
        ("checkout.session.completed", PAID | {"amount_total": 0}, "payment_amount"),
        ("checkout.session.completed", PAID | {"amount_total": -1000}, "payment_amount"),
        ("checkout.session.completed", PAID | {"amount_total": None}, "payment_amount"),
        ("checkout.session.completed", PAID | {"amount_total": 10**18}, "payment_amount"),
        ("checkout.session.completed", PAID | {"amount_total": 10**30}, "payment_amount"),
        ("checkout.session.completed", PAID | {"amount_total": 10.5}, "payment_unreadable"),
        ("checkout.session.completed", PAID | {"amount_total": "1000"}, "payment_unreadable"),
        ("checkout.session.completed", PAID | {"metadata": {"headgate_order": 5}}, "payment_unreadable"),
        ("payment_intent.succeeded", {"amount_received": 999}, "payment_mismatch"),
        ("charge.refunded", {"amount_refunded": 100, "currency": "jpy"}, "payment_currency"),
    ],
)
def test_a_payment_that_is_not_what_was_ordered_is_refused(tmp_path: Path, type: str, about: dict, code: str):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        order = await shop.ordered(account)
        answer = await shop.tell(event(type, account, order, **about))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        told = await shop("GET", f"/credit/{account}")
        assert (told["balance_usd"], len(told["pending"])) == ("0", 1)

    open_shop(tmp_path, work)


def test_what_stripe_did_not_sign_is_refused_and_changes_nothing(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        order = await shop.ordered(account)
        body = event("checkout.session.completed", account, order, **PAID)
        good = signed(body)
        wrong = {
            "none": "",
            "another secret": signed(body, "whsec_" + "x" * 32),
            "no secret": signed(body, ""),
            "another body": signed(body.replace(b"1000", b"9000")),
            "too old": signed(body, age_s=301),
            "no time": good.partition(",")[2],
            "no signature": good.partition(",")[0],
            "another scheme": good.replace("v1=", "v0="),
            "cut": good[:-1],
            "letters": "t=now,v1=x",
        }
        for what, signature in wrong.items():
            answer = await shop.tell(body, signature)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "signature_invalid"), what
        for body_of, code in (
            (b"{}", "payment_unreadable"),
            (b"\xff", "signature_invalid"),
            (b"", "payment_unreadable"),
        ):
            signature = good if body_of == b"\xff" else signed(body_of)
            answer = await shop.tell(body_of, signature)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        assert await shop.balance(account) == "0"
        # somebody else's payment over the same Stripe account is let be
        for who, what in ((account, "pay-other"), ("org_other", order), ("", order), (account, "")):
            assert not await shop.told("checkout.session.completed", who, what, **PAID)
        long = await shop.client.post("/webhooks/stripe", content=b"x" * (1024 * 1024 + 1))
        assert long.status_code == 413
        assert await shop.balance(account) == "0"
        assert (await shop.tell(body, good)).json() == {"booked": True}

    open_shop(tmp_path, work)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"usd": "4.99"}, "usd"),
        ({"usd": "10000.01"}, "usd"),
        ({"usd": "10.005"}, "usd"),
        ({"usd": "-10"}, "usd"),
        ({"usd": "1e9"}, "usd"),
        ({"usd": "10", "currency": "eur"}, "currency"),
        ({"usd": "10", "save_card": "yes"}, "save_card"),
    ],
)
def test_an_odd_order_is_refused_before_stripe_hears_of_it(tmp_path: Path, body: dict, param: str):
    async def work(shop: Shop) -> None:
        account = await shop.organisation()
        refused = await shop("POST", f"/credit/{account}/checkout", body, 400)
        assert refused["error"]["param"] == param
        await shop("POST", "/credit/org_nobody/checkout", {"usd": "10"}, 404)
        assert shop.double.asked == []

    open_shop(tmp_path, work)


RULE = {"below_usd": "5", "usd": "20", "month_usd_max": "50"}


async def with_card(shop: Shop) -> tuple[str, str]:
    """An organisation that has paid 10 dollars with a card that was saved."""
    account = await shop.organisation(prepaid=True)
    kid = key_of(shop, account)
    refused = await shop("PUT", f"/credit/{account}/auto-top-up", RULE, 400)
    assert refused["error"]["code"] == "payment_method_missing"
    order = await shop.ordered(account, save_card=True)
    assert shop.double.asked[-1][2]["payment_intent_data[setup_future_usage]"] == "off_session"
    await shop.told("checkout.session.completed", account, order, **PAID, customer="cus_1")
    return account, kid


def test_a_card_is_charged_when_credit_runs_low_and_within_the_month(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account, kid = await with_card(shop)
        assert (await shop("GET", f"/credit/{account}/auto-top-up"))["below_usd"] is None
        shown = await shop("PUT", f"/credit/{account}/auto-top-up", RULE)
        assert {name: shown[name] for name in RULE} == RULE
        lookout = Lookout(shop.core, shop.till)
        lookout.look()
        assert shop.double.charged == []
        use(shop, kid, 6 * USD, "c1")
        for _ in range(2):
            lookout.look()
        assert (shop.double.charged, await shop.balance(account)) == ([2000], "24")
        [budget] = shop.core.tenancy.gauges.budgets()
        assert budget.budget.terms.most == 30 * USD
        method, path, form = shop.double.asked[-1]
        assert (method, path, form["customer"], form["payment_method"], form["off_session"]) == (
            "POST",
            "/v1/payment_intents",
            "cus_1",
            "pm_1",
            "true",
        )
        assert not await shop.told(
            "payment_intent.succeeded", account, form["metadata[headgate_order]"], amount_received=2000
        )
        for number in range(3):
            use(shop, kid, 20 * USD, f"d{number}")
            lookout.look()
        assert shop.double.charged == [2000, 2000]  # a third would be more than 50 in the month

        await shop("DELETE", f"/credit/{account}/auto-top-up")
        assert shop.till.top_up() == 0

    open_shop(tmp_path, work)


DECLINED = (402, {"error": {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}})


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([DECLINED], "Your card was declined."),
        (["requires_action"], "the payment is requires_action"),
        ([(400, {"error": {"type": "invalid_request_error", "message": "No such customer"}})], "No such customer"),
    ],
)
def test_a_card_that_fails_is_not_tried_until_the_rule_is_set_again(tmp_path: Path, answers: list, error: str):
    async def work(shop: Shop) -> None:
        account, kid = await with_card(shop)
        await shop("PUT", f"/credit/{account}/auto-top-up", RULE)
        use(shop, kid, 6 * USD, "c1")
        shop.double.answers = list(answers)
        for _ in range(3):
            assert shop.till.top_up() == 0
        shown = await shop("GET", f"/credit/{account}/auto-top-up")
        assert (shown["failed"] is not None, shown["error"]) == (True, error)
        assert (await shop("GET", f"/credit/{account}"))["pending"] == []
        assert len([path for _, path, _ in shop.double.asked if path == "/v1/payment_intents"]) == 1

        assert (await shop("PUT", f"/credit/{account}/auto-top-up", RULE))["failed"] is None
        assert shop.till.top_up() == 1
        assert await shop.balance(account) == "24"

    open_shop(tmp_path, work)


def test_where_nobody_knows_what_became_of_a_payment_it_is_asked_again_and_made_once(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account, kid = await with_card(shop)
        await shop("PUT", f"/credit/{account}/auto-top-up", RULE)
        use(shop, kid, 6 * USD, "c1")
        shop.double.lost = RETRIES + 1
        assert shop.till.top_up() == 0
        assert [each["usd"] for each in (await shop("GET", f"/credit/{account}"))["pending"]] == ["20"]
        settings = shop.core.setup.config.payments.stripe
        assert settings is not None
        await shop("PUT", f"/credit/{account}/auto-top-up", RULE | {"usd": "30"})  # what is ordered stays as it was
        other = Till(shop.core, settings, shop.url)
        assert [shop.till.top_up(), other.top_up()] == [1, 0]
        assert (shop.double.charged, await shop.balance(account)) == ([2000], "24")

        await shop("PUT", f"/credit/{account}/auto-top-up", RULE)
        use(shop, kid, 20 * USD, "c2")
        shop.double.answers = ["processing"]
        assert shop.till.top_up() == 0
        order = shop.double.asked[-1][2]["metadata[headgate_order]"]
        assert await shop.told("payment_intent.payment_failed", account, order)
        assert (await shop("GET", f"/credit/{account}/auto-top-up"))["error"] == "the payment was not made"
        assert await shop.balance(account) == "4"

        shop.double.cards = []
        await shop("PUT", f"/credit/{account}/auto-top-up", RULE)
        assert shop.till.top_up() == 0
        assert "no card" in (await shop("GET", f"/credit/{account}/auto-top-up"))["error"]

    open_shop(tmp_path, work)


@pytest.mark.parametrize(
    ("rule", "param"),
    [
        (RULE | {"usd": "1"}, "usd"),
        (RULE | {"usd": "50.01"}, "month_usd_max"),
        (RULE | {"below_usd": "0"}, "below_usd"),
        (RULE | {"usd": "20.001"}, "usd"),
    ],
)
def test_an_odd_rule_is_refused(tmp_path: Path, rule: dict, param: str):
    async def work(shop: Shop) -> None:
        account, _ = await with_card(shop)
        refused = await shop("PUT", f"/credit/{account}/auto-top-up", rule, 400)
        assert refused["error"]["param"] == param

    open_shop(tmp_path, work)


def test_only_who_reaches_an_account_pays_for_it(tmp_path: Path):
    async def work(shop: Shop) -> None:
        account, other = await shop.organisation(), await shop.organisation()
        doors = admin_doors(shop.core, shop.till).seen_by(Administrator(actor="x", role="owner", organisation=account))
        assert doors.payments is not None
        assert doors.payments.checkout(account, 10 * USD, saves_card=False)[0].startswith("pay-")
        for attempt in (lambda p: p.checkout(other, 10 * USD, saves_card=False), lambda p: p.rule(other)):
            with pytest.raises(Exception, match="There is no organisation"):
                attempt(doors.payments)

    open_shop(tmp_path, work)


def test_without_a_till_nothing_is_paid(tmp_path: Path):
    async def inside() -> None:
        async with open_core(build({"data_dir": str(tmp_path)}, environ={})) as core:
            assert open_till(core) is None
            key = AdminKey.of(ADMIN, core.pepper.digest)
            transport = httpx2.ASGITransport(create_admin(admin_doors(core), key))
            headers = {"authorization": f"Bearer {ADMIN}"}
            async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
                answer = await client.post("/webhooks/stripe", content=b"{}")
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payments_not_configured")
                answer = await client.post("/admin/v1/credit/x/checkout", json={"usd": "10"})
                assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payments_not_configured")

    asyncio.run(inside())


@pytest.mark.parametrize(
    ("changed", "environ", "told"),
    [
        ({}, {"STRIPE_SECRET": ""}, "STRIPE_SECRET"),
        ({}, {"STRIPE_SECRET": "whsec_"}, "signing secret"),
        ({}, {"STRIPE_SECRET": "x" * 40}, "signing secret"),
        ({}, {"STRIPE_KEY": "pk_live_" + "x" * 20}, "secret key of Stripe"),
        ({"webhook_secret": None}, {}, "webhook_secret"),
        ({"success_url": "javascript:alert(1)"}, {}, "must be a URL"),
        ({"usd_min": 0}, {}, "usd_min"),
        ({"tolerance_s": 0}, {}, "tolerance_s"),
    ],
)
def test_a_till_without_its_secrets_is_refused_at_the_start(tmp_path: Path, changed: dict, environ: dict, told: str):
    settings = {name: value for name, value in (SETTINGS | changed).items() if value is not None}
    with pytest.raises(ConfigError, match=told):
        build({"data_dir": str(tmp_path), "payments": {"stripe": settings}}, environ=ENVIRON | environ)
