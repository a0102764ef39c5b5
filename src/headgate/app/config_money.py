"""What the configuration file says of money: prices and payments. Must not know where it came from."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from headgate.app.config_secrets import Secret
from headgate.app.config_values import Reference, Section, Usd, refusal, section

WEBHOOK_SECRET_CHARACTERS_MIN = 16


def _page(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or not url.isprintable():
        raise refusal("must be a URL such as https://example.com/credit")
    return url


PageUrl = Annotated[str, AfterValidator(_page)]


def _moment(value: object) -> object:
    """A date or time as YAML or text has it; at midnight, and of UTC, where it does not say."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise refusal(f"must be a date or time such as 2027-01-01T00:00Z, not {value!r}") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise refusal("must be a date or time such as 2027-01-01T00:00Z")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class RatesEntry(Section):
    """What tokens cost, in USD per million, as text or number; a kind left out is billed as what it is part of."""

    input: Usd | None = None
    """Tokens that go in."""
    output: Usd | None = None
    """Tokens that come out."""
    cached: Usd | None = None
    """Input read from the prompt cache."""
    cache_write: Usd | None = None
    """Input written to the prompt cache."""
    cache_write_1h: Usd | None = None
    """Input written to the prompt cache for an hour."""
    reasoning: Usd | None = None
    """Output spent on thinking."""
    audio_input: Usd | None = None
    """Sound that goes in."""
    audio_output: Usd | None = None
    """Sound that comes out."""
    image_input: Usd | None = None
    """Pictures that go in."""
    image_output: Usd | None = None
    """Pictures that come out."""


class TierEntry(RatesEntry):
    """Rates for the whole of a call whose input is longer."""

    above: Annotated[int, Field(ge=1)]
    """Input tokens up to which the tier does not hold."""


class PriceRatesEntry(RatesEntry):
    """All that a price consists of."""

    request: Usd | None = None
    """Each request, in USD."""
    web_search: Usd | None = None
    """Each web search, in USD."""
    characters: Usd | None = None
    """Speech: USD per million characters, instead of tokens."""
    audio_hour: Usd | None = None
    """Transcription: USD per hour of sound, instead of tokens."""
    image: Usd | None = None
    """Each picture made, in USD, instead of tokens."""
    search: Usd | None = None
    """Ranking: each query over up to 100 documents, in USD, instead of tokens."""
    tiers: Annotated[tuple[TierEntry, ...], Field(strict=False)] = ()
    """Rates for long input, by `above`, rising."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        fees = (self.characters, self.audio_hour, self.image, self.search)
        if any(fee is not None for fee in fees) and self.input is None and self.output is None and not self.tiers:
            return self
        for rates in (self, *self.tiers):
            if rates.input is None or rates.output is None:
                raise refusal("needs both input and output; write 0 for what is free")
        above = [tier.above for tier in self.tiers]
        if above != sorted(set(above)):
            raise refusal("must have its tiers by above, rising")
        return self


class LaterPriceEntry(PriceRatesEntry):
    """What takes the place of a price from a time on."""

    since: Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
    """Such as `2027-01-01` or `2027-01-01T12:00Z`. No zone means UTC."""


class PriceEntry(PriceRatesEntry):
    """Your price of a model."""

    later: Annotated[tuple[LaterPriceEntry, ...], Field(strict=False, max_length=100)] = ()
    """What takes its place, each from its `since` on, rising. What was priced before stays as it was."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        since = [each.since for each in self.later]
        if since != sorted(set(since)):
            raise refusal("must have what comes later by since, rising")
        return self


class Prices(Section):
    """Models whose price is not known, and where prices come from."""

    unpriced: Literal["ceiling", "report", "refuse"] = "ceiling"
    """`ceiling`: hold the ceiling's cost, `report`: hold nothing, `refuse`: answer 400. It is never shown as free."""
    ceiling: Annotated[RatesEntry, BeforeValidator(section)] = RatesEntry(input=15, output=75)
    """USD per million tokens to hold for a model without a price. Not given: 15 for input and 75 for output."""
    update: bool = False
    """Fetch current prices every hour while the server runs. Needs `pip install headgate[prices]`."""

    @field_validator("ceiling")
    @classmethod
    def _both(cls, rates: RatesEntry) -> RatesEntry:
        if rates.input is None or rates.output is None:
            raise refusal("needs both input and output")
        return rates


class Stripe(Section):
    """Credit that is paid for by Stripe Checkout. Needs `pip install headgate[stripe]`."""

    secret_key: Reference
    """Stripe's secret or restricted key, `sk_…` or `rk_…`."""
    webhook_secret: Reference
    """What Stripe signs its events with, `whsec_…`: an endpoint's own, never shared with another."""
    success_url: PageUrl
    """Where the payer comes back to afterwards."""
    cancel_url: PageUrl
    """Where the payer comes back to without having paid."""
    title: Annotated[str, Field(min_length=1, max_length=100)] = "Credit"
    """What the payer sees is bought."""
    usd_min: Annotated[int, Field(ge=1, le=100_000)] = 5
    """The least that can be paid at a time, in dollars."""
    usd_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """The most that can be paid at a time, in dollars."""
    tolerance_s: Annotated[int, Field(ge=10, le=3600)] = 300
    """How old a signature may be, in seconds."""

    @field_validator("secret_key")
    @classmethod
    def _key(cls, key: Secret) -> Secret:
        if not key.reveal().startswith(("sk_", "rk_")):
            raise refusal("must be a secret key of Stripe, which begins with sk_ or rk_")
        return key

    @field_validator("webhook_secret")
    @classmethod
    def _hard_to_guess(cls, secret: Secret) -> Secret:
        if not secret.reveal().startswith("whsec_") or len(secret) < WEBHOOK_SECRET_CHARACTERS_MIN:
            raise refusal("must be the signing secret of a webhook of Stripe, which begins with whsec_")
        return secret


class Payments(Section):
    """How accounts pay for credit themselves."""

    stripe: Annotated[Stripe, BeforeValidator(section)] | None = None
    """By Stripe. Not given: not at all."""
