"""The configuration file, as models: every setting, its default and what it may be. Must not know where it came from.

The text under a setting is what the reference page and the JSON Schema say of it.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from headgate.app.config_cache import Cache, CacheTerms, mode_alone
from headgate.app.config_money import WEBHOOK_SECRET_CHARACTERS_MIN, Payments, PriceEntry, Prices
from headgate.app.config_secrets import Secret
from headgate.app.config_values import (
    USD_MAX,
    Bytes,
    Entry,
    HeaderValue,
    Host,
    Port,
    Reference,
    ReferenceOrNone,
    Seconds,
    Section,
    Tag,
    VariableValue,
    refusal,
    section,
)
from headgate.providers.quality import Quality
from headgate.providers.spec import Scheme
from headgate.routing.affinity import Sticky
from headgate.routing.continuing import Continuation, OnCut
from headgate.routing.strategies import Strategy

ADMIN_KEY_CHARACTERS_MIN = 32
TARGETS_MAX = 64


def _target(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


class Server(Section):
    """Where Headgate listens, and what it accepts there."""

    host: Host = "127.0.0.1"
    """Address that clients call. `0.0.0.0` for every network of the machine."""
    port: Port = 8080
    """Port that clients call. 0 takes any free one."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that answer clients. This version runs one."""
    admin_host: Host = "127.0.0.1"
    """Address of the administration. Leave it on loopback unless a proxy with TLS stands in front."""
    admin_port: Port = 8081
    """Port of the administration. 0 takes any free one."""
    admin_names: Annotated[tuple[Host, ...], Field(strict=False)] = ()
    """Host names under which the administration may be called, besides loopback."""
    body_bytes_max: Bytes = 20 * 1024 * 1024
    """The longest request body that is read, in bytes; a longer one is answered with 413."""
    upload_bytes_max: Bytes = 32 * 1024 * 1024
    """The longest request body with files in it (sound to transcribe, pictures to edit), in bytes, likewise."""
    answer_bytes_max: Bytes = 64 * 1024 * 1024
    """The longest whole answer that is read from a provider, in bytes; a longer one counts as failed."""

    @field_validator("workers")
    @classmethod
    def _one_worker(cls, workers: int) -> int:
        if workers > 1:
            raise refusal("more than one worker is not available yet; leave it at 1, and start one process per port")
        return workers


class Timeouts(Section):
    """How long providers may take. A route's `timeout_s` bounds the whole call besides."""

    head_s: Seconds = 60.0
    """The first event of a stream, while another candidate is left to try, in seconds."""
    whole_s: Seconds = 300.0
    """A whole answer, while another candidate is left to try, in seconds."""
    idle_s: Seconds = 120.0
    """Silence within a stream, in seconds."""


class Probes(Section):
    """Looking after providers that are out of order, besides the calls that try them."""

    every_s: Annotated[float, Field(ge=0, le=3600, strict=False)] = 0.0
    """How often a list of models, which costs nothing, is asked of a host that cannot be reached or an account whose
    key was refused, in seconds; once it is answered, calls go there again. 0: never."""


class Kept(Section):
    """What providers keep for callers: files, batches, answers. Their ids lead to the provider that made them."""

    unknown_ids: Literal["refuse", "pass"] = "refuse"
    """Ids that were not made through this gateway by the same key or team. `refuse`: answer 404. `pass`: send them on
    where only one provider comes into question; every key then reaches whatever that account keeps."""
    provider: str = ""
    """Where files and batches go when the call names no provider. Empty: to the only one that can keep them."""
    batch_tier: Literal["default", "batch"] = "default"
    """At what price the gateway's own batches run that do not say so by `tier`. `batch`: lines for providers that have
    batches go into those, at their price, and may take a day; others are called at once, as all are by `default`."""
    upload_bytes_max: Bytes = 512 * 1024 * 1024
    """The longest upload, in bytes; a longer one is answered with 413. It is sent on while it comes."""
    body_bytes_max: Bytes = 100 * 1024 * 1024
    """The longest other body, and the longest that is passed through, in bytes; a longer one is answered with 413. It
    is held in memory while the call lasts."""


class PassThrough(Section):
    """`/PROVIDER/…`: whatever else a provider's API has, sent on as it is with the gateway's credential."""

    providers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Providers that may be called so, by keys that `headgate keys pass-through` lets do it. Empty: none."""


class Webhook(Section):
    """Where alerts are posted, as JSON."""

    url: str
    """Such as `https://example.com/alerts`. Redirects are not followed."""
    secret: Reference
    """What messages are signed with, at least 16 characters."""

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or not url.isprintable():
            raise refusal("must be a URL such as https://example.com/alerts")
        return url

    @field_validator("secret")
    @classmethod
    def _hard_to_guess(cls, secret: Secret) -> Secret:
        if len(secret) < WEBHOOK_SECRET_CHARACTERS_MIN:
            raise refusal(f"must have at least {WEBHOOK_SECRET_CHARACTERS_MIN} characters")
        return secret


class Email(Section):
    """Where alerts are mailed."""

    host: Host
    """The SMTP server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`none` is for a server on this machine."""
    sender: Annotated[str, Field(pattern=r"^[^\s@]+@[^\s@]+$")]
    """The address that it comes from."""
    to: Annotated[tuple[Annotated[str, Field(pattern=r"^[^\s@,]+@[^\s@,]+$")], ...], Field(strict=False, min_length=1)]
    """The addresses that it goes to."""
    user: str = ""
    """Who logs in. Empty: nobody does."""
    password: Reference | None = None
    """And with what."""


class Alerts(Section):
    """What is told, and where to: budgets and credit that run out, prices of models in use that change."""

    webhook: Webhook | None = None
    """Where alerts are posted. Not given: nowhere."""
    email: Email | None = None
    """Where alerts are mailed. Not given: nowhere."""
    thresholds: Annotated[
        tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(strict=False, min_length=1, max_length=10)
    ] = (80, 100)
    """At how many per cent of a budget an alert is sent, once in its window."""
    low_balance_usd: Annotated[float, Field(ge=0, le=USD_MAX, strict=False)] = 5.0
    """Below how many dollars of credit an alert is sent, once until credit comes again."""
    every_s: Annotated[float, Field(ge=1, le=3600, strict=False)] = 30.0
    """How often to look, in seconds."""


class ProviderEntry(Section):
    """One service that models run at. The entry's name is the first part of its models' names.

    Besides these settings it takes the variables of the provider's addresses, such as `resource` or `region`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, VariableValue] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    like: str = ""
    """The packaged provider whose API it speaks. Empty: the one of the entry's own name."""
    base_url: str = ""
    """Where it is. Empty: the provider's usual address."""
    api_key: ReferenceOrNone | None = None
    """Its credential: `env:NAME`, `file:PATH`, or `none`. Not given: the provider's usual variable."""
    auth: Scheme | None = None
    """How the credential travels, where the provider takes several kinds. Not given: by what is at hand."""
    version: str = ""
    """API version to send, for providers that have several. Empty: the usual one."""
    speaks: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Keep only these dialects of its API. Empty: all that the provider speaks."""
    headers: dict[str, HeaderValue] = Field(default={})
    """Further header fields to send; a value may be `env:NAME` or `file:PATH`."""
    models: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names of models to list, besides those that are known to run there."""
    prices: dict[str, PriceEntry] = Field(default={})
    """Your own prices by model; `*` is every other model. `{"*": {input: 0, output: 0}}` makes a local server free."""
    bills_on: bool | None = None
    """Whether it bills an answer to its end though the connection is closed before: then the answer is read on when its
    caller leaves, so that its cost is known. Not given: as is known of the provider."""
    trust: bool = False
    """Send its models anything: do not check first what they are known to be able to do."""

    @property
    def variables(self) -> dict[str, str]:
        """What the entry sets besides the settings that all providers have."""
        return {name: value.reveal() for name, value in (self.__pydantic_extra__ or {}).items()}

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
            is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_whole, parts = False, urlsplit("")
        if not is_whole or not url.isprintable() or " " in url:
            raise refusal("must be a URL such as https://api.example.com/v1")
        if parts.username is not None or parts.password is not None:
            raise refusal("must not carry a user name or password; put the credential into api_key")
        if parts.query or parts.fragment:
            raise refusal("must end with its path, without ? or #")
        return url

    @field_validator("headers")
    @classmethod
    def _header_names(cls, headers: dict[str, Secret]) -> dict[str, Secret]:
        for name in headers:
            if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}", name):
                raise refusal(f"{name!r} is not the name of a header field")
            if name.lower() in {"host", "content-length", "connection", "transfer-encoding"}:
                raise refusal(f"{name!r} is written by the transport itself; leave it out")
        return headers


class TargetEntry(Section):
    """One choice of a route; a bare text is its `model`."""

    model: Annotated[str, Field(min_length=1)]
    """`provider/model`."""
    weight: Annotated[float, Field(ge=0, le=1_000_000, strict=False)] = 1.0
    """How often it comes first, in proportion to the others, under `weighted`; its share under `balanced` and
    `least_busy`."""
    tags: Annotated[tuple[Tag, ...], Field(strict=False)] = ()
    """Words of your own, such as `eu`. A call with `x-headgate-tags: eu` goes to targets that have the tag alone."""
    continuation: Continuation = "user_turn"
    """How it is asked, under `on_cut`, for the rest of an answer that broke off elsewhere: by a `user_turn` that asks
    to go on, by a `prefill` that it goes on from of itself (not all models take one), or not at all: `none`."""


def _some_targets(targets: tuple[TargetEntry, ...]) -> tuple[TargetEntry, ...]:
    if not 0 < len(targets) <= TARGETS_MAX:
        raise refusal(f"must have from 1 to {TARGETS_MAX} entries")
    return targets


Targets = Annotated[
    tuple[Annotated[TargetEntry, BeforeValidator(_target)], ...],
    Field(strict=False, json_schema_extra={"minItems": 1, "maxItems": TARGETS_MAX}),
    AfterValidator(_some_targets),
]


class RuleEntry(Section):
    """Other targets for calls that meet a condition."""

    query: Annotated[dict[str, object], WithJsonSchema({"type": "object"})]
    """The condition, in Portkey's form: `{metadata.plan: {$eq: paid}}`."""
    then: Targets
    """The targets of calls that meet it."""


class RouteEntry(Section):
    """A model name of your own, and where it is served."""

    strategy: Strategy = "ordered"
    """`ordered`: the first target, the next if it fails. `weighted`: a random first one by weight, then the rest.
    `cheapest`: by the price of the call, the usual one under `quality`. `fastest`: by the time it will probably take.
    `balanced`: the better of two random ones, by time, load, price and failures. `least_busy`: the fewest calls on
    their way for its weight."""
    targets: Targets = ()
    """The choices: texts such as `openai/gpt-4o-mini`, or mappings of `model`, `weight` and `tags`."""
    quality: Quality | None = None
    """In place of `targets`: whatever the configured providers offer that its maker places at least so high, at a known
    price; a call goes to the cheapest that can do what it takes."""
    timeout_s: Seconds = 600.0
    """Deadline of a whole call, its retries included, in seconds."""
    attempts_max: Annotated[int, Field(ge=1, le=TARGETS_MAX)] = 3
    """The most attempts that one call may take. Not given: 3, or one for each target if those are more."""
    retry_same_first: bool = False
    """Repeat once at the same target, after a short wait, before going on to the next."""
    hedge_share: Annotated[float, Field(ge=0, le=1)] = 0.03
    """Of what the route's calls cost, so much may go into asking a second target beside a slow one. 0: none is."""
    queue_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long a call may wait when all targets want rest, in seconds. 0: it is refused at once, with `retry-after`."""
    conditions: Annotated[tuple[RuleEntry, ...], Field(strict=False)] = ()
    """Which calls go to other targets: the first condition that holds decides."""
    sticky: Sticky | None = None
    """Which calls go to the same target while it is well and not too busy: those of a `session`, a `user` or a `key`,
    or with the same beginning of the `prompt`, which a provider's cache knows then."""
    on_context: Targets | None = None
    """Where a call goes on whose prompt is too long for a target."""
    on_policy: Targets | None = None
    """Where a call goes on whose content a target's policy refuses. Not given: the refusal is the answer."""
    on_loss: Literal["report", "refuse"] = "report"
    """What to do about parameters that a target's API cannot express: say so in `x-headgate-dropped`, or answer 400."""
    on_cut: OnCut = "end"
    """What becomes of a stream that breaks off in the midst of its words: it ends with an error (`end`), or another
    target with the same model finishes it where that can be done (`continue`), or any other (`continue_anywhere`)."""
    cache: Annotated[CacheTerms | None, BeforeValidator(mode_alone)] = None
    """How its answers are used again, where not as `cache` says; a bare text is its `mode`."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.targets) is (self.quality is not None):
            raise refusal("needs targets, or quality in their place")
        return self

    @property
    def order(self) -> Strategy:
        """The strategy, as given or as usual."""
        return "cheapest" if self.quality is not None and "strategy" not in self.model_fields_set else self.strategy


def _named(entries: dict[str, Entry], form: str, meaning: str) -> dict[str, Entry]:
    for name in entries:
        if not re.fullmatch(form, name):
            raise refusal(f"the name {name!r} may have {meaning} only")
    return entries


class Config(Section):
    """The whole configuration."""

    data_dir: Annotated[Path, Field(strict=False)] = Path()
    """Folder of everything that is kept. Not given: `$XDG_DATA_HOME/headgate`, else `~/.local/share/headgate`."""
    admin_key: Reference | None = None
    """The key of the administration, at least 32 characters. Not given: the first start makes one, shown once."""
    server: Annotated[Server, BeforeValidator(section)] = Server()
    """Where Headgate listens."""
    store: str = "sqlite:///headgate.db"
    """The database: `sqlite:///` and a path, which starts from `data_dir` unless it is absolute, or
    `postgresql://USER@HOST/DATABASE`, which needs `pip install headgate[postgresql]`."""
    shared: None = None
    """Shared state of several replicas. Not available yet: leave it out."""
    providers: Annotated[dict[str, Annotated[ProviderEntry, BeforeValidator(section)]], BeforeValidator(section)] = (
        Field(default={})
    )
    """Where models run. Not given: every packaged provider whose usual variable is set. `demo` is always there.
    Besides the settings below an entry takes the variables of its provider's addresses, such as `resource`."""
    timeouts: Annotated[Timeouts, BeforeValidator(section)] = Timeouts()
    """How long providers may take."""
    probes: Annotated[Probes, BeforeValidator(section)] = Probes()
    """Looking after providers that are out of order."""
    kept: Annotated[Kept, BeforeValidator(section)] = Kept()
    """What providers keep for callers."""
    pass_through: Annotated[PassThrough, BeforeValidator(section)] = PassThrough()
    """What else of a provider's API may be called."""
    prices: Annotated[Prices, BeforeValidator(section)] = Prices()
    """What to do about models whose price is not known."""
    payments: Annotated[Payments, BeforeValidator(section)] = Payments()
    """How accounts pay for credit."""
    cache: Annotated[Cache, BeforeValidator(mode_alone)] = Cache()
    """Answers that are used again. A bare text is its `mode`."""
    alerts: Annotated[Alerts, BeforeValidator(section)] = Alerts()
    """What is told of budgets, credit and prices, and where to."""
    routes: Annotated[dict[str, RouteEntry], BeforeValidator(section)] = Field(default={})
    """Model names of your own."""

    @field_validator("data_dir")
    @classmethod
    def _data_dir(cls, path: Path, info: ValidationInfo) -> Path:
        return path.expanduser().absolute()

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, key: Secret | None) -> Secret | None:
        if key is not None and len(key) < ADMIN_KEY_CHARACTERS_MIN:
            raise refusal(
                f"must have at least {ADMIN_KEY_CHARACTERS_MIN} characters; leave it out to have one made for you"
            )
        return key

    @field_validator("store")
    @classmethod
    def _store(cls, url: str) -> str:
        if url.startswith("postgres"):
            scheme, _, place = url.partition("://")
            if scheme != "postgresql" or not place.partition("?")[0].partition("/")[2]:
                raise refusal("must be postgresql://USER@HOST/DATABASE for PostgreSQL")
            return url
        scheme, colon, path = url.partition(":///")
        if scheme != "sqlite" or not colon or not path.strip("/") or path.endswith("/"):
            raise refusal("must be sqlite:/// and the path of a file, such as sqlite:///headgate.db")
        return url

    @field_validator("providers")
    @classmethod
    def _provider_names(cls, entries: dict[str, ProviderEntry]) -> dict[str, ProviderEntry]:
        if "headgate" in entries:
            raise refusal("the name 'headgate' stands for the gateway's own files; call the provider otherwise")
        return _named(entries, r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "letters, digits and . _ -")

    @field_validator("routes")
    @classmethod
    def _route_names(cls, entries: dict[str, RouteEntry]) -> dict[str, RouteEntry]:
        return _named(entries, r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}", "letters, digits and . _ : @ / -")

    @property
    def store_url(self) -> str:
        """The address of the database; a file's path is absolute in it."""
        scheme, slashes, path = self.store.partition(":///")
        return f"{scheme}{slashes}{self.data_dir / path}" if scheme == "sqlite" else self.store

    @property
    def store_name(self) -> str:
        """The file of the database, or its address without a password: for people."""
        if not self.store.startswith("sqlite:///"):
            address = re.sub(r"(?<=//)([^/@]*?):[^/]*@", r"\1@", self.store)
            return re.sub(r"([?&]password=)[^&]*", r"\1***", address)
        return self.store_url.removeprefix("sqlite:///")
