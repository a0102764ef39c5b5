"""The part of the configuration file about answers that are used again, and what it comes to for a route."""

from typing import Annotated, Final, Literal

from pydantic import Field

from headgate.app.config_values import Section
from headgate.core.caching import Caching, Replay, Scope, Shares

Ttl = Annotated[int, Field(ge=1, le=366 * 86_400)]


class CacheTerms(Section):
    """How answers are used again."""

    mode: Literal["off", "exact"] = "off"
    """`off`: never. `exact`: for calls that ask the same, in every parameter that can change the answer."""
    ttl_s: Ttl = 3600
    """How long, in seconds."""
    ttl_s_max: Ttl = 86_400
    """The longest that a caller may ask for, in seconds."""
    scope: Scope = "team"
    """Who shares them: callers of one `team` (a key without a team keeps to itself), or `organisation`, or one `key`,
    or one end `user` of a key. Nothing is ever shared beyond that."""
    tools: bool = False
    """Use answers again that call tools."""
    temperature_max: Annotated[float, Field(ge=0, strict=False)] | None = 1.0
    """A call with a higher temperature gets an answer of its own. `null`: whatever the temperature."""
    replay: Replay = "at_once"
    """How a stream is told again: all `at_once`, or `paced` as it came, so that nobody sees from the time it takes
    that somebody else has asked the same."""
    coalesce: bool = True
    """Let identical calls under way share one answer."""
    shares: Shares = "first"
    """Who pays for a shared answer: the `first` who asked, or all of them an `equal` share."""
    prompts: Literal["off", "5m", "1h"] = "off"
    """Have the provider's own cache keep prompts so long, whatever the `mode`: where a caller has not done so itself,
    `cache_control` is placed for Anthropic, `prompt_cache_key` is sent to OpenAI, and calls with the same beginning go
    to the same target (`sticky: prompt`, unless it says otherwise)."""
    version: Annotated[str, Field(max_length=64)] = ""
    """A word of your own; what was kept under another one is not used."""


class Cache(CacheTerms):
    """Answers that are used again: how, unless a route says otherwise, and where they are kept."""

    kept: Literal["memory", "database"] = "database"
    """Where: in the `database`, from which a restart takes them up again and which several processes may share, with
    those of late in memory too; or in `memory` alone."""
    entries_max: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """How many are kept in memory at most."""
    bytes_max: Annotated[int, Field(ge=1024, le=1024**4)] = 256 * 1024 * 1024
    """How large they may be together, in bytes. What saves least for its size goes first."""
    answer_bytes_max: Annotated[int, Field(ge=1024, le=1024**3)] = 1024 * 1024
    """A longer answer is not kept, in bytes."""


def mode_alone(value: object) -> object:
    """A bare text in place of the whole section is its mode."""
    if value is None or value is False:  # YAML reads a bare `off` as false
        return {"mode": "off"}
    return {"mode": value} if isinstance(value, str) else value


_TERMS: Final = frozenset(CacheTerms.model_fields) - {"mode", "prompts"}


def caching_of(usual: CacheTerms, own: CacheTerms | None) -> Caching | None:
    """The terms of a route that says `own`; None: its answers are not used again."""
    said = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
    terms = {name: getattr(usual, name) for name in CacheTerms.model_fields} | said
    if terms.pop("mode") == "off":
        return None
    return Caching(**{name: value for name, value in terms.items() if name in _TERMS})


def prompts_of(usual: CacheTerms, own: CacheTerms | None) -> Literal["", "5m", "1h"]:
    """How long providers are to keep the prompts of a route that says `own`; empty: nobody is told."""
    said = own.prompts if own is not None and "prompts" in own.model_fields_set else usual.prompts
    return "" if said == "off" else said
