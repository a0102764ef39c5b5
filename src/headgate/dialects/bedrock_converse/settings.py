"""Settings of a request as members of Converse: as they were spelt at home, and what both ways write alike."""

from typing import Final, cast

from msgspec import Raw

from headgate.core.request import Knobs, OutputFormat, Request, ServerTool, Tool, ToolChoice
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.additional import ADDITIONAL, own_thinking
from headgate.dialects.bedrock_converse.blocks import Block, Pen, cache_point

_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')


def write_own(request: Request, out: Block, pen: Pen) -> None:
    """The settings of a request of this dialect, as it spelt them."""
    knobs = request.knobs
    put(out, "inferenceConfig", inference_of(knobs))
    tools: list[object] = [item for tool in request.tools for item in tool_items(tool, pen)]
    if tools or "tools" in request.form.split():
        put(out, "toolConfig", {"tools": tools})
    if (choice := request.tool_choice) is not None:
        put(out, "toolConfig", {"toolChoice": _choice(choice)})
    if (shape := knobs.output_format) is not None:
        put(out, "outputConfig", {"textFormat": text_format(shape)})
    if (knob := knobs.reasoning) is not None:
        put(out, ADDITIONAL, own_thinking(knob))
        if word := knob.form.rpartition("|")[2]:
            put(out, "outputConfig", {"effort": word})
    if knobs.top_k is not None:
        put(out, ADDITIONAL, {"top_k": knobs.top_k})
    for name, raw in request.extras.items():
        mine = out.get(name)
        out[name] = {**wire.members_in(raw), **mine} if isinstance(mine, dict) else raw


def put(out: Block, name: str, members: Block) -> None:
    """Adds members to an object of the body."""
    if members:
        held = out.get(name)
        out[name] = {**cast(Block, held), **members} if isinstance(held, dict) else members


def inference_of(knobs: Knobs) -> Block:
    """What `inferenceConfig` has members for."""
    known: Block = {
        "maxTokens": knobs.max_tokens,
        "temperature": knobs.temperature,
        "topP": knobs.top_p,
        "stopSequences": knobs.stop,
    }
    return {name: value for name, value in known.items() if value is not None}


def tool_items(tool: Tool | ServerTool, pen: Pen) -> list[object]:
    """A tool, with its cache point behind it."""
    if isinstance(tool, ServerTool):
        return [tool.raw]
    spec: Block = {"name": tool.name}
    if tool.description or (pen.is_home and tool.form == "described"):
        spec["description"] = tool.description
    schema = tool.parameters if pen.is_home else _with_type(tool.parameters)
    if schema is not None:
        spec["inputSchema"] = {"json": schema}
    if tool.is_strict is not None and (pen.is_home or tool.is_strict):
        spec["strict"] = tool.is_strict
    item: Block = {"toolSpec": {**spec, **pen.keep(tool.extras, "tools.")}}
    if tool.cache is not None and not pen.is_home and not pen.traits.has_tool_marks:
        pen.dropped.add("tools.cache_control")
        return [item]
    point = cache_point(tool.cache, pen)
    return [item, point] if point is not None else [item]


def _with_type(parameters: Raw | None) -> Raw:
    """A tool's schema, which must say that it is an object's."""
    members = wire.members_in(parameters)
    if parameters is None or not members:
        return _NO_PARAMETERS
    if members.get("type") == Raw(b'"object"'):
        return parameters
    return wire.raw_of({**members, "type": "object"})


def _choice(choice: ToolChoice) -> Block:
    members: Block = {"name": choice.name} if choice.mode == "tool" else {}
    return {choice.mode: {**members, **choice.extras}}


def text_format(shape: OutputFormat) -> Block:
    """The shape of the answer; the schema stands in a string."""
    schema: Block = {"schema": bytes(shape.schema or b"{}").decode("utf-8", "replace")}
    named = {"name": shape.name, "description": shape.description}
    schema.update((name, text) for name, text in named.items() if text)
    return {"type": shape.form or "json_schema", "structure": {"jsonSchema": {**schema, **shape.extras}}}
