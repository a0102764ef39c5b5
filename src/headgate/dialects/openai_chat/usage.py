"""Token counts, both ways. `prompt_tokens` includes what came from the cache; the rest varies by host.

OpenAI: https://platform.openai.com/docs/api-reference/chat/object#usage (2026-11). The deviations below are told
apart by the numbers themselves, as the same host name serves models of several conventions.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.usage import Usage
from headgate.dialects.openai_chat.wire import OBJECT

_PARTS: Final = ("prompt_tokens_details", "completion_tokens_details", "server_tool_use_details", "server_tool_use")
_NUMBER: Final = msgspec.json.Decoder(int | float)


class _Counts(Struct):
    """The members of a usage object that are numbers; those of nested objects as `outer.inner`."""

    numbers: dict[str, int]

    def first(self, *names: str) -> int:
        """The first of these that is not zero."""
        return next((self.numbers[name] for name in names if self.numbers.get(name)), 0)


def read_usage(members: dict[str, Raw]) -> Usage:
    """The counts in a usage object."""
    counts = _Counts(_numbers(members))
    prompt, completion = counts.first("prompt_tokens"), counts.first("completion_tokens")
    cached = counts.first(
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",  # DeepSeek
        "cached_tokens",  # Moonshot
        "cache_read_input_tokens",  # Venice, Databricks: Anthropic's word, OpenAI's convention
        "num_cached_tokens",
    )
    written = counts.first("prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens")
    reasoning = counts.first("completion_tokens_details.reasoning_tokens", "reasoning_tokens")
    sound = counts.first("prompt_tokens_details.audio_tokens", "audio_prompt_tokens")
    surplus = max(counts.first("total_tokens") - prompt - completion, 0)
    if surplus and surplus == reasoning:  # xAI: reasoning is beside the completion
        completion += surplus
    elif surplus and surplus in (cached + written, sound):  # Mistral: sound is beside the prompt
        prompt += surplus
    elif surplus and not reasoning:  # Google's compatible API: thoughts are in the total alone
        completion, reasoning = completion + surplus, surplus
    cached = min(cached, prompt)  # xAI on Azure has told more cached tokens than there were
    return Usage(
        input_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=min(written, prompt - cached),
        output_tokens=completion,
        reasoning_tokens=min(reasoning, completion),
        input_audio_tokens=sound,
        output_audio_tokens=counts.first("completion_tokens_details.audio_tokens"),
        input_image_tokens=counts.first("prompt_tokens_details.image_tokens"),
        output_image_tokens=counts.first("completion_tokens_details.image_tokens"),
        web_searches=counts.first(
            "server_tool_use_details.web_search_requests", "server_tool_use.web_search_requests", "num_search_queries"
        ),
        extras={name: value.copy() for name, value in members.items()},
    )


def _numbers(members: dict[str, Raw]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name, raw in members.items():
        first = memoryview(raw)[0]
        if first == ord("{") and name in _PARTS:
            numbers |= {f"{name}.{inner}": value for inner, value in _numbers(OBJECT.decode(raw)).items()}
        elif first in b"0123456789":  # never a negative one
            numbers[name] = int(_NUMBER.decode(raw))
    return numbers


def write_usage(usage: Usage) -> dict[str, object]:
    """The usage object: the very one that this dialect told, or one made of the counts."""
    if "prompt_tokens" in usage.extras or "completion_tokens" in usage.extras:
        return dict(usage.extras)
    inputs = {
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "audio_tokens": usage.input_audio_tokens,
        "image_tokens": usage.input_image_tokens,
    }
    outputs = {
        "reasoning_tokens": usage.reasoning_tokens,
        "audio_tokens": usage.output_audio_tokens,
        "image_tokens": usage.output_image_tokens,
    }
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": _told(inputs, "cached_tokens"),
        "completion_tokens_details": _told(outputs, "reasoning_tokens"),
    }


def _told(counts: dict[str, int], always: str) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count or name == always}
