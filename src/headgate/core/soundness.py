"""What no service could answer, whatever its API: looked for before a request is translated, so that a fault is told to
the caller and not to an upstream. Must not know any wire format.
"""

from typing import Final

from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.request import Knobs, Request, ServerTool, Tool

NUMBER_MAX: Final = 2**53
"""Beyond it a whole number of JSON is none for most readers."""


def check_sound(request: Request) -> None:
    """Raises `InvalidRequest` that names the member and what to do."""
    if not request.messages:
        raise InvalidRequest("the conversation is empty; send at least one message", param="messages")
    _check_knobs(request.knobs)
    for at, tool in enumerate(request.tools):
        if isinstance(tool, Tool):
            _check_tool(tool, f"tools[{at}]")
    _check_choice(request)


def _check_knobs(knobs: Knobs) -> None:
    limit, candidates, shape = knobs.max_tokens, knobs.candidates, knobs.output_format
    if limit is not None and not 1 <= limit < NUMBER_MAX:
        raise InvalidRequest(
            f"max_tokens must be at least 1, not {limit}; leave it out for the most that the model gives",
            param="max_tokens",
        )
    if candidates is not None and not 1 <= candidates < NUMBER_MAX:
        raise InvalidRequest(f"the number of answers must be at least 1, not {candidates}", param="n")
    if shape is not None and shape.schema is not None and not _is_object(shape.schema):
        raise InvalidRequest("the answer's schema must be a JSON Schema, which is an object", param="response_format")


def _is_object(raw: Raw) -> bool:
    return bytes(raw).lstrip()[:1] == b"{"


def _check_tool(tool: Tool, where: str) -> None:
    if not tool.name:
        raise InvalidRequest(f"{where} has no name; name the tool", param=f"{where}.name")
    if tool.parameters is not None and not _is_object(tool.parameters):
        raise InvalidRequest(
            f"the parameters of {where} must be a JSON Schema, which is an object", param=f"{where}.parameters"
        )


def _check_choice(request: Request) -> None:
    choice = request.tool_choice
    if choice is None or choice.mode not in ("any", "tool"):
        return
    if not request.tools:
        raise InvalidRequest(
            "tool_choice asks for a call, and no tools are offered; send `tools` or leave the choice out",
            param="tool_choice",
        )
    names = {tool.name for tool in request.tools}
    has_own = any(isinstance(tool, ServerTool) for tool in request.tools)  # whose names the service knows
    if choice.mode == "tool" and choice.name not in names and not has_own:
        raise InvalidRequest(
            f"tool_choice asks for {choice.name!r}, which is none of the tools: {', '.join(sorted(names))}",
            param="tool_choice",
        )
