"""Which things that an upstream keeps a request names: files, earlier answers, conversations, vector stores.

They are told by shape, in whatever dialect: a member of that name in a tool's arguments or a citation is no reference.
Containers are none: services make them by themselves, in the midst of an answer.
OpenAI: https://platform.openai.com/docs/api-reference/responses/create, Anthropic:
https://docs.claude.com/en/docs/build-with-claude/files (2026-11).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, cast

import msgspec

_TOP: Final = ("previous_response_id", "conversation")
_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "input_file": ("file_id",),
    "input_image": ("file_id",),
    "computer_screenshot": ("file_id",),
    "container_upload": ("file_id",),
    "file": ("file_id", "file"),
    "file_search": ("vector_store_ids",),
    "auto": ("file_ids",),
}
"""By an object's type, the members that name what is kept: an id, a list of them, or an object with one."""
_NAMES: Final = ("id", "file_id")
_FOREIGN: Final = frozenset({"arguments", "parameters", "input_schema", "schema", "metadata", "annotations", "results"})
"""Members whose contents are other people's words."""
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")
"""A letter in disguise: nobody writes one so, unless to hide a name."""


def may_refer(body: bytes, *words: bytes) -> bool:
    """Whether it is worth looking, for those who have not seen each part: a word is there, or a letter in disguise."""
    return any(word in body for word in words) or (b"\\u00" in body and _ESCAPED.search(body) is not None)


def references(body: bytes) -> tuple[str, ...]:
    """The ids that a valid JSON object names, each once, in order."""
    decoded: object = msgspec.json.decode(body)
    if not isinstance(decoded, dict):
        return ()
    members = cast("dict[str, object]", decoded)
    found = [id for name in _TOP for id in _ids(members.get(name))]
    return tuple(dict.fromkeys((*found, *_below(members))))


def _below(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _below(item)
    elif isinstance(value, dict):
        members = cast("dict[str, object]", value)
        kind = members.get("type")
        for name in _MEMBERS.get(kind, ()) if isinstance(kind, str) else ():
            yield from _ids(members.get(name))
        for name, inner in members.items():
            if name not in _FOREIGN and not (name == "input" and isinstance(inner, dict)):
                yield from _below(inner)


def _ids(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list):
        return [item for item in cast("list[object]", value) if isinstance(item, str)]
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return [id for name in _NAMES if isinstance(id := members.get(name), str) and id]
    return ()
