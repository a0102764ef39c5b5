"""How a request was spelt: both spellings read, the one used remembered in `form`. Must not know what members mean.

`form` is a list of marks: the snake_case name of every member that was not in camelCase, and `=word` or `=word:JSON`
for what a dialect's file wants to remember besides.
"""

import re
from typing import Final

from msgspec import Raw

from headgate.core.request import Extras
from headgate.dialects.base import Target
from headgate.dialects.gemini.wire import OBJECT, is_null, text_of

_HUMP = re.compile(r"(?<=[a-z])([A-Z])")
_SEPARATOR: Final = "\x1f"  # JSON text never holds it unescaped


def snake(name: str) -> str:
    """`inlineData` as `inline_data`."""
    return _HUMP.sub(lambda hump: f"_{hump[1].lower()}", name)


class Fields:
    """The members of one wire object, taken one by one; what is left in the end are its extras."""

    __slots__ = ("left", "marks")

    def __init__(self, given: Raw | bytes | Extras) -> None:
        self.left: Extras = given if isinstance(given, dict) else OBJECT.decode(given)
        self.marks: list[str] = []

    def take(self, name: str) -> Raw | None:
        """The member `name`, whichever way it is spelt. An explicit null counts as absent and stays an extra."""
        raw = self.left.get(name)
        if raw is not None and not is_null(raw):
            del self.left[name]
            return raw
        other = snake(name)
        raw = self.left.get(other)
        if other == name or raw is None or is_null(raw):
            return None
        del self.left[other]
        self.mark(other)
        return raw

    def give_back(self, name: str, raw: Raw) -> None:
        """Makes a member that was taken an extra again, as it was spelt."""
        other = snake(name)
        self.left[other if other in self.marks else name] = raw

    def mark(self, word: str, raw: Raw | None = None) -> None:
        """Remembers `word`, and a JSON value with it."""
        self.marks.append(word if raw is None else f"{word}:{text_of(raw)}")

    def adopt(self, name: str, inner: "Fields") -> None:
        """Takes over the marks of the object in member `name`, and its leftovers under dotted names."""
        self.marks += inner.marks
        self.left.update({f"{name}.{member}": raw for member, raw in inner.left.items()})

    @property
    def form(self) -> str:
        """The marks, for the node's `form`."""
        return _SEPARATOR.join(self.marks)


class Spelling:
    """A node's `form`, read."""

    __slots__ = ("_marks",)

    def __init__(self, form: str) -> None:
        self._marks = form.split(_SEPARATOR) if form else []

    def key(self, name: str) -> str:
        """`name` as it was spelt."""
        return other if (other := snake(name)) in self._marks else name

    def has(self, word: str) -> bool:
        """Whether `word` was marked."""
        return word in self._marks

    def value(self, word: str) -> Raw | None:
        """The JSON value that was remembered with `word`."""
        prefix = f"{word}:"
        return next((Raw(mark[len(prefix) :].encode()) for mark in self._marks if mark.startswith(prefix)), None)


class Frame:
    """What the rendering of every node of one request depends on: where it goes, and whether it returns home."""

    __slots__ = ("dropped", "is_home", "target")

    def __init__(self, target: Target, dropped: set[str], *, is_home: bool) -> None:
        self.target = target
        self.dropped = dropped
        self.is_home = is_home

    def spelling(self, form: str) -> Spelling:
        """The spelling of a node; another dialect's hints mean nothing here."""
        return Spelling(form if self.is_home else "")

    def restore(self, out: dict[str, object], extras: Extras, owner: str) -> None:
        """Puts leftovers back at home, reports them as dropped abroad. Dotted names go into the inner object."""
        for name, raw in extras.items():
            if self.is_home:
                put(out, name, raw)
            elif not is_null(raw):
                self.dropped.add(f"{owner}.{name}" if owner else name)

    def drop(self, name: str, value: object = True) -> None:
        """Reports `name` when `value` said something."""
        if value:
            self.dropped.add(name)


def put(out: dict[str, object], name: str, raw: Raw) -> None:
    """Puts a leftover where it stood, unless something stands there now."""
    head, dot, tail = name.partition(".")
    inner = out.get(head, out.get(snake(head))) if dot else None
    if isinstance(inner, dict):
        put(inner, tail, raw)  # pyright: ignore[reportUnknownArgumentType]
    else:
        out.setdefault(name, raw)
