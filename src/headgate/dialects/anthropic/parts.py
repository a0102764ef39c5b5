"""Content blocks of a request, read into parts. What a block holds beyond its canonical meaning stays in its extras."""

import base64
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Raw, structs

from headgate.core.needs import PDF
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    CacheMark,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.signatures import unseal
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.reading import read
from headgate.dialects.anthropic.seals import NAME, Loose, loose_of
from headgate.dialects.anthropic.wire import CacheWire, Members, SourceWire, take

FEATURES: Final = frozenset({"image", "document", "search_result", "container_upload", "compaction"})
"""Blocks without which the call means something else, where they have no canonical form."""

_SOURCE_MEMBERS: Final = {
    "base64": {"type", "media_type", "data"},
    "text": {"type", "media_type", "data"},
    "url": {"type", "url"},
    "file": {"type", "file_id"},
}


def parts_of(content: str | Sequence[Raw], where: str) -> tuple[Part, ...]:
    """The parts of a message's or an instruction's content."""
    if isinstance(content, str):
        return (Text(text=content),)
    return tuple(_with_signatures([part_of(raw, f"{where}[{at}]") for at, raw in enumerate(content)]))


def part_of(raw: Raw, where: str) -> Part:
    """One block."""
    members = read(wire.OBJECT, raw, where)
    kind = wire.text_in(members.get("type"))
    if not kind:
        raise InvalidRequest(f"{where}.type must be a string that names the kind of block", param=f"{where}.type")
    parser = _PARSERS.get(kind)
    if parser is None:
        return Foreign(name=kind, raw=raw, is_feature=kind in FEATURES)
    del members["type"]
    return parser(raw, members, where)


def mark_of(members: Members, mark: CacheWire | None) -> CacheMark | None:
    """The cache mark; one that says more than we can say stays among the members as well."""
    if mark is None:
        return None
    said = wire.members_in(members["cache_control"])
    if mark.type == "ephemeral" and said.keys() <= {"type", "ttl"} and ("ttl" not in said or mark.ttl):
        del members["cache_control"]
    return CacheMark(ttl=mark.ttl or "")


def _text(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.TEXT, raw, where)
    cache = mark_of(members, block.cache_control)
    take(members, "text")
    return Text(text=block.text, cache=cache, extras=members)


def _image(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.IMAGE, raw, where)
    source = _source(block.source)
    if source is None or block.source.type == "text":
        return Foreign(name="image", raw=raw, is_feature=True)
    cache = mark_of(members, block.cache_control)
    _take_source(members, block.source)
    return Image(source=source, cache=cache, extras=members)


def _document(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.DOCUMENT, raw, where)
    source = _source(block.source)
    if isinstance(source, Link):
        source = Link(source.url, PDF)  # a document at a URL is one: no other is fetched
    if source is None:
        return Foreign(name="document", raw=raw, is_feature=True)
    cache = mark_of(members, block.cache_control)
    _take_source(members, block.source)
    take(members, "title")
    return File(source=source, name=block.title or "", cache=cache, form=block.source.type, extras=members)


def _source(source: SourceWire) -> Source | None:
    match source.type:
        case "base64" if source.data is not None:
            return Inline(media_type=source.media_type or "", data=source.data)
        case "text" if source.data is not None:
            data = base64.b64encode(source.data.encode("utf-8", "surrogatepass")).decode()
            return Inline(media_type=source.media_type or "text/plain", data=data)
        case "url" if source.url is not None:
            return Link(url=source.url)
        case "file" if source.file_id is not None:
            return FileId(id=source.file_id)
        case _:
            return None


def _take_source(members: Members, source: SourceWire) -> None:
    if wire.members_in(members["source"]).keys() == _SOURCE_MEMBERS[source.type]:
        del members["source"]


def _thinking(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.THINKING, raw, where)
    take(members, "thinking")
    if not block.signature:
        return Reasoning(text=block.thinking, extras=members)
    take(members, "signature")
    signature = unseal(block.signature, spoken=NAME)
    if signature.minted_by == "":
        return Reasoning(text=block.thinking, form="unsigned", extras=members)
    return Reasoning(text=block.thinking, signature=signature, extras=members)


def _redacted(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.REDACTED, raw, where)
    take(members, "data")
    return Reasoning(signature=unseal(block.data, spoken=NAME), is_redacted=True, extras=members)


def _tool_use(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.TOOL_USE, raw, where)
    cache = mark_of(members, block.cache_control)
    take(members, "id", "name", "input")
    arguments = bytes(block.input).decode()
    return ToolCall(id=block.id, name=block.name, arguments=arguments, cache=cache, extras=members)


def _tool_result(raw: Raw, members: Members, where: str) -> Part:
    block = read(wire.TOOL_RESULT, raw, where)
    cache = mark_of(members, block.cache_control)
    take(members, "tool_use_id", "content", "is_error")
    forms: list[str] = []
    if block.is_error is False:
        forms.append("is_error")
    parts: tuple[Part, ...] = ()
    if block.content is None:
        forms.append("absent")
    elif isinstance(block.content, str):
        forms.append("string")
        parts = (Text(text=block.content),)
    else:
        parts = tuple(_result_part(item, f"{where}.content[{at}]") for at, item in enumerate(block.content))
    return ToolResult(
        call_id=block.tool_use_id,
        parts=parts,  # pyright: ignore[reportArgumentType]
        is_error=bool(block.is_error),
        cache=cache,
        form=" ".join(forms),
        extras=members,
    )


def _result_part(raw: Raw, where: str) -> Part:
    part = part_of(raw, where)
    if isinstance(part, Text | Image | File | Foreign):
        return part
    return Foreign(name=wire.text_in(wire.members_in(raw).get("type")), raw=raw)


_PARSERS: Final[dict[str, Callable[[Raw, Members, str], Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def _with_signatures(parts: list[Part]) -> list[Part]:
    """Puts the proofs that we showed as thinking blocks of their own back onto the parts they belong to."""
    if not any(isinstance(part, Reasoning) and loose_of(part) for part in parts):
        return parts
    kept: list[Part] = []
    ahead: Loose | None = None
    for part in parts:
        loose = loose_of(part) if isinstance(part, Reasoning) else None
        if loose is not None and loose.belongs == "next":
            ahead = loose
        elif loose is not None:
            if kept and isinstance(kept[-1], Text | ToolCall):
                kept[-1] = structs.replace(kept[-1], signature=loose.signature)
        elif ahead is not None and isinstance(part, Text | ToolCall):
            kept.append(structs.replace(part, signature=ahead.signature))
            ahead = None
        else:
            kept.append(part)
    return kept
