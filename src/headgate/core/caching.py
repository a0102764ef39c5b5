"""How answers are used again: a route's terms, a caller's wish, and what a record says of it. Must not know how they
are kept."""

from typing import Final, Literal

from msgspec import Struct

from headgate.core.usage import Usage

Scope = Literal["user", "key", "team", "organisation"]
"""Who gets whose answers."""
Replay = Literal["at_once", "paced"]
Shares = Literal["first", "equal"]


class Caching(Struct, frozen=True, kw_only=True):
    """The terms of a route. A route without any uses nothing again."""

    ttl_s: int = 3600
    """How long an answer is used again."""
    ttl_s_max: int = 86_400
    """The longest that a caller may ask for."""
    scope: Scope = "team"
    tools: bool = False
    """Whether answers that call tools are kept."""
    temperature_max: float | None = 1.0
    """Of a call whose answer is used again; None: any."""
    replay: Replay = "at_once"
    """How a stream is told again."""
    coalesce: bool = True
    """Whether identical calls under way share one answer."""
    shares: Shares = "first"
    """Who pays for a shared answer: the first who asked, or everybody as much."""
    version: str = ""
    """The operator's word for everything that is not in a call; another word, other answers."""


class Wish(Struct, frozen=True, kw_only=True):
    """What a caller says of one call."""

    is_off: bool = False
    reads: bool = True
    """False: a fresh answer is wanted."""
    stores: bool = True
    """False: nobody is to get this answer again."""
    only_kept: bool = False
    """An error is wanted in place of a fresh answer."""
    age_s_max: float | None = None
    ttl_s: int | None = None
    namespace: str = ""
    tags: tuple[str, ...] = ()
    """By which the answer can be purged."""


NO_WISH: Final = Wish()


class Reused(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a call that another one's answer was used for: what it would have come to."""

    how: Literal["hit", "coalesced"]
    source: str
    """The id of the call that was made for it."""
    age_s: float = 0.0
    """Of the answer."""
    provider: str = ""
    model: str = ""
    """The upstream's name of it."""
    usage: Usage | None = None
    cost_nano_usd: int = 0
    """What the call that was made had cost."""
    saved_ms: float = 0.0
    """How much sooner the answer was whole."""
