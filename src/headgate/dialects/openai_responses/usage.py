"""Token counts, read and written. Must not know what carries them.

`input_tokens` includes what came from the cache and what was written to it, `output_tokens` includes reasoning:
https://platform.openai.com/docs/api-reference/responses/object (2026-11), the same sums as the canonical ones.
"""

from typing import Final

from msgspec import DecodeError, Raw, json

from headgate.core.usage import Usage, tier_of
from headgate.dialects.openai_responses.wire import Members, members_of, text_of

_NUMBER: Final = json.Decoder(float)
_TOKENS_MAX: Final = 1 << 53


def parse_usage(raw: Raw, response: Members, searches: int) -> Usage:
    """The counts of a `usage` object; `searches` are the search calls seen, for services that do not count them."""
    usage = members_of(raw)
    given = members_of(usage.get("input_tokens_details"))
    made = members_of(usage.get("output_tokens_details"))
    written = members_of(given.get("cache_write_tokens_details"))
    return Usage(
        input_tokens=_count(usage, "input_tokens"),
        cached_tokens=_count(given, "cached_tokens"),
        cache_write_tokens=_count(given, "cache_write_tokens"),
        cache_write_1h_tokens=_count(written, "ttl_12h_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        reasoning_tokens=_count(made, "reasoning_tokens"),
        input_audio_tokens=_count(given, "audio_tokens"),
        output_audio_tokens=_count(made, "audio_tokens"),
        input_image_tokens=_count(given, "image_tokens"),
        output_image_tokens=_count(made, "image_tokens"),
        web_searches=_searches(usage, response) or searches,
        tier=tier_of(text_of(response.get("service_tier"))),
        extras=usage,
    )


def _searches(usage: Members, response: Members) -> int:
    """OpenAI counts beside the usage (`tool_usage`), xAI within it (https://docs.x.ai/docs/guides/tools, 2026-11)."""
    counted = members_of(members_of(response.get("tool_usage")).get("web_search"))
    by_xai = members_of(usage.get("server_side_tool_usage_details"))
    return _count(counted, "num_requests") or _count(by_xai, "web_search_calls")


def _count(members: Members, name: str) -> int:
    """A count, 0 where there is none or no sensible one."""
    try:
        return int(min(max(_NUMBER.decode(members[name]), 0), _TOKENS_MAX))
    except (KeyError, DecodeError, ValueError):
        return 0


def render_usage(usage: Usage) -> dict[str, object]:
    """The `usage` object of another dialect's answer."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
