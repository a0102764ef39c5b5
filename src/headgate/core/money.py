"""Amounts of money: integers of nano-USD, and how people write them. Must not know what is paid for."""

from typing import Final

NANO_PER_USD: Final = 1_000_000_000


def shown_usd(nano_usd: int) -> str:
    """Nano-USD as dollars, as short as exact."""
    sign, amount = ("-", -nano_usd) if nano_usd < 0 else ("", nano_usd)
    whole, part = divmod(amount, NANO_PER_USD)
    return f"{sign}{whole}.{part:09d}".rstrip("0").rstrip(".")
