"""What a call would cost, before it is made: by candidate, exact, and nothing is booked or sent for it."""

from pathlib import Path

import pytest

from headgate.limits.terms import PriceTerm, Terms
from headgate.store.queries.calls import CallFilter
from tests.engine.test_limits import USD, Place, money, run

SAID = [{"role": "user", "content": "hello there"}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/quote", {"model": "demo/echo", "messages": SAID, "max_tokens": 2000}),
        ("/v1/messages/quote", {"model": "demo/echo", "messages": SAID, "max_tokens": 2000}),
        ("/v1/responses/quote", {"model": "demo/echo", "input": "hello there", "max_output_tokens": 2000}),
    ],
)
def test_a_quote_is_a_range_and_books_nothing(tmp_path: Path, path: str, body: dict) -> None:
    async def work(place: Place) -> None:
        answer = await place.ask_as(place.key(money(USD)), path, body)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        [only] = told["candidates"]
        # the demo costs USD 1 and 2 per million tokens
        usual, most = told["input_tokens"], told["input_tokens_max"]
        assert (told["object"], told["model"], told["output_tokens_expected"]) == ("quote", "demo/echo", 500)
        assert 0 < usual < most
        costs = {"least": usual * 1000 + 2000, "expected": usual * 1000 + 1_000_000, "most": most * 1000 + 4_000_000}
        assert only == {
            "deployment": "demo/echo",
            "provider": "demo",
            "model": "echo",
            "is_priced": True,
            "output_tokens_max": 2000,
            "cost": {name: {"nano_usd": nano, "usd": f"0.{nano:09d}"} for name, nano in costs.items()},
        }
        assert place.used() == [(0, 0)]
        assert (await place.core.calls.recent(CallFilter())).records == []

    run(tmp_path, work)


def test_a_quote_is_what_the_caller_would_pay_for_all_its_answers(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        account = place.tenant("organisation", Terms(prices=(PriceTerm(markup_ppm=1_000_000),)))
        body = {"model": "demo/echo", "messages": SAID, "max_tokens": 10, "n": 3}
        answers = [await place.ask_as(key, "/v1/quote", body) for key in (place.key(), place.key(organisation=account))]
        plain, dear = (answer.json()["candidates"][0]["cost"]["most"]["nano_usd"] for answer in answers)
        assert plain == answers[0].json()["input_tokens_max"] * 1000 + 3 * 10 * 2000
        assert dear == 2 * plain

    run(tmp_path, work)


def test_what_would_be_refused_is_not_quoted(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        for body, status in [
            ({"model": "nobody-has-this", "messages": SAID}, 404),
            ({"model": "demo/echo", "messages": "hello"}, 400),
            ({"messages": SAID}, 400),
            ([], 400),
        ]:
            assert (await place.ask_as(place.key(), "/v1/quote", body)).status_code == status
        odd = {"model": "demo/echo", "messages": SAID, "max_tokens": -5}
        [told] = (await place.ask_as(place.key(), "/v1/quote", odd)).json()["candidates"]
        assert (told["output_tokens_max"], told["cost"]["least"]["nano_usd"] > 0) == (0, True)
        closed = place.key(models=("demo/lorem",))
        body = {"model": "demo/echo", "messages": SAID}
        assert (await place.ask_as(closed, "/v1/quote", body)).status_code == 404

    run(tmp_path, work)
