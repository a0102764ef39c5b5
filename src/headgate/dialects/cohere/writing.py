"""A request of this dialect, written: every spelling as its forms and leftovers say. Knows nothing of translation."""

from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    FileId,
    Foreign,
    Image,
    Inline,
    Knobs,
    Message,
    Part,
    Reasoning,
    Request,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from headgate.dialects.cohere.content import DOCUMENT, SAID
from headgate.dialects.cohere.messages import DOCUMENTS
from headgate.dialects.cohere.wire import OBJECT, PLAN
from headgate.dialects.members import merged

Wire = dict[str, object]

_NAMES: Final = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "p",
    "top_k": "k",
    "stop": "stop_sequences",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "logprobs": "logprobs",
}
_MODES: Final = {"any": "REQUIRED", "none": "NONE"}


def write_request(request: Request) -> Wire:
    """The whole body but for `model` and `stream`."""
    words = request.form.split()
    talk = [message for message in request.messages if message.form != DOCUMENTS]
    shown = [part for message in request.messages if message.form == DOCUMENTS for part in message.parts]
    wire: Wire = {"messages": [_message(message) for message in talk]}
    if shown or "no_documents" in words:
        wire["documents"] = [_shown(cast(Text, part)) for part in shown]
    if request.tools or "no_tools" in words:
        wire["tools"] = [tool.raw if isinstance(tool, ServerTool) else _tool(tool) for tool in request.tools]
    strictness = [tool.is_strict for tool in request.tools if isinstance(tool, Tool) and tool.is_strict is not None]
    if strictness:
        wire["strict_tools"] = all(strictness)
    if request.tool_choice is not None:
        wire["tool_choice"] = _MODES[request.tool_choice.mode]
    _write_knobs(wire, request.knobs, words)
    return merged(wire, request.extras)


def _message(message: Message) -> Wire:
    result = message.parts[0] if message.parts else None
    if isinstance(result, ToolResult):
        return _result(message, result)
    words = message.form.split()
    wire: Wire = {"role": message.role}
    plan = [part.text for part in message.parts if isinstance(part, Reasoning) and part.form == PLAN]
    if plan or "no_tool_plan" in words:
        wire["tool_plan"] = "".join(plan)
    _write_content(wire, [part for part in message.parts if not isinstance(part, ToolCall)], words)
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls or "no_tool_calls" in words:
        wire["tool_calls"] = calls
    if "no_citations" in words:
        wire["citations"] = []
    return merged(wire, message.extras)


def _write_content(wire: Wire, parts: list[Part], words: list[str]) -> None:
    content = [part for part in parts if not (isinstance(part, Reasoning) and part.form == PLAN)]
    match content:
        case [Text() as only] if "list" not in words and not only.extras and not only.form:
            wire["content"] = only.text
        case _ if content or "list" in words:
            wire["content"] = [_part(part) for part in content]
        case _ if "empty" in words:
            wire["content"] = ""
        case _:
            pass


def _part(part: Part) -> Wire | Raw:
    match part:
        case Text(form="document" | "document said"):
            return merged({"type": "document", "document": _document(part)}, part.extras)
        case Text():
            return merged({"type": "text", "text": part.text}, part.extras)
        case Reasoning():
            return merged({"type": "thinking", "thinking": part.text}, part.extras)
        case Image():
            holder: Wire = {"url": _url(part), **({"detail": part.detail} if part.detail else {})}
            return merged({"type": "image_url", "image_url": holder}, part.extras)
        case Foreign():
            return part.raw
        case other:
            raise Unrenderable(f"Cohere's content cannot hold a {type(other).__name__}", param="messages")


def _url(image: Image) -> str:
    match image.source:
        case Inline(media_type, data):
            return f"data:{media_type};base64,{data}"
        case FileId():
            raise Unrenderable("Cohere takes images inline or as links, not by file id", param="messages")
        case link:
            return link.url


def _document(text: Text) -> object:
    """The document of a content part: its data are an object, which the text is the JSON of."""
    if text.form == SAID:
        return text.text
    try:
        OBJECT.decode(text.text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {"data": {"text": text.text}}  # someone has changed the text on its way
    return {"data": Raw(text.text.encode())}


def _shown(text: Text) -> object:
    document = _document(text)
    return merged(cast(Wire, document), text.extras) if text.form == DOCUMENT else document


def _call(call: ToolCall) -> Wire:
    marks = call.form.split()
    wire: Wire = {} if "no_id" in marks else {"id": "" if "empty_id" in marks else call.id}
    wire |= {} if "untyped" in marks else {"type": "function"}
    function: Wire = {"name": call.name}
    if call.arguments or "none" not in marks:
        function["arguments"] = Raw(call.arguments.encode()) if "object" in marks else call.arguments
    return merged(wire | {"function": function}, call.extras)


def _result(message: Message, result: ToolResult) -> Wire:
    words = result.form.split()
    wire: Wire = {"role": "tool", **({} if "no_id" in words else {"tool_call_id": result.call_id})}
    _write_content(wire, [*result.parts], words)
    return merged(wire, message.extras)


def _tool(tool: Tool) -> Wire:
    words = tool.form.split()
    function: Wire = {"name": tool.name}
    if tool.description or "blank" in words:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    kind: Wire = {} if "untyped" in words else {"type": "function"}
    return merged({**kind, "function": function}, tool.extras)


def _write_knobs(wire: Wire, knobs: Knobs, words: list[str]) -> None:
    for name, wire_name in _NAMES.items():
        if (value := getattr(knobs, name)) is not None:
            wire[wire_name] = value
    output = knobs.output_format
    if output is not None:
        name = "schema" if output.form == "schema" else "json_schema"
        schema: Wire = {} if output.schema is None else {name: output.schema}
        wire["response_format"] = merged({"type": "json_object", **schema}, output.extras)
    elif "text" in words:
        wire["response_format"] = {"type": "text"}
    if knobs.reasoning is not None:
        budget = knobs.reasoning.budget_tokens
        thinking: Wire = {"type": knobs.reasoning.form} if knobs.reasoning.form else {}
        thinking |= {} if budget is None else {"token_budget": budget}
        wire["thinking"] = merged(thinking, knobs.reasoning.extras)
