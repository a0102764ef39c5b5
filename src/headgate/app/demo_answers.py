"""What the demo models say: a request in, the words of an answer out, always the same. Knows no wire and no clock.

`echo` answers with the last user text; where tools are offered and that text is `call NAME`, with a call of that
tool. `lorem` answers with as many words as `max_tokens` says, each counted as one token.
"""

import re
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from typing import Final, cast

import msgspec
from msgspec import Struct

from headgate.core.events import Event, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Problem
from headgate.core.request import Request, Text, Tool, ToolResult
from headgate.core.usage import Usage

LOREM_TOKENS: Final = 64
"""How long `lorem` speaks when the call names no `max_tokens`."""
LOREM_TOKENS_MAX: Final = 100_000
ECHO_PIECES_MAX: Final = 4096
GAP_S_MAX: Final = 60.0
CHARACTERS_PER_TOKEN: Final = 4

_TEXT: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore "
    "magna aliqua ut enim ad minim veniam quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo "
    "consequat duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur"
)
_NAME: Final = re.compile(r"(?P<model>[a-z]+)(?:@(?P<gap>\d{1,6})(?P<unit>ms|s))?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0}
_CALL: Final = re.compile(r"\s*call\s+(?P<name>[\w.-]+)\s*(?P<arguments>\{.*\})?\s*", re.DOTALL)


class Script(Struct, frozen=True):
    """An answer: the events in the order of their telling, and the silence before each one after the first."""

    steps: tuple[tuple[Event, ...], ...]
    gap_s: float

    @property
    def duration_s(self) -> float:
        """How long the telling takes."""
        return self.gap_s * (len(self.steps) - 1)


def script(request: Request, model: str) -> Script | Problem:
    """The answer of `model` (`echo`, `lorem`, or either with a gap, such as `lorem@50ms`)."""
    match = _NAME.fullmatch(model)
    speak = _MODELS.get(match["model"]) if match else None
    if match is None or speak is None:
        return Problem(
            kind="not_found",
            code="model_not_found",
            message=f"The demo has no model {model!r}. It has echo and lorem; lorem@50ms waits 50 ms between words.",
            param="model",
        )
    gap_s = min(GAP_S_MAX, int(match["gap"]) * _SECONDS[match["unit"]]) if match["gap"] else 0.0
    return Script(tuple(speak(request, model)), gap_s)


def _echo(request: Request, model: str) -> list[tuple[Event, ...]]:
    text = last_user_text(request)
    called = _CALL.fullmatch(text)
    tools = {tool.name: tool for tool in request.tools if isinstance(tool, Tool)}
    if called and (tool := tools.get(called["name"])):
        return _tool_call(request, model, tool, called["arguments"] or _example_arguments(tool))
    words = re.findall(r"\s*\S+\s*$|\s*\S+", text) or [text or "There was no text to echo."]
    together = -(-len(words) // ECHO_PIECES_MAX)
    pieces = ["".join(words[start : start + together]) for start in range(0, len(words), together)]
    return _telling(request, model, pieces, Finished(reason="stop", usage=_usage(request, tokens(text))))


def _lorem(request: Request, model: str) -> list[tuple[Event, ...]]:
    wanted = request.knobs.max_tokens
    count = min(LOREM_TOKENS if wanted is None else max(1, wanted), LOREM_TOKENS_MAX)
    pieces = [f" {word}" if position else word for position, word in enumerate(islice(cycle(_TEXT.split()), count))]
    reason = "stop" if wanted is None else "length"
    return _telling(request, model, pieces, Finished(reason=reason, usage=_usage(request, count)))


_MODELS: Final[dict[str, Callable[[Request, str], list[tuple[Event, ...]]]]] = {"echo": _echo, "lorem": _lorem}


def _telling(request: Request, model: str, pieces: list[str], finished: Finished) -> list[tuple[Event, ...]]:
    first = (Started(model=model), PartStarted(index=0, kind="text"), PartDelta(0, pieces[0]))
    return [first, *((PartDelta(0, piece),) for piece in pieces[1:]), (PartEnded(index=0), finished)]


def _tool_call(request: Request, model: str, tool: Tool, arguments: str) -> list[tuple[Event, ...]]:
    started = PartStarted(index=0, kind="tool_call", id=f"call_demo_{len(request.messages)}", name=tool.name)
    finished = Finished(reason="tool_calls", usage=_usage(request, tokens(arguments)))
    return [(Started(model=model), started), (PartDelta(0, arguments),), (PartEnded(index=0), finished)]


def _usage(request: Request, output_tokens: int) -> Usage:
    return Usage(input_tokens=input_tokens(request), output_tokens=output_tokens)


def tokens(text: str) -> int:
    """A rough count: four characters each."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def input_tokens(request: Request) -> int:
    """A rough count of everything the request says in words."""
    return sum(tokens(text) for message in request.messages for text in _texts(message.parts))


def last_user_text(request: Request) -> str:
    """What the user said last; what a tool answered, if that came last and without words of the user."""
    for message in reversed(request.messages):
        if message.role in {"user", "tool"}:
            said = _said(message.parts) or _texts(message.parts)
            if text := "".join(said):
                return text
    return ""


def _said(parts: Iterable[object]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Text)]


def _texts(parts: Iterable[object]) -> list[str]:
    """All words in parts, those in tools' answers included."""
    answered = (_said(part.parts) if isinstance(part, ToolResult) else _said([part]) for part in parts)
    return [text for texts in answered for text in texts]


_EXAMPLES: Final[dict[object, object]] = {
    "string": "example",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


class _Schema(Struct, frozen=True):
    properties: dict[str, dict[str, object]] = {}
    required: list[str] = []


def _example_arguments(tool: Tool) -> str:
    """Something for each property that the tool's schema requires."""
    try:
        schema = msgspec.json.decode(tool.parameters or b"{}", type=_Schema)
    except msgspec.DecodeError:
        return "{}"
    examples = {name: _example(schema.properties.get(name, {})) for name in schema.required}
    return msgspec.json.encode(examples).decode()


def _example(schema: dict[str, object]) -> object:
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return cast("list[object]", choices)[0]
    kind = schema.get("type")
    return _EXAMPLES.get(kind if isinstance(kind, str) else "string", "example")
