"""The price book: what each provider's models cost, and what else is known of them. Must not know who used what.

The data is `prices.json`, made by `tools/compile_prices.py`, and for what that lacks `listed.json`, made by
`tools/compile_catalogue.py`. Each is read at the first question that needs it, and a provider's part of it at the first
question about that provider. An operator's own prices come before both.
"""

import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from importlib import resources

import msgspec
from msgspec import Struct, structs

_MEMO_MAX = 20_000
_MINUTES_PER_DAY = 1440
_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Rates(Struct, frozen=True, array_like=True, gc=False):
    """Pico-USD per token; None: not told apart from plain input or output (`meter` says which rate then holds)."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    write: int | None = None
    write_1h: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    cached_audio: int | None = None
    cached_image: int | None = None


class Tier(Struct, frozen=True, array_like=True):
    """Rates for the whole of a call whose input is longer than `above` tokens."""

    above: int
    rates: Rates


class Fees(Struct, frozen=True, array_like=True, gc=False):
    """What is asked for things that are no tokens, each a whole amount; None: it has no price of its own."""

    character: int | None = None
    """Pico-USD per character spoken."""
    audio_hour: int | None = None
    """Nano-USD per hour of sound listened to."""
    image: int | None = None
    """Nano-USD per picture made."""
    search: int | None = None
    """Nano-USD per query over up to 100 documents."""


_NO_FEES = Fees()


class Price(Struct, frozen=True, array_like=True):
    """What a model costs."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    """By `above`, rising."""
    request: int | None = None
    """Nano-USD per request."""
    search: int | None = None
    """Nano-USD per web search."""
    tiers_of_service: Mapping[str, "Price"] = {}
    """What holds instead when a call is processed otherwise than usual: `batch`, `flex`, `priority`, `fast`."""
    fees: Fees | None = None
    """What is billed instead of tokens, where a call tells one of these measures."""

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates that hold for a call with so much input."""
        rates = self.rates
        for tier in self.tiers:
            if input_tokens <= tier.above:
                break
            rates = tier.rates
        return rates

    def at(self, tier: str) -> "Price | None":
        """What holds for a tier of service; None: not known."""
        return self.tiers_of_service.get(tier) if tier else self

    def shown(self) -> dict[str, str]:
        """OpenRouter's price names (`prompt`, `completion`, …), in USD per token, request or search; and our own for
        what they have no names for."""
        shown = _shown_rates(self.rates)
        fees = self.fees or _NO_FEES
        named = {
            "request": self.request,
            "web_search": self.search,
            "image": fees.image,
            "audio_hour": fees.audio_hour,
            "search_query": fees.search,
        }
        shown |= {name: _usd(fee * 1000) for name, fee in named.items() if fee is not None}
        return shown if fees.character is None else {**shown, "character": _usd(fees.character)}

    def shown_tiers(self) -> list[dict[str, object]]:
        """What holds for longer prompts, in the same words."""
        return [{"min_prompt_tokens": tier.above, **_shown_rates(tier.rates)} for tier in self.tiers]


class DatedPrice(Struct, frozen=True, array_like=True):
    """A price and when it holds: from a time on, or daily between two minutes of the day (UTC)."""

    price: Price
    since_s: int = 0
    minutes: tuple[int, int] | None = None

    def holds(self, now_s: float) -> bool:
        if now_s < self.since_s:
            return False
        if self.minutes is None:
            return True
        start, end = self.minutes
        minute = int(now_s // 60) % _MINUTES_PER_DAY
        return start <= minute < end if start <= end else minute >= start or minute < end


class _Clause(Struct, frozen=True, array_like=True):
    """A condition on a model's name, or several of them joined."""

    test: str
    text: str = ""
    parts: "tuple[_Clause, ...]" = ()

    def fits(self, model: str) -> bool:
        return _TESTS[self.test](self, model)


_TESTS: dict[str, Callable[[_Clause, str], bool]] = {
    "=": lambda clause, model: model == clause.text,
    "^": lambda clause, model: model.startswith(clause.text),
    "$": lambda clause, model: model.endswith(clause.text),
    "*": lambda clause, model: clause.text in model,
    "~": lambda clause, model: re.search(clause.text, model) is not None,
    "|": lambda clause, model: any(part.fits(model) for part in clause.parts),
    "&": lambda clause, model: all(part.fits(model) for part in clause.parts),
}


class _Model(Struct, frozen=True, array_like=True):
    id: str
    name: str
    context_tokens: int | None
    match: _Clause
    prices: tuple[DatedPrice, ...]
    is_deprecated: bool = False

    def price(self, now_s: float) -> Price | None:
        """The last price that holds."""
        holding = (each.price for each in reversed(self.prices) if each.holds(now_s))
        return next(holding, self.prices[0].price if self.prices else None)


class _Provider(Struct, frozen=True):
    models: tuple[_Model, ...]
    fallback: tuple[str, ...] = ()
    """Providers whose models this one offers too, at the same price."""


class _Book(Struct, frozen=True):
    version: str
    providers: dict[str, msgspec.Raw]
    names: dict[str, str] = {}
    """What else providers go by."""


_encode = msgspec.json.Encoder(order="sorted").encode
_decode_book = msgspec.json.Decoder(_Book).decode
_decode_provider = msgspec.json.Decoder(_Provider).decode

_DEMO_PRICE = Price(Rates(input=1_000_000, output=2_000_000, cached=100_000))
_DEMO = _Provider(
    models=(
        _Model("echo", "Echo", 128_000, _Clause("^", "echo"), (DatedPrice(_DEMO_PRICE),)),
        _Model("lorem", "Lorem ipsum", 128_000, _Clause("^", "lorem"), (DatedPrice(_DEMO_PRICE),)),
    )
)
"""Made up, so that limits, budgets and pages can be tried without any provider: USD 1 and 2 per million tokens."""


def _fees(**amounts: int) -> Price:
    return Price(Rates(), fees=Fees(**amounts))


_NOT_BY_TOKENS: dict[str, dict[str, Price]] = {
    # dated names of what the data has, and moderation, which is free:
    # https://developers.openai.com/api/docs/pricing, as litellm 1.109.1 lists it too (2026-11)
    "openai": {
        "tts-1-1106": _fees(character=15_000_000),
        "tts-1-hd-1106": _fees(character=30_000_000),
        "omni-moderation-latest": Price(Rates(input=0, output=0)),
        "omni-moderation-2024-09-26": Price(Rates(input=0, output=0)),
    },
    # https://cohere.com/pricing, likewise: USD 2 per thousand searches, 2.50 of the larger model
    "cohere": {
        "rerank-v3.5": _fees(search=2_000_000),
        "rerank-english-v3.0": _fees(search=2_000_000),
        "rerank-multilingual-v3.0": _fees(search=2_000_000),
        "rerank-v4.0-fast": _fees(search=2_000_000),
        "rerank-v4.0-pro": _fees(search=2_500_000),
    },
}
"""What is sold otherwise than by the token, which neither source of the data has. What has no source stands nowhere."""

_PER_WEB_SEARCH: dict[str, int] = {
    # https://docs.x.ai/docs/models#tool-invocation-costs, and what its answers tell as `cost_in_usd_ticks` (2026-11)
    "x-ai": 5_000_000,
}
"""What a provider asks for each web search of any model, in nano-USD, where the data does not say it."""


def _with_search(price: Price, fee: int) -> Price:
    served = {tier: _with_search(each, fee) for tier, each in price.tiers_of_service.items()}
    return structs.replace(price, search=fee if price.search is None else price.search, tiers_of_service=served)


class OwnPrices(Struct, frozen=True):
    """What an operator pays at a provider, by model in lower case; `*` is any other model."""

    models: Mapping[str, Price]
    base: str = ""
    """The name under which the prices of all other models are kept."""
    later: Mapping[str, tuple[DatedPrice, ...]] = {}
    """What takes the place of some of them from a time on, rising."""

    def find(self, model: str) -> tuple[DatedPrice, ...]:
        """A model's, of all times; empty: there is none of its own."""
        name = model if model in self.models else "*"
        price = self.models.get(name)
        return () if price is None else (DatedPrice(price), *self.later.get(name, ()))


class PriceBook:
    """Finds prices. `clock` gives Unix seconds: some prices hold from a day on, or at some hours."""

    def __init__(self, clock: Callable[[], float] = time.time, own: Mapping[str, OwnPrices] | None = None) -> None:
        self._clock = clock
        self._own = own or {}
        self._listed: dict[str, dict[str, _Model]] = {}
        self._providers: dict[str, _Provider] = {"demo": _DEMO}
        self._memo: dict[tuple[str, str], _Model | None] = {}

    @cached_property
    def version(self) -> str:
        """The edition of the data, and of an operator's own prices: kept with every cost that was computed with it."""
        own = f"; own {sha256(_encode(self._own)).hexdigest()[:12]}" if self._own else ""
        return f"{self._book.version}; {self._listed_book.version}{own}"

    def kept(self, provider: str, model: str) -> bytes | None:
        """All that this edition says of a model's price, with the times at which it holds, as JSON; None: nothing."""
        known = self._find(provider, model)
        return _encode(known.prices) if known is not None and known.prices else None

    @property
    def providers(self) -> list[str]:
        """The names that prices are kept under."""
        return list(dict.fromkeys(["demo", *self._book.providers, *self._listed_book.providers]))

    def renew(self, data: bytes) -> None:
        """Takes newer data of the form of `prices.json`. Raises `msgspec.DecodeError`, and keeps what it had. What
        says the same as before is no new edition."""
        book = _decode_book(data)
        if book.providers == self._book.providers:
            return
        for raw in book.providers.values():
            _decode_provider(raw)
        self._book = book
        self.__dict__.pop("version", None)
        self._providers = {"demo": _DEMO}
        self._memo.clear()

    def find(self, provider: str, model: str) -> Price | None:
        """What `model` costs at `provider` now; dated and aliased names find their model. None: not known."""
        known = self._find(provider, model)
        if known is None:
            return None
        return known.prices[0].price if len(known.prices) == 1 else known.price(self._clock())

    def models(self, provider: str) -> list[tuple[str, Price | None]]:
        """Every model that has a row at `provider`, with its price now; None: not known, which is not free."""
        return [(model.id, model.price(self._clock())) for model in self._provider(provider).models]

    def _find(self, provider: str, model: str) -> _Model | None:
        try:
            return self._memo[provider, model]
        except KeyError:
            return self._look_up(provider, model)

    @cached_property
    def _book(self) -> _Book:
        return _decode_book((resources.files("headgate.ledger") / "prices.json").read_bytes())

    @cached_property
    def _listed_book(self) -> _Book:
        return _decode_book((resources.files("headgate.ledger") / "listed.json").read_bytes())

    def _provider(self, name: str) -> _Provider:
        known = self._providers.get(name)
        if known is None:
            raw = self._book.providers.get(name)
            if raw is None:
                return _Provider(models=())
            known = self._providers[name] = _decode_provider(raw)
        return known

    def _look_up(self, provider: str, model: str) -> _Model | None:
        if len(self._memo) >= _MEMO_MAX:  # names come from clients
            self._memo.clear()
        own = self._own.get(provider)
        name = model.lower()
        prices = () if own is None else own.find(name)
        known = self._known(own.base if own else provider, name)
        if prices:
            known = _priced(known, model, prices)
        self._memo[provider, model] = known
        return known

    def _known(self, provider: str, name: str) -> _Model | None:
        known, fee = self._in_data(provider, name), _PER_WEB_SEARCH.get(provider)
        if known is None or fee is None:
            return known
        prices = tuple(structs.replace(dated, price=_with_search(dated.price, fee)) for dated in known.prices)
        return structs.replace(known, prices=prices)

    def _in_data(self, provider: str, name: str) -> _Model | None:
        known = self._match(provider, name)
        if known is None and (dashed := _COMPACT_DATE.sub(r"-\1-\2-\3", name)) != name:
            known = self._match(provider, dashed)
        if known is not None and known.prices:
            return known
        price = _NOT_BY_TOKENS.get(provider, {}).get(name)
        return self._list_price(provider, name) or (
            known if price is None else _priced(known, name, (DatedPrice(price),))
        )

    def _list_price(self, provider: str, name: str) -> _Model | None:
        """A price that is only known from a list: those are kept by exact name."""
        if provider not in self._listed:
            book = self._listed_book
            raw = book.providers.get(book.names.get(provider, provider))
            models = () if raw is None else _decode_provider(raw).models
            self._listed[provider] = {model.match.text: model for model in models}
        return self._listed[provider].get(name)

    def _match(self, provider: str, name: str) -> _Model | None:
        first = self._provider(provider)
        for each in (first, *map(self._provider, first.fallback)):
            for model in each.models:
                if model.match.fits(name):
                    return model
        return None


def _priced(known: _Model | None, id: str, prices: tuple[DatedPrice, ...]) -> _Model:
    """A model at other prices."""
    if known is None:
        return _Model(id, id, None, _Clause("=", id), prices)
    return structs.replace(known, prices=prices)


_SHOWN = {
    "prompt": "input",
    "completion": "output",
    "input_cache_read": "cached",
    "input_cache_write": "write",
    "input_cache_write_1h": "write_1h",
    "internal_reasoning": "reasoning",
    "audio": "audio_input",
    "audio_output": "audio_output",
    "image_token": "image_input",
    "image_output": "image_output",
}
"""OpenRouter's names of rates: https://openrouter.ai/docs/overview/models (2026-11)."""


def _shown_rates(rates: Rates) -> dict[str, str]:
    amounts: dict[str, int | None] = {name: getattr(rates, member) for name, member in _SHOWN.items()}
    return {name: _usd(amount) for name, amount in amounts.items() if amount is not None}


def _usd(pico: int) -> str:
    """An amount as the shortest exact decimal."""
    whole, rest = divmod(pico, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")
