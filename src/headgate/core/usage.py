"""What a call consumed, in tokens and otherwise. Must not know prices."""

from typing import Literal

from msgspec import Raw, Struct, field

ServiceTier = Literal["", "batch", "flex", "priority", "fast"]
"""How a call was processed, where that has a price of its own; empty: as usual."""
_TIERS: dict[str, ServiceTier] = {"batch": "batch", "flex": "flex", "priority": "priority", "fast": "fast"}


def tier_of(word: str | None) -> ServiceTier:
    """The tier that a service names; its words for the usual one (`default`, `standard`, `auto`, …) are none."""
    return _TIERS.get(word, "") if word else ""


class Measures(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a call consumed that some services bill instead of tokens; 0: it is not that kind of call."""

    characters: int = 0
    """Of a text that is spoken."""
    audio_ms: int = 0
    """Sound that was listened to, in milliseconds."""
    images: int = 0
    """Pictures that were made."""
    searches: int = 0
    """Queries over up to 100 documents that were ranked: Cohere's search units."""


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Token counts of one answer, cumulative; integers, never estimates unless `is_estimated`.

    `input_tokens` is everything that went in: it **includes** cached reads and cache writes, whatever the
    provider's own convention. `output_tokens` includes reasoning. The rest are parts of those two sums.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """Tokens written to the prompt cache, all lifetimes together."""
    cache_write_1h_tokens: int = 0
    """The part of `cache_write_tokens` that is billed at the long-lived rate."""
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    """All of them, cached ones included."""
    output_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    cached_audio_tokens: int = 0
    """The part of `cached_tokens` that is audio, where that is told."""
    cached_image_tokens: int = 0
    web_searches: int = 0
    tier: ServiceTier = ""
    is_estimated: bool = False
    measures: Measures | None = None
    """What else it may be billed by; None: by nothing but tokens."""
    extras: dict[str, Raw] = field(default_factory=dict)
    """The usage object as the wire said it, for rendering back to the same dialect."""

    @property
    def total_tokens(self) -> int:
        """Everything in plus everything out."""
        return self.input_tokens + self.output_tokens
