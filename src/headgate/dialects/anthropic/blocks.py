"""Parts of a request as content blocks. What Anthropic cannot take is refused when it is a feature, else reported."""

import base64
import binascii
import re
import zlib
from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Audio,
    CacheMark,
    Extras,
    File,
    Foreign,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Refused,
    Role,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.models import Traits
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.members import arguments_object

Block = dict[str, object]

_IMAGE_TYPES: Final = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
"""https://docs.claude.com/en/docs/build-with-claude/vision (2026-11), and a common misspelling."""

_LIFETIMES: Final = frozenset({"5m", "1h"})
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:([^;,]*)[^,]*;base64,(.*)", re.DOTALL)


class Pen(Struct, kw_only=True):
    """What the writing of one request depends on, and what of it got lost."""

    is_home: bool
    """The request came in this dialect: its extras, forms and file ids mean something here."""
    is_modern: bool
    """API version 2026-10-21 and later, where the caller did not ask for it itself."""
    traits: Traits
    dropped: set[str]
    ids: dict[str, str] = field(default_factory=dict[str, str])
    """The caller's tool call ids and ours."""

    def drop_all(self, extras: Extras, prefix: str) -> None:
        """Reports another dialect's leftovers, but for explicit nulls, which say nothing."""
        self.dropped.update(prefix + name for name, raw in extras.items() if not wire.is_null(raw))


def blocks_of(parts: Iterable[Part], role: Role, pen: Pen) -> list[Block | Raw]:
    """The blocks of a message's parts, without those that have no place here."""
    return [block for part in parts if (block := block_of(part, role, pen)) is not None]


def block_of(part: Part, role: Role, pen: Pen) -> Block | Raw | None:
    """The block of one part; None: it is dropped, and reported."""
    match part:
        case Text():
            return _text(part, role, pen)
        case Reasoning():
            return _thinking(part, pen)
        case ToolCall():
            return _tool_use(part, pen)
        case ToolResult():
            return _tool_result(part, pen)
        case Image():
            return _image(part, role, pen)
        case File():
            return _document(part, role, pen)
        case Refused():
            pen.drop_all(part.extras, "messages.")
            return {"type": "text", "text": part.text} if part.text.strip() else None
        case Audio():
            raise Unrenderable("the Messages API takes no sound; send its transcript as text", param="messages")
        case _:
            return _foreign(part, pen)


def sanitised(id: str) -> str:
    """A tool call id that Anthropic takes: another service's letters may be outside of its pattern."""
    if not id:
        return "toolu_unnamed"
    clean = _NOT_IN_IDS.sub("_", id)
    return clean if clean == id else f"{clean}_{zlib.crc32(id.encode('utf-8', 'replace')):08x}"


def arguments_of(arguments: str, *, is_custom: bool = False) -> Raw:
    """A call's arguments as the JSON object that Anthropic wants; other text is put into one, unchanged."""
    if is_custom:
        return wire.raw_of({"input": arguments})
    return arguments_object(arguments, "arguments")


def mark(cache: CacheMark | None, pen: Pen) -> Block | None:
    """The `cache_control` of a mark."""
    if cache is None:
        return None
    if not cache.ttl:
        return {"type": "ephemeral"}
    if pen.is_home or cache.ttl in _LIFETIMES:
        return {"type": "ephemeral", "ttl": cache.ttl}
    pen.dropped.add("cache_control.ttl")
    return {"type": "ephemeral"}


def _whole(block: Block, cache: CacheMark | None, extras: Extras, pen: Pen) -> Block:
    """The block with its cache mark and leftovers."""
    said = mark(cache, pen)
    if said is not None:
        block["cache_control"] = said
    if pen.is_home:
        block.update(extras)
    else:
        pen.drop_all(extras, "messages.")
    return block


def _text(part: Text, role: Role, pen: Pen) -> Block | None:
    if part.signature is not None and part.signature.minted_by != NAME:
        pen.dropped.add("reasoning.signature")
    if pen.is_home:
        block = _whole({"type": "text", "text": part.text}, part.cache, part.extras, pen)
        if pen.is_modern and role == "user" and wire.items_in(part.extras.get("citations")):
            del block["citations"]
            pen.dropped.add("messages.citations")
        return block
    pen.drop_all(part.extras, "messages.")
    # empty and blank texts are refused, https://docs.claude.com/en/api/messages (2026-11)
    return _whole({"type": "text", "text": part.text}, part.cache, {}, pen) if part.text.strip() else None


def _thinking(part: Reasoning, pen: Pen) -> Block | None:
    """Thinking that Anthropic did not sign itself is refused by it, so it does not travel."""
    signature = part.signature
    is_ours = signature is not None and signature.minted_by == NAME
    if not is_ours and (not pen.is_home or signature is not None or part.form == "unsigned"):
        pen.dropped.add("reasoning")
        return None
    if part.is_redacted:
        data = signature.value if signature else ""
        return _whole({"type": "redacted_thinking", "data": data}, None, part.extras, pen)
    block: Block = {"type": "thinking", "thinking": part.text}
    if signature is not None:
        block["signature"] = signature.value
    return _whole(block, None, part.extras, pen)


def _tool_use(part: ToolCall, pen: Pen) -> Block:
    if part.signature is not None and part.signature.minted_by != NAME:
        pen.dropped.add("reasoning.signature")
    arguments = arguments_of(part.arguments, is_custom=part.is_custom)
    block: Block = {"type": "tool_use", "id": _called(part.id, pen), "name": part.name, "input": arguments}
    return _whole(block, part.cache, part.extras, pen)


def _called(id: str, pen: Pen) -> str:
    """The call's id here: unique, since Anthropic refuses a second call of the same id."""
    if pen.is_home:
        return id
    ours = sanitised(id)
    taken = set(pen.ids.values())
    unique, count = ours, 1
    while unique in taken:
        count += 1
        unique = f"{ours}_{count}"
    pen.ids[id] = unique
    return unique


def _tool_result(part: ToolResult, pen: Pen) -> Block:
    call_id = part.call_id if pen.is_home else pen.ids.get(part.call_id, sanitised(part.call_id))
    block: Block = {"type": "tool_result", "tool_use_id": call_id}
    forms = part.form.split() if pen.is_home else []
    if "string" in forms and len(part.parts) == 1 and isinstance(part.parts[0], Text):
        block["content"] = part.parts[0].text
    elif "absent" not in forms or part.parts:
        content = blocks_of(part.parts, "user", pen)
        if content or pen.is_home:
            block["content"] = content
    if part.is_error or "is_error" in forms:
        block["is_error"] = part.is_error
    return _whole(block, part.cache, part.extras, pen)


def _image(part: Image, role: Role, pen: Pen) -> Block | None:
    if role == "assistant" and not pen.is_home:
        pen.dropped.add("messages.image")  # only the caller's side may show pictures
        return None
    if part.detail not in ("", "auto"):
        pen.dropped.add("messages.image.detail")
    return _whole({"type": "image", "source": _image_source(part.source, pen)}, part.cache, part.extras, pen)


def _image_source(source: Source, pen: Pen) -> Block:
    source = _inlined(source)
    if isinstance(source, Inline) and not pen.is_home:
        media_type = _IMAGE_TYPES.get(source.media_type.partition(";")[0].strip().lower())
        if media_type is None:
            raise Unrenderable(
                f"the Messages API takes no pictures of type {source.media_type!r}; send JPEG, PNG, GIF or WebP",
                param="messages",
            )
        return {"type": "base64", "media_type": media_type, "data": source.data}
    return _source(source, pen)


def _inlined(source: Source) -> Source:
    found = _DATA_URL.match(source.url) if isinstance(source, Link) else None
    return Inline(media_type=found[1], data=found[2]) if found else source


def _source(source: Source, pen: Pen) -> Block:
    match source:
        case Inline():
            return {"type": "base64", "media_type": source.media_type, "data": source.data}
        case Link():
            if not pen.is_home and not source.url.startswith(("https://", "http://")):
                raise Unrenderable(
                    f"the Messages API cannot fetch {source.url[:40]!r}; send an https URL or base64", param="messages"
                )
            return {"type": "url", "url": source.url}
        case _:
            if not pen.is_home:
                raise Unrenderable(
                    f"the file {source.id!r} was uploaded to another service; send its content", param="messages"
                )
            return {"type": "file", "file_id": source.id}


def _document(part: File, role: Role, pen: Pen) -> Block | None:
    if role == "assistant" and (pen.is_modern or not pen.is_home):
        # refused since 2026-10-21, https://platform.claude.com/docs/en/api/migration-2026-10-21
        pen.dropped.add("messages.document")
        return None
    source = _inlined(part.source)
    if isinstance(source, Inline) and not pen.is_home and source.media_type.startswith("image/"):
        return _whole({"type": "image", "source": _image_source(source, pen)}, part.cache, part.extras, pen)
    block: Block = {"type": "document", "source": _document_source(source, part.form, pen)}
    if part.name:
        block["title"] = part.name
    return _whole(block, part.cache, part.extras, pen)


def _document_source(source: Source, form: str, pen: Pen) -> Block:
    media_type = source.media_type.partition(";")[0].strip().lower()
    if isinstance(source, Inline) and (form == "text" if pen.is_home else media_type.startswith("text/")):
        plain = source.media_type if pen.is_home else "text/plain"
        return {"type": "text", "media_type": plain, "data": _words(source)}
    if not pen.is_home and media_type not in ("", "application/pdf"):
        raise Unrenderable(
            f"the Messages API takes no documents of type {source.media_type!r}; send a PDF or text", param="messages"
        )
    if isinstance(source, Inline):
        return {"type": "base64", "media_type": source.media_type or "application/pdf", "data": source.data}
    return _source(source, pen)


def _words(source: Inline) -> str:
    try:
        return base64.b64decode(source.data).decode()
    except (binascii.Error, ValueError):
        raise Unrenderable("a text document is not base64 of UTF-8; send it as plain text", param="messages") from None


def _foreign(part: Foreign, pen: Pen) -> Raw | None:
    if pen.is_home:
        return part.raw
    if part.is_feature:
        raise Unrenderable(f"the Messages API has no equal of {part.name!r}; leave it out", param="messages")
    pen.dropped.add(f"messages.{part.name}")
    return None
