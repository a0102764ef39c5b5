"""A model's calls of plain functions, told again as calls of the tools that the caller offered. The way there is
`tools.as_functions`. Must not know any wire format.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from headgate.core.events import Event, PartDelta, PartEnded, PartStarted
from headgate.core.request import Request, Tool
from headgate.core.tools import INPUT, names_of

_TEXT: Final = msgspec.json.Decoder(str)
_ARGUMENTS: Final = msgspec.json.Decoder(dict[str, Raw])
_OPENING = re.compile(r'\s*\{\s*"input"\s*:\s*"')
# What is sure to be complete of a JSON string: no half of an escape, and no first half of a pair of surrogates.
_SAFE = re.compile(
    r'(?:[^"\\]+|\\[^u]|\\u(?![dD][89abAB])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])))*"
)
_ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]", re.DOTALL)
_TORN = re.compile(r"(?:\\u?[0-9a-fA-F]{0,4}){0,2}")


class CallRestorer:
    """Makes the calls in the events of one answer such as the client of `request` expects them."""

    def __init__(self, request: Request | None) -> None:
        tools = () if request is None else request.tools
        names = names_of(tools)
        changed = [tool for tool in tools if isinstance(tool, Tool) and (tool.namespace or tool.is_custom)]
        self._tools = {names[tool.namespace, tool.name]: tool for tool in changed}
        self._texts: dict[int, FreeText] = {}

    def restore(self, events: Iterable[Event]) -> Iterable[Event]:
        """The same events, the calls of changed tools as calls of what they were."""
        if not self._tools:
            return events
        return [told for event in events for told in self._told(event)]

    def _told(self, event: Event) -> list[Event]:
        match event:
            case PartStarted(kind="tool_call", is_custom=False, namespace=""):
                return [self._started(event)]
            case PartDelta(index, text) if index in self._texts:
                more = self._texts[index].feed(text)
                return [PartDelta(index, more)] if more else []
            case PartEnded(index=index) if index in self._texts:
                rest = self._texts.pop(index).close()
                return [PartDelta(index, rest), event] if rest else [event]
            case _:
                return [event]

    def _started(self, event: PartStarted) -> PartStarted:
        tool = self._tools.get(event.name)
        if tool is None:
            return event
        if tool.is_custom:
            self._texts[event.index] = FreeText()
        return replace(event, name=tool.name, namespace=tool.namespace, is_custom=tool.is_custom)


class FreeText:
    """The value of `input` within a call's JSON, told as it comes; of anything else, the text as it is."""

    def __init__(self) -> None:
        self._seen = ""
        self._at = 0
        """How far the value has been told; 0: it has not begun."""
        self._is_over = False

    def feed(self, text: str) -> str:
        """What `text` adds to the value."""
        self._seen += text
        if not self._at:
            opening = _OPENING.match(self._seen)
            if opening is None:
                return ""
            self._at = opening.end()
        if self._is_over:
            return ""
        safe = _SAFE.match(self._seen, self._at)
        end = safe.end() if safe is not None else self._at
        value, self._at = self._seen[self._at : end], end
        self._is_over = self._seen[end : end + 1] == '"'
        return _ESCAPE.sub(_unescaped, value)

    def close(self) -> str:
        """What is left at the end of the call."""
        if self._is_over:
            return ""
        rest = self._seen[self._at :]
        if self._at:
            return "" if _TORN.fullmatch(rest) else rest
        try:
            return _TEXT.decode(_ARGUMENTS.decode(rest)[INPUT])
        except (msgspec.DecodeError, KeyError, ValueError):
            return rest


def _unescaped(escape: re.Match[str]) -> str:
    try:
        return _TEXT.decode(f'"{escape[0]}"')
    except (msgspec.DecodeError, ValueError):
        return "\ufffd"
