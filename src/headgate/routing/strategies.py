"""The strategies: in which order the deployments of a route are tried. Pure: chance and standings are arguments.

A brownout or a slow return makes a deployment come first less often, whatever the strategy. What may not have traffic
at all is told apart here, with the reason.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, Literal

from msgspec import Struct

from headgate.providers.catalog import Deployment
from headgate.routing.fleet import Standing
from headgate.routing.health import State
from headgate.routing.quotas import Need

Strategy = Literal["ordered", "weighted", "cheapest", "fastest", "balanced", "least_busy"]
Order = Strategy | Literal["latency", "throughput"]
"""What a call may wish for besides: the first token soonest, the most tokens per second."""
WEIGHING: Final[frozenset[Strategy]] = frozenset({"weighted", "balanced", "least_busy"})
"""Strategies that look at the operator's weights."""
Dice = Callable[[], float]
"""Each call a number in [0, 1)."""

SECOND_NANO_USD: Final = 1_000_000
"""What `balanced` takes a second of waiting to be worth: a tenth of a cent."""
EXPLORE: Final = 0.02
"""How often one of which nothing is known comes first under a strategy by speed: else it never would be."""
EXPLORE_IDLE_S: Final = 30.0
"""What is older than this is not known."""
ALONGSIDE: Final = 32.0
"""So many requests at a time are taken to double the wait, where no limit is known."""


class Quote(Struct, frozen=True, gc=False):
    """What a deployment costs: pico-USD per token and nano-USD per request."""

    input: int
    output: int
    cached: int
    request: int = 0

    def nano_usd(self, need: Need, cached_share: float) -> float:
        """A call of that size, of whose prompt so much usually comes from the cache."""
        rate = self.input + (self.cached - self.input) * cached_share
        return (need.input_tokens * rate + need.output_tokens * self.output) / 1000.0 + self.request


class Candidate(Struct, gc=False):
    """A deployment with everything that a strategy may look at."""

    deployment: Deployment
    weight: float
    """The operator's."""
    standing: Standing
    quote: Quote | None
    need: Need
    is_stream: bool
    cost: float = 0.0

    @property
    def price(self) -> float:
        """Expected, in nano-USD. Without a known price it comes last."""
        quote = self.quote
        return inf if quote is None else quote.nano_usd(self.need, self.standing.member.cached_share)

    @property
    def first_s(self) -> float:
        """Expected until the first token, or the whole answer."""
        member = self.standing.member
        return (member.stream if self.is_stream else member.whole).usual_s(self.need.input_tokens)

    @property
    def whole_s(self) -> float:
        """Expected until the last token."""
        if not self.is_stream:
            return self.first_s
        return self.first_s + self.need.output_tokens / self.standing.member.tokens_per_s


def why_not(standing: Standing) -> str:
    """Why a deployment may not have this call just now; empty: it may."""
    if standing.state is State.OPEN:
        return "open"
    if standing.wait_s > 0.0:
        return "quota"
    if standing.state is State.SUSPECT:
        return "suspect"
    return "" if standing.has_room else "busy"


def ranked(order: Order, candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
    """Those that may have the call, in the order in which to try them; `cost` is set on each."""
    if len(candidates) < 2:
        return list(candidates)
    found = _ORDERS[order](candidates, dice)
    if all(each.standing.weight >= 1.0 for each in found):
        return found
    late = [each for each in found if each.standing.weight < 1.0 and dice() >= each.standing.weight]
    return [each for each in found if each not in late] + late


def _ordered(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
    for place, each in enumerate(candidates):
        each.cost = float(place)
    return list(candidates)


def _weighted(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
    """A draw without replacement: the chance of each place is in proportion to the weights that are left."""
    left, found = list(candidates), list[Candidate]()
    while left:
        drawn = _draw(left, dice)
        drawn.cost = float(len(found))
        found.append(drawn)
    return found


def _draw(left: list[Candidate], dice: Dice) -> Candidate:
    """One of them by weight, which is taken out."""
    total = 0.0
    for each in left:
        total += each.weight
    reach, at = dice() * total - left[0].weight, 0
    while reach >= 0.0 and at < len(left) - 1:
        at += 1
        reach -= left[at].weight
    return left.pop(at)


def _by(cost: Callable[[Candidate], float]) -> Callable[[Sequence[Candidate], Dice], list[Candidate]]:
    """The least of something first; equals as the operator wrote them."""

    def order(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
        for each in candidates:
            each.cost = cost(each)
        return sorted(candidates, key=_cost)

    return order


def _exploring(cost: Callable[[Candidate], float]) -> Callable[[Sequence[Candidate], Dice], list[Candidate]]:
    """The same; now and then one that has not been asked lately comes first."""
    by_cost = _by(cost)

    def order(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
        found = by_cost(candidates, dice)
        if dice() >= EXPLORE:
            return found
        unknown = max(found, key=lambda each: each.standing.idle_s)
        if unknown.standing.idle_s >= EXPLORE_IDLE_S:
            found.remove(unknown)
            found.insert(0, unknown)
        return found

    return order


def _least_busy(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
    """Fewest on their way for their weight; equals by chance."""
    for each in candidates:
        each.cost = (each.standing.member.in_flight + 1) / max(each.weight, 1e-9)
    return sorted(candidates, key=lambda each: (each.cost, dice()))


def _balanced(candidates: Sequence[Candidate], dice: Dice) -> list[Candidate]:
    """Two at random, the better of them first, the rest by cost.

    The power of two choices (Mitzenmacher 2001) over an expected cost in seconds: it spreads the load where a plain
    minimum sends every call of a moment to the same place.
    """
    left = list(candidates)
    drawn = (_draw(left, dice), _draw(left, dice))
    usual_s = [each.first_s for each in candidates]
    fallback_s = min(usual_s)
    for each, first_s in zip(candidates, usual_s, strict=True):
        standing = each.standing
        member, price = standing.member, each.price
        load = member.in_flight / min(member.limit.limit, ALONGSIDE)
        cost = first_s * (1.0 + load) / standing.weight
        if each.is_stream:
            cost += each.need.output_tokens / member.tokens_per_s
        if price < inf:
            cost += price / SECOND_NANO_USD
        if member.health.bad:
            predicted = member.estimator(is_stream=each.is_stream).predict(each.need.input_tokens)
            cost += member.health.failure_rate() * (predicted.p95_s + fallback_s)
        each.cost = cost
    found = sorted(candidates, key=_cost)
    first = min(drawn, key=_cost)
    if found[0] is not first:
        found.remove(first)
        found.insert(0, first)
    return found


def _cost(candidate: Candidate) -> float:
    return candidate.cost


_ORDERS: Final[dict[Order, Callable[[Sequence[Candidate], Dice], list[Candidate]]]] = {
    "ordered": _ordered,
    "weighted": _weighted,
    "cheapest": _by(lambda each: each.price),
    "fastest": _exploring(lambda each: each.whole_s),
    "latency": _exploring(lambda each: each.first_s),
    "throughput": _exploring(lambda each: -each.standing.member.tokens_per_s),
    "balanced": _balanced,
    "least_busy": _least_busy,
}
