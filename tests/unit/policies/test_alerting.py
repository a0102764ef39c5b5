"""What is worth telling, and that the same thing has the same name."""

import pytest
from msgspec.structs import replace

from headgate.policies.alerting import Balance, BudgetUse, balance_alerts, budget_alerts, price_alerts, top_up_alerts
from headgate.store.queries.auto_top_ups import AutoTopUp

BUDGET = BudgetUse(level="team", id="team_1", user="", what="5 USD per day", window_us=7, limit=1000, settled=0)


@pytest.mark.parametrize(
    ("settled", "told"), [(0, []), (799, []), (800, [80]), (999, [80]), (1000, [100]), (5000, [100])]
)
def test_the_highest_threshold_that_is_reached_is_told(settled: int, told: list[int]):
    alerts = budget_alerts([replace(BUDGET, settled=settled)], (80, 100))
    assert [each.data["threshold"] for each in alerts] == told


def test_a_budget_of_nothing_is_not_told_of():
    assert budget_alerts([replace(BUDGET, limit=0)], (80,)) == []


def test_the_same_threshold_in_the_same_window_is_the_same_alert():
    def name(**other: object) -> str:
        [alert] = budget_alerts([replace(BUDGET, **{"settled": 850} | other)], (80, 90))
        return alert.id

    assert name() == name(settled=899)
    assert len({name(), name(settled=900), name(window_us=8), name(id="team_2"), name(user="u"), name(what="x")}) == 6


def test_little_credit_is_told_once_until_credit_comes():
    rich, poor = (Balance(id="org_1", name="Acme", nano_usd=nano, postings=1) for nano in (5, 4))
    assert balance_alerts([rich], 5) == []
    [alert] = balance_alerts([poor], 5)
    assert (alert.account, alert.text) == ("org_1", "0.000000004 USD of credit is left to Acme (org_1).")
    assert balance_alerts([replace(poor, nano_usd=3)], 5)[0].id == alert.id
    assert balance_alerts([replace(poor, postings=2)], 5)[0].id != alert.id


def test_prices_that_change_are_told_and_new_models_are_not():
    [alert] = price_alerts(
        {"a": "prompt 1", "b": "prompt 2", "gone": "x"}, {"a": "prompt 1", "b": "prompt 3", "c": "y"}
    )
    assert alert.text == "The price of b is now prompt 3; it was prompt 2."
    assert alert.id != price_alerts({"b": "prompt 3"}, {"b": "prompt 2"})[0].id


def test_a_failed_top_up_is_told_once_for_each_failure() -> None:
    rules = [
        AutoTopUp(account="a", customer="c", below_nano_usd=1, nano_usd=7, failed_us=5, error="declined"),
        AutoTopUp(account="b", customer="c", below_nano_usd=1),
    ]
    [alert] = top_up_alerts(rules)
    assert (alert.id, alert.kind, alert.account) == ("top-up a 5", "top_up.failed", "a")
    assert alert.data == {"nano_usd": 7, "error": "declined"}
    assert "declined" in alert.text
