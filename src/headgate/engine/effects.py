"""Whether asking a provider for an answer has effects beyond the answer, so that it must not be asked twice at once.

A request is looked at only when it is about to be doubled, which is rare; what cannot be read is taken to have some.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

_OBJECT: Final = msgspec.json.Decoder(dict[str, object]).decode
_EFFECTS: Final = ("background", "web_search_options", "mcp_servers", "container", "plugins")
"""Members that have the provider do something by itself, or go on without us."""
_CALLERS: Final = frozenset({"function", "custom", "namespace"})
"""Types of tools that the caller runs. https://platform.openai.com/docs/api-reference/responses (2026-11)"""
_DECLARED: Final = frozenset({"functionDeclarations", "function_declarations"})
"""What a tool of Gemini's holds that the caller runs; anything else runs there.
https://ai.google.dev/api/caching#Tool (2026-11)"""


def has_effects(body: bytes) -> bool:
    """Whether the request in a client's dialect has tools run by the provider, or runs on without its caller."""
    try:
        members = _OBJECT(body)
    except msgspec.DecodeError:
        return True
    return does_more(members)


def does_more(members: Mapping[str, object]) -> bool:
    """The same of a request that has been read."""
    if any(members.get(name) for name in _EFFECTS):
        return True
    tools = members.get("tools")
    return isinstance(tools, list) and not all(map(_is_callers, cast("list[object]", tools)))


def _is_callers(tool: object) -> bool:
    if not isinstance(tool, dict):
        return False
    kind = cast("dict[str, object]", tool).get("type")
    if isinstance(kind, str):
        return kind in _CALLERS
    names = set(cast("dict[str, object]", tool))
    return names <= _DECLARED or "input_schema" in names or "function" in names
