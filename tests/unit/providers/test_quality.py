"""How capable a model is: the packaged table, and what follows from it."""

import pytest

from headgate.providers.models import packaged_catalogue
from headgate.providers.quality import RANKS, _table, is_enough, quality_of


@pytest.mark.parametrize(
    ("model", "quality"),
    [
        ("openai/gpt-4o-mini", "small"),
        ("openai/gpt-4o", "medium"),
        ("openai/gpt-5", "large"),
        ("anthropic/claude-haiku-4-5", "small"),
        ("anthropic/claude-sonnet-4-5", "medium"),
        ("anthropic/claude-opus-4-5", "large"),
        ("google/gemini-2.5-flash-lite", "small"),
        ("google/gemini-2.5-pro", "large"),
        ("openai/gpt-4o-mini-transcribe", None),
        ("google/gemini-flash-latest", None),
        ("mistralai/mistral-embed", None),
        ("nobody/knows", None),
    ],
)
def test_a_model_stands_where_its_maker_puts_it(model: str, quality: str | None) -> None:
    assert quality_of(model) == quality


def test_enough_is_at_least_so_much() -> None:
    found = [[is_enough(model, least) for least in RANKS] for model in ("openai/gpt-4o", "nobody/knows")]
    assert found == [[True, True, False], [False, False, False]]


def test_every_line_fits_a_model_that_is_known() -> None:
    known = [model.id for model in packaged_catalogue().models]
    from fnmatch import fnmatchcase

    names = [name for line in _table() if line.tier != "none" for name in line.names]
    assert [name for name in names if not any(fnmatchcase(id, name) for id in known)] == []
