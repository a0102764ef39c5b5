"""What happened: one record per call, one line in it per attempt. Must not know how it is kept or shown.

Written to the journal as it happens and applied to the store later, so every number that a person sees comes from here.
"""

from typing import Literal

from msgspec import Struct

from headgate.core.caching import Reused
from headgate.core.minted import Minted
from headgate.core.problems import Outcome
from headgate.core.usage import Usage

Lane = Literal["verbatim", "translated"]

Why = Literal[
    "first",
    "hedge",  # beside one that was slow
    "move",  # in place of one that was given up, since its deployment had come under suspicion
    "retry",  # after a failure, elsewhere
    "again",  # after a failure, at the same deployment
    "instead",  # where the route lets a call go on that is too long or was refused
    "continue",  # after an answer that broke off in the midst of its words: the rest of them
]
"""For what reason an attempt was made."""

UsageSource = Literal[
    "provider_reported",  # the upstream's own final count
    "counted",  # counted by us on what was delivered, because the answer ended early
    "estimated_prompt",  # no answer at all: only the prompt, estimated
    "crash_recovered",  # the process died in between: nothing but the start is known
    "none",  # nothing was consumed
]


class AttemptStart(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """An attempt is about to be sent. Everything needed to account for it if nothing more is ever heard."""

    call_id: str
    number: int
    """1, 2, … within the call."""
    started_us: int
    """Unix time in microseconds."""
    provider: str
    model: str
    """The upstream's own name of the model."""
    dialect: str
    lane: Lane
    price_version: str = ""


class Attempt(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One try at one deployment."""

    number: int
    provider: str
    model: str
    dialect: str
    lane: Lane
    why: Why = "first"
    started_ms: float = 0.0
    """Since the call began."""
    ttft_ms: float | None = None
    """From sending to the first meaningful event; None: none came."""
    duration_ms: float = 0.0
    outcome: Outcome = Outcome.OK
    status: int = 0
    """The upstream's HTTP status; 0: none was read."""
    message: str = ""
    usage: Usage | None = None
    usage_source: UsageSource = "none"
    price_version: str = ""
    cost_nano_usd: int = 0
    is_priced: bool = True
    """False: no price is known for the model, so the cost is not known either (never taken as free)."""
    prompt_cache_nano_usd: int = 0
    """What the provider's cache of prompts has saved on it, less what writing to it has cost besides."""


class CallStart(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A call was admitted and its first attempt is about to be sent."""

    id: str
    started_us: int
    """Unix time in microseconds."""
    key_id: str
    surface: str
    """The dialect the client speaks."""
    operation: str
    model: str
    """The model or route as the client named it."""
    is_stream: bool
    user: str = ""
    session: str = ""
    attempt: AttemptStart | None = None


class Weighed(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """Why a deployment stood where it did among the candidates of a call."""

    deployment: str
    why: str
    """`chosen` by the strategy, `sticky`, the reason that it was passed over or put last, or in words why it cannot
    serve such a call at all."""
    cost: float = 0.0
    """What the strategy compared, lower first, in its own unit."""
    weight: float = 1.0
    """The share of its usual traffic that it got just then."""
    wait_s: float = 0.0
    """How long its quota wanted it left alone."""


class CallRecord(Struct, kw_only=True, omit_defaults=True, gc=False):
    """One call from admission to the last byte."""

    id: str
    started_us: int
    key_id: str
    surface: str
    operation: str
    model: str
    is_stream: bool
    user: str = ""
    session: str = ""
    tags: tuple[str, ...] = ()
    """What it was marked with, for limits and budgets."""
    route: str = ""
    """How the model's name was understood: a route's name, or `model`."""
    strategy: str = ""
    candidates: list[str] = []
    """`provider/model` of every deployment that was planned, in order."""
    weighed: tuple[Weighed, ...] = ()
    """Why in that order; empty where nothing had to be weighed."""
    status: int = 0
    """The HTTP status the client got."""
    outcome: Outcome = Outcome.OK
    error: str = ""
    attempts: list[Attempt] = []
    hedge: int = 0
    """The number of the latest attempt that was made beside a slow one; 0: none was."""
    dropped: list[str] = []
    finish_reason: str = ""
    usage: Usage | None = None
    """The winning attempt's; of an answer that another one continued, its prompt once and the words of both."""
    usage_source: UsageSource = "none"
    cost_nano_usd: int = 0
    """The sum over all attempts: what the operator pays."""
    extra_nano_usd: int = 0
    """Of that, what attempts cost whose answers the caller did not get though it stayed: the gateway's expense."""
    charge_nano_usd: int | None = None
    """What the caller pays, where its prices are its own. None: what the attempt cost that answered."""
    is_priced: bool = True
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    queued_ms: float = 0.0
    """How long it waited because every deployment wanted rest."""
    overhead_ms: float = 0.0
    """Our own time: the duration without the waits for upstreams and in the queue."""
    streamed_bytes: int = 0
    path: str = ""
    """Method and path below the provider's base, of a call that was sent on as it was."""
    minted: tuple[Minted, ...] = ()
    """What this call had made or deleted at an upstream, by the ids it gave."""
    reused: Reused | None = None
    """The answer was another call's; None: it was asked for."""
