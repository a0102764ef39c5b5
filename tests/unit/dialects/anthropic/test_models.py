"""Model names and what the models take."""

import pytest

from headgate.dialects.anthropic.models import traits_of


@pytest.mark.parametrize(
    ("model", "thinking", "samples", "has_system_turns"),
    [
        ("claude-3-haiku-20240307", "none", True, False),
        ("claude-instant-1.2", "none", True, False),
        ("claude-3-7-sonnet-latest", "budget", True, False),
        ("claude-sonnet-4-20250514", "budget", True, False),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", "budget", True, False),
        ("anthropic/claude-4.6-sonnet", "adaptive", True, False),
        ("claude-opus-4-7", "adaptive", False, False),
        ("claude-opus-4.8", "adaptive", False, True),
        ("claude-sonnet-5@20260701", "adaptive", False, True),
        ("claude-mythos-preview", "adaptive", False, True),
        ("kimi-k2", "budget", True, False),
    ],
)
def test_traits(model: str, thinking: str, samples: bool, has_system_turns: bool):
    traits = traits_of(model)
    assert (traits.thinking, traits.samples, traits.has_system_turns) == (thinking, samples, has_system_turns)
