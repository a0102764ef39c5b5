"""What a provider is: one TOML file of data. Must not know any provider's name."""

from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
from msgspec import Struct

from headgate.core.problems import ConfigError

Scheme = Literal["bearer", "header", "query", "none", "aws_sigv4", "google_adc", "entra_id"]

SIGNED: Final[frozenset[Scheme]] = frozenset({"aws_sigv4", "google_adc", "entra_id"})
"""Schemes whose credential is fetched or computed just before each call is sent."""

BatchApi = Literal["openai", "anthropic", "mistral", "together", "gemini"]

Feature = Literal["tools", "images", "schema", "reasoning"]


class Auth(Struct, frozen=True, forbid_unknown_fields=True):
    """How a credential travels: as a bearer token, in the header or query parameter `name`, computed, or not at all."""

    scheme: Scheme
    env: tuple[str, ...] = ()
    """The variables that usually hold it; the first one that is set counts. Of a scheme in `SIGNED`: those that show
    that its own library will find one."""
    name: str = ""
    """Of the header or query parameter; a bearer token is in `authorization` unless this says otherwise."""
    scope: str = ""
    """What a fetched credential is asked for: an OAuth scope, or AWS's name of the service."""


class Variable(Struct, frozen=True, forbid_unknown_fields=True):
    """A blank in a provider's URLs. `base_url = "https://{region}.example.com"` has the blank `region`."""

    env: tuple[str, ...] = ()
    """The variables that usually hold it; the first one that is set counts."""
    default: str | None = None
    """What it is when nobody says, with blanks of its own; None: it must be said."""
    about: str = ""
    """What it is and where it is found, in a few words."""
    of: str = ""
    """The variable whose value decides by `cases`, else by `default`: nobody else may set this one."""
    cases: dict[str, str] = {}


class Paths(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a service has a dialect's calls at paths of its own, below the base URL."""

    whole: str
    stream: str


class Speaks(Struct, frozen=True, forbid_unknown_fields=True):
    """One door of a provider: a dialect and where it is spoken. Every text but names may have blanks; `{model}` is
    filled for each call."""

    dialect: str
    base_url: str
    quirks: tuple[str, ...] = ()
    version: str = ""
    """The dialect's API version to send when the caller names none."""
    auth: Auth | None = None
    """Where this door wants the credential otherwise than the rest."""
    paths: Paths | None = None
    query: dict[str, str] = {}
    """Query parameters of every call; one that comes out empty is left out."""
    sides: tuple[str, ...] | None = None
    """The operations beside talking that are offered here; not given: it is not known, and each may be asked for."""
    headers: dict[str, str] = {}
    """Header fields of every call, but the credential; one that comes out empty is left out."""
    marks_prompts: bool = False
    """Whether it is known to take what its dialect tells a cache of prompts (`Dialect.mark_prompt`)."""


class ProviderSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A service that speaks dialects somewhere. The first door is the usual one."""

    name: str
    title: str
    docs: str
    checked: str
    """The day of the newest source that the facts were compared with, YYYY-MM-DD."""
    tier: Literal["recorded", "documented", "builtin"]
    auth: Auth
    speaks: tuple[Speaks, ...]
    realtime: Speaks | None = None
    """Where its models are spoken to live, over a WebSocket with OpenAI's realtime events; None: nowhere."""
    alternatives: tuple[Auth, ...] = ()
    """Other ways to present a credential, in the order in which their variables are looked for."""
    vars: dict[str, Variable] = {}
    features: tuple[Feature, ...] = ()
    """What its documentation says that its models can do; what recorded traffic proves is written elsewhere."""
    address_env: tuple[str, ...] = ()
    """Of a service that needs no key: the variables that usually say where it is, and so that there is one."""
    prices: str = ""
    """The name to look up prices under; empty: its own."""
    batches: tuple[str, ...] = ()
    """The paths whose calls it takes in batches, at a price of their own; `{model}` stands in them as such."""
    batch_api: BatchApi = "openai"
    """In whose way it is asked for batches: OpenAI's files and batches, Anthropic's message batches, Mistral's jobs,
    Together's uploads, Gemini's batches with their requests in them."""
    bills_on: bool = False
    """Whether it goes on with an answer, and bills all of it, though its connection is closed before the end."""
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


def ways(spec: ProviderSpec) -> tuple[Auth, ...]:
    """Every way to present a credential, the usual one first."""
    return (spec.auth, *spec.alternatives)


@cache
def packaged() -> dict[str, ProviderSpec]:
    """The providers that come with Headgate, by name: the listing of the data folder is the registry."""
    folder = resources.files("headgate.providers") / "data"
    specs = (
        parse_spec(file.read_bytes(), where=file.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name.removesuffix(".toml"))
        if file.name.endswith(".toml")
    )
    return {spec.name: spec for spec in specs}
