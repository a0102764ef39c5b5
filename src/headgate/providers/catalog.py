"""Providers as configured: specs joined with addresses and credentials, ready to be called. Opens no socket."""

from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

from msgspec import Struct

from headgate.core.problems import ConfigError
from headgate.providers.models import Facts
from headgate.providers.spec import Auth, ProviderSpec, Scheme, Speaks


class Door(Struct, frozen=True):
    """One dialect at one address, with the credential in place. Its `repr` shows no secret."""

    dialect: str
    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    version: str = ""
    quirks: tuple[str, ...] = ()

    def url(self, address: str) -> str:
        """The full URL of a dialect's `address`, which begins with a slash. A version twice (`/v1/v1`) is once."""
        base = self.base_url
        if base.endswith("/v1") and address.startswith("/v1/"):
            base = base[:-3]
        joined = base + address
        if not self.query:
            return joined
        return f"{joined}{'&' if '?' in address else '?'}{self.query}"

    def __repr__(self) -> str:
        return f"Door({self.dialect!r}, {self.base_url!r})"


class Deployment(Struct, frozen=True):
    """A model at a provider: what an attempt is made at."""

    provider: str
    model: str
    doors: tuple[Door, ...]
    prices: str
    facts: Facts | None = None
    """What its model can do; None: not known."""

    @property
    def id(self) -> str:
        """`provider/model`, the name in plans, headers and records."""
        return f"{self.provider}/{self.model}"

    def door(self, dialect: str) -> Door:
        """The door that speaks the client's own dialect, so that bytes can pass unchanged; else the first."""
        for door in self.doors:
            if door.dialect == dialect:
                return door
        return self.doors[0]


class Provider(Struct, frozen=True):
    """A configured provider."""

    name: str
    spec: ProviderSpec
    doors: tuple[Door, ...]
    prices: str = ""
    """The name that its prices are kept under; empty: the packaged provider's."""

    def deployment(self, model: str, facts: Facts | None = None) -> Deployment:
        """That model here; whether it exists is known to the provider alone."""
        return Deployment(self.name, model, self.doors, self.prices or self.spec.prices or self.spec.name, facts)


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator says of one provider."""

    name: str
    spec: ProviderSpec
    base_url: str = ""
    credential: str = ""
    version: str = ""
    speaks: tuple[str, ...] = ()
    """Keep only the doors of these dialects; empty: all."""
    headers: tuple[tuple[str, str], ...] = ()
    prices: str = ""
    """The name that its prices are kept under, where they are not the packaged provider's."""

    def __repr__(self) -> str:
        return f"Settings({self.name!r}, like {self.spec.name!r})"


def configure(settings: Settings) -> Provider:
    """A provider from its spec and what the operator says of it. Raises `ConfigError` if nothing is left to call."""
    spec = settings.spec
    doors = [
        _door(door, base, settings)
        for door, base in _addresses(spec.speaks, settings.base_url)
        if not settings.speaks or door.dialect in settings.speaks
    ]
    if not doors:
        raise ConfigError(
            f"provider {settings.name!r}: none of {', '.join(settings.speaks)} is spoken; "
            f"{spec.name} speaks {', '.join(door.dialect for door in spec.speaks)}"
        )
    return Provider(settings.name, spec, tuple(doors), settings.prices)


def _door(speaks: Speaks, base_url: str, settings: Settings) -> Door:
    auth = speaks.auth or settings.spec.auth
    headers, query = credential_fields(auth, settings.credential)
    return Door(
        dialect=speaks.dialect,
        base_url=base_url,
        headers=(*headers, *settings.headers),
        query=query,
        version=settings.version or speaks.version,
        quirks=speaks.quirks,
    )


def credential_fields(auth: Auth, credential: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The header fields and the query string that carry a credential by its scheme."""
    return _FIELDS[auth.scheme](auth, credential) if credential else _NO_FIELDS


_Fields = tuple[tuple[tuple[str, str], ...], str]
_NO_FIELDS: _Fields = ((), "")
_FIELDS: dict[Scheme, Callable[[Auth, str], _Fields]] = {
    "bearer": lambda auth, credential: ((("authorization", f"Bearer {credential}"),), ""),
    "header": lambda auth, credential: (((auth.name, credential),), ""),
    "query": lambda auth, credential: ((), f"{auth.name}={quote(credential, safe='')}"),
    "none": lambda auth, credential: _NO_FIELDS,
}


def _addresses(speaks: Sequence[Speaks], base_url: str) -> list[tuple[Speaks, str]]:
    """Each door with its base URL, moved along when the operator points the provider elsewhere.

    A given URL without any path takes the packaged path (`http://host` + `/v1`), so that the usual slip works; a
    bare slash means the root. Doors below the first one's path move with it; doors on other hosts are left out,
    since the operator did not say where they are.
    """
    if not base_url:
        return [(door, door.base_url.rstrip("/")) for door in speaks]
    first = speaks[0].base_url.rstrip("/")
    given = base_url + urlsplit(first).path if not urlsplit(base_url).path else base_url.rstrip("/")
    moved: list[tuple[Speaks, str]] = []
    for door in speaks:
        packaged_url = door.base_url.rstrip("/")
        if packaged_url == first or packaged_url.startswith(first + "/"):
            moved.append((door, given + packaged_url[len(first) :]))
        elif _origin(packaged_url) == _origin(first):
            moved.append((door, _origin(given) + urlsplit(packaged_url).path))
    return moved


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
