"""Parts of a request as content blocks. What Converse cannot take is refused when it is a feature, else reported."""

import base64
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
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.signatures import seal
from headgate.dialects.bedrock_converse import media, wire
from headgate.dialects.bedrock_converse.additional import Traits
from headgate.dialects.bedrock_converse.seals import redacted_text
from headgate.dialects.bedrock_converse.wire import NAME
from headgate.dialects.members import arguments_object

Block = dict[str, object]

_ID_LENGTH_MAX: Final = 64
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html (2026-11); models behind it
# are narrower than Converse itself, which takes dots and colons too
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html (2026-11)
_NOT_IN_TITLES = re.compile(r"[^a-zA-Z0-9()\[\]\- ]+")
_TITLE_LENGTH_MAX: Final = 200
_DATA_URL = re.compile(r"data:([^;,]*)[^,]*;base64,(.*)", re.DOTALL)


class Pen(Struct, kw_only=True):
    """What the writing of one request depends on, and what of it got lost."""

    is_home: bool
    """The request came in this dialect: its extras and forms mean something here."""
    traits: Traits
    dropped: set[str]
    ids: dict[str, str] = field(default_factory=dict[str, str])
    """The caller's tool call ids and ours."""
    titles: set[str] = field(default_factory=set[str])
    """Names of documents, which must not come twice."""

    def drop_all(self, extras: Extras, prefix: str) -> None:
        """Reports another dialect's leftovers, but for explicit nulls, which say nothing."""
        self.dropped.update(prefix + name for name, raw in extras.items() if not wire.is_null(raw))

    def keep(self, extras: Extras, prefix: str = "messages.") -> Extras:
        """Leftovers to write beside what is known: our own. Others' are reported."""
        if self.is_home:
            return extras
        self.drop_all(extras, prefix)
        return {}


def blocks_of(parts: Iterable[Part], pen: Pen) -> list[Block | Raw]:
    """The blocks of a message's parts, each with its cache point behind it."""
    return [block for part in parts for block in blocks_of_part(part, pen)]


def blocks_of_part(part: Part, pen: Pen) -> list[Block | Raw]:
    """The block of one part, with its cache point; none: it is dropped, and reported."""
    block = _block(part, pen)
    if block is None:
        return []
    point = cache_point(None if isinstance(part, Reasoning | Refused | Foreign) else part.cache, pen)
    return [block, point] if point is not None else [block]


def cache_point(cache: CacheMark | None, pen: Pen) -> Block | None:
    """The cache point that a mark becomes, where the model takes one."""
    if cache is None:
        return None
    if not pen.is_home and "" not in pen.traits.marks:
        pen.dropped.add("cache_control")
        return None
    point: Block = {"type": "default"}
    if cache.ttl and (pen.is_home or cache.ttl in pen.traits.marks):
        point["ttl"] = cache.ttl
    elif cache.ttl:
        pen.dropped.add("cache_control.ttl")
    return {"cachePoint": point}


def _block(part: Part, pen: Pen) -> Block | Raw | None:
    match part:
        case Text():
            return _text(part, pen)
        case Reasoning():
            return _reasoning(part, pen)
        case ToolCall():
            return _tool_use(part, pen)
        case ToolResult():
            return _tool_result(part, pen)
        case Image():
            return _image(part, pen)
        case File():
            return _file(part, pen)
        case Audio():
            inner = _inline(part.source, media.AUDIO_FORMATS, "sound")
            return {"audio": {**inner, **pen.keep(part.extras)}}
        case Refused():
            pen.drop_all(part.extras, "messages.")
            return {"text": part.text} if part.text.strip() else None
        case _:
            return _foreign(part, pen)


def _text(part: Text, pen: Pen) -> Block | None:
    if part.signature is not None and part.signature.minted_by != NAME:
        pen.dropped.add("reasoning.signature")
    if pen.is_home:
        return _own_text(part)
    pen.drop_all(part.extras, "messages.")
    return {"text": part.text} if part.text.strip() else None  # blank ones are refused


def _own_text(part: Text) -> Block:
    match part.form:
        case "json":
            return {"json": Raw(part.text.encode("utf-8", "replace"))}
        case "guard":
            return {"guardContent": {"text": {"text": part.text, **part.extras}}}
        case "cited":
            return {"citationsContent": {"content": [{"text": part.text}], **part.extras}}
        case _:
            return {"text": part.text, **part.extras}


def _reasoning(part: Reasoning, pen: Pen) -> Block | None:
    """Thinking that Bedrock's models did not sign is refused by them, so it does not travel."""
    signature = part.signature
    is_ours = signature is not None and signature.minted_by == NAME
    if not is_ours and (signature is not None or not pen.is_home):
        pen.dropped.add("reasoning")
        return None
    if part.is_redacted:
        sealed = redacted_text(signature) if signature is not None else ""
        return {"reasoningContent": {"redactedContent": sealed, **part.extras}}
    words: Block = {"text": part.text}
    if signature is not None:
        words["signature"] = seal(signature, spoken=NAME)
    return {"reasoningContent": {"reasoningText": {**words, **part.extras}}}


def _tool_use(part: ToolCall, pen: Pen) -> Block:
    if part.signature is not None and part.signature.minted_by != NAME:
        pen.dropped.add("reasoning.signature")
    extras = pen.keep(part.extras)
    call: Block = {"toolUseId": _called(part.id, pen), "name": part.name, **extras}
    if part.arguments or not pen.is_home:
        call["input"] = arguments_object(part.arguments, "arguments")
    return {"toolUse": call}


def _called(id: str, pen: Pen) -> str:
    """The call's id here: unique, and of letters that models take."""
    if pen.is_home:
        return id
    ours = _sanitised(id)
    taken = set(pen.ids.values())
    unique, count = ours, 1
    while unique in taken:
        count += 1
        unique = f"{ours[:58]}_{count}"
    pen.ids[id] = unique
    return unique


def _sanitised(id: str) -> str:
    if not id:
        return "tooluse_unnamed"
    clean = _NOT_IN_IDS.sub("_", id)
    if clean == id and len(id) <= _ID_LENGTH_MAX:
        return id
    return f"{clean[:55]}_{zlib.crc32(id.encode('utf-8', 'replace')):08x}"


def _tool_result(part: ToolResult, pen: Pen) -> Block:
    call_id = part.call_id if pen.is_home else pen.ids.get(part.call_id, _sanitised(part.call_id))
    content = [block for inner in part.parts if (block := _block(inner, pen)) is not None]
    result: Block = {"toolUseId": call_id, "content": content}
    if part.is_error:
        result["status"] = "error"
    elif pen.is_home and part.form == "success":
        result["status"] = "success"
    return {"toolResult": {**result, **pen.keep(part.extras)}}


def _image(part: Image, pen: Pen) -> Block:
    if part.detail not in ("", "auto"):
        pen.dropped.add("messages.image.detail")
    inner = _inline(part.source, media.IMAGE_FORMATS, "picture")
    return {"image": {**inner, **pen.keep(part.extras)}}


def _inline(source: Source, formats: dict[str, str], what: str) -> Block:
    """Format and source of content that the call carries, or that lies in Amazon S3: Converse fetches no URLs."""
    source = _inlined(source)
    word = formats.get(media.bare(source.media_type))
    match source:
        case Inline():
            where: Block = {"bytes": source.data}
        case Link() if source.url.startswith("s3://"):
            word = word or _ending(source.url, formats)
            where = {"s3Location": {"uri": source.url}}
        case Link():
            raise Unrenderable(
                f"Amazon Bedrock fetches no {what} from {source.url[:40]!r}; send base64, or an s3:// URL",
                param="messages",
            )
        case _:
            raise Unrenderable(
                f"the file {source.id!r} was uploaded to another service; send its content", param="messages"
            )
    if word is None:
        raise Unrenderable(
            f"Amazon Bedrock takes no {what} of type {source.media_type!r}; it takes {', '.join(sorted(formats))}",
            param="messages",
        )
    return {"format": word, "source": where}


def _ending(url: str, formats: dict[str, str]) -> str | None:
    ending = url.rpartition(".")[2].lower()
    return ending if ending in formats.values() else None


def _inlined(source: Source) -> Source:
    found = _DATA_URL.match(source.url) if isinstance(source, Link) else None
    return Inline(media_type=found[1], data=found[2]) if found else source


def _file(part: File, pen: Pen) -> Block:
    source = _inlined(part.source)
    kind = media.bare(source.media_type)
    extras = pen.keep(part.extras)
    if kind.startswith("image/"):
        return {"image": {**_inline(source, media.IMAGE_FORMATS, "picture"), **extras}}
    if kind.startswith("video/"):
        return {"video": {**_inline(source, media.VIDEO_FORMATS, "film"), **extras}}
    if isinstance(source, Inline) and not kind:
        source = Inline(media_type="application/pdf", data=source.data)
    inner = _inline(source, media.DOCUMENT_FORMATS, "document")
    if part.form == "text" and pen.is_home and isinstance(source, Inline):
        inner["source"] = {"text": base64.b64decode(source.data).decode()}
    name = part.name if pen.is_home else _title(part.name, pen)
    return {"document": {**inner, **({"name": name} if name else {}), **extras}}


def _title(name: str, pen: Pen) -> str:
    """A document's name of the letters that Converse takes, and unlike the others'."""
    plain = " ".join(_NOT_IN_TITLES.sub(" ", name).split())[: _TITLE_LENGTH_MAX - 5] or "document"
    if name and plain != name:
        pen.dropped.add("messages.document.name (letters were replaced)")
    title, count = plain, 1
    while title in pen.titles:
        count += 1
        title = f"{plain} {count}"
    pen.titles.add(title)
    return title


def _foreign(part: Foreign, pen: Pen) -> Raw | None:
    if pen.is_home:
        return part.raw
    if part.is_feature:
        raise Unrenderable(f"Converse has no equal of {part.name!r}; leave it out", param="messages")
    pen.dropped.add(f"messages.{part.name}")
    return None
