"""A request of another dialect, made one of this: what cannot be said is refused or told. Writes nothing itself."""

import base64
import binascii
import hashlib
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from headgate.core.problems import Unrenderable
from headgate.core.reasoning import effort_of_budget
from headgate.core.request import (
    Audio,
    CacheMark,
    Extras,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Knobs,
    Link,
    Message,
    Part,
    Reasoning,
    ReasoningKnob,
    Refused,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.tools import as_functions
from headgate.dialects.openai_chat.reasoning import DETAIL
from headgate.dialects.openai_chat.wire import NAME, NULL

_CALL_ID_LENGTH_MAX: Final = 40  # `tool_calls[].id` and `tool_call_id`: "string too long", seen 2026-11
_SOUNDS: Final = frozenset({"audio/mpeg", "audio/mp3", "audio/wav", "audio/x-wav"})

# OpenAI's two APIs share these to the letter, https://platform.openai.com/docs/api-reference (2026-11).
_KINDRED: Final = {
    "openai_responses": frozenset(
        {
            "metadata",
            "moderation",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
        }
    )
}

Media = Image | Audio | File


class _Adoption(Struct):
    """One request under way: what the target permits, what was dropped, which calls wait for results."""

    dropped: set[str]
    quirks: tuple[str, ...]
    is_kin: bool
    """Whether the request is for the same service, which then knows its own file ids."""
    waiting: list[tuple[str, str]] = field(default_factory=list)
    """Calls that no result has answered yet: id on our wire, name."""
    ids: dict[str, str] = field(default_factory=dict)
    media: list[Part] = field(default_factory=list)
    """What tools answered beside words: this API takes it from the user alone."""

    def leave(self, extras: Extras, where: str = "") -> None:
        """Reports leftovers: they are another dialect's."""
        self.dropped.update(where + name for name, raw in extras.items() if raw != NULL)

    def cache(self, mark: CacheMark | None) -> CacheMark | None:
        """A cache mark, where the target knows them."""
        if mark is not None and "cache_control" not in self.quirks:
            self.dropped.add("cache_control")
            return None
        return mark


def adopted(request: Request, quirks: tuple[str, ...], dropped: set[str]) -> Request:
    """The same call as a client of this dialect would have made it.

    Custom tools become functions here too, although OpenAI has them: a call that must be translated goes as a rule
    to a host of other makers' models, and few of those take free text.
    """
    request = as_functions(request, dropped)
    adoption = _Adoption(dropped, quirks, request.dialect in _KINDRED)
    kindred = _KINDRED.get(request.dialect, frozenset[str]())
    adoption.leave({name: raw for name, raw in request.extras.items() if name not in kindred})
    messages: list[Message] = []
    for number, message in enumerate(request.messages):
        messages += _turns(message, number, adoption)
    messages += _media_turn(adoption)
    return Request(
        dialect=NAME,
        model=request.model,
        messages=tuple(messages),
        tools=tuple(_tool(tool, adoption) for tool in request.tools if isinstance(tool, Tool)),
        tool_choice=_choice(request, adoption),
        knobs=_knobs(request, adoption),
        is_stream=request.is_stream,
        extras={name: raw for name, raw in request.extras.items() if name in kindred and raw != NULL},
    )


def _turns(message: Message, number: int, adoption: _Adoption) -> list[Message]:
    """A turn's messages: tool results first, as they must follow their calls, then what else was said."""
    adoption.leave(message.extras, "messages.")
    results = [_result(part, adoption) for part in message.parts if isinstance(part, ToolResult)]
    turns = [Message(role="tool", parts=(result,)) for result in results]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    if results and not others:
        return turns
    turns += _media_turn(adoption)
    if message.role == "assistant":
        adoption.waiting.clear()
    parts = [new for part in message.parts for new in _part(part, message.role, f"call_{number}", adoption)]
    role = "user" if message.role == "tool" else message.role
    return [*turns, _spelt(Message(role=role, parts=tuple(parts), name=message.name), adoption.quirks)]


def _spelt(message: Message, quirks: tuple[str, ...]) -> Message:
    has_calls = any(isinstance(part, ToolCall) for part in message.parts)
    has_content = any(isinstance(part, Text | Image | Audio | File) for part in message.parts)
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    form = ["reasoning_content"] if thoughts and "reasoning_content_field" in quirks else []
    form += [] if has_content or has_calls else ["empty"]
    extras: Extras = {"content": NULL} if has_calls and not has_content else {}
    return replace(message, form=" ".join(form), extras=extras)


def _media_turn(adoption: _Adoption) -> list[Message]:
    if not adoption.media:
        return []
    parts, adoption.media = tuple(adoption.media), []
    return [Message(role="user", parts=parts, form="list")]


def _part(part: Part, role: str, call_id: str, adoption: _Adoption) -> list[Part]:
    adoption.leave({} if isinstance(part, Foreign) else part.extras, "messages.")
    match part:
        case Text():
            _drop_signature(part, adoption)
            return [Text(text=part.text, cache=adoption.cache(part.cache))] if part.text else []
        case Reasoning():
            return _thought(part, adoption)
        case ToolCall():
            return [_call(part, call_id, adoption)]
        case Image() | Audio() | File():
            if role not in ("user", "tool"):
                raise Unrenderable(f"this API takes images, sound and files only from the user, not the {role}")
            return [_medium(part, adoption)]
        case Refused():
            return [Refused(text=part.text)] if role == "assistant" else [Text(text=part.text)]
        case Foreign():
            if part.is_feature:
                raise Unrenderable(f"this API has no content like {part.name!r}", param="messages")
            adoption.dropped.add(part.name)
            return []
        case _:
            return []  # a result, told before


def _thought(part: Reasoning, adoption: _Adoption) -> list[Part]:
    is_ours = part.signature is not None and part.signature.minted_by == NAME
    if is_ours and "reasoning_details_field" in adoption.quirks:
        kind = "reasoning.encrypted" if part.is_redacted else "reasoning.text"
        return [Reasoning(text=part.text, signature=part.signature, is_redacted=part.is_redacted, form=_detail(kind))]
    if part.signature is not None:
        adoption.dropped.add("reasoning.signature")
    if part.text and "reasoning_content_field" in adoption.quirks:
        return [Reasoning(text=part.text)]
    if part.text:
        adoption.dropped.add("reasoning")  # OpenAI takes no thinking back
    return []


def _detail(kind: str) -> str:
    return f'{DETAIL}{{"type":"{kind}","format":"unknown"}}'


def _drop_signature(part: Text | ToolCall, adoption: _Adoption) -> None:
    if part.signature is not None:
        adoption.dropped.add("reasoning.signature")


def _call(part: ToolCall, substitute: str, adoption: _Adoption) -> ToolCall:
    call_id = _short(part.id or f"{substitute}_{len(adoption.waiting)}")
    adoption.waiting.append((call_id, part.name))
    keeps = part.signature is not None and part.signature.minted_by == "gemini"
    signature = part.signature if keeps and "google_signatures" in adoption.quirks else None
    if signature is None:
        _drop_signature(part, adoption)
    cache = adoption.cache(part.cache)
    return ToolCall(id=call_id, name=part.name, arguments=part.arguments or "{}", cache=cache, signature=signature)


def _short(call_id: str) -> str:
    """An id of a length that the API takes; the same on call and result."""
    if len(call_id) <= _CALL_ID_LENGTH_MAX:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:32]}"


def _result(part: ToolResult, adoption: _Adoption) -> ToolResult:
    adoption.leave(part.extras, "messages.")
    if part.is_error:
        adoption.dropped.add("tool_result.is_error")
    call_id = _answered(part, adoption)
    words: list[Text] = []
    media: list[Part] = []
    for inner in part.parts:
        for new in _part(inner, "tool", call_id, adoption):
            if isinstance(new, Text):
                words.append(new)
            else:
                media.append(new)
    if media:
        adoption.media += [Text(text=f"Output of tool call {call_id}:"), *media]
    form = "" if words else "empty"
    return ToolResult(call_id=call_id, parts=tuple(words), cache=adoption.cache(part.cache), form=form)


def _answered(part: ToolResult, adoption: _Adoption) -> str:
    """The id of the call that a result answers: by id, else by name, else by order. One without a call is refused."""
    wire_id = _short(part.call_id)
    by_id = [call for call in adoption.waiting if call[0] == wire_id]
    by_name = [call for call in adoption.waiting if call[1] == part.name]
    found = next(iter(by_id or by_name or adoption.waiting), None)
    if found is None:
        return wire_id or f"call_{part.name}"
    adoption.waiting.remove(found)
    return found[0]


def _medium(part: Media, adoption: _Adoption) -> Part:
    cache = adoption.cache(part.cache)
    match part:
        case Image():
            return Image(source=part.source, detail=part.detail, cache=cache)
        case Audio():
            if not isinstance(part.source, Inline) or part.source.media_type not in _SOUNDS:
                raise Unrenderable("this API takes sound only inline, as wav or mp3", param="messages")
            return Audio(source=part.source, cache=cache)
        case file:
            return _file(file, cache, adoption)


def _file(part: File, cache: CacheMark | None, adoption: _Adoption) -> Part:
    source = part.source
    match source:
        case Inline() if source.media_type.startswith("text/"):  # `file` is for PDFs: words are said as words
            return Text(text=_decoded(source.data), cache=cache)
        case Inline() if not source.media_type.startswith(("video/", "audio/")):
            return File(source=source, name=part.name or "document", cache=cache)
        case FileId() if adoption.is_kin:
            return File(source=source, cache=cache)
        case Link() if "file_data_url" in adoption.quirks:
            return File(source=source, name=part.name or "document", cache=cache)
        case _:
            raise Unrenderable("this API takes files only inline, and no video", param="messages")


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except binascii.Error:
        raise Unrenderable("a text file's content is not base64", param="messages") from None


def _tool(tool: Tool, adoption: _Adoption) -> Tool:
    adoption.leave(tool.extras, "tools.")
    cache = adoption.cache(tool.cache)
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        is_strict=tool.is_strict,
        cache=cache,
    )


def _choice(request: Request, adoption: _Adoption) -> ToolChoice | None:
    choice = request.tool_choice
    if choice is None:
        return None
    adoption.leave(choice.extras, "tool_choice.")
    if not request.tools:  # refused there: "'tool_choice' is only allowed when 'tools' are specified"
        return None
    return ToolChoice(mode=choice.mode, name=choice.name)


def _knobs(request: Request, adoption: _Adoption) -> Knobs:
    knobs = request.knobs
    if knobs.top_k is not None:
        adoption.dropped.add("top_k")
    output = knobs.output_format
    if output is not None:
        adoption.leave(output.extras, "output_format.")
        name = "" if output.schema is None else output.name or "response"
        form = "json_object" if output.schema is None else ""
        output = replace(output, name=name, form=form, extras={})
    reasoning = _effort(knobs.reasoning, adoption) if knobs.reasoning else None
    parallel = knobs.parallel_tool_calls if request.tools else None  # refused without tools, like `tool_choice`
    return replace(knobs, top_k=None, output_format=output, reasoning=reasoning, parallel_tool_calls=parallel)


def _effort(knob: ReasoningKnob, adoption: _Adoption) -> ReasoningKnob | None:
    adoption.leave(knob.extras, "reasoning.")
    if knob.is_visible is not None:
        adoption.dropped.add("reasoning.is_visible")
    effort = knob.effort
    if effort is None and knob.budget_tokens is not None and knob.budget_tokens >= 0:
        effort = effort_of_budget(knob.budget_tokens)
    return ReasoningKnob(effort=effort) if effort else None
