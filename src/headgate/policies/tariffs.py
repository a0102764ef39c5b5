"""What an account pays: markup, discount and negotiated rates, compiled once. Pure; must not know who it is.

Of several that hold for a call, the one that says most about it counts: provider and model, then model, then provider,
then all; of two alike, the one that holds since later, and of those the first. A call is charged by what held when it
began.
"""

from typing import Final

from msgspec import Struct

from headgate.core.principal import Sold
from headgate.ledger.meter import divided, total
from headgate.ledger.prices import Price, Rates
from headgate.limits.terms import PriceTerm
from headgate.policies.limiting import Names

PARTS: Final = 1_000_000
"""Markups are in millionths."""


class _Rule(Struct, frozen=True):
    model: str
    provider: str
    markup_ppm: int
    price: Price | None
    """None: by what it costs."""
    since_us: int = 0

    def holds(self, sold: Sold, names: frozenset[str]) -> bool:
        """Whether it says anything about a call."""
        is_there = self.since_us <= sold.at_us and (not self.provider or self.provider == sold.provider)
        return is_there and (not self.model or self.model in names)


class Prices(Struct, frozen=True):
    """The prices of one account."""

    names: Names
    rules: tuple[_Rule, ...]
    """Those that say most first."""

    def charge(self, sold: Sold) -> int:
        """In nano-USD."""
        names = self.names(sold.model, sold.provider, sold.upstream)
        for rule in self.rules:
            if rule.holds(sold, names):
                if rule.price is not None:
                    return total(rule.price, sold.usage).nano_usd
                return divided(sold.cost_nano_usd * (PARTS + rule.markup_ppm), PARTS)
        return sold.cost_nano_usd


def prices_of(terms: tuple[PriceTerm, ...], names: Names) -> Prices | None:
    """Compiled; None: it pays what it costs."""
    if not terms:
        return None
    rules = [_Rule(each.model, each.provider, each.markup_ppm, _price(each), each.since_us) for each in terms]
    return Prices(names, tuple(sorted(rules, key=lambda rule: (not rule.model, not rule.provider, -rule.since_us))))


def _price(term: PriceTerm) -> Price | None:
    if term.input is None or term.output is None:
        return None
    return Price(
        Rates(input=term.input, output=term.output, cached=term.cached, write=term.write), request=term.request
    )
