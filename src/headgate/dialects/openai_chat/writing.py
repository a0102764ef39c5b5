"""A request of this dialect, written: every spelling as its forms and leftovers say. Knows nothing of translation."""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw

from headgate.core.request import (
    Foreign,
    Knobs,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningKnob,
    Refused,
    Request,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.signatures import seal
from headgate.dialects.members import merged
from headgate.dialects.openai_chat.parts import (
    Wire,
    write_call,
    write_content,
    write_detail,
    write_thinking,
    written_cache,
)
from headgate.dialects.openai_chat.reasoning import DETAIL, SIGNED, STRINGS

_PLAIN_KNOBS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
)
_MODES: Final = {"auto": "auto", "none": "none", "any": "required"}


def write_request(request: Request) -> Wire:
    """The whole body but for `model` and `stream`."""
    words = request.form.split()
    wire: Wire = {"messages": [wire for message in request.messages for wire in write_message(message)]}
    _write_tools(wire, request.tools, words)
    if request.tool_choice:
        _write_choice(wire, request.tool_choice)
    _write_knobs(wire, request.knobs, words)
    for word, options in (("usage=true", {"include_usage": True}), ("usage=false", {"include_usage": False})):
        if word in words:
            wire["stream_options"] = options
    if "usage={}" in words:
        wire["stream_options"] = {}
    return merged(wire, request.extras)


def write_message(message: Message) -> list[Wire]:
    """One message; a turn of tool results becomes as many messages as it has results."""
    results = [part for part in message.parts if isinstance(part, ToolResult)]
    if results:
        return [merged(_written_result(result), message.extras) for result in results]
    words = message.form.split()
    wire: Wire = {"role": message.role}
    wire |= {"name": message.name} if message.name else {}
    _write_words(wire, message, words)
    if message.role == "assistant":
        _write_thoughts(wire, message, words)
        _write_calls(wire, [part for part in message.parts if isinstance(part, ToolCall)], words)
    return [merged(wire, message.extras)]


def _write_words(wire: Wire, message: Message, words: list[str]) -> None:
    content: list[object] = []
    thinking: list[Reasoning] = []
    for part in message.parts:
        match part:
            case Reasoning() if part.form.startswith("thinking"):
                thinking.append(part)
                continue
            case Refused() if part.form != "part":
                wire["refusal"] = part.text
            case Reasoning() | ToolCall() | ToolResult():
                pass  # beside the content, not in it
            case Foreign() if part.name == "reasoning_details":
                pass
            case _:
                content += write_thinking(thinking)
                thinking = []
                content.append(write_content(part))
    content += write_thinking(thinking)
    match [part for part in message.parts if isinstance(part, Text)]:
        case [only] if len(content) == 1 and "list" not in words and not only.extras and not _own_cache(only, words):
            wire["content"] = only.text
            wire.update(written_cache(only.cache, only.form) if only.cache else {})
            _sign(wire, only)
        case texts:
            if content or "list" in words:
                wire["content"] = content
            elif "empty" in words:
                wire["content"] = ""
            _sign(wire, *texts[-1:])


def _own_cache(text: Text, words: list[str]) -> bool:
    return text.cache is not None and "cache" not in words


def _sign(wire: Wire, *texts: Text) -> None:
    for text in texts:
        if text.signature:
            wire["extra_content"] = {"google": {"thought_signature": seal(text.signature, spoken="gemini")}}


def _write_thoughts(wire: Wire, message: Message, words: list[str]) -> None:
    thoughts = [part for part in message.parts if isinstance(part, Reasoning) and not part.form.startswith("thinking")]
    text = "".join(part.text for part in thoughts)
    for name in STRINGS:
        if name in words:
            wire[name] = text
        elif f"{name}=" in words:
            wire[name] = ""
    details: list[object] = []
    for part in message.parts:
        if isinstance(part, Reasoning) and part.form.startswith((DETAIL, SIGNED)):
            details.append(write_detail(part, len(details)))
        elif isinstance(part, Foreign) and part.name == "reasoning_details":
            details.append(part.raw)
    if details:
        wire["reasoning_details"] = details


def _write_calls(wire: Wire, calls: list[ToolCall], words: list[str]) -> None:
    listed = [call for call in calls if call.form != "function_call"]
    if listed or "no_calls" in words:
        wire["tool_calls"] = [write_call(call) for call in listed]
    for call in calls:
        if call.form == "function_call":
            wire["function_call"] = {"name": call.name, "arguments": call.arguments}


def _written_result(result: ToolResult) -> Wire:
    words = result.form.split()
    is_function = "function" in words
    wire: Wire = {"role": "function" if is_function else "tool"}
    wire |= {} if "no_id" in words else {"tool_call_id": result.call_id}
    wire |= {"name": result.name} if result.name else {}
    match result.parts:
        case (Text() as only,) if "list" not in words and not only.extras and not only.cache:
            wire["content"] = only.text
        case parts if parts or "list" in words:
            wire["content"] = [write_content(part) for part in parts]
        case _ if "empty" in words:
            wire["content"] = ""
        case _:
            pass
    wire |= written_cache(result.cache, result.form) if result.cache else {}
    return merged(wire, result.extras)


def _write_tools(wire: Wire, tools: Iterable[Tool | ServerTool], words: list[str]) -> None:
    listed: list[object] = []
    functions: list[object] = []
    for tool in tools:
        if isinstance(tool, ServerTool):
            listed.append(tool.raw)
        elif tool.is_custom:
            listed.append(Raw(tool.form.encode()))
        elif "functions" in tool.form.split():
            functions.append(merged(_written_function(tool), tool.extras))
        else:
            listed.append(_written_tool(tool))
    if listed or "no_tools" in words:
        wire["tools"] = listed
    if functions:
        wire["functions"] = functions


def _written_tool(tool: Tool) -> Wire:
    words = tool.form.split()
    kind: Wire = {} if "untyped" in words else {"type": "function"}
    function = _written_function(tool)
    wire = {**kind, **function} if "flat" in words else {**kind, "function": function}
    wire |= written_cache(tool.cache, tool.form) if tool.cache else {}
    return merged(wire, tool.extras)


def _written_function(tool: Tool) -> Wire:
    wire: Wire = {"name": tool.name}
    if tool.description or "blank" in tool.form.split():
        wire["description"] = tool.description
    if tool.parameters is not None:
        wire["parameters"] = tool.parameters
    if tool.is_strict is not None:
        wire["strict"] = tool.is_strict
    return wire


def _write_choice(wire: Wire, choice: ToolChoice) -> None:
    field = "function_call" if choice.form == "function_call" else "tool_choice"
    named = {"name": choice.name}
    match choice.form.split():
        case ["any" | "plain"]:
            wire[field] = choice.name or "any"
        case ["allowed_tools"]:
            inner = {"mode": "required" if choice.mode == "any" else "auto"}
            wire[field] = merged({"type": "allowed_tools", "allowed_tools": inner}, choice.extras)
        case _ if choice.mode != "tool":
            wire[field] = _MODES[choice.mode]
        case ["function_call"]:
            wire[field] = merged({**named}, choice.extras)
        case ["flat", kind]:
            wire[field] = merged({"type": kind, **named}, choice.extras)
        case ["untyped"]:
            wire[field] = merged({"function": named}, choice.extras)
        case form:
            kind = form[0] if form else "function"
            wire[field] = merged({"type": kind, kind: named}, choice.extras)


def _write_knobs(wire: Wire, knobs: Knobs, words: list[str]) -> None:
    renamed = (
        ("max_tokens" if "max_tokens" in words else "max_completion_tokens", knobs.max_tokens),
        ("n", knobs.candidates),
        ("random_seed" if "random_seed" in words else "seed", knobs.seed),
        ("safety_identifier" if "safety_identifier" in words else "user", knobs.user),
    )
    for name, value in (*renamed, *((name, getattr(knobs, name)) for name in _PLAIN_KNOBS)):
        if value is not None:
            wire[name] = value
    if knobs.stop is not None:
        wire["stop"] = knobs.stop[0] if "stop" in words and len(knobs.stop) == 1 else knobs.stop
    if knobs.output_format:
        wire["response_format"] = _written_format(knobs.output_format)
    elif "text" in words:
        wire["response_format"] = {"type": "text"}
    if knobs.reasoning:
        _write_reasoning(wire, knobs.reasoning)


def _written_format(output: OutputFormat) -> Wire:
    match output.form:
        case "json":
            wire: Wire = {"type": "json", "value": output.schema}
        case "json_object":
            wire = {"type": "json_object"}
            wire |= {"schema": output.schema} if output.schema else {}
        case _:
            inner: Wire = {"name": output.name} if output.name else {}
            inner |= {"schema": output.schema} if output.schema is not None else {}
            inner |= {"description": output.description} if output.description or output.form == "blank" else {}
            inner |= {"strict": output.is_strict} if output.is_strict is not None else {}
            wire = {"type": "json_schema", "json_schema": inner}
    return merged(wire, output.extras)


def _write_reasoning(wire: Wire, knob: ReasoningKnob) -> None:
    match knob.form.split():
        case ["reasoning", *how]:
            holder: Wire = {"effort": knob.effort} if knob.effort and not how else {}
            holder |= {"max_tokens": knob.budget_tokens} if knob.budget_tokens is not None else {}
            holder |= {"exclude": not knob.is_visible} if knob.is_visible is not None else {}
            wire["reasoning"] = merged(holder, knob.extras)
        case ["thinking", *kind]:
            holder = {"type": kind[0]} if kind else {}
            holder |= {"budget_tokens": knob.budget_tokens} if knob.budget_tokens is not None else {}
            wire["thinking"] = merged(holder, knob.extras)
        case ["enable_thinking", word]:
            wire["enable_thinking"] = word == "true"
            wire |= {"thinking_budget": knob.budget_tokens} if knob.budget_tokens is not None else {}
        case _ if knob.effort:
            wire["reasoning_effort"] = knob.effort
        case _:
            pass
