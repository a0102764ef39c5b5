"""What a provider is: one TOML file of data. Must not know any provider's name."""

from functools import cache
from importlib import resources
from typing import Literal

import msgspec
from msgspec import Struct

from headgate.core.problems import ConfigError

Scheme = Literal["bearer", "header", "query", "none"]


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    """How a credential travels: `bearer`, in the header or query parameter `name`, or not at all."""

    scheme: Scheme
    env: tuple[str, ...] = ()
    """The variables that usually hold it; the first one that is set counts."""
    name: str = ""


class Speaks(Struct, frozen=True, forbid_unknown_fields=True):
    """One door of a provider: a dialect and where it is spoken."""

    dialect: str
    base_url: str
    quirks: tuple[str, ...] = ()
    version: str = ""
    """The dialect's API version to send when the caller names none."""
    auth: Auth | None = None
    """Where this door wants the credential otherwise than the rest."""


class ProviderSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A service that speaks dialects somewhere. The first door is the usual one."""

    name: str
    title: str
    docs: str
    checked: str
    """The day the docs were last compared, YYYY-MM-DD."""
    tier: Literal["recorded", "documented", "builtin"]
    auth: Auth
    speaks: tuple[Speaks, ...]
    prices: str = ""
    """The name to look up prices under; empty: its own."""
    models: tuple[str, ...] = ()
    """Models to list besides those that the catalogue knows here."""


def parse_spec(text: bytes | str, *, where: str) -> ProviderSpec:
    """One TOML document. A typo raises `ConfigError` with its path, such as `$.speaks[0]`."""
    try:
        spec = msgspec.toml.decode(text, type=ProviderSpec)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{where}: {error}") from None
    if not spec.speaks:
        raise ConfigError(f"{where}: `speaks` has no entry: a provider needs at least one door")
    return spec


@cache
def packaged() -> dict[str, ProviderSpec]:
    """The providers that come with Headgate, by name: the listing of the data folder is the registry."""
    folder = resources.files("headgate.providers") / "data"
    specs = (
        parse_spec(file.read_bytes(), where=file.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    )
    return {spec.name: spec for spec in specs}
