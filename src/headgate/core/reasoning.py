"""Effort words and token budgets: one table for all dialects. Must not know any wire format or model.

Some services take a word, others a number of tokens. The numbers of `low`, `medium` and `high` are in the range that
Google publishes for its own translation of the same words (1024, 8192, 24576:
https://ai.google.dev/gemini-api/docs/openai, 2026-11); 1024 is also the least that Anthropic accepts
(https://docs.claude.com/en/docs/build-with-claude/extended-thinking, 2026-11). The rest is interpolated.
"""

from typing import Final

from headgate.core.request import Effort

_BUDGETS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 65536,
}

# `xhigh` and `max` are refused by most models that take a word: a budget, however large, asks for no more than `high`.
_EFFORTS: Final[tuple[tuple[int, Effort], ...]] = ((0, "none"), (1024, "minimal"), (2048, "low"), (8192, "medium"))


def budget_of_effort(effort: Effort) -> int:
    """The thinking tokens that `effort` stands for; 0 for `none`."""
    return _BUDGETS[effort]


def effort_of_budget(budget_tokens: int) -> Effort:
    """The least effort whose budget is not below `budget_tokens`, but never more than `high`."""
    for budget, effort in _EFFORTS:
        if budget_tokens <= budget:
            return effort
    return "high"
