"""Secrets: references in the configuration, values that nobody can print. Must not know which settings are secret."""

from collections.abc import Mapping
from hmac import compare_digest
from pathlib import Path
from typing import Final, NamedTuple, Never

SECRET_BYTES_MAX: Final = 64 * 1024
NO_KEY: Final = "none"
"""What an operator writes for a provider that asks for no key."""


class Secret:
    """A text that shows itself as `***` everywhere; `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, to be put on a wire and nowhere else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not written anywhere")


class Surroundings(NamedTuple):
    """Where references lead: the environment, and the folder that relative paths start from."""

    environ: Mapping[str, str]
    folder: Path


class BadReference(ValueError):
    """A secret that cannot be resolved; the text says what to do and never shows a value."""


def resolve(reference: str, around: Surroundings) -> Secret:
    """The secret that `env:NAME` or `file:PATH` points to."""
    scheme, colon, rest = reference.partition(":")
    if not colon or scheme not in _SCHEMES:
        raise BadReference(
            "a secret is never written into the file: put it into a variable and write env:NAME, "
            f"or into a file and write file:PATH ({NO_KEY!r} if there is no key)"
        )
    if not rest:
        raise BadReference(f"{scheme}: names nothing; write {'env:NAME' if scheme == 'env' else 'file:PATH'}")
    return _SCHEMES[scheme](rest, around)


def _from_environment(name: str, around: Surroundings) -> Secret:
    value = around.environ.get(name, "").strip()
    if not value:
        raise BadReference(f"the environment variable {name} is {'empty' if name in around.environ else 'not set'}")
    return Secret(value)


def _from_file(path: str, around: Surroundings) -> Secret:
    place = around.folder / Path(path).expanduser()
    try:
        with place.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
        value = data.decode().strip()
    except OSError as error:
        raise BadReference(f"cannot read {place}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadReference(f"{place} is not text") from None
    if not value or len(data) > SECRET_BYTES_MAX:
        raise BadReference(f"{place} is {'over 64 KiB' if value else 'empty'}")
    return Secret(value)


_SCHEMES = {"env": _from_environment, "file": _from_file}
