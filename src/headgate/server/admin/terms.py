"""Terms as the administration takes and shows them: limits in the field's short words, money in dollars."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from headgate.core.money import shown_usd
from headgate.core.principal import Priority
from headgate.core.problems import InvalidRequest
from headgate.limits.terms import AMOUNT_MAX, WEIGHT_MAX, WEIGHT_MIN, BudgetTerm, Counted, PriceTerm, RateTerm, Terms

NANO_PER_USD: Final = 1_000_000_000
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=1000)]
_STRICT: Final = ConfigDict(extra="forbid", strict=True)
_PPM_PER_PERCENT: Final = 10_000
_PICO_PER_USD: Final = 1_000_000
"""Pico-USD per token for each USD per million tokens."""
_SHORT: Final[dict[str, Counted]] = {"rpm": "requests", "tpm": "tokens", "concurrency": "concurrency"}


UsdPerMillion = Annotated[Decimal | None, Field(ge=0, le=1000, max_digits=10, decimal_places=6)]
"""USD per million tokens: in millionths, pico-USD per token."""
_RATES: Final = {"input": "input", "output": "output", "cached": "cached", "cache_write": "write"}


class Rate(BaseModel):
    """So much per window."""

    model_config = _STRICT

    of: Annotated[Counted, Field(description="What is counted.")]
    most: Annotated[int, Field(ge=1, le=AMOUNT_MAX)]
    per: Annotated[str, Field(max_length=20, description="second, minute, hour, day, week, or PT90S, P30D.")] = "minute"
    burst: Annotated[int, Field(ge=0, le=AMOUNT_MAX, description="At once; 0: as much as `most`.")] = 0
    model: Annotated[str, Field(max_length=200, description="For this model or route alone.")] = ""
    tag: Annotated[str, Field(max_length=64, description="For calls with this tag alone.")] = ""


class Limits(BaseModel):
    """Rates, and how many calls at a time."""

    model_config = _STRICT

    rpm: Annotated[int | None, Field(ge=1, le=AMOUNT_MAX, description="Requests per minute.")] = None
    tpm: Annotated[int | None, Field(ge=1, le=AMOUNT_MAX, description="Tokens per minute, in and out.")] = None
    concurrency: Annotated[int | None, Field(ge=1, le=AMOUNT_MAX, description="Calls at a time.")] = None
    rates: Annotated[list[Rate], Field(max_length=32, description="Any others.")] = []


class Budget(BaseModel):
    """An amount within a window: `usd` or `tokens`."""

    model_config = ConfigDict(extra="forbid")

    usd: Annotated[Decimal | None, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9)] = None
    tokens: Annotated[int | None, Field(ge=1, le=AMOUNT_MAX, strict=True)] = None
    window: Annotated[str, Field(max_length=20, description="day, week, month, total; PT1H, P30D: rolling.")]
    zone: Annotated[str, Field(max_length=64, description="Whose days, by its name in the IANA data.")] = "UTC"
    soft: Annotated[bool, Field(strict=True, description="Told when it is over, never refused.")] = False
    model: Annotated[str, Field(max_length=200, description="For this model or route alone.")] = ""
    provider: Annotated[str, Field(max_length=200, description="For what runs there alone.")] = ""
    tag: Annotated[str, Field(max_length=64, description="For calls with this tag alone.")] = ""


class EachUser(BaseModel):
    """What every end user has, by itself."""

    model_config = ConfigDict(extra="forbid")

    limits: Limits = Limits()
    budgets: Annotated[list[Budget], Field(max_length=32)] = []


class TermsBody(BaseModel):
    """What an organisation, a team or a key may do. What is left out stays as it is, at first without a limit."""

    model_config = ConfigDict(extra="forbid")

    models: Annotated[Names | None, Field(description="The models and routes it may ask for; null: all.")] = None
    endpoints: Annotated[Names | None, Field(description="What it may be used for, such as generate; null: all.")] = (
        None
    )
    addresses: Annotated[Names | None, Field(description="Networks that calls may come from; null: any.")] = None
    limits: Limits = Limits()
    budgets: Annotated[list[Budget], Field(max_length=32)] = []
    users: EachUser = EachUser()
    blocked: Annotated[bool, Field(strict=True, description="Refuses every call, until it is lifted.")] = False
    prepaid: Annotated[bool, Field(strict=True, description="Serves only as long as its credit lasts.")] = False
    priority: Annotated[
        Priority | None,
        Field(description="The class of its calls where calls wait, and the best they may ask for; null: standard."),
    ] = None
    weight: Annotated[
        float | None,
        Field(ge=WEIGHT_MIN, le=WEIGHT_MAX, description="Its share of what is served while calls wait; null: 1."),
    ] = None


class Price(BaseModel):
    """What an organisation pays: so much more or less than what it costs, or rates of its own, in USD per million
    tokens. Of several the one that says most about a call counts."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Field(max_length=200, description="For this model or route alone.")] = ""
    provider: Annotated[str, Field(max_length=200, description="For what runs there alone.")] = ""
    markup_percent: Annotated[Decimal | None, Field(ge=-100, le=1000, max_digits=8, decimal_places=4)] = None
    input: UsdPerMillion = None
    output: UsdPerMillion = None
    cached: UsdPerMillion = None
    cache_write: UsdPerMillion = None
    request: Annotated[Decimal | None, Field(ge=0, le=1_000_000, max_digits=16, decimal_places=9)] = None
    since: Annotated[datetime | None, Field(description="For calls that begin from then on; no zone: UTC.")] = None


class AccountTerms(TermsBody):
    """What an organisation may do, and what it pays."""

    prices: Annotated[list[Price], Field(max_length=32)] = []


def changed_terms(old: Terms, body: TermsBody) -> Terms:
    """The terms with what the body says of them."""
    said = body.model_fields_set
    values: dict[str, object] = {name: getattr(old, name) for name in Terms.__struct_fields__}
    for name in ("models", "endpoints", "addresses"):
        if name in said:
            names: list[str] | None = getattr(body, name)
            values[name] = None if names is None else tuple(names)
    if "limits" in said:
        values["rates"] = _rates(body.limits)
    if "budgets" in said:
        values["budgets"] = _budgets(body.budgets, "budgets")
    if "users" in said:
        values["each_user_rates"] = _rates(body.users.limits)
        values["each_user_budgets"] = _budgets(body.users.budgets, "users.budgets")
    for name in ("priority", "weight"):
        if name in said:
            values[name] = getattr(body, name)
    if "blocked" in said:
        values["is_blocked"] = body.blocked
    if "prepaid" in said:
        values["is_prepaid"] = body.prepaid
    if isinstance(body, AccountTerms) and "prices" in said:
        values["prices"] = tuple(map(_price, body.prices))
    return Terms(**values)  # pyright: ignore[reportArgumentType]  the names are its own


def shown_terms(terms: Terms) -> TermsBody:
    """As they are shown."""
    return TermsBody(
        models=None if terms.models is None else list(terms.models),
        endpoints=None if terms.endpoints is None else list(terms.endpoints),
        addresses=None if terms.addresses is None else list(terms.addresses),
        limits=_shown_rates(terms.rates),
        budgets=[_shown_budget(budget) for budget in terms.budgets],
        users=EachUser(
            limits=_shown_rates(terms.each_user_rates),
            budgets=[_shown_budget(budget) for budget in terms.each_user_budgets],
        ),
        blocked=terms.is_blocked,
        prepaid=terms.is_prepaid,
        priority=terms.priority,
        weight=terms.weight,
    )


def shown_account(terms: Terms) -> AccountTerms:
    """Likewise, of an organisation."""
    return AccountTerms(**shown_terms(terms).model_dump(), prices=list(map(_shown_price, terms.prices)))


def _price(price: Price) -> PriceTerm:
    rates = {ours: told for name, ours in _RATES.items() if (told := getattr(price, name)) is not None}
    return PriceTerm(
        model=price.model,
        provider=price.provider,
        markup_ppm=int((price.markup_percent or 0) * _PPM_PER_PERCENT),
        request=None if price.request is None else int(price.request * NANO_PER_USD),
        since_us=_moment_us(price.since),
        **{ours: int(told * _PICO_PER_USD) for ours, told in rates.items()},
    )


def _moment_us(moment: datetime | None) -> int:
    if moment is None:
        return 0
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000)


def _shown_price(term: PriceTerm) -> Price:
    rates = {name: getattr(term, ours) for name, ours in _RATES.items()}
    return Price(
        model=term.model,
        provider=term.provider,
        markup_percent=Decimal(term.markup_ppm) / _PPM_PER_PERCENT if term.markup_ppm else None,
        request=None if term.request is None else Decimal(shown_usd(term.request)),
        since=datetime.fromtimestamp(term.since_us / 1_000_000, UTC) if term.since_us else None,
        **{name: None if rate is None else Decimal(rate) / _PICO_PER_USD for name, rate in rates.items()},
    )


def _rates(limits: Limits) -> tuple[RateTerm, ...]:
    short = [RateTerm(of=of, most=most) for name, of in _SHORT.items() if (most := getattr(limits, name)) is not None]
    return (
        *short,
        *(
            RateTerm(of=each.of, most=each.most, per=each.per, burst=each.burst, model=each.model, tag=each.tag)
            for each in limits.rates
        ),
    )


def _shown_rates(rates: tuple[RateTerm, ...]) -> Limits:
    short: dict[str, int] = {}
    others: list[Rate] = []
    names = {of: name for name, of in _SHORT.items()}
    for rate in rates:
        name = names.get(rate.of, "")
        if name and name not in short and rate == RateTerm(of=rate.of, most=rate.most):
            short[name] = rate.most
        else:
            others.append(
                Rate(of=rate.of, most=rate.most, per=rate.per, burst=rate.burst, model=rate.model, tag=rate.tag)
            )
    return Limits(**short, rates=others)  # pyright: ignore[reportArgumentType]  the names are its own


def _budgets(budgets: list[Budget], param: str) -> tuple[BudgetTerm, ...]:
    found: list[BudgetTerm] = []
    for number, each in enumerate(budgets):
        if (each.usd is None) == (each.tokens is None):
            raise InvalidRequest(f"{param}[{number}] takes one of 'usd' and 'tokens'.", param=f"{param}[{number}]")
        found.append(
            BudgetTerm(
                window=each.window,
                nano_usd=0 if each.usd is None else int(each.usd * NANO_PER_USD),
                tokens=each.tokens or 0,
                zone=each.zone,
                is_soft=each.soft,
                model=each.model,
                provider=each.provider,
                tag=each.tag,
            )
        )
    return tuple(found)


def _shown_budget(term: BudgetTerm) -> Budget:
    return Budget(
        usd=Decimal(shown_usd(term.nano_usd)) if term.nano_usd else None,
        tokens=term.tokens or None,
        window=term.window,
        zone=term.zone,
        soft=term.is_soft,
        model=term.model,
        provider=term.provider,
        tag=term.tag,
    )
