"""Recorded exchanges that a check does not hold for, each with its reason: the one table, so nothing is passed over.

By check, then by the id of the exchange.
"""

EXCEPTIONS: dict[str, dict[str, str]] = {}
