"""What the generations of Claude take: facts that the wire format leaves to the model. One table, by model name.

Sources, all 2026-11:
adaptive thinking https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking (4.6 takes it, 4.7 takes no
budget any more), sampling https://platform.claude.com/docs/en/about-claude/models/migration-guide (4.7 refuses it),
strict https://platform.claude.com/docs/en/build-with-claude/structured-outputs (since 4.5), system turns
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages (since 4.8).
"""

import re
from typing import Final, Literal

from msgspec import Struct

Thinking = Literal["none", "budget", "adaptive"]


class Traits(Struct, frozen=True, kw_only=True):
    """What a model takes."""

    thinking: Thinking
    samples: bool = True
    """Takes temperature, top_p and top_k."""
    samples_both: bool = True
    """Takes temperature and top_p together."""
    is_strict: bool = True
    """Takes `strict` on tools."""
    has_xhigh: bool = True
    """Takes the effort `xhigh`."""
    has_system_turns: bool = False
    """Takes messages of role system."""


_OTHERS: Final = Traits(thinking="budget", is_strict=False)
"""A model of another maker behind this API: budgets are what such services copied first."""

# 408 is 4.8. Temperature with top_p is refused since 4.1: https://github.com/cloud-apim/otoroshi-llm-extension/issues/140
_GENERATIONS: Final[tuple[tuple[int, Traits], ...]] = (
    (408, Traits(thinking="adaptive", samples=False, has_system_turns=True)),
    (407, Traits(thinking="adaptive", samples=False)),
    (406, Traits(thinking="adaptive", samples_both=False, has_xhigh=False)),
    (405, Traits(thinking="budget", samples_both=False, has_xhigh=False)),
    (401, Traits(thinking="budget", samples_both=False, is_strict=False, has_xhigh=False)),
    (307, Traits(thinking="budget", is_strict=False, has_xhigh=False)),
    (0, Traits(thinking="none", is_strict=False, has_xhigh=False)),
)

_GENERATION = re.compile(
    r"(?:opus|sonnet|haiku|fable|mythos)-(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?|claude-(?:instant-)?v?(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?"
)
_NEWEST: Final = 9900


def traits_of(model: str) -> Traits:
    """What the model of that name takes; a Claude of unknown number is taken for the newest."""
    name = model.lower().replace(".", "-").replace("_", "-")
    if "claude" not in name:
        return _OTHERS
    found = _GENERATION.search(name)
    generation = 100 * int(found[1] or found[3]) + int(found[2] or found[4] or 0) if found else _NEWEST
    return next(traits for floor, traits in _GENERATIONS if generation >= floor)
