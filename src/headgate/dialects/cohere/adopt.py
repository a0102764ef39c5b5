"""A request of another dialect, made one of this: what cannot be said is refused or told. Writes nothing itself."""

from typing import Final

from msgspec import Raw, field
from msgspec.structs import replace

from headgate.core.problems import Unrenderable
from headgate.core.reasoning import budget_of_effort
from headgate.core.request import (
    Audio,
    File,
    Foreign,
    Image,
    Knobs,
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
from headgate.dialects.adopting import Losses, bare_format, words_or_picture
from headgate.dialects.cohere.wire import NAME, PLAN

# https://docs.cohere.com/v2/reference/chat (2026-11): beyond these the API refuses
_RANGES: Final = {"temperature": (0.0, 1.0), "top_p": (0.01, 0.99), "top_k": (0, 500)}
_SEED_MAX: Final = 2**64 - 1
_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')  # the API requires some
_UNSAID: Final[tuple[str, ...]] = ("top_logprobs", "user")

_Said = Text | Reasoning | ToolCall | Image | Audio | File | Refused | Foreign


class _Adoption(Losses):
    """One request under way: what was dropped, and what tools answered beside words."""

    media: list[Part] = field(default_factory=list)
    """The API takes pictures from the user alone."""


def adopted(request: Request, dropped: set[str]) -> Request:
    """The same call as a client of this dialect would have made it."""
    request = as_functions(request, dropped)
    adoption = _Adoption(dropped)
    adoption.leave(request.extras)
    messages: list[Message] = []
    for number, message in enumerate(request.messages):
        messages += _turns(message, number, adoption)
    messages += _media_turn(adoption)
    messages = messages or [Message(role="user", parts=(), form="empty")]
    tools, choice = _tools(request, adoption)
    return Request(
        dialect=NAME,
        model=request.model,
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        knobs=_knobs(request.knobs, adoption),
        is_stream=request.is_stream,
    )


def _turns(message: Message, number: int, adoption: _Adoption) -> list[Message]:
    """A turn's messages: tool results first, as they must follow their calls, then what else was said."""
    adoption.leave(message.extras, "messages.")
    adoption.drop("messages.name", message.name)
    turns = [
        Message(role="tool", parts=(_result(part, adoption),)) for part in message.parts if isinstance(part, ToolResult)
    ]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    if not others:
        return turns
    turns += _media_turn(adoption)
    has_calls = any(isinstance(part, ToolCall) for part in others)
    parts = [new for i, part in enumerate(others) for new in _part(part, f"call_{number}_{i}", adoption)]
    if has_calls:  # where there are calls, every model takes its thoughts as the plan that led to them
        parts = [replace(part, form=PLAN) if isinstance(part, Reasoning) else part for part in parts]
    if not parts:
        return turns
    role = {"developer": "system", "tool": "user"}.get(message.role, message.role)
    if role not in ("user", "tool") and any(isinstance(part, Image) for part in parts):
        raise Unrenderable(f"Cohere takes images only from the user, not the {role}", param="messages")
    return [*turns, Message(role=role, parts=tuple(parts))]  # pyright: ignore[reportArgumentType]


def _media_turn(adoption: _Adoption) -> list[Message]:
    if not adoption.media:
        return []
    parts, adoption.media = tuple(adoption.media), []
    return [Message(role="user", parts=parts)]


def _part(part: _Said, call_id: str, adoption: _Adoption) -> list[Part]:
    adoption.leave({} if isinstance(part, Foreign) else part.extras, "messages.")
    if not isinstance(part, Foreign | Reasoning | Refused):
        adoption.drop("cache_control", part.cache)
    if isinstance(part, Text | Reasoning | ToolCall):
        adoption.drop("reasoning.signature", part.signature)
    match part:
        case Text() | Refused():
            return [Text(text=part.text)] if part.text else []
        case Reasoning():
            return [Reasoning(text=part.text)] if part.text else []
        case ToolCall():
            return [ToolCall(id=part.id or call_id, name=part.name, arguments=part.arguments or "{}")]
        case Image():
            detail = part.detail if part.detail in ("auto", "low", "high") else ""
            adoption.drop("messages.detail", part.detail != detail)
            return [Image(source=part.source, detail=detail)]
        case File():
            return [words_or_picture(part, "Cohere", adoption)]
        case Audio():
            raise Unrenderable("Cohere's chat takes no sound; send its words", param="messages")
        case foreign:
            if foreign.is_feature:
                raise Unrenderable(f"Cohere has no content like {foreign.name!r}", param="messages")
            adoption.dropped.add(foreign.name)
            return []


def _result(part: ToolResult, adoption: _Adoption) -> ToolResult:
    adoption.leave(part.extras, "messages.")
    adoption.drop("tool_result.is_error", part.is_error)
    adoption.drop("cache_control", part.cache)
    words: list[Text] = []
    media: list[Part] = []
    for inner in part.parts:
        for new in _part(inner, part.call_id, adoption):
            if isinstance(new, Text):
                words.append(new)
            else:
                media.append(new)
    if media:
        adoption.media += [Text(text=f"Output of tool call {part.call_id}:"), *media]
    return ToolResult(call_id=part.call_id, parts=tuple(words), form="" if words else "empty")


def _tools(request: Request, adoption: _Adoption) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The tools, and whether one must be called. There is no way to name one: it is the only one offered then."""
    owned = [tool for tool in request.tools if isinstance(tool, Tool)]
    choice = request.tool_choice
    if choice is not None and choice.mode == "tool":
        owned = [tool for tool in owned if tool.name == choice.name]
    is_strict = bool(owned) and all(tool.is_strict for tool in owned)
    adoption.drop("tools.strict", not is_strict and any(tool.is_strict for tool in owned))
    tools: list[Tool] = []
    for tool in owned:
        adoption.leave(tool.extras, "tools.")
        adoption.drop("cache_control", tool.cache)
        parameters = _NO_PARAMETERS if tool.parameters is None else tool.parameters
        tools.append(
            Tool(
                name=tool.name,
                description=tool.description,
                parameters=parameters,
                is_strict=True if is_strict else None,
            )
        )
    if choice is None:
        return tuple(tools), None
    adoption.leave(choice.extras, "tool_choice.")
    if not tools or choice.mode == "auto":
        return tuple(tools), None
    return tuple(tools), ToolChoice(mode="none" if choice.mode == "none" else "any")


def _knobs(knobs: Knobs, adoption: _Adoption) -> Knobs:
    if knobs.candidates is not None and knobs.candidates > 1:
        raise Unrenderable("Cohere gives one answer to a call; ask for n: 1", param="n")
    adoption.drop("parallel_tool_calls", knobs.parallel_tool_calls is False)
    for name in _UNSAID:
        adoption.drop(name, getattr(knobs, name))
    fitted: dict[str, object] = {"candidates": None, "parallel_tool_calls": None, **dict.fromkeys(_UNSAID)}
    for name, (least, most) in _RANGES.items():
        value = getattr(knobs, name)
        if value is not None and not least <= value <= most:
            fitted[name] = min(max(value, least), most)
            adoption.dropped.add(f"{name}>{most}" if value > most else f"{name}<{least}")
    if knobs.seed is not None and not 0 <= knobs.seed <= _SEED_MAX:
        fitted["seed"] = None
        adoption.dropped.add("seed")
    fitted["output_format"] = bare_format(knobs.output_format, adoption)
    fitted["reasoning"] = _thinking(knobs.reasoning, adoption)
    return replace(knobs, **fitted)


def _thinking(knob: ReasoningKnob | None, adoption: _Adoption) -> ReasoningKnob | None:
    """A switch and a number of tokens: effort words become the number that they stand for."""
    if knob is None:
        return None
    adoption.leave(knob.extras, "reasoning.")
    adoption.drop("reasoning.is_visible", knob.is_visible is not None)
    if knob.effort == "none":
        return ReasoningKnob(effort="none", form="disabled")
    if knob.effort is None and knob.budget_tokens is None:
        return None
    budget = knob.budget_tokens
    if budget is None and knob.effort is not None:
        budget = budget_of_effort(knob.effort)
    return ReasoningKnob(budget_tokens=budget, form="enabled")
