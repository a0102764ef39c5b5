"""What a model must be able to do to answer a request, read from the shapes that `peek` has decoded anyway."""

from typing import Final

from headgate.core.needs import NO_NEEDS, PDF, Ability, Needs, names_pdf, needing
from headgate.dialects.openai_responses.wire import NOTHING, ItemHead, PartHead, RequestHead

_CLIENTS_TOOLS: Final = frozenset({"function", "custom"})
_MEDIA: Final[dict[str, Ability]] = {"input_image": "image", "input_audio": "audio"}


def needs_in(head: RequestHead) -> tuple[Needs, bool]:
    """The needs of a whole request, and whether it may name what the service keeps."""
    found: set[Ability] = set()
    may_refer = head.previous_response_id is not NOTHING or head.conversation is not NOTHING
    if type(head.input) is list:
        may_refer |= _look_at(head.input, found)
    if head.tools:
        found.add("tools")
        may_refer = may_refer or any(tool.type not in _CLIENTS_TOOLS for tool in head.tools)
    if head.text is not None and head.text.format is not None and head.text.format.type == "json_schema":
        found.add("json_schema")
    if head.reasoning is not None and head.reasoning.effort != "none":
        found.add("reasoning")
    return needing(frozenset(found)) if found else NO_NEEDS, may_refer


def _look_at(items: list[ItemHead], found: set[Ability]) -> bool:
    """Adds what the parts need; whether one of them names a file."""
    has_files = False
    for item in items:
        for parts in (item.content, item.output):
            if type(parts) is list:
                for part in parts:
                    if part.type in _MEDIA:
                        found.add(_MEDIA[part.type])
                        has_files = has_files or part.file_id is not None
                    elif part.type == "input_file":
                        has_files = has_files or part.file_id is not None
                        if _is_pdf(part):
                            found.add("pdf")
    return has_files


def _is_pdf(part: PartHead) -> bool:
    return (part.file_data or "").startswith(f"data:{PDF}") or any(
        map(names_pdf, filter(None, (part.filename, part.file_url)))
    )
