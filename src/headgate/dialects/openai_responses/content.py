"""Content parts of input items, read: text, pictures, files, sound. Must not know items or turns."""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from headgate.core.request import Audio, CacheMark, File, FileId, Foreign, Image, Inline, Link, Refused, Source, Text
from headgate.dialects.openai_responses.reading import Node, missing, read_members
from headgate.dialects.openai_responses.wire import Members, encoded, spelling

ContentPart = Text | Image | Audio | File | Refused | Foreign

DEFAULT_TEXT: Final = "input_text"
_BREAKPOINT: Final = "prompt_cache_breakpoint"
_MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
}


def parse_part(raw: Raw, path: str, text_type: str) -> ContentPart:
    """One content part; `text_type` is the name a text goes by in this place."""
    node = read_members(raw, path)
    kind = node.text("type")
    if kind is None:
        raise missing(node.at("type"), 'say what the part is, such as "input_text".')
    if kind in _TEXT_TYPES:
        return _text(node, kind, text_type)
    parser = _PARSERS.get(kind)
    part = parser(node) if parser is not None else None
    return part if part is not None else Foreign(name=kind, raw=raw, is_feature=True)


def canonical_head(source: Inline) -> str:
    """What precedes the base64 text in a data URL of `source`."""
    return f"data:{source.media_type};base64"


def _text(node: Node, kind: str, text_type: str) -> Text:
    text = node.text("text")
    if text is None:
        raise missing(node.at("text"), "a text part holds a string.")
    form: Members = {} if kind == text_type else {"type": encoded(kind)}
    form |= node.keep_empty("annotations", "logprobs")  # they come back with every echoed answer
    return Text(text=text, cache=_cache(node, form), form=spelling(form), extras=node.rest)


def _cache(node: Node, form: Members) -> CacheMark | None:
    if node.rest.get(_BREAKPOINT) is None:
        return None
    form |= node.keep(_BREAKPOINT)
    return CacheMark()


def _refusal(node: Node) -> Refused | None:
    text = node.text("refusal")
    return None if text is None else Refused(text=text, extras=node.rest)


def _image(node: Node) -> Image | None:
    url = node.text("image_url")
    file_id = node.text("file_id") if url is None else None
    form = node.keep_empty("detail")
    if url is not None:
        source = _source_of_url(url, form)
    elif file_id is not None:
        source = FileId(file_id)
    else:
        return None
    detail = node.text("detail") or ""
    return Image(source=source, detail=detail, cache=_cache(node, form), form=spelling(form), extras=node.rest)


def _file(node: Node) -> File | None:
    form = node.keep_empty("filename", "detail")
    name = node.text("filename") or ""
    source: Source
    if (data := node.text("file_data")) is not None:
        source = _source_of_data(data, name, form)
    elif (url := node.text("file_url")) is not None:
        source = Link(url)
    elif (file_id := node.text("file_id")) is not None:
        source = FileId(file_id)
    else:
        return None
    return File(source=source, name=name, cache=_cache(node, form), form=spelling(form), extras=node.rest)


def _audio(node: Node) -> Audio | None:
    inner = node.node("input_audio")
    if inner is None:
        return None
    data, wire_format = inner.text("data"), inner.text("format")
    if data is None or wire_format is None or inner.rest:
        return None
    form: Members = {}
    return Audio(
        source=Inline(f"audio/{wire_format}", data), cache=_cache(node, form), form=spelling(form), extras=node.rest
    )


def _source_of_url(url: str, form: Members) -> Source:
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        return Link(url)
    source = Inline(head[5:-7].partition(";")[0], data)
    if head != canonical_head(source):
        form["head"] = encoded(head)
    return source


def _source_of_data(data: str, name: str, form: Members) -> Source:
    """The reference asks for a data URL, but bare base64 is accepted too."""
    if data.startswith("data:"):
        return _source_of_url(data, form)
    form["head"] = encoded("")
    return Inline(_MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/pdf"), data)


_TEXT_TYPES: Final = frozenset({"input_text", "output_text", "text"})
_PARSERS: Final[dict[str, Callable[[Node], ContentPart | None]]] = {
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
