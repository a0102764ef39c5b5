"""A request of this dialect, written: every spelling as its forms and leftovers say. Knows nothing of translation."""

from typing import Final

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Image,
    Inline,
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
from headgate.core.tools import INPUT
from headgate.dialects.members import arguments_object, merged
from headgate.dialects.ollama.knobs import OPTIONS

Wire = dict[str, object]

_OPTIONS: Final = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_PLAIN: Final = ("logprobs", "top_logprobs")


def write_request(request: Request) -> Wire:
    """The whole body but for `model` and `stream`."""
    words = request.form.split()
    wire: Wire = {"messages": [_message(message) for message in request.messages]}
    if request.tools or "no_tools" in words:
        wire["tools"] = [tool.raw if isinstance(tool, ServerTool) else _tool(tool) for tool in request.tools]
    _write_knobs(wire, request, words)
    options = _options(request, words)
    if options or "options" in words:
        wire["options"] = options
    return merged(wire, {name: raw for name, raw in request.extras.items() if not name.startswith(OPTIONS)})


def _options(request: Request, words: list[str]) -> Wire:
    knobs = request.knobs
    options: Wire = {
        wire_name: value for name, wire_name in _OPTIONS.items() if (value := getattr(knobs, name)) is not None
    }
    if knobs.stop is not None:
        options["stop"] = knobs.stop[0] if "stop" in words and len(knobs.stop) == 1 else knobs.stop
    left = {name[len(OPTIONS) :]: raw for name, raw in request.extras.items() if name.startswith(OPTIONS)}
    return options | left


def _write_knobs(wire: Wire, request: Request, words: list[str]) -> None:
    knobs = request.knobs
    wire.update({name: value for name in _PLAIN if (value := getattr(knobs, name)) is not None})
    if knobs.output_format is not None:
        schema = knobs.output_format.schema
        wire["format"] = "json" if schema is None else schema
    elif "formless" in words:
        wire["format"] = ""
    if knobs.reasoning is not None:
        word = knobs.reasoning.effort if knobs.reasoning.form == "word" else None
        wire["think"] = word or knobs.reasoning.effort != "none"


def _message(message: Message) -> Wire:
    first = message.parts[0] if message.parts else None
    result = first if isinstance(first, ToolResult) else None
    parts: tuple[Part, ...] = message.parts if result is None else result.parts
    words = (message.form if result is None else result.form).split()
    wire: Wire = {"role": message.role}
    texts = [part.text for part in parts if isinstance(part, Text)]
    if texts or "empty" in words:
        wire["content"] = "".join(texts)
    thoughts = [part.text for part in parts if isinstance(part, Reasoning)]
    if thoughts or "thoughtless" in words:
        wire["thinking"] = "".join(thoughts)
    images = [_image(part) for part in parts if isinstance(part, Image)]
    if images or "no_images" in words:
        wire["images"] = images
    calls = [_call(part) for part in parts if isinstance(part, ToolCall)]
    if calls or "no_calls" in words:
        wire["tool_calls"] = calls
    if result is not None:
        wire |= {} if "no_name" in words else {"tool_name": result.name}
        wire |= {} if "no_id" in words else {"tool_call_id": result.call_id}
    return merged(wire, message.extras)


def _image(image: Image) -> str:
    if not isinstance(image.source, Inline):
        raise Unrenderable("Ollama takes images inline alone, as base64; send the picture itself", param="messages")
    return image.source.data


def _call(call: ToolCall) -> Wire:
    marks = call.form.split()
    wire: Wire = {} if "no_id" in marks else {"id": "" if "empty_id" in marks else call.id}
    function: Wire = {"name": call.name}
    if "text" in marks:
        function["arguments"] = call.arguments
    elif call.arguments or "none" not in marks:
        function["arguments"] = arguments_object(call.arguments, INPUT)
    return merged(wire | {"function": function}, call.extras)


def _tool(tool: Tool) -> Wire:
    words = tool.form.split()
    function: Wire = {"name": tool.name}
    if tool.description or "blank" in words:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    kind: Wire = {} if "untyped" in words else {"type": "function"}
    return merged({**kind, "function": function}, tool.extras)
