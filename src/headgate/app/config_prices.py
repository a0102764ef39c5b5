"""An operator's prices, from the configuration's words to those of the price book."""

from collections.abc import Mapping

from headgate.app.config_models import ProviderEntry
from headgate.app.config_money import PriceEntry, PriceRatesEntry, Prices, RatesEntry
from headgate.ledger.prices import DatedPrice, Fees, OwnPrices, Price, PriceBook, Rates, Tier
from headgate.policies.metering import CEILING_FEES, CEILING_WEB_SEARCH, Unpriced
from headgate.providers.spec import ProviderSpec, packaged


def own_name(provider: str) -> str:
    """The name that a provider's own prices are kept under. No other provider's prices have a colon in theirs."""
    return f"own:{provider}"


def price_book(entries: Mapping[str, ProviderEntry]) -> PriceBook:
    """The price book with the operator's own prices in front."""
    return PriceBook(own=own_prices(entries, packaged()))


def own_prices(entries: Mapping[str, ProviderEntry], specs: Mapping[str, ProviderSpec]) -> dict[str, OwnPrices]:
    """The prices of every provider that has some of its own."""
    return {
        own_name(name): OwnPrices(
            models={model.lower(): price(told) for model, told in entry.prices.items()},
            later={model.lower(): later(told) for model, told in entry.prices.items() if told.later},
            base=specs[entry.like or name].prices or entry.like or name,
        )
        for name, entry in entries.items()
        if entry.prices
    }


def price(told: PriceRatesEntry) -> Price:
    """Config amounts are millionths of a USD; fees are kept in nano-USD."""
    return Price(
        rates=rates(told),
        tiers=tuple(Tier(tier.above, rates(tier)) for tier in told.tiers),
        request=None if told.request is None else told.request * 1000,
        search=None if told.web_search is None else told.web_search * 1000,
        fees=fees(told),
    )


def later(told: PriceEntry) -> tuple[DatedPrice, ...]:
    """Those that take its place, each from its day on."""
    return tuple(DatedPrice(price(each), since_s=int(each.since.timestamp())) for each in told.later)


def fees(told: PriceRatesEntry) -> Fees | None:
    """What is billed instead of tokens; None: nothing is."""
    amounts = (told.audio_hour, told.image, told.search)
    audio_hour, image, search = (None if amount is None else amount * 1000 for amount in amounts)
    made = Fees(character=told.characters, audio_hour=audio_hour, image=image, search=search)
    return None if made == Fees() else made


def rates(told: RatesEntry) -> Rates:
    """USD per million tokens in millionths are pico-USD per token."""
    return Rates(
        input=told.input,
        output=told.output,
        cached=told.cached,
        write=told.cache_write,
        write_1h=told.cache_write_1h,
        reasoning=told.reasoning,
        audio_input=told.audio_input,
        audio_output=told.audio_output,
        image_input=told.image_input,
        image_output=told.image_output,
    )


def unpriced(told: Prices) -> Unpriced:
    """The policy for models without a price."""
    return Unpriced(told.unpriced, Price(rates(told.ceiling), search=CEILING_WEB_SEARCH, fees=CEILING_FEES))
