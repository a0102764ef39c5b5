"""Effort words and token budgets."""

import pytest

from headgate.core.reasoning import budget_of_effort, effort_of_budget
from headgate.core.request import Effort


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high"])
def test_a_word_becomes_a_budget_and_the_same_word_again(effort: Effort) -> None:
    assert effort_of_budget(budget_of_effort(effort)) == effort


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(0, "none"), (1, "minimal"), (1025, "low"), (2049, "medium"), (8193, "high"), (31_999, "high"), (10**6, "high")],
)
def test_a_budget_asks_for_the_least_word_that_covers_it(budget: int, effort: Effort) -> None:
    assert effort_of_budget(budget) == effort


def test_more_effort_is_never_a_smaller_budget() -> None:
    words: list[Effort] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    budgets = [budget_of_effort(word) for word in words]
    assert budgets == sorted(set(budgets))
