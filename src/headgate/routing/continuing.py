"""Whether an answer that broke off may be finished by another deployment, how that is asked for, and the seam. Pure.

Only words may be: what has a form that a second model could not take up in its midst (calls of tools, JSON, thinking
with a proof, several answers at once) ends where it broke.
"""

from typing import Final, Literal

from msgspec import structs

from headgate.core.request import Message, Request, Text
from headgate.providers.catalog import Deployment

OnCut = Literal["end", "continue", "continue_anywhere"]
Continuation = Literal["user_turn", "prefill", "none"]

GO_ON: Final = (
    "Your answer above was cut off. Go on exactly where it stops, with its very next character: "
    "repeat nothing of it, and say nothing about the interruption."
)
OVERLAP_MAX: Final = 64
"""How many characters of its end a model may repeat when it goes on."""
OVERLAP_MIN: Final = 8
"""Fewer may be chance: `ban` goes on with `nana`."""
_HARMLESS: Final = frozenset({
    "metadata", "prompt_cache_key", "prompt_cache_retention", "safetySettings", "safety_settings", "service_tier",
    "stream_options", "store", "truncation",
})  # fmt: skip
"""Members without a common meaning that change nothing of the form of an answer."""


def may_be_continued(request: Request) -> bool:
    """Whether a request has an answer in plain words alone, as far as it says."""
    knobs = request.knobs
    return (
        request.is_stream
        and not request.tools
        and knobs.output_format is None
        and knobs.candidates in (None, 1)
        and not knobs.logprobs
        and knobs.top_logprobs is None
        and request.extras.keys() <= _HARMLESS
    )


def is_same_model(first: Deployment, second: Deployment) -> bool:
    """Whether two deployments run the same model, by the catalogue or by the services' own names of it."""
    if first.facts is not None and second.facts is not None and first.facts.model:
        return first.facts.model == second.facts.model
    return first.model == second.model


def continued(request: Request, said: str, said_tokens: int, how: Continuation) -> Request | None:
    """The request for the rest; None: there is none to ask for."""
    knobs = request.knobs
    if how == "none" or not said.strip():
        return None
    if knobs.max_tokens is not None:
        if knobs.max_tokens <= said_tokens:
            return None
        knobs = structs.replace(knobs, max_tokens=knobs.max_tokens - said_tokens)
    # Anthropic takes no prefill that ends in white space: https://docs.anthropic.com/en/api/messages (2026-11)
    words = Message(role="assistant", parts=(Text(text=said.rstrip() if how == "prefill" else said),))
    more = (words,) if how == "prefill" else (words, Message(role="user", parts=(Text(text=GO_ON),)))
    return structs.replace(request, messages=(*request.messages, *more), knobs=knobs)


class Seam:
    """Joins what goes on to what was said: what its beginning repeats of that one's end is left out."""

    __slots__ = ("_held", "_is_open", "_least", "_said")

    def __init__(self, said: str, how: Continuation) -> None:
        self._said = said
        self._held = ""
        self._is_open = True
        bare = len(said) - len(said.rstrip())
        self._least = bare if how == "prefill" and bare else OVERLAP_MIN
        """A prefill lost the white space at its end, which the model then says again."""

    def join(self, text: str) -> str:
        """What of it the client is told now: nothing, as long as it may be a repetition."""
        if not self._is_open:
            return text
        self._held += text
        return "" if self._may_repeat() else self.close()

    def close(self) -> str:
        """What is held back, when nothing more comes."""
        self._is_open = False
        held, self._held = self._held, ""
        for length in range(min(OVERLAP_MAX, len(held), len(self._said)), self._least - 1, -1):
            if self._said.endswith(held[:length]):
                return held[length:]
        return held

    def _may_repeat(self) -> bool:
        """Whether what is held could be the beginning of something longer that was said at the end."""
        held = self._held
        return len(held) < OVERLAP_MAX and held in self._said[-OVERLAP_MAX:]
