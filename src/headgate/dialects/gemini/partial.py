"""Arguments of a function call that come field by field, put together. Must not know events.

Vertex AI streams them so when asked (`streamFunctionCallArguments`): each piece names its place by a JSON path, and a
string may go on in later pieces (https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling,
2026-11).
"""

import re
from itertools import pairwise
from typing import Final, cast

from headgate.dialects.gemini.wire import ENCODER

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")
_VALUES: Final = ("stringValue", "numberValue", "boolValue", "nullValue")
_ITEMS_MAX: Final = 10_000


class PartialArguments:
    """The arguments of one call, growing."""

    def __init__(self) -> None:
        self._root: dict[str, object] = {}

    def add(self, pieces: object) -> None:
        """Puts each piece in its place; pieces that name none are skipped."""
        for piece in cast(list[object], pieces) if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                self._place(cast(dict[str, object], piece))

    def whole(self, arguments: object) -> None:
        """Takes arguments that came at once."""
        if isinstance(arguments, dict):
            self._root.update(cast(dict[str, object], arguments))

    def text(self) -> str:
        """All of it as JSON."""
        return ENCODER.encode(self._root).decode()

    def _place(self, piece: dict[str, object]) -> None:
        path = piece.get("jsonPath")
        steps = _steps(path) if isinstance(path, str) else []
        name = next((name for name in _VALUES if name in piece), None)
        if not steps or name is None:
            return
        value = None if name == "nullValue" else piece[name]
        holder: object = self._root
        for step, following in pairwise(steps):
            inner = _get(holder, step)
            if not isinstance(inner, dict | list):
                inner = list[object]() if isinstance(following, int) else dict[str, object]()
                _set(holder, step, inner)
            holder = cast(object, inner)
        before = _get(holder, steps[-1])
        is_more = isinstance(before, str) and isinstance(value, str)
        _set(holder, steps[-1], f"{before}{value}" if is_more else value)


def _steps(path: str) -> list[str | int]:
    return [
        int(found[2])
        if found[2] is not None
        else next(word for word in (found[1], found[3], found[4]) if word is not None)
        for found in _STEP.finditer(path)
    ]


def _get(holder: object, step: str | int) -> object:
    if isinstance(holder, dict):
        return cast(dict[str, object], holder).get(str(step))
    listed = cast(list[object], holder)
    return listed[step] if isinstance(step, int) and step < len(listed) else None


def _set(holder: object, step: str | int, value: object) -> None:
    if isinstance(holder, dict):
        cast(dict[str, object], holder)[str(step)] = value
        return
    listed = cast(list[object], holder)
    if isinstance(step, int) and step < _ITEMS_MAX:
        listed.extend([None] * (step + 1 - len(listed)))
        listed[step] = value
