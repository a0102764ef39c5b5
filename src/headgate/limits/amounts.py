"""What a call uses of a limit, and why one is refused. Must not know who calls."""

from typing import Final, Literal, NamedTuple, Protocol

Unit = Literal["requests", "input_tokens", "output_tokens", "tokens", "nano_usd", "budget_tokens"]
UNITS: Final[tuple[Unit, ...]] = ("requests", "input_tokens", "output_tokens", "tokens", "nano_usd", "budget_tokens")
"""Tokens are counted twice: a rate is held what a call probably uses, a budget what it may use at most."""


class Amounts(NamedTuple):
    """What is held for a call, or what it used: in the order of `UNITS`, so that a gauge reads its own by number."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    nano_usd: int = 0
    budget_tokens: int = 0


def amounts(input_tokens: int, output_tokens: int, nano_usd: int) -> Amounts:
    """What one call used."""
    tokens = input_tokens + output_tokens
    return Amounts(1, input_tokens, output_tokens, tokens, nano_usd, tokens)


def plus(one: Amounts, other: Amounts) -> Amounts:
    """The sum, unit by unit."""
    return Amounts(*(a + b for a, b in zip(one, other, strict=True)))


class Denial(NamedTuple):
    """One limit that a call does not fit under."""

    level: str
    """Whose limit it is, as callers are told: `key`, `team`, `organisation`, `end user`."""
    what: str
    """The limit in words: `60 requests per minute`."""
    wait_us: int | None
    """When it may fit; None: waiting does not help."""
    is_money: bool = False
    """A budget that is used up, not a rate that is too high: to send it again is of no use."""
    unit: Unit = "requests"


class Gauge(Protocol):
    """One limit of one tenant and how far it is used. A call's moments are those of one clock, in microseconds.

    Nothing here waits, so between `denial` and `take` nothing else happens.
    """

    unit: int
    """Its place in `UNITS`."""

    def denial(self, now_us: int, amount: int) -> Denial | None:
        """Why `amount` more does not fit now."""
        ...

    def take(self, now_us: int, amount: int) -> object:
        """Holds `amount`, fit or not. Returns what `grow` and `settle` want back."""
        ...

    def grow(self, token: object, now_us: int, amount: int) -> None:
        """Holds more for the same call."""
        ...

    def settle(self, token: object, now_us: int, held: int, used: int) -> None:
        """Lets go of what was held and books what was used."""
        ...

    def remaining(self, now_us: int) -> int:
        """How much fits now."""
        ...
