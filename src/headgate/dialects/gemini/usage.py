"""`usageMetadata`, both ways. Must not know prices.

`promptTokenCount` includes cached tokens; what server tools put in comes on top (`toolUsePromptTokenCount`), and so
does thinking to `candidatesTokenCount` (https://ai.google.dev/api/generate-content#UsageMetadata, 2026-11).
"""

from typing import Final, cast

from msgspec import Raw

from headgate.core.usage import ServiceTier, Usage, tier_of
from headgate.dialects.gemini.wire import OBJECT, is_list, value_of

_WORDS: Final[dict[object, str]] = {"IMAGE": "image", "AUDIO": "audio", 2: "image", 4: "audio"}

TELLING: Final = b'TokenCount"'
"""What is in a chunk that tells counts: Vertex AI's chunks before the last tell only the kind of traffic."""


def parse_usage(raw: Raw) -> Usage:
    """The counts of a `usageMetadata` object."""
    members = OBJECT.decode(raw)
    spent_in = _count(members, "promptTokenCount") + _count(members, "toolUsePromptTokenCount")
    # the Live API's name for the same thing
    answer = _count(members, "candidatesTokenCount") or _count(members, "responseTokenCount")
    thoughts = _count(members, "thoughtsTokenCount")
    # some models count the thinking twice; then the total tells
    is_inside = thoughts <= answer and _count(members, "totalTokenCount") == spent_in + answer
    heard = _details(members, "promptTokensDetails", "toolUsePromptTokensDetails")
    made = _details(members, "candidatesTokensDetails", "responseTokensDetails")
    cached = _details(members, "cacheTokensDetails")
    return Usage(
        input_tokens=spent_in,
        cached_tokens=_count(members, "cachedContentTokenCount"),
        output_tokens=answer if is_inside else answer + thoughts,
        reasoning_tokens=thoughts,
        input_audio_tokens=heard.get("audio", 0),
        input_image_tokens=heard.get("image", 0),
        output_audio_tokens=made.get("audio", 0),
        output_image_tokens=made.get("image", 0),
        cached_audio_tokens=cached.get("audio", 0),
        cached_image_tokens=cached.get("image", 0),
        tier=_tier(members),
        extras=members,
    )


def _count(members: dict[str, Raw], name: str) -> int:
    raw = members.get(name)
    return 0 if raw is None else _number(value_of(raw))


def _number(value: object) -> int:
    return min(max(0, int(value)), 2**53) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _tier(members: dict[str, Raw]) -> ServiceTier:
    """How the call was processed: https://ai.google.dev/gemini-api/docs/flex-inference (2026-11)."""
    told = value_of(members.get("serviceTier", Raw(b"null")))
    return tier_of(told.lower()) if isinstance(told, str) else ""


def _details(members: dict[str, Raw], *names: str) -> dict[str, int]:
    out: dict[str, int] = {}
    for name in names:
        raw = members.get(name)
        for detail in cast(list[object], value_of(raw) or []) if raw is not None and is_list(raw) else ():
            if isinstance(detail, dict):
                told = cast(dict[str, object], detail)
                modality = told.get("modality")
                word = _WORDS.get(modality, "") if isinstance(modality, str | int) else ""
                out[word] = out.get(word, 0) + _number(told.get("tokenCount"))
    return out


def render_usage(usage: Usage, *, is_home: bool) -> dict[str, object]:
    """The `usageMetadata` object: at home as it was."""
    if is_home and usage.extras:
        return dict(usage.extras)
    out: dict[str, object] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cached_tokens:
        out["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning_tokens:
        out["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.input_audio_tokens or usage.input_image_tokens:
        out["promptTokensDetails"] = _render_details(
            usage.input_tokens, usage.input_audio_tokens, usage.input_image_tokens
        )
    if usage.cached_audio_tokens or usage.cached_image_tokens:
        out["cacheTokensDetails"] = _render_details(
            usage.cached_tokens, usage.cached_audio_tokens, usage.cached_image_tokens
        )
    if usage.output_audio_tokens or usage.output_image_tokens:
        out["candidatesTokensDetails"] = _render_details(
            usage.output_tokens - usage.reasoning_tokens, usage.output_audio_tokens, usage.output_image_tokens
        )
    return out


def _render_details(total: int, audio: int, image: int) -> list[dict[str, object]]:
    counts = {"TEXT": total - audio - image, "AUDIO": audio, "IMAGE": image}
    return [{"modality": modality, "tokenCount": count} for modality, count in counts.items() if count > 0]
