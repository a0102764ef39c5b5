"""What a model must be able to do to answer a request, read from the shapes that `peek` has decoded anyway."""

from collections.abc import Iterator
from typing import Final

from headgate.core.needs import NO_NEEDS, PDF, Ability, Needs, needing
from headgate.dialects.gemini.wire import (
    Content,
    FunctionResponse,
    GenerateContent,
    GenerationConfig,
    Part,
    ResponsePart,
    ThinkingConfig,
)

_MEDIA: Final[dict[str, Ability]] = {"image": "image", "audio": "audio"}


def needs_in(seen: GenerateContent) -> Needs:
    """The needs of a whole request."""
    found = set(_media(seen.contents))
    if seen.tools:
        found.add("tools")
    config = seen.generationConfig or seen.generation_config
    if config is not None:
        found.update(_knobs(config))
    return needing(frozenset(found)) if found else NO_NEEDS


def _knobs(config: GenerationConfig) -> Iterator[Ability]:
    schemas = (config.responseSchema, config.response_schema, config.responseJsonSchema, config.response_json_schema)
    if any(schema is not None for schema in schemas):
        yield "json_schema"
    thinking = config.thinkingConfig or config.thinking_config
    if thinking is not None and _is_thinking(thinking):
        yield "reasoning"


def _is_thinking(config: ThinkingConfig) -> bool:
    """A budget of 0 means not at all."""
    return (config.thinkingBudget if config.thinking_budget is None else config.thinking_budget) != 0


def _media(contents: list[Content] | Content) -> Iterator[Ability]:
    for content in contents if isinstance(contents, list) else [contents]:
        parts = content.parts if isinstance(content.parts, list) else [content.parts]
        for part in parts:
            if part is None or part.text is not None:
                continue
            if (response := part.functionResponse or part.function_response) is not None:
                yield from _answered(response)
            elif ability := _ability(_media_type(part)):
                yield ability


def _answered(response: FunctionResponse) -> Iterator[Ability]:
    """What a function answered beside JSON."""
    for part in response.parts if isinstance(response.parts, list) else [response.parts]:
        if part is not None and (ability := _ability(_media_type(part))):
            yield ability


def _media_type(part: Part | ResponsePart) -> str:
    blob = part.inlineData or part.inline_data
    if blob is not None:
        return blob.mimeType or blob.mime_type or ""
    file = part.fileData or part.file_data
    return "" if file is None else file.mimeType or file.mime_type or ""


def _ability(media_type: str) -> Ability | None:
    return "pdf" if media_type == PDF else _MEDIA.get(media_type.partition("/")[0])
