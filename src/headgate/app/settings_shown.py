"""The configuration in effect as paths and values for people. Must not show a secret, nor what may hold one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

from pydantic import BaseModel

from headgate.app.config import Setup
from headgate.app.config_secrets import Secret

MASK: Final = "***"


def shown_settings(setup: Setup) -> list[tuple[str, str]]:
    """Every setting, in the order of the file's description."""
    found = [("store", setup.config.store_name)]
    return found + [(path, text) for path, text in _shown(setup.config, "") if path != "store"]


def _shown(value: object, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case BaseModel():
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            yield from _members({**fields, **(value.__pydantic_extra__ or {})}, path)
        case Mapping():
            yield from _members(cast("Mapping[str, Any]", value), path)
        case str():
            yield path, _without_secret(value)
        case Sequence():
            items = cast("Sequence[object]", value)
            if not items:
                yield path, "none"
            for at, item in enumerate(items):
                yield from _shown(item, f"{path}[{at}]")
        case Secret():
            yield path, MASK if value else "none"
        case None:
            yield path, "none"
        case bool():
            yield path, str(value).lower()
        case _:
            yield path, str(value)


def _members(members: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        yield from _shown(value, f"{path}.{name}" if path else name)


def _without_secret(text: str) -> str:
    """An address may hold one in its user's part, its path or its query: of these only where it leads is shown."""
    parts = urlsplit(text) if "://" in text else None
    if parts is None or not (parts.username or parts.password or parts.query or parts.path.strip("/").count("/") > 1):
        return text
    return f"{parts.scheme}://{parts.hostname or ''}/{MASK}"
