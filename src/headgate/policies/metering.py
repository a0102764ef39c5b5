"""Accounting of calls: the journal before and after, prices in between. Decides nothing about the call."""

import time
from typing import Final, Literal

from msgspec import Struct, structs

from headgate.core.principal import Principal, Sold
from headgate.core.record import Attempt, AttemptStart, CallRecord, CallStart
from headgate.core.usage import Usage
from headgate.ledger.calls import Calls
from headgate.ledger.journal import Journal
from headgate.ledger.meter import Total, cost, total
from headgate.ledger.minted import MintedIds
from headgate.ledger.prices import Fees, Price, PriceBook, Rates
from headgate.policies.limiting import Limits
from headgate.providers.catalog import Deployment
from headgate.routing.strategies import Quote

CHARS_PER_TOKEN = 4
"""A rough rule for text whose tokens nobody reported; every figure made with it is marked as estimated."""


CEILING_FEES = Fees(character=300_000_000, audio_hour=5_000_000_000, image=500_000_000, search=10_000_000)
"""USD 300 per million characters, 5 per hour of sound, 0.50 per picture, 10 per thousand searches: likewise."""


CEILING_WEB_SEARCH: Final = 35_000_000
"""USD 35 per thousand, in nano-USD: what the dearest provider asks."""
_NOTHING_CACHED: dict[str, int] = dict.fromkeys(
    ("cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "cached_audio_tokens", "cached_image_tokens"), 0
)


class Unpriced(Struct, frozen=True):
    """What to do about a model without a known price, which is not free."""

    policy: Literal["ceiling", "report", "refuse"] = "ceiling"
    """Held at the ceiling, only reported as not priced, or not used at all."""
    ceiling: Price = Price(Rates(input=15_000_000, output=75_000_000), search=CEILING_WEB_SEARCH, fees=CEILING_FEES)
    """USD 15 and 75 per million tokens: above almost everything that is sold."""


class Metering:
    """Writes what happens to the journal and puts a price on it. Synchronous: nothing here waits."""

    def __init__(
        self,
        journal: Journal,
        prices: PriceBook,
        calls: Calls,
        unpriced: Unpriced | None = None,
        minted: MintedIds | None = None,
    ) -> None:
        self._journal = journal
        self._unpriced = unpriced or Unpriced()
        self.refuses_unpriced = self._unpriced.policy == "refuse"
        """Whether a model without a price may not be used."""
        self._prices = prices
        self._calls = calls
        self.minted = minted or MintedIds()
        """Where the ids that callers name mean something."""
        self.limits = Limits({})
        """Those of the callers: replaced where there are callers with keys."""

    def begin(self, record: CallRecord, attempt: Attempt) -> None:
        """Before the first byte of an attempt goes out; with the first one the call begins. Raises when the journal
        cannot be written: nothing runs unaccounted."""
        start = AttemptStart(
            call_id=record.id,
            number=attempt.number,
            started_us=record.started_us + int(attempt.started_ms * 1e3),
            provider=attempt.provider,
            model=attempt.model,
            dialect=attempt.dialect,
            lane=attempt.lane,
            price_version=attempt.price_version,
        )
        if attempt.number > 1:
            self._journal.attempt_started(start)
            return
        self._journal.call_started(
            CallStart(
                id=record.id,
                started_us=record.started_us,
                key_id=record.key_id,
                surface=record.surface,
                operation=record.operation,
                model=record.model,
                is_stream=record.is_stream,
                user=record.user,
                session=record.session,
                attempt=start,
            )
        )

    @property
    def price_version(self) -> str:
        """The edition of the price book in use."""
        return self._prices.version

    def settle(self, attempt: Attempt, prices: str) -> None:
        """Puts the cost on an attempt whose usage is known. `prices`: the provider's name in the price book."""
        usage = attempt.usage
        if usage is None:
            return
        attempt.cost_nano_usd, attempt.is_priced = self._cost(prices, attempt.model, usage)
        if usage.cached_tokens or usage.cache_write_tokens:
            plain = self._cost(prices, attempt.model, structs.replace(usage, **_NOTHING_CACHED))
            attempt.prompt_cache_nano_usd = plain.nano_usd - attempt.cost_nano_usd if attempt.is_priced else 0

    def most(self, deployment: Deployment, usage: Usage) -> int:
        """What `usage` would cost there, in nano-USD; likewise where no price is known."""
        return self._cost(deployment.prices, deployment.model, usage).nano_usd

    def charge(self, principal: Principal, model: str, deployment: Deployment, usage: Usage) -> int:
        """What a caller would pay for `usage` there, having asked for `model`, in nano-USD."""
        cost_nano_usd = self.most(deployment, usage)
        if principal.tariff is None:
            return cost_nano_usd
        where, now_us = (model, deployment.provider, deployment.model), time.time_ns() // 1000
        return principal.tariff.charge(Sold(*where, usage, cost_nano_usd, now_us))

    def _cost(self, prices: str, model: str, usage: Usage) -> Total:
        """Of what has no price, what the ceiling holds for it."""
        price = self._prices.find(prices, model)
        is_held = self._unpriced.policy != "report"
        if price is None:
            return Total(self._most(usage) if is_held else 0, False)
        told = total(price, usage)
        return told if told.is_complete or not is_held else Total(told.nano_usd + self._held(price, usage), False)

    def _most(self, usage: Usage) -> int:
        """What the ceiling holds for it, by whatever it may be billed."""
        most = total(self._unpriced.ceiling, usage).nano_usd
        if usage.measures is None:
            return most
        return max(most, total(self._unpriced.ceiling, structs.replace(usage, measures=None)).nano_usd)

    def _held(self, price: Price, usage: Usage) -> int:
        """What the ceiling holds for the part of a bill that has no known price."""
        missing = set(cost(price, usage).unpriced)
        return sum(item.nano_usd for item in cost(self._unpriced.ceiling, usage).items if item.name in missing)

    def is_priced(self, prices: str, model: str) -> bool:
        """Whether a price is known."""
        return self._prices.find(prices, model) is not None

    def quote(self, deployment: Deployment) -> Quote | None:
        """What a deployment's tokens usually cost; None: not known."""
        price = self._prices.find(deployment.prices, deployment.model)
        if price is None:
            return None
        rates = price.rates
        paid = rates.input or 0
        cached = paid if rates.cached is None else rates.cached
        return Quote(paid, rates.output or 0, cached, price.request or 0)

    def quote_or_ceiling(self, deployment: Deployment) -> Quote:
        """The same; without a known price, the ceiling."""
        rates = self._unpriced.ceiling.rates
        most = rates.input or 0
        return self.quote(deployment) or Quote(most, rates.output or 0, most)

    def call_ended(self, record: CallRecord) -> None:
        """After the last byte: the whole record, which is also kept at hand for questions."""
        if self.limits.tariffs:
            self.limits.charge(record)
        self._calls.remember(record.id, self._journal.call_ended(record))
        if self.limits.limited:
            self.limits.settle(record)


def estimate(prompt_bytes: int, answer_chars: int) -> Usage:
    """What an answer that ended early has probably consumed."""
    return Usage(
        input_tokens=max(1, prompt_bytes // CHARS_PER_TOKEN),
        output_tokens=-(-answer_chars // CHARS_PER_TOKEN),
        is_estimated=True,
    )
