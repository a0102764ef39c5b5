"""The targets of a route that names none: what the configured providers offer of a quality, the cheapest first.

A call is tried at the cheapest that can do what it takes. To keep that choice short, a route holds, for each thing that
a call may need, and for what is often needed together, the few cheapest that are known to be able to do it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from headgate.core.needs import Ability
from headgate.ledger.prices import PriceBook
from headgate.providers.catalog import Deployment
from headgate.providers.models import Model
from headgate.providers.quality import Quality, is_enough

EACH: Final = 4
"""So many for each need: enough to fail over, few enough to weigh for every call."""
EACH_PROVIDER: Final = 2
"""Of these, so many at one provider."""
NEEDS: Final[tuple[frozenset[Ability], ...]] = (
    frozenset(),
    frozenset({"tools"}),
    frozenset({"image"}),
    frozenset({"json_schema"}),
    frozenset({"reasoning"}),
    frozenset({"pdf"}),
    frozenset({"audio"}),
    frozenset({"tools", "image", "json_schema"}),
)
LONG_TOKENS: Final = 200_000
"""The few cheapest with such a window are held too."""
_USUAL: Final = (1000, 300)
"""Tokens of a usual prompt and answer, for the price to compare here; for each call its own size counts."""


class Offered(NamedTuple):
    """A model where it could be called."""

    model: Model
    deployment: Deployment


def choose(offered: Iterable[Offered], quality: Quality, prices: PriceBook) -> tuple[Deployment, ...]:
    """The deployments to hold, the cheapest first; empty where nothing is good enough or has a price."""
    priced = sorted(_priced(offered, quality, prices), key=lambda each: each[0])
    held: dict[str, tuple[float, Deployment]] = {}
    for need in NEEDS:
        _hold(held, [each for each in priced if need <= _can(each[1])])
    _hold(held, [each for each in priced if _window(each[1]) >= LONG_TOKENS])
    return tuple(deployment for _, deployment in sorted(held.values(), key=lambda each: each[0]))


def _priced(offered: Iterable[Offered], quality: Quality, prices: PriceBook) -> Iterator[tuple[float, Deployment]]:
    for model, deployment in offered:
        if not _is_for_text(model) or not is_enough(model.id, quality):
            continue
        price = prices.find(deployment.prices, deployment.model)
        if price is not None and price.rates.input is not None and price.rates.output is not None:
            cost = price.rates.input * _USUAL[0] + price.rates.output * _USUAL[1]
            yield cost, deployment


def _is_for_text(model: Model) -> bool:
    """Whether it answers in words alone, and will go on doing so."""
    return model.gives == "t" and "t" in model.accepts and not model.is_deprecated


def _hold(held: dict[str, tuple[float, Deployment]], cheapest: Sequence[tuple[float, Deployment]]) -> None:
    """Not all at one provider, as far as there are others: that may be down."""
    places: Counter[str] = Counter()
    for each in cheapest:
        provider = each[1].provider
        if places.total() < EACH and places[provider] < EACH_PROVIDER:
            places[provider] += 1
            held.setdefault(each[1].id, each)


def _can(deployment: Deployment) -> frozenset[Ability]:
    return frozenset() if deployment.facts is None else deployment.facts.can


def _window(deployment: Deployment) -> int:
    return 0 if deployment.facts is None else deployment.facts.context_tokens or 0
