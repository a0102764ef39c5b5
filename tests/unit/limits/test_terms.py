"""Terms: what may be written, in which words it is told, and that no child is wider than its parent."""

import pytest

from headgate.core.problems import InvalidRequest
from headgate.limits.terms import (
    NO_TERMS,
    BudgetTerm,
    RateTerm,
    Terms,
    budget_words,
    check_terms,
    networks,
    rate_words,
    shown_usd,
)

USD = 1_000_000_000


def rate(most: int = 10, **more: object) -> RateTerm:
    return RateTerm(of="requests", most=most, **more)


def budget(usd: int = 5, **more: object) -> BudgetTerm:
    return BudgetTerm(nano_usd=usd * USD, **{"window": "month", **more})


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        (Terms(weight=0.001), "weight"),
        (Terms(weight=101.0), "weight"),
        (Terms(rates=(rate(0),)), "limits[0].most"),
        (Terms(rates=(rate(-1),)), "limits[0].most"),
        (Terms(rates=(rate(10**15 + 1),)), "limits[0].most"),
        (Terms(rates=(rate(burst=-1),)), "limits[0].burst"),
        (Terms(rates=(rate(), rate(per="fortnight"))), "limits[1].per"),
        (Terms(each_user_rates=(rate(0),)), "users.limits[0].most"),
        (Terms(rates=(rate(),) * 33), "limits"),
        (Terms(budgets=(budget(0),)), "budgets[0]"),
        (Terms(budgets=(budget(-5),)), "budgets[0]"),
        (Terms(budgets=(budget(1_000_001),)), "budgets[0]"),
        (Terms(budgets=(budget(1, tokens=5),)), "budgets[0]"),
        (Terms(budgets=(budget(window="year"),)), "budgets[0].window"),
        (Terms(budgets=(budget(zone="Nowhere"),)), "zone"),
        (Terms(each_user_budgets=(budget(0),)), "users.budgets[0]"),
        (Terms(addresses=("300.1.1.1",)), "addresses"),
        (Terms(addresses=("192.0.2.1/24",)), "addresses"),
    ],
)
def test_what_means_nothing_is_refused(terms: Terms, param: str):
    with pytest.raises(InvalidRequest) as caught:
        check_terms(terms)
    assert caught.value.problem.param == param


PARENT = Terms(
    models=("a", "b"),
    endpoints=("generate",),
    addresses=("192.0.2.0/24", "2001:db8::/32"),
    rates=(rate(10),),
    budgets=(budget(5), budget(9, window="day", is_soft=True)),
)


@pytest.mark.parametrize(
    ("child", "told"),
    [
        (Terms(models=("a", "c")), "'c' is not among the models of its team: a, b."),
        (Terms(endpoints=("embeddings",)), "'embeddings' is not among the endpoints of its team: generate."),
        (Terms(addresses=("192.0.0.0/16",)), "192.0.0.0/16 is not within the addresses of its team"),
        (Terms(addresses=("198.51.100.7",)), "198.51.100.7/32 is not within"),
        (Terms(rates=(rate(11),)), "11 requests per minute is more than its team has: 10 requests per minute."),
        (Terms(rates=(rate(11, per="PT1S", model="a"),)), "11 requests per PT1S for a is more than its team has: 10"),
        (Terms(budgets=(budget(6),)), "6 USD per month is more than its team has: 5 USD per month."),
        (Terms(budgets=(budget(500, window="day"),)), "500 USD per day is more than its team has: 5 USD per month."),
        (Terms(budgets=(budget(6, model="a"),)), "6 USD per month for a is more than its team has: 5 USD per month."),
    ],
)
def test_a_child_is_not_wider(child: Terms, told: str):
    with pytest.raises(InvalidRequest, match=told.replace(".", r"\.").replace("(", r"\(")):
        check_terms(child, [("organisation", NO_TERMS), ("team", PARENT)])


@pytest.mark.parametrize(
    "child",
    [
        NO_TERMS,
        PARENT,
        Terms(models=("b",), addresses=("192.0.2.7", "2001:db8:1::/48"), rates=(rate(99, per="hour"),)),
        Terms(budgets=(budget(5, window="day"), budget(50, window="P90D"), budget(99, window="total"))),
        Terms(budgets=(budget(5, model="a"), BudgetTerm(window="month", tokens=9 * USD))),
    ],
)
def test_a_narrower_child_is_taken(child: Terms):
    check_terms(child, [("team", PARENT)])


def test_words():
    assert rate_words(RateTerm(of="input_tokens", most=7, per="PT5M", model="m")) == "7 input tokens per PT5M for m"
    assert rate_words(RateTerm(of="concurrency", most=3)) == "3 calls at a time"
    assert budget_words(budget(model="m", provider="p")) == "5 USD per month for m at p"
    assert budget_words(BudgetTerm(window="total", tokens=9)) == "9 tokens in total"


def test_dollars_are_as_short_as_exact():
    assert [shown_usd(n) for n in (0, 1, USD, 2_500_000_000, -1)] == ["0", "0.000000001", "1", "2.5", "-0.000000001"]


def test_networks():
    assert [str(each) for each in networks(["192.0.2.7", "2001:db8::/32"])] == ["192.0.2.7/32", "2001:db8::/32"]


def test_a_class_is_not_above_a_parents():
    team = [("organisation", NO_TERMS), ("team", Terms(priority="standard"))]
    check_terms(Terms(priority="batch"), team)
    check_terms(Terms(priority="standard"), team)
    check_terms(Terms(priority="interactive"), [("organisation", NO_TERMS)])
    with pytest.raises(InvalidRequest, match="interactive is above the priority of its team: standard"):
        check_terms(Terms(priority="interactive"), team)


def test_the_keys_of_a_team_have_its_weight():
    check_terms(Terms(weight=2.0), [("organisation", Terms(weight=1.0))])
    with pytest.raises(InvalidRequest, match="set it on the team"):
        check_terms(Terms(weight=2.0), [("organisation", NO_TERMS), ("team", NO_TERMS)])
