"""Token counts, both ways: they stand among the members of the answer, beside how long each step took.

https://docs.ollama.com/api/usage (2026-11). A count that is missing is one of zero: a prompt found whole in the cache
was once not counted.
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.usage import Usage

COUNTS: Final = ("prompt_eval_count", "eval_count")
_NUMBER: Final = msgspec.json.Decoder(int | float)


def read_usage(members: dict[str, Raw]) -> Usage | None:
    """The counts, taken out of the members of an answer; None when there are none."""
    told = {name: members[name] for name in COUNTS if bytes(members.get(name, b"-"))[:1].isdigit()}
    if not told:
        return None
    counts = [int(_NUMBER.decode(told[name])) if name in told else 0 for name in COUNTS]
    for name in told:
        del members[name]
    extras = {name: raw.copy() for name, raw in told.items()}
    return Usage(input_tokens=counts[0], output_tokens=counts[1], extras=extras)


def write_usage(usage: Usage) -> dict[str, object]:
    """The members that tell the counts: the very ones that this dialect told, or new ones."""
    told: dict[str, object] = {name: usage.extras[name] for name in COUNTS if name in usage.extras}
    return told or {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
