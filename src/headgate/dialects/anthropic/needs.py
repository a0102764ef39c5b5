"""What a model must be able to do to answer a request, read from the shapes that `peek` has decoded anyway."""

from collections.abc import Sequence
from typing import Final

from headgate.core.needs import NO_NEEDS, Ability, Needs, needing
from headgate.dialects.anthropic.wire import (
    DisabledWire,
    DocumentWire,
    FormatWire,
    ImageWire,
    RequestWire,
    SourceWire,
    ToolResultWire,
)

_TELLING: Final = frozenset({ImageWire, DocumentWire, ToolResultWire})


def needs_in(head: RequestWire) -> Needs:
    """The needs of a whole request."""
    found: set[Ability] = set()
    for turn in head.messages:
        if type(turn.content) is list:
            _add_media(turn.content, found)
    if head.tools:
        found.add("tools")
    config = head.output_config
    if _is_schema(head.output_format) or (config is not None and _is_schema(config.format)):
        found.add("json_schema")
    if head.thinking is None:
        is_thinking = config is not None and bool(config.effort)
    else:
        is_thinking = not isinstance(head.thinking, DisabledWire)
    if is_thinking:
        found.add("reasoning")
    return needing(frozenset(found)) if found else NO_NEEDS


def _is_schema(form: FormatWire | None) -> bool:
    return form is not None and form.type == "json_schema"


def _add_media(blocks: Sequence[object], found: set[Ability]) -> None:
    """What stands in a turn, and in the answers of its tools. Long conversations have many blocks: types first."""
    for block in blocks:
        if type(block) in _TELLING:
            match block:
                case ToolResultWire(content=list(inner)):
                    _add_media(inner, found)
                case ImageWire():
                    found.add("image")
                case DocumentWire(source=SourceWire(media_type="application/pdf")):
                    found.add("pdf")
                case _:
                    pass
