"""What a model must be able to do to answer a request, read from the shapes that `peek` has decoded anyway."""

from collections.abc import Iterator
from typing import Final

from headgate.core.needs import NO_NEEDS, PDF, Ability, Needs, names_pdf, needing
from headgate.dialects.openai_responses.wire import ItemHead, PartHead, RequestHead

_MEDIA: Final[dict[str, Ability]] = {"input_image": "image", "input_audio": "audio"}


def needs_in(head: RequestHead) -> Needs:
    """The needs of a whole request."""
    found: set[Ability] = set() if isinstance(head.input, str) else set(_media(head.input or []))
    if head.tools:
        found.add("tools")
    if head.text is not None and head.text.format is not None and head.text.format.type == "json_schema":
        found.add("json_schema")
    if head.reasoning is not None and head.reasoning.effort != "none":
        found.add("reasoning")
    return needing(frozenset(found)) if found else NO_NEEDS


def _media(items: list[ItemHead]) -> Iterator[Ability]:
    for item in items:
        for parts in (item.content, item.output):
            if type(parts) is list:
                for part in parts:
                    if part.type in _MEDIA:
                        yield _MEDIA[part.type]
                    elif part.type == "input_file" and _is_pdf(part):
                        yield "pdf"


def _is_pdf(part: PartHead) -> bool:
    return (part.file_data or "").startswith(f"data:{PDF}") or any(
        map(names_pdf, filter(None, (part.filename, part.file_url)))
    )
