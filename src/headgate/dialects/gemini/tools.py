"""Tools and the choice among them, both ways. Must not know turns or knobs.

A wire tool is an object of function declarations, of tools that Google runs, or of both; canonical tools are one flat
list. `=new` marks the first function of a further object, `=with` the last one before a server tool of its object.
"""

from typing import Final, Literal

from msgspec import Raw

from headgate.core.request import Request, ServerTool, Tool, ToolChoice
from headgate.dialects.gemini.parts import items, string
from headgate.dialects.gemini.schema import json_schema
from headgate.dialects.gemini.spelling import Fields, Frame
from headgate.dialects.gemini.wire import ANY, is_null, raw_of

Mode = Literal["auto", "none", "any", "tool"]

_MODES: Final[dict[object, Mode]] = {
    "AUTO": "auto",
    "ANY": "any",
    "NONE": "none",
    "VALIDATED": "auto",  # auto, with the arguments held to the schema
    1: "auto",
    2: "any",
    3: "none",
}
_WORDS: Final[dict[Mode, str]] = {"auto": "AUTO", "any": "ANY", "none": "NONE", "tool": "ANY"}


def parse_tools(raw: Raw, fields: Fields) -> tuple[Tool | ServerTool, ...]:
    """The functions and server tools of `tools`, in order."""
    out: list[Tool | ServerTool] = []
    for item in items(raw, fields, "=onetool"):
        out += _parse_group(item)
    if not out:
        fields.left["tools"] = raw
    return tuple(out)


def _parse_group(raw: Raw) -> list[Tool | ServerTool]:
    group = Fields(raw)
    declared = group.take("functionDeclarations")
    functions = [] if declared is None else items(declared, group, "=onefunction")
    server = {name: value for name, value in group.left.items() if not is_null(value)}
    if not functions:
        return [ServerTool(name=next(iter(server)), raw=raw)] if server else []
    for name in group.left.keys() - server.keys():
        group.mark("=null", raw_of(name))
    shared = ["=new", *group.marks]
    out: list[Tool | ServerTool] = []
    for place, function in enumerate(functions):
        marks = shared if place == 0 else []
        out.append(_parse_function(function, [*marks, "=with"] if server and function is functions[-1] else marks))
    if server:
        out.append(ServerTool(name=next(iter(server)), raw=raw_of(server)))
    return out


def _parse_function(raw: Raw, marks: list[str]) -> Tool:
    fields = Fields(raw)
    fields.marks += marks
    name, description = string(fields.take("name")), fields.take("description")
    if description is not None and not string(description):
        fields.mark("=description")
    parameters = fields.take("parametersJsonSchema")
    if parameters is None and (parameters := fields.take("parameters")) is not None:
        fields.mark("=openapi", parameters)
        parameters = json_schema(parameters)
    return Tool(name=name, description=string(description), parameters=parameters, form=fields.form, extras=fields.left)


def parse_choice(raw: Raw) -> ToolChoice:
    """`functionCallingConfig`."""
    fields = Fields(raw)
    told, names = fields.take("mode"), fields.take("allowedFunctionNames")
    word = "" if told is None else ANY.decode(told)
    mode = _MODES.get(word.upper() if isinstance(word, str) else word, "auto")
    name = ""
    if names is not None and mode == "any" and len(allowed := ANY.decode(names)) == 1:
        mode, name = "tool", str(allowed[0])
    elif names is not None:
        fields.give_back("allowedFunctionNames", names)
    if told is None:
        fields.mark("=nomode")
    elif word != _WORDS[mode]:
        fields.mark("=mode", told)
    return ToolChoice(mode=mode, name=name, form=fields.form, extras=fields.left)


def render_tools(request: Request, frame: Frame) -> list[dict[str, object]]:
    """`tools`: at home the groups as they were, otherwise all functions in one."""
    groups: list[dict[str, object]] = []
    declared: list[dict[str, object]] | None = None
    is_joined = False
    for tool in request.tools:
        if isinstance(tool, ServerTool):
            _join_server_tool(tool, groups, is_joined=is_joined)
            declared = None
            continue
        spelling = frame.spelling(tool.form)
        if declared is None or spelling.has("=new"):
            declared = []
            key = spelling.key("functionDeclarations")
            groups.append({key: declared})
            if (name := spelling.value("=null")) is not None:
                groups[-1][ANY.decode(name)] = None
        declared.append(_function(tool, frame))
        is_joined = spelling.has("=with")
        if spelling.has("=onefunction"):
            groups[-1][spelling.key("functionDeclarations")] = declared[0]
    return groups


def _join_server_tool(tool: ServerTool, groups: list[dict[str, object]], *, is_joined: bool) -> None:
    members: dict[str, object] = dict(Fields(tool.raw).left)
    if is_joined and groups:
        groups[-1].update(members)
    else:
        groups.append(members)


def _function(tool: Tool, frame: Frame) -> dict[str, object]:
    spelling = frame.spelling(tool.form)
    out: dict[str, object] = {"name": tool.name}
    if tool.description or spelling.has("=description"):
        out["description"] = tool.description
    if tool.parameters is not None:
        told = spelling.value("=openapi")
        if told is not None and json_schema(told) == tool.parameters:
            out["parameters"] = told
        else:
            # unlike `parameters` it takes any JSON Schema (https://ai.google.dev/api/caching#FunctionDeclaration)
            out[spelling.key("parametersJsonSchema")] = tool.parameters
    frame.restore(out, tool.extras, "tools")
    frame.drop("tools.strict", tool.is_strict)
    frame.drop("cache_control", tool.cache)
    return out


def render_choice(choice: ToolChoice, frame: Frame) -> dict[str, object]:
    """`functionCallingConfig`."""
    spelling = frame.spelling(choice.form)
    out: dict[str, object] = {}
    told = spelling.value("=mode")
    if told is not None:
        out["mode"] = told
    elif not spelling.has("=nomode"):
        out["mode"] = _WORDS[choice.mode]
    if choice.mode == "tool":
        out[spelling.key("allowedFunctionNames")] = [choice.name]
    frame.restore(out, choice.extras, "tool_choice")
    return out


def has_functions(request: Request) -> bool:
    """Whether there is a function that could be chosen."""
    return any(isinstance(tool, Tool) for tool in request.tools)
