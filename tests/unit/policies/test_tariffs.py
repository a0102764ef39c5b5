"""What accounts pay: which of several prices counts, exact to the nano-dollar; what means nothing is refused."""

import pytest

from headgate.core.principal import Sold
from headgate.core.problems import InvalidRequest
from headgate.core.usage import Usage
from headgate.limits.terms import PriceTerm, Terms, check_terms
from headgate.policies.limiting import as_told
from headgate.policies.tariffs import prices_of

USAGE = Usage(input_tokens=1000, cached_tokens=400, output_tokens=10)


def charge(*terms: PriceTerm, model: str = "smart", provider: str = "lab", cost: int = 1001, at_us: int = 10) -> int:
    prices = prices_of(terms, as_told)
    assert prices is not None
    return prices.charge(Sold(model, provider, "m1", USAGE, cost, at_us))


def test_nothing_agreed_is_no_price() -> None:
    assert prices_of((), as_told) is None


@pytest.mark.parametrize(
    ("ppm", "cost", "charged"),
    [
        (200_000, 1001, 1201),  # 1201.2
        (-100_000, 1005, 904),  # 904.5, half to even
        (-100_000, 1015, 914),  # 913.5, half to even
        (-1_000_000, 1001, 0),
        (10_000_000, 1, 11),
        (1, 999_999, 1_000_000),
        (500_000, 0, 0),
        (500_000, 10**15, 15 * 10**14),
    ],
)
def test_a_markup_is_added_exactly(ppm: int, cost: int, charged: int) -> None:
    assert charge(PriceTerm(markup_ppm=ppm), cost=cost) == charged


def test_negotiated_rates_stand_in_place_of_the_cost() -> None:
    term = PriceTerm(input=3_000_000, output=15_000_000, cached=300_000, write=3_750_000, request=7)
    # 600 × 3 000 + 400 × 300 + 10 × 15 000 + 7 nano-USD
    assert charge(term, cost=10**9) == 1_800_000 + 120_000 + 150_000 + 7
    assert charge(PriceTerm(input=0, output=0), cost=10**9) == 0


def test_what_says_most_about_a_call_counts() -> None:
    terms = [
        PriceTerm(markup_ppm=100_000),
        PriceTerm(markup_ppm=200_000, provider="lab"),
        PriceTerm(markup_ppm=300_000, model="m1"),
        PriceTerm(markup_ppm=400_000, model="lab/m1", provider="lab"),
        PriceTerm(markup_ppm=500_000),
    ]
    assert [charge(*terms[:count], cost=1000) for count in range(1, 6)] == [1100, 1200, 1300, 1400, 1400]
    assert charge(*terms, provider="else", cost=1000) == 1300
    assert charge(*terms[:2], provider="else", cost=1000) == 1100
    assert charge(PriceTerm(markup_ppm=1, model="other"), cost=1000) == 1000


@pytest.mark.parametrize(
    ("term", "told"),
    [
        (PriceTerm(), "takes rates or"),
        (PriceTerm(model="a"), "takes rates or"),
        (PriceTerm(input=1), "both of 'input' and 'output'"),
        (PriceTerm(request=1), "both of 'input' and 'output'"),
        (PriceTerm(input=1, output=1, markup_ppm=1), "not both"),
        (PriceTerm(markup_ppm=-1_000_001), "-100 to 1000"),
        (PriceTerm(markup_ppm=10_000_001), "-100 to 1000"),
        (PriceTerm(input=-1, output=1), "out of bounds"),
        (PriceTerm(input=1, output=10**15 + 1), "out of bounds"),
    ],
)
def test_a_price_that_means_nothing_is_refused(term: PriceTerm, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as caught:
        check_terms(Terms(prices=(PriceTerm(markup_ppm=1), term)))
    assert caught.value.problem.param.startswith("prices[1]")


def test_a_price_holds_for_calls_that_begin_from_its_time_on() -> None:
    terms = (
        PriceTerm(markup_ppm=100_000),
        PriceTerm(markup_ppm=200_000, since_us=20),
        PriceTerm(markup_ppm=300_000, since_us=30),
        PriceTerm(markup_ppm=400_000, model="m1", since_us=30),
    )
    assert [charge(*terms[:3], cost=1000, at_us=at) for at in (19, 20, 29, 30)] == [1100, 1200, 1200, 1300]
    assert [charge(*terms, cost=1000, at_us=at) for at in (29, 30)] == [1200, 1400]
    assert charge(PriceTerm(markup_ppm=200_000, since_us=20), cost=1000, at_us=19) == 1000
