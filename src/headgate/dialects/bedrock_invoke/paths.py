"""Places within JSON: a chain of names and positions, read and written. Must not know what stands there."""

from itertools import pairwise
from typing import cast

Path = tuple[str | int, ...]


def value_at(document: object, path: Path) -> object:
    """What stands there; None where nothing does."""
    for step in path:
        match document, step:
            case dict(), str():
                document = cast(dict[str, object], document).get(step)
            case list(), int() if step < len(cast(list[object], document)):
                document = cast(list[object], document)[step]
            case _:
                return None
    return document


def put_at(document: dict[str, object], path: Path, value: object) -> None:
    """Writes it there, making the objects and lists on the way; a list grows by one at most."""
    holder: object = document
    for step, after in pairwise(path):
        holder = _inner(holder, step, [] if isinstance(after, int) else {})
    _set(holder, path[-1], value)


def _inner(holder: object, step: str | int, empty: object) -> object:
    held = value_at(holder, (step,))
    if isinstance(held, type(empty)):
        return held
    _set(holder, step, empty)
    return empty


def _set(holder: object, step: str | int, value: object) -> None:
    if isinstance(step, str):
        cast(dict[str, object], holder)[step] = value
        return
    items = cast(list[object], holder)
    if step < len(items):
        items[step] = value
    else:
        items.append(value)


def take_at(document: dict[str, object], path: Path) -> object:
    """What stands there, taken out; objects that are empty then go as well."""
    value = value_at(document, path)
    holder = value_at(document, path[:-1])
    if value is not None and isinstance(holder, dict):
        del holder[path[-1]]
        if not holder and len(path) > 1:
            take_at(document, path[:-1])
    return value
