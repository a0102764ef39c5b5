"""How the makers of models spell what Converse itself has no member for: thinking, and `top_k`. One table each way.

They stand in `additionalModelRequestFields`, sources (2026-11):
Claude https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html,
Nova https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html,
gpt-oss https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html.
"""

import re
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Raw, Struct

from headgate.core.reasoning import budget_of_effort, effort_of_budget
from headgate.core.request import Effort, ReasoningKnob
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.wire import Members, members_in, text_in

ADDITIONAL: Final = "additionalModelRequestFields"

EFFORTS: Final[dict[str, Effort]] = {
    "none": "none",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
BUDGET_MIN: Final = 1024

Spelling = Literal["none", "budget", "adaptive", "nova", "effort"]


class Traits(Struct, frozen=True, kw_only=True):
    """What a model takes."""

    thinking: Spelling = "none"
    top_k: tuple[str, ...] = ()
    """Where it is put within the additional fields; (): there is none."""
    marks: tuple[str, ...] = ()
    """The lifetimes of cache points that it takes besides the default's; without "" it takes no cache point."""
    has_tool_marks: bool = False
    """Takes cache points behind tools."""
    samples: bool = True
    """Takes temperature and topP."""
    samples_both: bool = True
    """Takes temperature and topP together."""


_CLAUDE_TOP_K: Final = ("top_k",)
_LONG: Final = ("", "5m", "1h")
_SHORT: Final = ("", "5m")

_TRAITS: Final[tuple[tuple[str, Traits], ...]] = (
    # budgets since 3.7, adaptive thinking since 4.6; temperature or topP since 4.1, neither since 4.7
    (
        r"claude-(?:opus|sonnet|haiku|fable|mythos)-(?:4-[7-9]|[5-9])(?!\d)",
        Traits(thinking="adaptive", samples=False, marks=_LONG, has_tool_marks=True),
    ),
    (
        r"claude-(?:opus|sonnet|haiku)-4-6",
        Traits(thinking="adaptive", top_k=_CLAUDE_TOP_K, samples_both=False, marks=_LONG, has_tool_marks=True),
    ),
    (
        r"claude-(?:opus|sonnet|haiku)-4-5",
        Traits(thinking="budget", top_k=_CLAUDE_TOP_K, samples_both=False, marks=_LONG, has_tool_marks=True),
    ),
    (
        r"claude-opus-4-1",
        Traits(thinking="budget", top_k=_CLAUDE_TOP_K, samples_both=False, marks=_SHORT, has_tool_marks=True),
    ),
    (
        r"claude-(?:opus|sonnet)-4|claude-3-7",
        Traits(thinking="budget", top_k=_CLAUDE_TOP_K, marks=_SHORT, has_tool_marks=True),
    ),
    (r"claude-3-5-(?:haiku|sonnet-20241022)", Traits(top_k=_CLAUDE_TOP_K, marks=_SHORT, has_tool_marks=True)),
    (r"anthropic\.claude", Traits(top_k=_CLAUDE_TOP_K)),
    (r"amazon\.nova-2", Traits(thinking="nova", top_k=("inferenceConfig", "topK"), marks=_SHORT)),
    (r"amazon\.nova", Traits(top_k=("inferenceConfig", "topK"), marks=_SHORT)),
    (r"openai\.gpt-oss", Traits(thinking="effort")),
)
"""By the model's id. Cache points are in
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (2026-11)."""

_OTHERS: Final = Traits()
"""A model of another maker, or one behind an ARN that does not tell: what it may refuse is left out, and reported."""


def traits_of(model: str) -> Traits:
    """What the model of that id takes."""
    return next((traits for pattern, traits in _TRAITS if re.search(pattern, model)), _OTHERS)


def thinking_in(fields: Members) -> ReasoningKnob | None:
    """The first spelling of thinking among the additional fields, which is taken out of them."""
    for name, reader in _READERS.items():
        knob = reader(name, fields[name]) if name in fields else None
        if knob is not None:
            del fields[name]
            return knob
    return None


def _budget(name: str, raw: Raw) -> ReasoningKnob | None:
    extras = members_in(raw)
    kind = text_in(extras.get("type"))
    if kind not in ("enabled", "adaptive", "disabled"):
        return _word(name, raw)  # as Qwen's models have it
    budget = wire.value_in(extras.get("budget_tokens"))
    if not isinstance(budget, int) or isinstance(budget, bool):
        budget = None
    else:
        del extras["budget_tokens"]
    del extras["type"]
    effort: Effort | None = "none" if kind == "disabled" else None
    return ReasoningKnob(effort=effort, budget_tokens=budget, form=f"{name}|{kind}", extras=extras)


def _nova(name: str, raw: Raw) -> ReasoningKnob | None:
    extras = members_in(raw)
    kind = text_in(extras.get("type"))
    effort = EFFORTS.get(text_in(extras.get("maxReasoningEffort")))
    if kind not in ("enabled", "disabled"):
        return None
    del extras["type"]
    if effort is not None:
        del extras["maxReasoningEffort"]
    effort = "none" if kind == "disabled" and effort is None else effort
    return ReasoningKnob(effort=effort, form=f"{name}|{kind}", extras=extras)


def _word(name: str, raw: Raw) -> ReasoningKnob | None:
    effort = EFFORTS.get(text_in(raw))
    return ReasoningKnob(effort=effort, form=f"{name}|word") if effort is not None else None


_READERS: Final[dict[str, Callable[[str, Raw], ReasoningKnob | None]]] = {
    "thinking": _budget,
    "reasoning_config": _budget,
    "reasoningConfig": _nova,
    "reasoning_effort": _word,
}


def own_thinking(knob: ReasoningKnob) -> dict[str, object]:
    """The additional field as this dialect had spelt it; nothing where it had it elsewhere."""
    name, kind, _ = knob.form.split("|")
    if not name:
        return {}
    if kind == "word":
        return {name: knob.effort}
    field: dict[str, object] = {"type": kind}
    if knob.budget_tokens is not None:
        field["budget_tokens"] = knob.budget_tokens
    if name == "reasoningConfig" and knob.effort is not None and not (kind == "disabled" and knob.effort == "none"):
        field["maxReasoningEffort"] = knob.effort
    return {name: field | knob.extras}


def is_off(knob: ReasoningKnob) -> bool:
    """Whether the model is asked not to think."""
    return knob.effort == "none" or knob.budget_tokens == 0


def effort_of(knob: ReasoningKnob) -> Effort:
    """How hard to think, where it takes a word."""
    if knob.effort is not None:
        return knob.effort
    return effort_of_budget(knob.budget_tokens) if knob.budget_tokens else "medium"


def budget_of(knob: ReasoningKnob) -> int:
    """How hard to think, where it takes a number of tokens."""
    wanted = knob.budget_tokens if knob.budget_tokens is not None else budget_of_effort(knob.effort or "medium")
    return max(wanted, BUDGET_MIN)
