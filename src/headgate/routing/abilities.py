"""What a call needs against what a deployment can: those that cannot do it are no candidates. Pure.

Only what is known counts: a model of which nothing is known is trusted, and so is an ability that nobody denies.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from headgate.core.needs import Ability
from headgate.core.problems import MissingAbility
from headgate.providers.catalog import Deployment
from headgate.providers.models import Facts

BYTES_PER_TOKEN_MAX: Final = 8
"""No prompt of text has more bytes of JSON per token: a prompt that is too long even so does not fit."""
BYTES_PER_TOKEN_USUAL: Final = 4
"""A deployment whose window is probably too short comes after those where the prompt fits."""
MEDIA: Final[frozenset[Ability]] = frozenset({"image", "pdf", "audio"})
"""With these in it, the length of a body says nothing of its tokens."""
NEAR_MAX: Final = 5

WORDS: Final[dict[Ability, str]] = {
    "tools": "call tools",
    "parallel_tools": "call several tools at once",
    "json_schema": "answer by a JSON schema",
    "reasoning": "reason",
    "image": "take images",
    "pdf": "take PDF documents",
    "audio": "take audio",
    "prompt_cache": "cache prompts",
}


class Demand(Struct, frozen=True, gc=False):
    """What a call takes."""

    abilities: frozenset[Ability]
    tokens_least: int = 0
    """The prompt has no fewer; 0 where its length is not known."""
    tokens_usual: int = 0
    """The prompt has about so many."""
    max_tokens: int = 0
    """The answer may have so many; 0: the call does not say."""


def demand_of(abilities: frozenset[Ability], body_bytes: int, max_tokens: int | None) -> Demand:
    """What a call of this size takes. With media in it, the length of a body says nothing of its tokens."""
    if not abilities.isdisjoint(MEDIA):
        return Demand(abilities, 0, 0, max_tokens or 0)
    return Demand(abilities, body_bytes // BYTES_PER_TOKEN_MAX, body_bytes // BYTES_PER_TOKEN_USUAL, max_tokens or 0)


def able(deployments: tuple[Deployment, ...], demand: Demand) -> tuple[Deployment, ...]:
    """Those that can, in their order; where the prompt probably does not fit comes last."""
    for each in deployments:
        if not suits(each, demand):
            break
    else:
        return deployments
    left = [each for each in deployments if each.facts is None or _can(each.facts, demand)]
    left.sort(key=lambda each: each.facts is not None and _window(each.facts) < demand.tokens_usual)
    return tuple(left)


def suits(deployment: Deployment, demand: Demand) -> bool:
    """Whether there is nothing at all to mind: it can, and the prompt fits even as long as it probably is."""
    facts = deployment.facts
    return facts is None or (_can(facts, demand) and _window(facts) >= demand.tokens_usual)


def _can(facts: Facts, demand: Demand) -> bool:
    """Whether `_faults` would find none, at less cost: this is asked of every call."""
    return facts.cannot.isdisjoint(demand.abilities) and _is_long_enough(facts, demand)


def _is_long_enough(facts: Facts, demand: Demand) -> bool:
    window, limit = facts.context_tokens, facts.output_tokens
    return (window is None or demand.tokens_least <= window) and (limit is None or demand.max_tokens <= limit)


def _is_of_unknown_length(facts: Facts) -> bool:
    return facts.context_tokens is None or facts.output_tokens is None


def _window(facts: Facts) -> int:
    return facts.context_tokens or 1 << 62


def _faults(facts: Facts, demand: Demand) -> Iterable[str]:
    """Why not, in words that follow `it`."""
    for ability in sorted(demand.abilities & facts.cannot):
        yield f"cannot {WORDS[ability]}"
    window, limit = facts.context_tokens, facts.output_tokens
    if window is not None and demand.tokens_least > window:
        yield f"takes {window} tokens, and this prompt has {demand.tokens_least} at least"
    if limit is not None and demand.max_tokens > limit:
        yield f"writes {limit} tokens at most, and the call asks for up to {demand.max_tokens}"


def why_unable(deployment: Deployment, demand: Demand) -> str:
    """Why a deployment is no candidate, in words that follow its name; empty: nothing speaks against it."""
    return "" if deployment.facts is None else " and ".join(_faults(deployment.facts, demand))


def refusal(
    name: str, deployments: Sequence[Deployment], demand: Demand, others: Callable[[], Iterable[tuple[str, Facts]]]
) -> MissingAbility:
    """What to tell a caller whom no deployment can serve. `others`: models that the caller may use."""
    faults = dict.fromkeys(
        fault for each in deployments if each.facts is not None for fault in _faults(each.facts, demand)
    )
    wanted = demand.abilities
    is_long = any(each.facts is not None and not _is_long_enough(each.facts, demand) for each in deployments)
    able_ones = [
        id
        for id, facts in others()
        if wanted <= facts.can and _can(facts, demand) and not (is_long and _is_of_unknown_length(facts))
    ]
    hint = (
        f" Of the models this key may use, these can: {', '.join(able_ones[:NEAR_MAX])}."
        if able_ones
        else " No model that this key may use is known to be able to."
    )
    return MissingAbility(f"The model {name!r} {' and '.join(faults)}.{hint}", param="model")
