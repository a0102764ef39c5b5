"""A request of another dialect, made one of this: what cannot be said is refused or told. Writes nothing itself."""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Raw, field
from msgspec.structs import replace

from headgate.core.problems import Unrenderable
from headgate.core.reasoning import effort_of_budget
from headgate.core.request import (
    Audio,
    Effort,
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
    ToolResult,
)
from headgate.core.tools import as_functions
from headgate.dialects.adopting import Losses, bare_format, words_or_picture
from headgate.dialects.ollama.wire import NAME

_ROLES: Final = {"developer": "system", "tool": "user"}
_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')  # the API requires some

_TAKES_WORDS = re.compile(r"gpt-oss")
"""The one family of models that is told how hard to think; the others take a yes or no, and refuse words
(https://docs.ollama.com/capabilities/thinking, 2026-11)."""
_WORDS: Final[dict[Effort, Effort]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}

_Said = Text | Reasoning | ToolCall | Image | Audio | File | Refused | Foreign


class _Adoption(Losses):
    """One request under way: what was dropped, and the names of the calls so far."""

    model: str
    names: dict[str, str] = field(default_factory=dict)


def adopted(request: Request, model: str, dropped: set[str]) -> Request:
    """The same call as a client of this dialect would have made it to that model."""
    request = as_functions(request, dropped)
    adoption = _Adoption(dropped, model)
    adoption.leave(request.extras)
    messages = [new for i, message in enumerate(request.messages) for new in _turns(message, i, adoption)]
    return Request(
        dialect=NAME,
        model=request.model,
        messages=tuple(messages) or (Message(role="user", parts=(), form="empty"),),
        tools=_tools(request, adoption),
        knobs=_knobs(request.knobs, adoption),
        is_stream=request.is_stream,
    )


def _turns(message: Message, number: int, adoption: _Adoption) -> list[Message]:
    """A turn's messages: tool results first, as they must follow their calls, then what else was said."""
    adoption.leave(message.extras, "messages.")
    adoption.drop("messages.name", message.name)
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    turns = [Message(role="tool", parts=(_result(part, adoption),)) for part in results]
    others = [part for part in message.parts if not isinstance(part, ToolResult)]
    parts = [new for i, part in enumerate(others) for new in _part(part, f"call_{number}_{i}", adoption)]
    if not parts:
        return turns
    role = _ROLES.get(message.role, message.role)
    # an assistant's texts are pieces of one, anybody else's stand each for itself
    parts = _joined(parts, "" if role == "assistant" else "\n\n")
    form = "" if any(isinstance(part, Text) for part in parts) else "empty"
    return [*turns, Message(role=role, parts=tuple(parts), form=form)]  # pyright: ignore[reportArgumentType]


def _joined(parts: Iterable[Part], between: str) -> list[Part]:
    """The parts with all words in one."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    words: list[Part] = [Text(text=between.join(texts))] if texts else []
    return words + [part for part in parts if not isinstance(part, Text)]


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
            adoption.names[part.id] = part.name
            return [ToolCall(id=part.id or call_id, name=part.name, arguments=part.arguments)]
        case Image():
            adoption.drop("messages.detail", part.detail not in ("", "auto"))
            return [Image(source=part.source)]
        case File():
            return [words_or_picture(part, "Ollama", adoption)]
        case Audio():
            raise Unrenderable("Ollama's chat takes no sound; send its words", param="messages")
        case foreign:
            if foreign.is_feature:
                raise Unrenderable(f"Ollama has no content like {foreign.name!r}", param="messages")
            adoption.dropped.add(foreign.name)
            return []


def _result(part: ToolResult, adoption: _Adoption) -> ToolResult:
    adoption.leave(part.extras, "messages.")
    adoption.drop("tool_result.is_error", part.is_error)
    adoption.drop("cache_control", part.cache)
    inner = _joined([new for piece in part.parts for new in _part(piece, part.call_id, adoption)], "\n\n")
    name = part.name or adoption.names.get(part.call_id, "")
    form = ["no_name"] if not name else []
    form += [] if any(isinstance(piece, Text) for piece in inner) else ["empty"]
    parts = tuple(piece for piece in inner if isinstance(piece, Text | Image))
    return ToolResult(call_id=part.call_id, name=name, parts=parts, form=" ".join(form))


def _tools(request: Request, adoption: _Adoption) -> tuple[Tool, ...]:
    """The tools. A model cannot be made to call one; but one that is not offered is not called."""
    owned = [tool for tool in request.tools if isinstance(tool, Tool)]
    choice = request.tool_choice
    if choice is not None:
        adoption.leave(choice.extras, "tool_choice.")
        adoption.drop("tool_choice", choice.mode in ("any", "tool"))
        owned = [tool for tool in owned if choice.mode in ("auto", "any") or tool.name == choice.name]
    tools: list[Tool] = []
    for tool in owned:
        adoption.leave(tool.extras, "tools.")
        adoption.drop("cache_control", tool.cache)
        adoption.drop("tools.strict", tool.is_strict)
        parameters = _NO_PARAMETERS if tool.parameters is None else tool.parameters
        tools.append(Tool(name=tool.name, description=tool.description, parameters=parameters))
    return tuple(tools)


def _knobs(knobs: Knobs, adoption: _Adoption) -> Knobs:
    if knobs.candidates is not None and knobs.candidates > 1:
        raise Unrenderable("Ollama gives one answer to a call; ask for n: 1", param="n")
    adoption.drop("parallel_tool_calls", knobs.parallel_tool_calls is False)
    adoption.drop("user", knobs.user)
    return replace(
        knobs,
        candidates=None,
        parallel_tool_calls=None,
        user=None,
        output_format=bare_format(knobs.output_format, adoption),
        reasoning=_think(knobs.reasoning, adoption),
    )


def _think(knob: ReasoningKnob | None, adoption: _Adoption) -> ReasoningKnob | None:
    if knob is None:
        return None
    adoption.leave(knob.extras, "reasoning.")
    adoption.drop("reasoning.is_visible", knob.is_visible is not None)
    effort = knob.effort
    if effort is None and knob.budget_tokens is not None and knob.budget_tokens >= 0:
        effort = effort_of_budget(knob.budget_tokens)
    word = _WORDS.get(effort) if effort is not None and _TAKES_WORDS.search(adoption.model) else None
    adoption.drop("reasoning.effort", knob.effort not in (None, "none", word))
    adoption.drop("reasoning.budget_tokens", knob.budget_tokens)
    if word is not None:
        return ReasoningKnob(effort=word, form="word")
    return ReasoningKnob(effort="none" if effort == "none" else None)
