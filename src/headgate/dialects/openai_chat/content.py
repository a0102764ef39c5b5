"""The parts of a message's content, read. What a part holds beyond its canonical meaning stays in its extras.

https://platform.openai.com/docs/api-reference/chat/create#messages (2026-11). Compatible hosts add parts of their
own: `document_url` and `thinking` are Mistral's, `file_url` is Perplexity's, `video_url` is Qwen's and OpenRouter's.
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from headgate.core.request import (
    Audio,
    CacheMark,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Link,
    Part,
    Reasoning,
    Refused,
    Text,
)
from headgate.dialects.members import Members, invalid, opened, shape

_DATA_URL = re.compile(r"data:([^,]*);base64,(.*)", re.DOTALL)

Reader = Callable[[Members, Raw], tuple[Part, ...]]


def read_content(message: Members, *, role: str) -> tuple[list[Part], str]:
    """The parts of `content` and how they were spelt: `list`, `empty`, or "" for plain text or none."""
    match message.shape("content"):
        case "" | "null":
            return [], ""
        case "a string":
            text = message.text("content") or ""
            return ([Text(text=text)], "") if text else ([], "empty")
        case "an array":
            return _read_list(message, role), "list"
        case seen:
            raise invalid(message.at("content"), "a string or an array", seen)


def _read_list(message: Members, role: str) -> list[Part]:
    path = message.at("content")
    parts: list[Part] = []
    for index, raw in enumerate(message.array("content")):
        part = opened(raw, f"{path}[{index}]")
        kind = part.text("type")
        if kind is None:
            raise part.missing("type")
        reader = _READERS.get(kind)
        # a user's part that we do not know is what the question is about; a model's own is not
        foreign = Foreign(name=kind, raw=raw, is_feature=role == "user")
        parts.extend((reader(part, raw) if reader else ()) or (foreign,))
    return parts


def take_cache(part: Members) -> tuple[CacheMark | None, str]:
    """The cache mark and its spelling. One of another shape than the known two stays a leftover."""
    if part.shape("cache_control") == "an object":
        members = opened(part.rest["cache_control"], "")
        kind, ttl = members.word("type"), members.word("ttl")
        if kind == "ephemeral" and not members.rest:
            del part.rest["cache_control"]
            return CacheMark(ttl or ""), ""
    elif part.shape("prompt_cache_breakpoint") == "an object":
        members = opened(part.rest["prompt_cache_breakpoint"], "")
        if members.word("mode") == "explicit" and not members.rest:
            del part.rest["prompt_cache_breakpoint"]
            return CacheMark(), "breakpoint"
    return None, ""


def source_of_url(url: str) -> Inline | Link:
    """Data URLs are content, others are links."""
    found = _DATA_URL.fullmatch(url)
    return Inline(found[1], found[2]) if found else Link(url)


def _text(part: Members, _: Raw) -> tuple[Part, ...]:
    text = part.text("text")
    if text is None:
        raise part.missing("text")
    cache, form = take_cache(part)
    return (Text(text=text, cache=cache, form=form, extras=part.rest),)


def _image(part: Members, _: Raw) -> tuple[Part, ...]:
    url, form, detail = _url(part, "image_url")
    cache, mark = take_cache(part)
    return (Image(source=source_of_url(url), detail=detail, cache=cache, form=_joined(form, mark), extras=part.rest),)


def _url(part: Members, name: str) -> tuple[str, str, str]:
    """The URL in a member that is an object or, on some hosts, plain text; then the spelling and the detail."""
    if part.shape(name) == "a string":
        return part.text(name) or "", "plain", ""
    holder = part.object(name)
    if holder is None:
        raise part.missing(name)
    url = holder.text("url")
    if url is None:
        raise holder.missing("url")
    detail = holder.word("detail") or ""
    part.keep(name, holder)
    return url, "", detail


def _audio(part: Members, _: Raw) -> tuple[Part, ...]:
    cache, mark = take_cache(part)
    if part.shape("input_audio") == "a string":  # Mistral: base64 or a URL
        value = part.text("input_audio") or ""
        is_link = value.startswith(("http://", "https://"))
        source = Link(value) if is_link else Inline(_sound_type(value), value)
        return (Audio(source=source, cache=cache, form=_joined("plain", mark), extras=part.rest),)
    holder = part.object("input_audio")
    if holder is None:
        raise part.missing("input_audio")
    data, kind = holder.text("data"), holder.text("format")
    if data is None:
        raise holder.missing("data")
    part.keep("input_audio", holder)
    form = _joined("" if kind else "unnamed", mark)
    media_type = f"audio/{kind}" if kind else _sound_type(data)
    return (Audio(source=Inline(media_type, data), cache=cache, form=form, extras=part.rest),)


def _sound_type(data: str) -> str:
    return "audio/wav" if data.startswith("UklG") else "audio/mp3"  # base64 of RIFF


def _file(part: Members, _: Raw) -> tuple[Part, ...]:
    if part.shape("file") != "an object":
        return ()
    holder = part.object("file") or Members({}, "")
    data = holder.text("file_data")
    file_id = None if data else holder.text("file_id")
    if not data and not file_id:
        return ()
    form = ""
    source: Inline | Link | FileId = FileId(file_id or "")
    if data:
        source = source_of_url(data)
        if isinstance(source, Link) and "://" not in data[:12] and not data.startswith("data:"):
            source, form = Inline("application/pdf", data), "bare"
    name = holder.text("filename") or ""
    part.keep("file", holder)
    cache, mark = take_cache(part)
    return (File(source=source, name=name, cache=cache, form=_joined(form, mark), extras=part.rest),)


def _document(part: Members, _: Raw) -> tuple[Part, ...]:
    url = part.word("document_url")
    if url is None:
        return ()
    name = part.word("document_name") or ""
    return (File(source=source_of_url(url), name=name, form="document_url", extras=part.rest),)


def _linked(name: str, media_type: str) -> Reader:
    def read(part: Members, _: Raw) -> tuple[Part, ...]:
        url, form, detail = _url(part, name)
        if detail:
            return ()
        source = source_of_url(url)
        if isinstance(source, Link):
            source = Link(url, media_type)
        return (File(source=source, form=_joined(name, form), extras=part.rest),)

    return read


def _refusal(part: Members, _: Raw) -> tuple[Part, ...]:
    return (Refused(text=part.text("refusal") or "", form="part", extras=part.rest),)


def _thinking(part: Members, _: Raw) -> tuple[Part, ...]:
    """Mistral: a list of text chunks, https://docs.mistral.ai/capabilities/reasoning/ (2026-11)."""
    if part.shape("thinking") == "a string":
        return (Reasoning(text=part.text("thinking") or "", form="thinking plain", extras=part.rest),)
    raws = part.array("thinking") if part.shape("thinking") == "an array" else []
    texts: list[str] = []
    for raw in raws:
        chunk = opened(raw, "") if shape(raw) == "an object" else Members({}, "")
        text = chunk.word("text")
        if chunk.word("type") != "text" or chunk.rest or text is None:
            return ()  # a reference, say: only Mistral knows what it means
        texts.append(text)
    if not texts:
        return ()
    first = Reasoning(text=texts[0], form="thinking", extras=part.rest)
    return (first, *(Reasoning(text=text, form="thinking more") for text in texts[1:]))


def _joined(*forms: str) -> str:
    return " ".join(filter(None, forms))


_READERS: Final[dict[str, Reader]] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "document_url": _document,
    "file_url": _linked("file_url", ""),
    "video_url": _linked("video_url", "video/mp4"),
    "refusal": _refusal,
    "thinking": _thinking,
}
