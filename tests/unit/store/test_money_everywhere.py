"""What keeps money and answers says the same in both databases: each query of it, once."""

import time

import pytest
from tests.unit.ledger.test_pending import ACCOUNT

from headgate.core.problems import InvalidRequest
from headgate.ledger import credit
from headgate.ledger.coupons import NewCoupon, Redeemer, list_coupons, make_coupon, redeem, revoke_coupon
from headgate.ledger.credit import Credit
from headgate.ledger.payments import Payment, book
from headgate.store.base import Store
from headgate.store.queries import auto_top_ups, outbox, prices, promotions, proposals, replays, spend
from headgate.store.queries.auto_top_ups import AutoTopUp
from headgate.store.queries.outbox import Message
from headgate.store.queries.prices import Edition, PriceRow
from headgate.store.queries.replays import ReplayRow
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums


def test_credit_in_two_steps_promotions_and_coupons(store: Store):
    credit.propose(store, Credit(ACCOUNT, "top-up", 100, "order"), [], actor="t")
    paid = Payment(action="post", account=ACCOUNT, order="order", nano_usd=100, object="o")
    assert [book(store, paid, []), book(store, paid, [])] == [True, False]
    back = Payment(action="refund", account=ACCOUNT, order="order", nano_usd=40, object="ch")
    assert [book(store, back, []), book(store, back, [])] == [True, False]
    now_us = time.time_ns() // 1000
    credit.grant(store, Credit(ACCOUNT, "promotion", 7, "gift", expires_us=now_us + 1_000_000), [], actor="t")
    code, row = make_coupon(store, NewCoupon(nano_usd=5, lasts_us=1_000_000), actor="t")
    who = Redeemer(account=ACCOUNT, organisation=ACCOUNT, keys=[])
    assert redeem(store, code, who, actor="t").id == row.id
    with pytest.raises(InvalidRequest, match="redeemed here"):
        redeem(store, code, who, actor="t")
    assert list_coupons(store)[0][1] == 1
    assert revoke_coupon(store, row.id, actor="t")[0].revoked_us is not None
    with store.read() as connection:
        assert promotions.ended(connection, now_us + 60_000_000) == [ACCOUNT]
        assert credit.parts(connection, ACCOUNT, []).paid == 60
    assert [each.nano_usd for each in credit.expire(store, ACCOUNT, [], now_us + 60_000_000)] == [7, 5]
    with store.read() as connection:
        assert promotions.ended(connection, now_us + 60_000_000) == []
        assert credit.credited(connection, ACCOUNT) == 60
        assert proposals.count(connection, f"top-up {ACCOUNT} o") == 1
        assert proposals.count(connection, f"top-up {ACCOUNT} _") == 0
        assert credit.changes(connection) == 6
        assert credit.verify(connection) == []


def test_rules_prices_tags_alerts_and_answers(store: Store):
    with store.write() as connection:
        auto_top_ups.know(connection, "a", "one")
        auto_top_ups.know(connection, "a", "two")
        rule = AutoTopUp(account="a", customer="two", below_nano_usd=1, nano_usd=2, month_nano_usd_max=3, error="x")
        auto_top_ups.change(connection, rule)
        assert auto_top_ups.listed(connection) == [rule]
        assert auto_top_ups.find(connection, "b") is None

        assert prices.begin(connection, Edition(since_us=1, version="v"))
        for price in ("[1]", "[2]"):
            prices.keep(connection, [PriceRow(version="v", provider="p", model="m", price=price)])
        assert [row.price for row in prices.of_model(connection, "p", "m")] == ["[1]"]

        line = Spent(Place(QUARTER_US, "k", "", "m", "p", "u"), Sums(1, 2, 3, 4, 5))
        spend.add(connection, [line])
        for _ in range(2):
            spend.add_tagged(connection, [("red", line)])
        assert spend.tagged_since(connection, ["k"], 0, "red") == [Spent(line.place, Sums(2, 4, 6, 8, 10))]
        assert spend.tagged_since(connection, ["k"], 0, "blue") == []
        assert spend.models_since(connection, QUARTER_US) == [("p", "u")]
        assert spend.models_since(connection, 2 * QUARTER_US) == []

        outbox.add(connection, [Message(id=id, at_us=5, next_us=1, channel="c", body="{}") for id in ("x", "y", "z")])
        assert [each.id for each in outbox.newest(connection, 5, (5, "x"))] == ["y", "z"]

        row = ReplayRow(owner="o", key="k", digest=b"\0\xff", call_id="c", claimant="j", until_us=1)
        for _ in range(2):
            replays.put(connection, row)
        replays.renew(connection, ["c", "d"], 9)
        assert [each.until_us for each in replays.under_way(connection, "j")] == [9]
        ended = ReplayRow(**{**_members(row), "ended_us": 7, "status": 200, "fields": b"a: b", "body": b"\0body"})
        replays.end(connection, ended)
        found = replays.find(connection, "o", "k")
        assert found is not None
        assert (found.digest, found.body, found.ended_us, found.until_us) == (b"\0\xff", b"\0body", 7, 9)
        replays.drop(connection, "o", "k", "another")
        replays.forget(connection, 7)
        assert replays.find(connection, "o", "k") == found
        replays.forget(connection, 8)
        assert replays.find(connection, "o", "k") is None


def _members(row: ReplayRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__struct_fields__}
