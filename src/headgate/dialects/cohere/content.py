"""The parts of a message's content, read. What a part holds beyond its canonical meaning stays in its extras.

https://docs.cohere.com/v2/reference/chat#request.body.messages (2026-11).
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from headgate.core.request import Foreign, Image, Inline, Link, Part, Reasoning, Text
from headgate.dialects.members import Members, invalid, opened, shape

DOCUMENT: Final = "document"
"""The form of a document: its data as JSON text."""
SAID: Final = "document said"
"""The form of a document that was given as plain words."""

_DATA_URL = re.compile(r"data:([^,]*);base64,(.*)", re.DOTALL)


def read_content(message: Members, *, role: str) -> tuple[list[Part], str]:
    """The parts of `content` and how they were spelt: `list`, `empty`, or "" for plain text or none."""
    match message.shape("content"):
        case "" | "null":
            return [], ""
        case "a string":
            text = message.text("content") or ""
            return ([Text(text=text)], "") if text else ([], "empty")
        case "an array":
            message.take_empty("content")
            path, raws = message.at("content"), message.array("content")
            return [_read_part(raw, f"{path}[{i}]", role) for i, raw in enumerate(raws)], "list"
        case seen:
            raise invalid(message.at("content"), "a string or an array", seen)


def _read_part(raw: Raw, path: str, role: str) -> Part:
    part = opened(raw, path)
    kind = part.text("type")
    if kind is None:
        raise part.missing("type")
    reader = _READERS.get(kind)
    # a user's part that we do not know is what the question is about; a model's own is not
    return reader(part) if reader else Foreign(name=kind, raw=raw, is_feature=role == "user")


def _text(part: Members) -> Part:
    text = part.text("text")
    if text is None:
        raise part.missing("text")
    return Text(text=text, extras=part.rest)


def _thinking(part: Members) -> Part:
    text = part.text("thinking")
    if text is None:
        raise part.missing("thinking")
    return Reasoning(text=text, extras=part.rest)


def _image(part: Members) -> Part:
    holder = part.object("image_url")
    if holder is None:
        raise part.missing("image_url")
    url = holder.text("url")
    if url is None:
        raise holder.missing("url")
    detail = holder.word("detail") or ""
    part.keep("image_url", holder)
    found = _DATA_URL.fullmatch(url)
    return Image(source=Inline(found[1], found[2]) if found else Link(url), detail=detail, extras=part.rest)


def _document(part: Members) -> Part:
    if part.shape("document") == "a string":
        return Text(text=part.text("document") or "", form=SAID, extras=part.rest)
    holder = part.object("document")
    if holder is None:
        raise part.missing("document")
    text = _data(holder)
    part.keep("document", holder)
    return Text(text=text, form=DOCUMENT, extras=part.rest)


def read_document(raw: Raw, path: str) -> Text:
    """One entry of the request's `documents`."""
    if shape(raw) == "a string":
        alone = Members({"document": raw}, path)
        return Text(text=alone.text("document") or "", form=SAID)
    holder = opened(raw, path)
    text = _data(holder)
    return Text(text=text, form=DOCUMENT, extras=holder.rest)


def _data(holder: Members) -> str:
    if holder.shape("data") != "an object":
        raise invalid(holder.at("data"), "an object", holder.shape("data") or "missing")
    return bytes(holder.rest.pop("data")).decode()


_READERS: Final[dict[str, Callable[[Members], Part]]] = {
    "text": _text,
    "thinking": _thinking,
    "image_url": _image,
    "document": _document,
}
