"""Token counts, both ways. Cohere tells two of each: what the model worked on, and what is paid for.

`tokens` include the preamble that Cohere writes around every call, often a hundred times the call itself;
`billed_units` are what the price per token is for (https://docs.cohere.com/v2/docs/how-does-cohere-pricing-work,
2026-11, and Cohere's own OpenAI-compatible API, whose `prompt_tokens` are the billed ones). So the billed ones count
here. `cached_tokens` are a part of `tokens`, at no other price, and more than were billed as a rule: they are told to
clients of the same dialect alone.
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.usage import Usage
from headgate.dialects.cohere.wire import OBJECT

_NUMBER: Final = msgspec.json.Decoder(int | float)


def read_usage(members: dict[str, Raw]) -> Usage | None:
    """The counts in a usage object; None when it tells none."""
    billed, tokens = _numbers(members.get("billed_units")), _numbers(members.get("tokens"))
    counts = billed or tokens  # hosts of Cohere's models other than Cohere tell `tokens` alone
    if not counts:
        return None
    output = counts.get("output_tokens", 0)
    return Usage(
        input_tokens=counts.get("input_tokens", 0),
        output_tokens=output,
        reasoning_tokens=min(tokens.get("reasoning_tokens", 0), output),
        input_image_tokens=billed.get("image_tokens", 0),
        extras={name: raw.copy() for name, raw in members.items()},
    )


def _numbers(raw: Raw | None) -> dict[str, int]:
    if raw is None or bytes(raw)[:1] != b"{":
        return {}
    members = OBJECT.decode(raw)
    return {name: int(_NUMBER.decode(value)) for name, value in members.items() if bytes(value)[:1].isdigit()}


def billed_units(meta: Raw | None) -> dict[str, int]:
    """What an operation other than chat says was billed."""
    return _numbers(OBJECT.decode(meta).get("billed_units")) if meta is not None and bytes(meta)[:1] == b"{" else {}


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage object: the very one that this dialect told, or one made of the counts."""
    if "billed_units" in usage.extras or "tokens" in usage.extras:
        return dict(usage.extras)
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    reasoning = {"reasoning_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}
    return {"billed_units": counts, "tokens": counts | reasoning, "cached_tokens": usage.cached_tokens}
