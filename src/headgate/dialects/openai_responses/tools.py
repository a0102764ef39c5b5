"""Tools and the choice among them, read and written. Must not know input, knobs or answers.

A `namespace` groups functions and custom tools; each is a tool of its own here. The first of a group remembers the
whole group as it stood (`whole` in its form), the others that they stand within it.
"""

from typing import Final

from msgspec import Raw, structs

from headgate.core.problems import InvalidRequest
from headgate.core.request import Extras, Grammar, ServerTool, Tool, ToolChoice
from headgate.dialects.openai_responses.reading import Node, fault, missing, read, read_members
from headgate.dialects.openai_responses.wire import (
    NULL,
    TEXT,
    Members,
    elements_of,
    encoded,
    members_of,
    raw_is,
    spelling,
    spelt,
    text_of,
)

WHOLE: Final = "whole"
"""In a tool's form: the tool, or the group that it begins, as it stood."""
WITHIN: Final = "within"
"""In a tool's form: it stands in the group that an earlier tool remembers."""

_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
_MODES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_NO_PARAMETERS: Final = encoded({"type": "object", "properties": {}})


def parse_tools(node: Node, form: Members) -> tuple[Tool | ServerTool, ...]:
    """Takes the tools."""
    form |= node.keep_empty("tools")
    raws = node.array("tools")
    if raws is None:
        return ()
    return tuple(tool for index, raw in enumerate(raws) for tool in _tools(raw, f"tools[{index}]"))


def _tools(raw: Raw, path: str) -> list[Tool | ServerTool]:
    node = read_members(raw, path)
    kind = node.text("type")
    if kind is None:
        raise missing(node.at("type"), 'say what the tool is, such as "function".')
    if kind == "function":
        return [_function(node, raw)]
    owned = _group(node, raw) if kind == "namespace" else [_custom(node, raw)] if kind == "custom" else []
    if not owned or None in owned:  # what is odd about it, the service may judge
        return [ServerTool(name=kind, raw=raw)]
    return [tool for tool in owned if tool is not None]


def _function(node: Node, raw: Raw) -> Tool:
    form = node.keep_empty("description")
    if raw_is(node.rest.get("function", NULL), b"{"):
        # The shape of chat completions, sent by some clients beside or instead of the flat members and accepted.
        form = {WHOLE: raw}
        inner = members_of(node.rest["function"])
        node = Node(inner | {k: v for k, v in node.rest.items() if k != "function"}, node.path)
    name = node.text("name")
    if name is None:
        raise missing(node.at("name"), "a function tool has a name.")
    return Tool(
        name=name,
        description=node.text("description") or "",
        parameters=node.raw("parameters"),
        is_strict=node.flag("strict"),
        form=spelling(form),
        extras=node.rest,
    )


def _custom(node: Node, raw: Raw) -> Tool | None:
    """A tool that takes free text. https://platform.openai.com/docs/guides/function-calling#custom-tools (2026-11)"""
    rest = dict(node.rest)
    name, description = text_of(rest.pop("name", None)), text_of(rest.pop("description", None))
    wanted = members_of(rest.get("format"))
    grammar = None
    if text_of(wanted.get("type")) == "grammar":
        grammar = Grammar(text_of(wanted.get("syntax")), text_of(wanted.get("definition")))
    if grammar is not None or text_of(wanted.get("type")) == "text":
        del rest["format"]
    form = spelling({WHOLE: raw})
    if not name:
        return None
    return Tool(name=name, description=description, is_custom=True, grammar=grammar, form=form, extras=rest)


def _group(node: Node, raw: Raw) -> list[Tool | None]:
    """The tools of a namespace, https://platform.openai.com/docs/guides/tools-tool-search (2026-11)."""
    namespace = text_of(node.rest.get("name"))
    tools = [_grouped(inner, node.path) for inner in elements_of(node.rest.get("tools"))] if namespace else []
    members: list[Tool | None] = []
    for tool in tools:
        if tool is None:
            return []
        form, extras = spelling({WITHIN: encoded(True)} if members else {WHOLE: raw}), tool.extras
        if not members:
            extras = {**extras, **_left_of_group(node)}
        members.append(structs.replace(tool, namespace=namespace, form=form, extras=extras))
    return members


def _grouped(raw: Raw, path: str) -> Tool | None:
    try:
        node = read_members(raw, path)
        kind = node.text("type")
        return _function(node, raw) if kind == "function" else _custom(node, raw) if kind == "custom" else None
    except InvalidRequest:
        return None


def _left_of_group(node: Node) -> Extras:
    """What a group says beside its tools: nothing that other dialects have a place for."""
    return {f"namespace.{name}": value for name, value in node.rest.items() if name not in ("name", "tools")}


def parse_tool_choice(node: Node) -> ToolChoice | None:
    """Takes the tool choice; every form but a plain word is kept as it stood."""
    raw = node.raw("tool_choice")
    if raw is None:
        return None
    if raw_is(raw, b'"'):
        mode = _CHOICES.get(read(TEXT, raw, "tool_choice", "a string"))
        if mode is None:
            node.rest["tool_choice"] = raw
            return None
        return ToolChoice(mode="any" if mode == "any" else "none" if mode == "none" else "auto")
    if not raw_is(raw, b"{"):
        raise fault("tool_choice", "a string or an object", raw)
    return structs.replace(_chosen(read_members(raw, "tool_choice")), form=bytes(raw).decode())


def _chosen(choice: Node) -> ToolChoice:
    kind = text_of(choice.rest.get("type"))
    name = text_of(choice.rest.get("name")) or text_of(members_of(choice.rest.get("function")).get("name"))
    if kind in ("function", "custom") and name:
        return ToolChoice(mode="tool", name=name)
    if kind == "allowed_tools":
        mode = "any" if text_of(choice.rest.get("mode")) == "required" else "auto"
        return ToolChoice(mode=mode, extras={kind: choice.rest.get("tools", NULL)})
    if kind:  # a tool of the service's own, which its type names
        return ToolChoice(mode="tool", name=kind)
    return ToolChoice(mode="any", extras={"tool_choice": encoded(choice.rest)})


def tools_as_they_stood(tools: tuple[Tool | ServerTool, ...]) -> list[object]:
    """The tools of a request of this dialect, as it spelt them."""
    return [wire for tool in tools for wire in _tool_as_it_stood(tool)]


def _tool_as_it_stood(tool: Tool | ServerTool) -> list[object]:
    if isinstance(tool, ServerTool):
        return [tool.raw]
    form = spelt(tool.form)
    if WITHIN in form:
        return []
    return [form[WHOLE] if WHOLE in form else {**tool.extras, **form, **_written(tool)}]


def choice_as_it_stood(choice: ToolChoice) -> object:
    """The choice of a request of this dialect, as it spelt it."""
    return Raw(choice.form.encode()) if choice.form else _MODES[choice.mode]


def _written(tool: Tool) -> dict[str, object]:
    members: dict[str, object] = {"type": "custom" if tool.is_custom else "function", "name": tool.name}
    if tool.description:
        members["description"] = tool.description
    if tool.parameters is not None:
        members["parameters"] = tool.parameters
    if tool.is_strict is not None:
        members["strict"] = tool.is_strict
    if (grammar := tool.grammar) is not None:
        members["format"] = {"type": "grammar", "syntax": grammar.syntax, "definition": grammar.definition}
    return members


def tool_from_abroad(tool: Tool) -> dict[str, object]:
    """A tool of another dialect. `strict` is true by default here and false in every other, so it is always said."""
    if tool.is_custom:
        return _written(tool)
    return {"strict": False, "parameters": _NO_PARAMETERS, **_written(tool)}


def choice_from_abroad(choice: ToolChoice, tools: tuple[Tool | ServerTool, ...]) -> object:
    """The choice of another dialect's request."""
    if choice.mode != "tool":
        return _MODES[choice.mode]
    customs = {tool.name for tool in tools if isinstance(tool, Tool) and tool.is_custom}
    return {"type": "custom" if choice.name in customs else "function", "name": choice.name}
