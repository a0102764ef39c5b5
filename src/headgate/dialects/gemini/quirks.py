"""Deviations of services that speak Gemini, by name. Must not know which service has which."""

from collections.abc import Mapping
from typing import Final, cast

from headgate.dialects.base import Quirk
from headgate.dialects.gemini.wire import ANY, raw_of

_ID_HOLDERS: Final = ("functionCall", "function_call", "functionResponse", "function_response")


def _without_call_ids(members: dict[str, object]) -> dict[str, object]:
    contents = members.get("contents")
    if contents is None:
        return members
    turns = ANY.decode(raw_of(contents))
    for turn in _listed(turns):
        for part in _listed(turn.get("parts")):
            for holder in _ID_HOLDERS:
                if isinstance(call := part.get(holder), dict):
                    cast(dict[str, object], call).pop("id", None)
    return {**members, "contents": turns}


def _listed(value: object) -> list[dict[str, object]]:
    """A single object may stand for a list of one."""
    return cast(list[dict[str, object]], value if isinstance(value, list) else [value] if value else [])


def _flat_count(members: dict[str, object]) -> dict[str, object]:
    wrapped = members.get("generateContentRequest")
    if wrapped is None:
        return members
    inner = cast(dict[str, object], ANY.decode(raw_of(wrapped)))
    inner.pop("model", None)
    return inner


QUIRKS: Final[Mapping[str, Quirk]] = {
    "no_call_ids": Quirk(
        source="Vertex AI refuses `id` in functionCall and functionResponse: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Content (2026-11)",
        apply=_without_call_ids,
    ),
    "flat_count_tokens": Quirk(
        source="Vertex AI's countTokens takes the request's members at its top level: "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens (2026-11)",
        apply=_flat_count,
    ),
}
