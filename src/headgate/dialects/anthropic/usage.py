"""Token counts in Anthropic's convention, both ways: its `input_tokens` leaves cached ones out, ours counts them in.

https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance (2026-11)
"""

from typing import Final

from msgspec import Raw

from headgate.core.usage import Usage, tier_of
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.wire import Members, count_in, is_null, members_in, text_in

_INPUTS: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def usage_of(members: Members) -> Usage:
    """The counts of a usage object."""
    plain, cached, written = (count_in(members.get(name)) for name in _INPUTS)
    lifetimes = members_in(members.get("cache_creation"))
    return Usage(
        input_tokens=plain + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, count_in(lifetimes.get("ephemeral_1h_input_tokens"))),
        output_tokens=count_in(members.get("output_tokens")),
        reasoning_tokens=count_in(members_in(members.get("output_tokens_details")).get("thinking_tokens")),
        web_searches=count_in(members_in(members.get("server_tool_use")).get("web_search_requests")),
        tier=tier_of(text_in(members.get("service_tier"))) or tier_of(text_in(members.get("speed"))),
        extras=members,
    )


def later(before: Members, now: Members) -> Members:
    """Cumulative counts, told again: what is missing or null keeps its value, and so does an input that would shrink.

    The output may shrink: what a stream begins with is a guess.
    """
    merged = dict(before)
    for name, raw in now.items():
        if name in merged and (is_null(raw) or (name in _INPUTS and count_in(raw) < count_in(merged[name]))):
            continue
        merged[name] = raw
    return merged


def members_of(usage: Usage | None, *, is_home: bool) -> dict[str, object]:
    """The usage object of an answer."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    if is_home and usage.extras:
        return dict[str, object](usage.extras)
    members: dict[str, object] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_tokens:
        long = usage.cache_write_1h_tokens
        members["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - long,
            "ephemeral_1h_input_tokens": long,
        }
    if usage.reasoning_tokens:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.web_searches:
        members["server_tool_use"] = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    return members


NOTHING_YET: Final[Raw] = wire.raw_of({"input_tokens": 0, "output_tokens": 0})
"""The usage at the start of a stream whose counts are told at its end."""
