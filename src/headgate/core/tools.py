"""A request's tools, made such as every service takes: plain functions. Must not know any wire format.

The way back, from the model's calls to the tools as the caller offered them, is in `calls`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from headgate.core.problems import Unrenderable
from headgate.core.request import Message, Part, Request, ServerTool, Tool, ToolCall, ToolChoice, ToolResult
from headgate.core.soundness import check_sound

INPUT: Final = "input"
"""The one parameter of the function that stands for a custom tool."""

_NAME_LENGTH_MAX: Final = 64  # OpenAI's and Google's limit on a function's name, the shortest
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_FREE_TEXT: Final = Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as free'
    b' text."}},"required":["input"],"additionalProperties":false}'
)
_HOW: Final = "The tool takes free text: put all of it into the one parameter `input`."

Names = Mapping[tuple[str, str], str]
"""A function's name by the namespace and name of the tool it stands for."""


def without_server_tools(request: Request, dropped: set[str]) -> Request:
    """The call without the tools that only its own dialect's services run, each reported.

    They are an ability beside the model's own, and agents send them with every call and work without them: refusing
    would refuse the agent. Who needs one says so: by `on_loss: refuse`, or by a tool choice that asks for it.
    Raises `InvalidRequest` for a call that no service could answer.
    """
    check_sound(request)
    lost = [tool for tool in request.tools if isinstance(tool, ServerTool)]
    if not lost:
        return request
    kept = tuple(tool for tool in request.tools if isinstance(tool, Tool))
    choice = request.tool_choice
    names = " and ".join(repr(tool.name) for tool in lost)
    if choice is not None and choice.mode == "tool" and all(tool.name != choice.name for tool in kept):
        raise Unrenderable(
            f"tool_choice asks for a tool of another service, and this API has no {names}", param="tools"
        )
    if choice is not None and choice.mode == "any" and not kept:
        raise Unrenderable(f"tool_choice asks for a tool, and this API has none of {names}", param="tools")
    dropped.update(f"tools.{tool.name}" for tool in lost)
    return replace(request, tools=kept, tool_choice=choice if kept else None)


def as_functions(request: Request, dropped: set[str]) -> Request:
    """The call with functions only: namespaces within their names, free text as a parameter, no server tools."""
    request = without_server_tools(request, dropped)
    names = names_of(request.tools)
    choice = request.tool_choice
    if choice is not None and choice.mode == "tool":
        choice = replace(choice, name=_chosen(choice, request.tools, names))
    return replace(
        request,
        tools=tuple(_function(tool, names, dropped) for tool in request.tools if isinstance(tool, Tool)),
        tool_choice=choice,
        messages=_turns(request.messages, names),
    )


def names_of(tools: Iterable[Tool | ServerTool]) -> Names:
    """What each tool is called as a function. A tool outside of namespaces keeps its name."""
    owned = [tool for tool in tools if isinstance(tool, Tool)]
    names = {("", tool.name): tool.name for tool in owned if not tool.namespace}
    taken = set(names.values())
    for tool in owned:
        key = (tool.namespace, tool.name)
        if key not in names:
            name = joined_name(*key)
            names[key] = _told_apart(name, key) if name in taken else name
            taken.add(names[key])
    return names


def joined_name(namespace: str, name: str) -> str:
    """The name of a namespace's tool where there are no namespaces."""
    whole = _NOT_IN_NAMES.sub("_", f"{namespace}__{name}")
    return whole if len(whole) <= _NAME_LENGTH_MAX else _told_apart(whole, (namespace, name))


def _told_apart(name: str, key: tuple[str, str]) -> str:
    mark = hashlib.sha256("\0".join(key).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{name[: _NAME_LENGTH_MAX - 9]}_{mark}"


def _chosen(choice: ToolChoice, tools: Iterable[Tool | ServerTool], names: Names) -> str:
    """The choice names no namespace: it means the tool outside of any, else the first of that name."""
    owned = [tool for tool in tools if isinstance(tool, Tool) and tool.name == choice.name]
    found = next((tool for tool in owned if not tool.namespace), next(iter(owned), None))
    return choice.name if found is None else names[found.namespace, found.name]


def _function(tool: Tool, names: Names, dropped: set[str]) -> Tool:
    name = names[tool.namespace, tool.name]
    if not tool.is_custom:
        return tool if name == tool.name else replace(tool, name=name, namespace="")
    words = [tool.description, _HOW]
    if tool.grammar is not None:
        dropped.add("tools.format")  # a wish from now on, no longer kept by force
        words.append(f"The text must follow this {tool.grammar.syntax} grammar:\n{tool.grammar.definition}")
    return Tool(
        name=name,
        description="\n\n".join(filter(None, words)),
        parameters=_FREE_TEXT,
        cache=tool.cache,
        extras=tool.extras,
    )


def _turns(messages: tuple[Message, ...], names: Names) -> tuple[Message, ...]:
    """Earlier calls and results under the names that the tools have now."""
    told: dict[str, str] = {}
    return tuple(_turn(message, names, told) for message in messages)


def _turn(message: Message, names: Names, told: dict[str, str]) -> Message:
    if not told and not any(isinstance(part, ToolCall) and _is_odd(part) for part in message.parts):
        return message
    return replace(message, parts=tuple(_part(part, names, told) for part in message.parts))


def _is_odd(call: ToolCall) -> bool:
    return bool(call.namespace) or call.is_custom


def _part(part: Part, names: Names, told: dict[str, str]) -> Part:
    if isinstance(part, ToolResult):
        return replace(part, name=told[part.call_id]) if part.name and part.call_id in told else part
    if not isinstance(part, ToolCall) or not _is_odd(part):
        return part
    name = names.get((part.namespace, part.name)) or (
        joined_name(part.namespace, part.name) if part.namespace else part.name
    )
    told[part.id] = name
    arguments = msgspec.json.encode({INPUT: part.arguments}).decode() if part.is_custom else part.arguments
    return replace(part, name=name, namespace="", arguments=arguments, is_custom=False)
