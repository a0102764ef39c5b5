"""Limits and budgets for calls with a tag: from head or body, at any level, and still known after a new start."""

from pathlib import Path

import pytest

from headgate.core.problems import InvalidRequest
from headgate.ledger.charging import charge_of
from headgate.limits.terms import BudgetTerm, RateTerm, Terms, check_terms
from tests.engine.test_limits import Place, run

RED = {"headers": {"x-headgate-spend-tags": "red, project:a"}}


def budget(nano_usd: int, **more: object) -> Terms:
    return Terms(budgets=(BudgetTerm(nano_usd=nano_usd, window="month", tag="red", **more),))


async def cost(place: Place) -> int:
    probe = await place.ask(place.key())
    return charge_of(await place.core.calls.find(probe.headers["x-headgate-request-id"]))


def test_a_budget_for_a_tag_counts_calls_that_have_it_alone(tmp_path: Path):
    async def work(place: Place) -> None:
        each = await cost(place)
        organisation = place.tenant("organisation", budget(2 * each))
        key, other = place.key(organisation=organisation), place.key(organisation=organisation)
        assert [(await place.ask(key)).status_code for _ in range(3)] == [200] * 3
        assert (await place.ask(key, headers={"x-headgate-spend-tags": "blue"})).status_code == 200
        assert place.used() == [(0, 0)]
        first = await place.ask(key, **RED)
        assert first.status_code == 200
        assert place.used() == [(each, 0)]
        record = await place.core.calls.find(first.headers["x-headgate-request-id"])
        assert record is not None
        assert record.tags == ("red", "project:a")
        # in the body, as others have it
        for tags in (["red"], "x,red"):
            await place.ask(other, metadata={"tags": tags})
        refused = await place.ask(other, **RED)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        assert "tagged red" in refused.json()["error"]["message"]
        assert (await place.ask(other)).status_code == 200
        assert place.used()[0][0] <= 2 * each

    run(tmp_path, work)


def test_what_a_tag_has_used_is_known_after_a_new_start(tmp_path: Path, store_url: str):
    key = ""

    async def first(place: Place) -> None:
        nonlocal key
        key = place.key(budget(10**9))
        for headers in (RED, RED, {}):
            await place.ask(key, **headers)
        nonlocal used
        used = place.used()

    async def second(place: Place) -> None:
        place.core.keys.refresh()
        assert place.used() == used
        assert used[0][0] > 0

    used: list[tuple[int, int]] = []
    run(tmp_path, first, store_url)
    run(tmp_path, second, store_url)


def test_a_rate_for_a_tag_and_one_for_a_tag_and_a_model(tmp_path: Path):
    async def work(place: Place) -> None:
        key = place.key(
            Terms(
                rates=(
                    RateTerm(of="requests", most=2, tag="red"),
                    RateTerm(of="requests", most=1, tag="red", model="demo/echo"),
                )
            )
        )
        echo = RED | {"model": "demo/echo"}
        assert [(await place.ask(key, **members)).status_code for members in (echo, echo, {}, RED, RED)] == [
            200,
            429,
            200,
            200,
            429,
        ]
        assert "x-ratelimit-limit-requests" not in (await place.ask(key)).headers

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"headers": {"x-headgate-spend-tags": ",".join(map(str, range(11)))}}, "x-headgate-spend-tags"),
        ({"headers": {"x-headgate-spend-tags": "a,,b"}}, "x-headgate-spend-tags"),
        ({"headers": {"x-headgate-spend-tags": "x" * 65}}, "x-headgate-spend-tags"),
        ({"headers": {"x-headgate-spend-tags": "a b"}}, "x-headgate-spend-tags"),
        ({"metadata": {"tags": ["a\n"]}}, "metadata.tags"),
        ({"metadata": {"tags": [5]}}, "metadata.tags"),
        ({"metadata": {"tags": {"a": "b"}}}, "metadata.tags"),
        ({"metadata": {"tags": list(map(str, range(9)))}} | RED, "metadata.tags"),
    ],
)
def test_odd_tags_are_refused_by_name(tmp_path: Path, members: dict, param: str):
    async def work(place: Place) -> None:
        key = place.key(budget(10**9))
        refused = await place.ask(key, **members)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
        assert place.used() == [(0, 0)]

    run(tmp_path, work)


@pytest.mark.parametrize(
    ("terms", "parent", "param"),
    [
        (Terms(budgets=(BudgetTerm(window="day", tokens=1, tag="a b"),)), Terms(), "budgets[0].tag"),
        (Terms(each_user_rates=(RateTerm(of="requests", most=1, tag="a"),)), Terms(), "users.limits[0].tag"),
        (budget(3), budget(2), "budgets[0]"),
        (budget(3), Terms(budgets=(BudgetTerm(window="month", nano_usd=2),)), "budgets[0]"),
        (
            Terms(rates=(RateTerm(of="requests", most=3, tag="a"),)),
            Terms(rates=(RateTerm(of="requests", most=2),)),
            "limits[0].most",
        ),
    ],
)
def test_a_tag_has_no_more_than_all_calls_together(terms: Terms, parent: Terms, param: str):
    with pytest.raises(InvalidRequest) as refused:
        check_terms(terms, [("organisation", parent)])
    assert refused.value.problem.param == param


def test_a_tag_of_a_parent_does_not_bind_other_calls():
    check_terms(Terms(budgets=(BudgetTerm(window="month", nano_usd=3),)), [("organisation", budget(2))])
    check_terms(
        Terms(rates=(RateTerm(of="requests", most=3),)),
        [("team", Terms(rates=(RateTerm(of="requests", most=2, tag="a"),)))],
    )
