"""The parts of a message, written. Reads the forms that `content.py`, `messages.py` and `reasoning.py` leave."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Part,
    Reasoning,
    Refused,
    Source,
    Text,
    ToolCall,
)
from headgate.core.signatures import seal
from headgate.dialects.members import merged
from headgate.dialects.openai_chat.reasoning import DETAIL, PROOF_FIELD, SIGNED, TEXT_FIELD
from headgate.dialects.openai_chat.wire import ENCODE, NAME, OBJECT

Wire = dict[str, object]

_SOUNDS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav"}
_DETAIL_FORMATS: Final = {
    "anthropic": "anthropic-claude-v1",
    "gemini": "google-gemini-v1",
    "openai_responses": "openai-responses-v1",
}


def write_content(part: Part) -> Wire | Raw:
    """One entry of a content list."""
    match part:
        case Text():
            wire: Wire = {"type": "text", "text": part.text}
        case Image():
            wire = {"type": "image_url", "image_url": _written_url(part.source, part.form, part.detail)}
        case Audio():
            wire = {"type": "input_audio", "input_audio": _written_sound(part)}
        case File():
            wire = _written_file(part)
        case Refused():
            return merged({"type": "refusal", "refusal": part.text}, part.extras)
        case Foreign():
            return part.raw
        case _:
            raise Unrenderable(f"a content list cannot hold a {type(part).__name__}", param="messages")
    if part.cache:
        wire.update(written_cache(part.cache, part.form))
    return merged(wire, part.extras)


def written_cache(cache: CacheMark, form: str) -> Wire:
    """The member that marks the end of a cached prefix."""
    if "breakpoint" in form.split():
        return {"prompt_cache_breakpoint": {"mode": "explicit"}}
    return {"cache_control": {"type": "ephemeral"} | ({"ttl": cache.ttl} if cache.ttl else {})}


def url_of(source: Source) -> str:
    """A URL for content that is here or on the web."""
    match source:
        case Inline(media_type, data):
            return f"data:{media_type};base64,{data}"
        case FileId():
            raise Unrenderable("this API has no images or links by file id", param="messages")
        case link:
            return link.url


def _written_url(source: Source, form: str, detail: str) -> object:
    url = url_of(source)
    if "plain" in form.split():
        return url
    return {"url": url, "detail": detail} if detail else {"url": url}


def _written_sound(part: Audio) -> object:
    source = part.source
    if "plain" in part.form.split():
        return source.data if isinstance(source, Inline) else url_of(source)
    if not isinstance(source, Inline):
        raise Unrenderable("this API takes sound only inline, as base64", param="messages")
    if "unnamed" in part.form.split():
        return {"data": source.data}
    return {"data": source.data, "format": _SOUNDS.get(source.media_type, source.media_type.removeprefix("audio/"))}


def _written_file(part: File) -> Wire:
    words = part.form.split()
    if "document_url" in words:
        name: Wire = {"document_name": part.name} if part.name else {}
        return {"type": "document_url", "document_url": url_of(part.source), **name}
    for kind in ("file_url", "video_url"):
        if kind in words:
            return {"type": kind, kind: _written_url(part.source, part.form, "")}
    file: Wire = {"filename": part.name} if part.name else {}
    if isinstance(part.source, FileId):
        file["file_id"] = part.source.id
    elif "bare" in words and isinstance(part.source, Inline):
        file["file_data"] = part.source.data
    else:
        file["file_data"] = url_of(part.source)
    return {"type": "file", "file": file}


def write_thinking(parts: list[Reasoning]) -> list[Wire]:
    """Mistral's parts for thinking; one part may have several chunks."""
    wires: list[Wire] = []
    chunks: list[Wire] = []
    for part in parts:
        if "plain" in part.form.split():
            wires.append(merged({"type": "thinking", "thinking": part.text}, part.extras))
            continue
        if "more" not in part.form.split() or not chunks:
            chunks = []
            wires.append(merged({"type": "thinking", "thinking": chunks}, part.extras))
        chunks.append({"type": "text", "text": part.text})
    return wires


def write_detail(part: Reasoning, index: int) -> Wire:
    """One entry of `reasoning_details`."""
    is_ours = part.form.startswith((DETAIL, SIGNED))
    bookkeeping = part.form.removeprefix(DETAIL).removeprefix(SIGNED) if is_ours else ""
    wire: Wire = dict(msgspec.json.decode(bookkeeping, type=dict[str, Raw])) if bookkeeping else _detail(part, index)
    kind = msgspec.json.decode(ENCODE(wire.get("type", "")), type=str)
    if part.text and not part.form.startswith(SIGNED):
        wire[TEXT_FIELD.get(kind, "text")] = part.text
    if part.signature:
        wire[PROOF_FIELD.get(kind, "signature")] = seal(part.signature, spoken=NAME)
    return wire


def _detail(part: Reasoning, index: int) -> Wire:
    minted_by = part.signature.minted_by if part.signature else NAME
    kind = "reasoning.encrypted" if part.is_redacted else "reasoning.text"
    return {"type": kind, "format": _DETAIL_FORMATS.get(minted_by, "unknown"), "index": index}


def write_call(part: ToolCall) -> Wire:
    """One entry of `tool_calls`."""
    bookkeeping, marks = _call_form(part)
    wire: Wire = {} if marks & {"no_id", "empty_id"} else {"id": part.id}
    wire |= {"id": ""} if "empty_id" in marks else {}
    wire |= bookkeeping
    if part.is_custom:
        wire["custom"] = {"name": part.name, "input": part.arguments}
    else:
        function: Wire = {"name": part.name}
        if part.arguments or "none" not in marks:
            function["arguments"] = _object(part.arguments) if "object" in marks else part.arguments
        wire["function"] = function
    if part.cache:
        wire |= written_cache(part.cache, part.form)
    if part.signature:
        # Google's own field, https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11)
        wire["extra_content"] = {"google": {"thought_signature": seal(part.signature, spoken="gemini")}}
    return merged(wire, part.extras)


def _object(arguments: str) -> Raw | str:
    """Arguments that were an object, as one again; what has grown beyond it stays text."""
    try:
        OBJECT.decode(arguments)
    except msgspec.DecodeError:
        return arguments
    return Raw(arguments.encode())


def _call_form(part: ToolCall) -> tuple[Wire, set[str]]:
    """The bookkeeping members, as JSON before the words of the form, and the words."""
    head, brace, words = part.form.rpartition("}")
    if brace:
        return dict(OBJECT.decode(f"{head}}}")), set(words.split())
    return {"type": "custom" if part.is_custom else "function"}, set(words.split())
