"""Providers as configured: specs joined with addresses and credentials, ready to be called. Opens no socket."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct, field

from headgate.core.problems import ConfigError, InvalidRequest
from headgate.dialects.base import Target
from headgate.providers.models import Facts
from headgate.providers.spec import SIGNED, Auth, Paths, ProviderSpec, Scheme, Speaks
from headgate.providers.variables import MODEL, Unfilled, Values

_MODEL_BLANK = f"{{{MODEL}}}"


class Door(Struct, frozen=True):
    """One dialect at one address, with the credential in place. Its `repr` shows no secret."""

    dialect: str
    base_url: str
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""
    version: str = ""
    quirks: tuple[str, ...] = ()
    paths: Paths | None = None
    sides: tuple[str, ...] | None = None
    """The operations beside talking that are offered here; None: not known."""
    signer: str = ""
    """Who puts the credential on a request just before it is sent: the name of a `Signing`. Empty: nobody has to."""
    marks_prompts: bool = False
    """Whether its cache of prompts may be told things that the caller has not."""

    def address(self, usual: str, target: Target) -> str:
        """The path of a call below the base URL: the dialect's `usual` one, unless the service has its own."""
        if self.paths is None:
            return usual
        return _with_model(self.paths.stream if target.is_stream else self.paths.whole, target.model)

    def offers(self, side: str) -> bool:
        """Whether an operation beside talking may be asked for: at paths of its own a service has talking alone."""
        return self.paths is None and (self.sides is None or side in self.sides)

    def url(self, address: str, model: str = "") -> str:
        """The full URL of an `address`, which begins with a slash. A version twice (`/v1/v1`) is once."""
        base = _with_model(self.base_url, model)
        if base.endswith("/v1") and address.startswith("/v1/"):
            base = base[:-3]
        joined = base + address
        if not self.query:
            return joined
        return f"{joined}{'&' if '?' in address else '?'}{self.query}"

    def __repr__(self) -> str:
        return f"Door({self.dialect!r}, {self.base_url!r})"


def _with_model(text: str, model: str) -> str:
    """The model escaped, so that a caller's name of it stays one segment of the path."""
    if _MODEL_BLANK not in text:
        return text
    if model in {"", ".", ".."}:
        raise InvalidRequest(f"the model {model!r} cannot be part of a URL; give its name there", param="model")
    return text.replace(_MODEL_BLANK, quote(model, safe="@:"))


class Signing(Struct, frozen=True):
    """What a signer is made of: a credential that is fetched or computed. Its `repr` shows no secret."""

    name: str
    auth: Auth
    credential: str
    """What the operator gave: a service account's JSON, a secret. Empty: the scheme's own library looks for one."""
    values: Values

    def __repr__(self) -> str:
        return f"Signing({self.name!r}, {self.auth.scheme!r})"


class Deployment(Struct, frozen=True):
    """A model at a provider: what an attempt is made at."""

    provider: str
    model: str
    doors: tuple[Door, ...]
    prices: str
    facts: Facts | None = None
    """What its model can do; None: not known."""
    realtime: Door | None = None
    """Where it is spoken to live; None: nowhere."""
    bills_on: bool = False
    """Whether an answer is billed to its end though its connection is closed before."""

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
    signings: tuple[Signing, ...] = ()
    prices: str = ""
    """The name that its prices are kept under; empty: the packaged provider's."""
    realtime: Door | None = None

    @property
    def price_name(self) -> str:
        """The name that its prices are kept under."""
        return self.prices or self.spec.prices or self.spec.name

    def deployment(self, model: str, facts: Facts | None = None) -> Deployment:
        """That model here; whether it exists is known to the provider alone."""
        return Deployment(self.name, model, self.doors, self.price_name, facts, self.realtime, self.spec.bills_on)


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
    auth: Auth | None = None
    """The way that the credential travels; None: the usual one of each door."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """What fills the blanks of its URLs, as the operator set it."""
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where variables that nobody set are looked for."""

    @property
    def values(self) -> Values:
        """What fills the blanks of its URLs."""
        return Values(self.spec.vars, self.variables, self.environ)

    prices: str = ""
    """The name that its prices are kept under, where they are not the packaged provider's."""

    def __repr__(self) -> str:
        return f"Settings({self.name!r}, like {self.spec.name!r})"


def configure(settings: Settings) -> Provider:
    """A provider from its spec and what the operator says of it. Raises `ConfigError` if nothing is left to call, or
    `Unfilled` for a blank in its URLs."""
    spec = settings.spec
    chosen = [
        (door, base)
        for door, base in _addresses(spec.speaks, settings.base_url)
        if not settings.speaks or door.dialect in settings.speaks
    ]
    if not chosen:
        raise ConfigError(
            f"provider {settings.name!r}: none of {', '.join(settings.speaks)} is spoken; "
            f"{spec.name} speaks {', '.join(door.dialect for door in spec.speaks)}"
        )
    if any(_MODEL_BLANK in urlsplit(base).netloc for _, base in chosen):
        raise ConfigError(
            f"provider {settings.name!r}: {_MODEL_BLANK} cannot be part of a host, which no caller may choose"
        )
    doors = tuple(_door(door, base, settings) for door, base in chosen)
    signed = {door.signer: _auth(speaks, settings) for door, (speaks, _) in zip(doors, chosen, strict=True)}
    signings = (Signing(name, auth, settings.credential, settings.values) for name, auth in signed.items() if name)
    return Provider(settings.name, spec, doors, tuple(signings), settings.prices, _realtime(settings))


def _realtime(settings: Settings) -> Door | None:
    """The door for live sessions, moved along with the others; left out where these do not say where it went."""
    spec = settings.spec
    if spec.realtime is None:
        return None
    moved = [
        entry for entry in _addresses((spec.speaks[0], spec.realtime), settings.base_url) if entry[0] is spec.realtime
    ]
    return _door(*moved[0], settings) if moved else None


def unfilled(settings: Settings) -> Unfilled | None:
    """The first blank in the URLs of a provider that has no good value, or None."""
    try:
        configure(settings)
    except Unfilled as fault:
        return fault
    except ConfigError:
        return None  # of another kind, which has its own words
    return None


def _auth(speaks: Speaks, settings: Settings) -> Auth:
    return settings.auth or speaks.auth or settings.spec.auth


def _door(speaks: Speaks, base_url: str, settings: Settings) -> Door:
    auth, values = _auth(speaks, settings), settings.values
    headers, credential_query = credential_fields(auth, settings.credential)
    fields = [(name.lower(), values.fill(text)) for name, text in speaks.headers.items()]
    members = {name: values.fill(text) for name, text in speaks.query.items()}
    query = urlencode({name: value for name, value in members.items() if value})
    paths = speaks.paths
    return Door(
        dialect=speaks.dialect,
        base_url=values.fill(base_url),
        headers=(*headers, *(pair for pair in fields if pair[1]), *settings.headers),
        query="&".join(filter(None, (query, credential_query))),
        version=settings.version or speaks.version,
        quirks=speaks.quirks,
        paths=paths and Paths(values.fill(paths.whole), values.fill(paths.stream)),
        sides=None if settings.base_url and speaks.sides else speaks.sides,  # elsewhere there may be others
        signer=f"{settings.name}/{auth.scope or auth.scheme}" if auth.scheme in SIGNED else "",
        marks_prompts=speaks.marks_prompts,
    )


def credential_fields(auth: Auth, credential: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The header fields and the query string that carry a credential by its scheme."""
    return _FIELDS[auth.scheme](auth, credential) if credential else _NO_FIELDS


_Fields = tuple[tuple[tuple[str, str], ...], str]
_NO_FIELDS: _Fields = ((), "")
_FIELDS: dict[Scheme, Callable[[Auth, str], _Fields]] = {
    "bearer": lambda auth, credential: (((auth.name or "authorization", f"Bearer {credential}"),), ""),
    "header": lambda auth, credential: (((auth.name, credential),), ""),
    "query": lambda auth, credential: ((), f"{auth.name}={quote(credential, safe='')}"),
    "none": lambda auth, credential: _NO_FIELDS,
    **dict.fromkeys(SIGNED, lambda auth, credential: _NO_FIELDS),
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
