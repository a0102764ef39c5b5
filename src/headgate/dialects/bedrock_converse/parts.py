"""Content blocks of a request, read into parts. What a block holds beyond its canonical meaning stays in its extras."""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec import Raw, structs

from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.signatures import unseal
from headgate.dialects.bedrock_converse import media, wire
from headgate.dialects.bedrock_converse.seals import redacted_of
from headgate.dialects.bedrock_converse.wire import NAME, Members, members_in, read, take, text_in

FEATURES: Final = frozenset(
    {"image", "document", "video", "audio", "searchResult", "toolAddition", "toolRemoval", "guardContent"}
)
"""Blocks without which the call means something else, where they have no canonical form."""

SERVER_TOOL: Final = "server_tool_use"

_Parser = Callable[[Raw, Members, str], Part | None]
"""Of the block's one member, the whole block, and its path; None: it has no canonical form."""

_MARKABLE: Final = (Text, ToolCall, ToolResult, Image, File, Audio)


def parts_of(blocks: Sequence[Members], where: str) -> tuple[Part, ...]:
    """The parts of a message's or an instruction's content; a cache point becomes a mark of the part before it."""
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        mark = mark_of(block)
        last = parts[-1] if parts else None
        if mark is not None and isinstance(last, _MARKABLE) and last.cache is None:
            parts[-1] = structs.replace(last, cache=mark)
        else:
            parts.append(_part(block, _PARSERS, f"{where}[{at}]"))
    return tuple(parts)


def mark_of(block: Members) -> CacheMark | None:
    """The mark that a cache point makes; None where it is none, or says more than a mark can."""
    point = members_in(block.get("cachePoint")) if block.keys() == {"cachePoint"} else {}
    if text_in(point.get("type")) != "default" or not point.keys() <= {"type", "ttl"}:
        return None
    ttl = text_in(point.get("ttl"))
    return CacheMark(ttl=ttl) if ttl or "ttl" not in point else None


def _part(block: Members, parsers: Mapping[str, _Parser], where: str) -> Part:
    kind = next((name for name in block if name in parsers), next(iter(block), "block"))
    if kind in parsers and (len(block) == 1 or kind == "text"):
        part = parsers[kind](block[kind], block, where)
        if part is not None:
            return part
    return Foreign(name=kind, raw=wire.raw_of(block), is_feature=kind in FEATURES)


def _text(raw: Raw, block: Members, where: str) -> Part:
    rest = {name: value for name, value in block.items() if name != "text"}
    return Text(text=read(wire.STRING, raw, f"{where}.text"), extras=rest)


def _inline(raw: Raw, types: Mapping[str, str], where: str) -> tuple[Inline | None, Members]:
    """The content that a block carries itself, and the block's other members."""
    members = read(wire.OBJECT, raw, where)
    source = members_in(members.get("source"))
    media_type = types.get(text_in(members.get("format")))
    data = text_in(source.get("bytes"))
    if media_type is None or source.keys() != {"bytes"} or not data:
        return None, members
    take(members, "format", "source")
    return Inline(media_type=media_type, data=data), members


def _image(raw: Raw, block: Members, where: str) -> Part | None:
    source, extras = _inline(raw, media.IMAGES, f"{where}.image")
    return Image(source=source, extras=extras) if source is not None else None


def _audio(raw: Raw, block: Members, where: str) -> Part | None:
    source, extras = _inline(raw, media.AUDIO, f"{where}.audio")
    return Audio(source=source, extras=extras) if source is not None else None


def _video(raw: Raw, block: Members, where: str) -> Part | None:
    source, extras = _inline(raw, media.VIDEOS, f"{where}.video")
    return File(source=source, extras=extras) if source is not None else None


def _document(raw: Raw, block: Members, where: str) -> Part | None:
    source, extras = _inline(raw, media.DOCUMENTS, f"{where}.document")
    form = ""
    if source is None:
        source, form = _plain(extras), "text"
    if source is None:
        return None
    name = text_in(extras.get("name"))
    take(extras, *(["name"] if name else []))
    return File(source=source, name=name, form=form, extras=extras)


def _plain(members: Members) -> Inline | None:
    """A document that stands in the call as words; its members are taken out."""
    source = members_in(members.get("source"))
    media_type = media.DOCUMENTS.get(text_in(members.get("format")))
    text = wire.value_in(source.get("text"))
    if media_type is None or source.keys() != {"text"} or not isinstance(text, str):
        return None
    take(members, "format", "source")
    return Inline(media_type=media_type, data=base64.b64encode(text.encode("utf-8", "replace")).decode())


def _tool_use(raw: Raw, block: Members, where: str) -> Part | None:
    call = read(wire.TOOL_USE, raw, f"{where}.toolUse")
    if call.type == SERVER_TOOL:
        return Foreign(name=SERVER_TOOL, raw=wire.raw_of(block))
    extras = wire.OBJECT.decode(raw)
    take(extras, "toolUseId", "name", "input")
    return ToolCall(id=call.toolUseId, name=call.name, arguments=bytes(call.input).decode(), extras=extras)


def _tool_result(raw: Raw, block: Members, where: str) -> Part | None:
    result = read(wire.TOOL_RESULT, raw, f"{where}.toolResult")
    if result.type is not None:  # of a tool that the service ran itself
        return Foreign(name=result.type, raw=wire.raw_of(block))
    extras = wire.OBJECT.decode(raw)
    take(extras, "toolUseId", "content")
    if result.status in ("success", "error"):
        del extras["status"]
    parts = tuple(
        _part(item, _RESULT_PARSERS, f"{where}.toolResult.content[{at}]") for at, item in enumerate(result.content)
    )
    return ToolResult(
        call_id=result.toolUseId,
        parts=parts,  # pyright: ignore[reportArgumentType]
        is_error=result.status == "error",
        form="success" if result.status == "success" else "",
        extras=extras,
    )


def _json(raw: Raw, block: Members, where: str) -> Part:
    return Text(text=bytes(raw).decode(), form="json")


def _guarded(raw: Raw, block: Members, where: str) -> Part | None:
    """Words that a guardrail is to look at: the same words anywhere else."""
    content = members_in(raw)
    words = members_in(content.get("text"))
    text = wire.value_in(words.get("text"))
    if content.keys() != {"text"} or not isinstance(text, str):
        return None
    return Text(text=text, form="guard", extras={name: raw for name, raw in words.items() if name != "text"})


def _cited(raw: Raw, block: Members, where: str) -> Part | None:
    """Words with their sources, said in an earlier turn."""
    extras = members_in(raw)
    items = [members_in(item) for item in wire.items_in(extras.get("content"))]
    if not items or any(item.keys() != {"text"} for item in items):
        return None
    text = "".join(text_in(item["text"]) for item in items)
    if len(items) == 1:
        del extras["content"]
    return Text(text=text, form="cited", extras=extras)


def _reasoning(raw: Raw, block: Members, where: str) -> Part | None:
    said = read(wire.REASONING, raw, f"{where}.reasoningContent")
    extras = wire.OBJECT.decode(raw)
    if said.redactedContent is not None:
        take(extras, "redactedContent")
        return Reasoning(signature=redacted_of(said.redactedContent), is_redacted=True, extras=extras)
    if said.reasoningText is None or extras.keys() != {"reasoningText"}:
        return None
    inner = wire.OBJECT.decode(extras["reasoningText"])
    take(inner, "text", "signature")
    signature = unseal(said.reasoningText.signature, spoken=NAME) if said.reasoningText.signature else None
    return Reasoning(text=said.reasoningText.text, signature=signature, extras=inner)


_PARSERS: Final[dict[str, _Parser]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "video": _video,
    "audio": _audio,
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "guardContent": _guarded,
    "citationsContent": _cited,
    "reasoningContent": _reasoning,
}
_RESULT_PARSERS: Final[dict[str, _Parser]] = {
    "text": _text,
    "json": _json,
    "image": _image,
    "document": _document,
    "video": _video,
}
