"""An answer as a sequence of events: the one form of streams and wholes. Must not know any wire format.

Order of a good answer: `Started`, then parts (`PartStarted`, `PartDelta`*, `PartEnded`; parts may interleave, each
is known by its `index`, unique in the answer), then exactly one `Finished`. A failed one has `Failed` as its last
event and never a `Finished`. `Opaque` may stand anywhere after `Started`.
"""

from typing import Literal

from msgspec import Raw, Struct, field

from headgate.core.problems import Problem
from headgate.core.request import Extras, Signature
from headgate.core.usage import Usage

PartKind = Literal["text", "reasoning", "tool_call", "image", "audio", "file", "refusal"]

StopReason = Literal[
    "stop",  # the model was done
    "length",  # max_tokens or the context window was reached
    "tool_calls",  # the model waits for tool results
    "content_filter",  # the provider withheld or cut the answer
    "refusal",  # the model declined
    "stop_sequence",  # one of the caller's stop texts came up
    "pause",  # a long server-side turn was paused and may be continued
    "error",  # the provider ended the answer with a fault of its own
    "other",
]


class Started(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The answer began. `extras` are members of the answer object that stay the same throughout."""

    id: str = ""
    model: str = ""
    created: int = 0
    """Unix seconds; 0: not told."""
    dialect: str = ""
    """The dialect of the parser: whose the extras, forms and wire words of this and the following events are."""
    extras: Extras = field(default_factory=dict)


class PartStarted(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A part began. `id` and `name` are a tool call's; `media_type` an image's or sound's."""

    index: int
    kind: PartKind
    id: str = ""
    name: str = ""
    namespace: str = ""
    """Of a tool call: the group of tools that `name` belongs to."""
    media_type: str = ""
    choice: int = 0
    """Which of several answers (`n`, `candidateCount`) it belongs to."""
    is_redacted: bool = False
    is_custom: bool = False
    form: str = ""
    extras: Extras = field(default_factory=dict)


class PartDelta(Struct, frozen=True, tag=True, gc=False):
    """More of a part: text, thinking, argument JSON, refusal words, or base64 of an image or sound."""

    index: int
    text: str


class PartEnded(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """A part is complete. `extras` are members that are known only now."""

    index: int
    signature: Signature | None = None
    extras: Extras = field(default_factory=dict)


class Opaque(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Something only its own dialect understands (a citation, log probabilities, a server tool's block).

    `name` is what to list as dropped elsewhere; `index` is the part it hangs on, None: the whole answer;
    `slot` is the dialect's private word for where it goes back to.
    """

    name: str
    raw: Raw
    dialect: str
    index: int | None = None
    choice: int = 0
    slot: str = ""


class Finished(Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """The answer is complete. `reason` is choice 0's; `more_reasons` are those of choices 1, 2, …"""

    reason: StopReason
    usage: Usage | None = None
    stop_sequence: str | None = None
    more_reasons: tuple[StopReason, ...] = ()
    wire_reason: str = ""
    """The reason as the wire said it, for the same dialect."""
    id: str = ""
    """The answer's id again, of services that may keep it: `Dialect.tap` tells nothing but the end."""
    extras: Extras = field(default_factory=dict)


class Failed(Struct, frozen=True, tag=True, gc=False):
    """The answer failed; nothing follows."""

    problem: Problem


Event = Started | PartStarted | PartDelta | PartEnded | Opaque | Finished | Failed

__all__ = [
    "Event",
    "Failed",
    "Finished",
    "Opaque",
    "PartDelta",
    "PartEnded",
    "PartKind",
    "PartStarted",
    "Raw",
    "Started",
    "StopReason",
]
