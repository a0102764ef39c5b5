"""The price book: what each provider's models cost, and what else is known of them. Must not know who used what.

The data is `prices.json`, made by `tools/compile_prices.py`. It is read at the first question, and a provider's part of
it at the first question about that provider.
"""

import re
import time
from collections.abc import Callable
from functools import cached_property
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


class Tier(Struct, frozen=True, array_like=True):
    """Rates for the whole of a call whose input is longer than `above` tokens."""

    above: int
    rates: Rates


class Price(Struct, frozen=True, array_like=True):
    """What a model costs."""

    rates: Rates
    tiers: tuple[Tier, ...] = ()
    """By `above`, rising."""
    request: int | None = None
    """Nano-USD per request."""
    search: int | None = None
    """Nano-USD per web search."""

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates that hold for a call with so much input."""
        rates = self.rates
        for tier in self.tiers:
            if input_tokens <= tier.above:
                break
            rates = tier.rates
        return rates


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What is known of a model at a provider."""

    id: str
    name: str
    context_tokens: int | None = None
    price: Price | None = None
    """Its price now; None: not known, which is not free."""
    is_deprecated: bool = False

    def shown_prices(self) -> dict[str, str] | None:
        """OpenRouter's price names (`prompt`, `completion`, …), in USD per token, request or search."""
        if self.price is None:
            return None
        rates = self.price.rates
        pico: dict[str, int | None] = {
            "prompt": rates.input,
            "completion": rates.output,
            "input_cache_read": rates.cached,
            "input_cache_write": rates.write,
            "request": None if self.price.request is None else self.price.request * 1000,
            "web_search": None if self.price.search is None else self.price.search * 1000,
        }
        return {name: _usd(amount) for name, amount in pico.items() if amount is not None}


class _DatedPrice(Struct, frozen=True, array_like=True):
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
    prices: tuple[_DatedPrice, ...]
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


_decode_book = msgspec.json.Decoder(_Book).decode
_decode_provider = msgspec.json.Decoder(_Provider).decode

_DEMO_PRICE = Price(Rates(input=1_000_000, output=2_000_000, cached=100_000))
_DEMO = _Provider(
    models=(
        _Model("echo", "Echo", 128_000, _Clause("^", "echo"), (_DatedPrice(_DEMO_PRICE),)),
        _Model("lorem", "Lorem ipsum", 128_000, _Clause("^", "lorem"), (_DatedPrice(_DEMO_PRICE),)),
    )
)
"""Made up, so that limits, budgets and pages can be tried without any provider: USD 1 and 2 per million tokens."""


class PriceBook:
    """Finds prices. `clock` gives Unix seconds: some prices hold from a day on, or at some hours."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._providers: dict[str, _Provider] = {"demo": _DEMO}
        self._memo: dict[tuple[str, str], _Model | None] = {}

    @cached_property
    def version(self) -> str:
        """The edition of the data: kept with every cost that was computed with it."""
        return self._book.version

    @property
    def providers(self) -> list[str]:
        """The names that prices are kept under."""
        return ["demo", *self._book.providers]

    def find(self, provider: str, model: str) -> Price | None:
        """What `model` costs at `provider` now; dated and aliased names find their model. None: not known."""
        try:
            known = self._memo[provider, model]
        except KeyError:
            known = self._look_up(provider, model)
        if known is None:
            return None
        return known.prices[0].price if len(known.prices) == 1 else known.price(self._clock())

    def facts(self, provider: str, model: str) -> ModelFacts | None:
        """What is known of `model` at `provider`, under the name that was asked for. None: nothing."""
        known = self._look_up(provider, model)
        return None if known is None else structs.replace(self._facts(known), id=model)

    def models(self, provider: str) -> list[ModelFacts]:
        """Every model that is known to run at `provider`."""
        return [self._facts(model) for model in self._provider(provider).models]

    def _facts(self, model: _Model) -> ModelFacts:
        return ModelFacts(
            id=model.id,
            name=model.name,
            context_tokens=model.context_tokens,
            price=model.price(self._clock()),
            is_deprecated=model.is_deprecated,
        )

    @cached_property
    def _book(self) -> _Book:
        return _decode_book((resources.files("headgate.ledger") / "prices.json").read_bytes())

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
        name = model.lower()
        known = self._match(provider, name)
        if known is None and (dashed := _COMPACT_DATE.sub(r"-\1-\2-\3", name)) != name:
            known = self._match(provider, dashed)
        self._memo[provider, model] = known
        return known

    def _match(self, provider: str, name: str) -> _Model | None:
        first = self._provider(provider)
        for each in (first, *map(self._provider, first.fallback)):
            for model in each.models:
                if model.match.fits(name):
                    return model
        return None


def _usd(pico: int) -> str:
    """An amount as the shortest exact decimal."""
    whole, rest = divmod(pico, 10**12)
    return f"{whole}.{rest:012d}".rstrip("0").rstrip(".")
