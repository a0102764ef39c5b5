"""Token counts in Converse's convention, both ways: its `inputTokens` leaves cached ones out, ours counts them in.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html (2026-11)
"""

from typing import Final

from headgate.core.usage import Usage, tier_of
from headgate.dialects.bedrock_converse.wire import Members, count_in, items_in, members_in, text_in

_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITTEN: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")
"""Two spellings of one count: Converse tells both, the models' own bodies only the second."""


def usage_of(members: Members, tier: str = "") -> Usage:
    """The counts of a usage object; `tier`: as which the call was served."""
    cached, written = _first(members, _READ), _first(members, _WRITTEN)
    details = [members_in(item) for item in items_in(members.get("cacheDetails"))]
    long = sum(count_in(detail.get("inputTokens")) for detail in details if text_in(detail.get("ttl")) == "1h")
    return Usage(
        input_tokens=count_in(members.get("inputTokens")) + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, long),
        output_tokens=count_in(members.get("outputTokens")),
        tier=tier_of(tier),
        extras=members,
    )


def _first(members: Members, names: tuple[str, ...]) -> int:
    return next((count_in(members[name]) for name in names if name in members), 0)


def members_of(usage: Usage | None, *, is_home: bool) -> dict[str, object]:
    """The usage object of an answer."""
    if is_home and usage is not None and usage.extras:
        return dict[str, object](usage.extras)
    usage = usage or Usage()
    members: dict[str, object] = {
        "inputTokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
    }
    if usage.cached_tokens or usage.cache_write_tokens:
        members["cacheReadInputTokens"] = usage.cached_tokens
        members["cacheWriteInputTokens"] = usage.cache_write_tokens
    if usage.cache_write_tokens:
        long = usage.cache_write_1h_tokens
        told = (("5m", usage.cache_write_tokens - long), ("1h", long))
        members["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in told if count]
    return members
