"""Token counts of many hosts."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.usage import Usage
from headgate.dialects.openai_chat.usage import read_usage, write_usage
from headgate.dialects.openai_chat.wire import OBJECT


def read(**members: Any) -> Usage:
    usage = read_usage(OBJECT.decode(json.dumps(members).encode()))
    assert set(usage.extras) == set(members)
    return Usage(**{name: getattr(usage, name) for name in usage.__struct_fields__ if name != "extras"})


CASES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 20, "audio_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
        },
        Usage(
            input_tokens=100,
            cached_tokens=60,
            cache_write_tokens=20,
            output_tokens=50,
            reasoning_tokens=30,
            input_audio_tokens=5,
            output_audio_tokens=2,
        ),
    ),
    "xai: reasoning beside the completion": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        Usage(input_tokens=10, output_tokens=105, reasoning_tokens=100),
    ),
    "google: thoughts in the total alone": (
        {"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100},
        Usage(input_tokens=66, output_tokens=34, reasoning_tokens=28),
    ),
    "mistral: sound beside the prompt": (
        {
            "prompt_tokens": 11,
            "completion_tokens": 15,
            "total_tokens": 401,
            "prompt_tokens_details": {"audio_tokens": 375},
        },
        Usage(input_tokens=386, output_tokens=15, input_audio_tokens=375),
    ),
    "a cache beside the prompt": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 65,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 10,
        },
        Usage(input_tokens=60, cached_tokens=40, cache_write_tokens=10, output_tokens=5),
    ),
    "deepseek": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_cache_hit_tokens": 8},
        Usage(input_tokens=10, cached_tokens=8, output_tokens=5),
    ),
    "moonshot": (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cached_tokens": 8},
        Usage(input_tokens=10, cached_tokens=8, output_tokens=5),
    ),
    "more cached than there was": (
        {
            "prompt_tokens": 249,
            "completion_tokens": 40,
            "total_tokens": 289,
            "prompt_tokens_details": {"cached_tokens": 416},
        },
        Usage(input_tokens=249, cached_tokens=249, output_tokens=40),
    ),
    "searches": (
        {"prompt_tokens": 1, "completion_tokens": 2, "server_tool_use": {"web_search_requests": 3}},
        Usage(input_tokens=1, output_tokens=2, web_searches=3),
    ),
    "nulls, fractions and nonsense": (
        {
            "prompt_tokens": 26.0,
            "completion_tokens": None,
            "total_tokens": "many",
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": None, "deep": {"er": 1}},
            "cached_tokens": -4,
        },
        Usage(input_tokens=26),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_counts_are_read_by_the_hosts_own_convention(case: str) -> None:
    members, usage = CASES[case]
    assert read(**members) == usage


def test_our_own_counts_are_written_as_they_were() -> None:
    extras = {"prompt_tokens": Raw(b"1"), "cost": Raw(b"0.5")}
    assert write_usage(Usage(input_tokens=1, extras=extras)) == extras


def test_others_counts_are_written_in_our_words() -> None:
    usage = Usage(
        input_tokens=10,
        cached_tokens=4,
        cache_write_tokens=2,
        output_tokens=6,
        reasoning_tokens=5,
        extras={"input_tokens": Raw(b"4")},
    )
    assert write_usage(usage) == {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
