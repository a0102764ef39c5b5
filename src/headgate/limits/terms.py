"""What a tenant may do, as it is written down and kept: models, endpoints, addresses, rates and budgets.

One shape for organisations, teams and keys. Checked when it is set; a child's is never wider than its parents'.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal

from msgspec import Struct

from headgate.core.money import shown_usd
from headgate.core.principal import PRIORITIES, Priority
from headgate.core.problems import InvalidRequest
from headgate.limits.windows import CALENDAR, duration_us, length_us, zone_of

Counted = Literal["requests", "input_tokens", "output_tokens", "tokens", "concurrency"]
COUNTED: Final[tuple[Counted, ...]] = ("requests", "input_tokens", "output_tokens", "tokens", "concurrency")
AMOUNT_MAX: Final = 10**15
"""A million dollars in nano-USD; as many tokens as nobody uses."""
MARKUP_PPM_MIN: Final = -1_000_000
MARKUP_PPM_MAX: Final = 10_000_000
RATE_MAX: Final = 10**15
"""In the unit of each rate: a million dollars per request or, in pico-USD, a thousand per token."""
RULES_MAX: Final = 32
TAG: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,64}")
"""What calls are marked with, so that limits and budgets can be for some of them."""
TAG_WORDS: Final = "it has 1 to 64 letters, digits and . _ : / @ -"
TAGS_MAX: Final = 10
"""Of one call."""
WEIGHT_MIN: Final = 0.01
WEIGHT_MAX: Final = 100.0
NAMES_MAX: Final = 1000


class RateTerm(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rate, or how many calls at a time."""

    of: Counted
    most: int
    per: str = "minute"
    """A word or an ISO 8601 duration; means nothing for `concurrency`."""
    burst: int = 0
    """How much may come at once; 0: as much as `most`."""
    model: str = ""
    """For calls to this model or route alone; empty: for all."""
    tag: str = ""
    """For calls with this tag alone."""


class BudgetTerm(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An amount of money or of tokens within a window."""

    window: str
    """`day`, `week`, `month`, `total`, or an ISO 8601 duration, which rolls."""
    nano_usd: int = 0
    tokens: int = 0
    """The one or the other."""
    zone: str = "UTC"
    is_soft: bool = False
    """Only told, never refused."""
    model: str = ""
    provider: str = ""
    tag: str = ""
    """For calls with this tag alone."""


class PriceTerm(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an account pays: so much more or less than what it costs, or rates of its own."""

    model: str = ""
    """For this model or route alone; empty: for all."""
    provider: str = ""
    markup_ppm: int = 0
    """Millionths of the cost that are added to it; below 0: a discount."""
    input: int | None = None
    """Pico-USD per token: with it or `output`, what it costs does not matter."""
    output: int | None = None
    cached: int | None = None
    write: int | None = None
    request: int | None = None
    """Nano-USD, besides."""
    since_us: int = 0
    """For calls that begin from then on, in Unix microseconds; 0: ever since."""


class Terms(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All of it. None: no restriction of one's own."""

    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    """Operations: `generate`, `embeddings`, …"""
    addresses: tuple[str, ...] | None = None
    """Networks that calls may come from."""
    rates: tuple[RateTerm, ...] = ()
    budgets: tuple[BudgetTerm, ...] = ()
    each_user_rates: tuple[RateTerm, ...] = ()
    """For every end user by itself."""
    each_user_budgets: tuple[BudgetTerm, ...] = ()
    is_blocked: bool = False
    is_prepaid: bool = False
    """Only as long as its credit lasts."""
    prices: tuple[PriceTerm, ...] = ()
    """Of an organisation: what it pays where that is not what it costs."""
    pass_through: tuple[str, ...] = ()
    """Providers that may be called as they are."""
    priority: Priority | None = None
    """The class of its calls where calls have to wait, which none of them may be above."""
    weight: float | None = None
    """Its share of what is served then."""


NO_TERMS: Final = Terms()


def check_terms(terms: Terms, parents: Sequence[tuple[str, Terms]] = ()) -> None:
    """Raises `InvalidRequest` for what means nothing, or is wider than a parent's: `(name, terms)`, widest first."""
    for param, rates in (("limits", terms.rates), ("users.limits", terms.each_user_rates)):
        _check_count(rates, param)
        _check_tags(rates, param)
        for number, rate in enumerate(rates):
            _check_rate(rate, f"{param}[{number}]")
    for param, budgets in (("budgets", terms.budgets), ("users.budgets", terms.each_user_budgets)):
        _check_count(budgets, param)
        _check_tags(budgets, param)
        for number, budget in enumerate(budgets):
            _check_budget(budget, f"{param}[{number}]")
    _check_count(terms.prices, "prices")
    for number, price in enumerate(terms.prices):
        _check_price(price, f"prices[{number}]")
    networks(terms.addresses or ())
    _check_weight(terms, parents)
    for name, parent in parents:
        _check_priority(terms.priority, parent.priority, name)
        _check_names("models", terms.models, parent.models, name)
        _check_names("endpoints", terms.endpoints, parent.endpoints, name)
        _check_addresses(terms.addresses, parent.addresses, name)
        _check_amounts(terms, parent, name)


def networks(addresses: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks as such. Raises `InvalidRequest`."""
    found: list[IPv4Network | IPv6Network] = []
    for address in addresses:
        try:
            found.append(ip_network(address))
        except ValueError as error:
            raise InvalidRequest(
                f"{address[:60]!r} is no address or network ({error}); write 192.0.2.7 or 192.0.2.0/24.",
                param="addresses",
            ) from None
    return tuple(found)


def checked_tags(tags: Iterable[str], param: str) -> tuple[str, ...]:
    """Each once. Raises `InvalidRequest` for what is none, and for too many."""
    found = tuple(dict.fromkeys(tags))
    for tag in found:
        if not TAG.fullmatch(tag):
            raise InvalidRequest(f"{tag[:80]!r} is no tag; {TAG_WORDS}.", param=param)
    if len(found) > TAGS_MAX:
        raise InvalidRequest(f"This call has {len(found)} tags; {TAGS_MAX} at most.", param=param)
    return found


def amount_of(budget: BudgetTerm) -> int:
    """In its own unit."""
    return budget.nano_usd or budget.tokens


def rate_words(rate: RateTerm) -> str:
    """As callers are told: `60 requests per minute for gpt-4o`."""
    of = rate.of.replace("_", " ")
    told = f"{rate.most} calls at a time" if rate.of == "concurrency" else f"{rate.most} {of} per {rate.per}"
    return told + "".join(f" {word} {name}" for word, name in (("for", rate.model), ("tagged", rate.tag)) if name)


def budget_words(budget: BudgetTerm) -> str:
    """As callers are told: `5 USD per month for gpt-4o`."""
    amount = f"{shown_usd(budget.nano_usd)} USD" if budget.nano_usd else f"{budget.tokens} tokens"
    told = f"{amount} in total" if budget.window == "total" else f"{amount} per {budget.window}"
    return told + "".join(f" {word} {name}" for word, name in _scopes(budget) if name)


def _scopes(budget: BudgetTerm) -> Iterator[tuple[str, str]]:
    yield "for", budget.model
    yield "at", budget.provider
    yield "tagged", budget.tag


def _check_count(rules: Sequence[object], param: str) -> None:
    if len(rules) > RULES_MAX:
        raise InvalidRequest(f"{param} has {len(rules)} entries; {RULES_MAX} at most.", param=param)


def _check_tags(rules: Sequence[RateTerm | BudgetTerm], param: str) -> None:
    for number, rule in enumerate(rules):
        if not rule.tag:
            continue
        if param.startswith("users."):
            raise InvalidRequest("What each end user has takes no tag.", param=f"{param}[{number}].tag")
        if not TAG.fullmatch(rule.tag):
            raise InvalidRequest(f"{rule.tag[:80]!r} is no tag; {TAG_WORDS}.", param=f"{param}[{number}].tag")


def _check_rate(rate: RateTerm, param: str) -> None:
    if not 0 < rate.most <= AMOUNT_MAX:
        raise InvalidRequest(f"{param}.most is {rate.most}; it takes 1 to {AMOUNT_MAX}.", param=f"{param}.most")
    if not 0 <= rate.burst <= AMOUNT_MAX:
        raise InvalidRequest(f"{param}.burst is {rate.burst}; it takes 1 to {AMOUNT_MAX}.", param=f"{param}.burst")
    duration_us(rate.per, f"{param}.per")


def _check_budget(budget: BudgetTerm, param: str) -> None:
    if bool(budget.nano_usd) == bool(budget.tokens):
        raise InvalidRequest(f"{param} takes one amount above 0: 'usd' or 'tokens'.", param=param)
    if not 0 < amount_of(budget) <= AMOUNT_MAX:
        raise InvalidRequest(f"{param} is out of bounds: up to 1000000 USD, or {AMOUNT_MAX} tokens.", param=param)
    if budget.window not in (*CALENDAR, "total"):
        duration_us(budget.window, f"{param}.window")
    zone_of(budget.zone)


def _check_price(price: PriceTerm, param: str) -> None:
    rates = [each for each in (price.input, price.output, price.cached, price.write, price.request) if each is not None]
    if rates and price.markup_ppm:
        raise InvalidRequest(f"{param} takes rates or 'markup_percent', not both.", param=param)
    if rates and (price.input is None or price.output is None):
        raise InvalidRequest(f"{param} takes both of 'input' and 'output'.", param=param)
    if not rates and not price.markup_ppm:
        raise InvalidRequest(f"{param} takes rates or 'markup_percent'.", param=param)
    if not MARKUP_PPM_MIN <= price.markup_ppm <= MARKUP_PPM_MAX:
        raise InvalidRequest(f"{param}.markup_percent takes -100 to 1000.", param=f"{param}.markup_percent")
    if not all(0 <= each <= RATE_MAX for each in rates):
        raise InvalidRequest(f"{param} has a rate out of bounds: 0 to 1000000 USD.", param=param)


def _check_weight(terms: Terms, parents: Sequence[tuple[str, Terms]]) -> None:
    if terms.weight is None:
        return
    if not WEIGHT_MIN <= terms.weight <= WEIGHT_MAX:
        raise InvalidRequest(f"weight takes {WEIGHT_MIN:g} to {WEIGHT_MAX:g}.", param="weight")
    if any(name == "team" for name, _ in parents):
        raise InvalidRequest("The keys of a team share its weight; set it on the team.", param="weight")


def _check_priority(own: Priority | None, theirs: Priority | None, parent: str) -> None:
    if own is None or theirs is None or PRIORITIES.index(own) >= PRIORITIES.index(theirs):
        return
    raise InvalidRequest(f"{own} is above the priority of its {parent}: {theirs}.", param="priority")


def _check_names(param: str, own: tuple[str, ...] | None, theirs: tuple[str, ...] | None, parent: str) -> None:
    if own is None or theirs is None:
        return
    over = next((name for name in own if name not in theirs), None)
    if over is not None:
        raise InvalidRequest(f"{over!r} is not among the {param} of its {parent}: {', '.join(theirs)}.", param=param)


def _check_addresses(own: tuple[str, ...] | None, theirs: tuple[str, ...] | None, parent: str) -> None:
    if own is None or theirs is None:
        return
    wide = networks(theirs)
    for network in networks(own):
        if not any(_is_within(network, each) for each in wide):
            raise InvalidRequest(
                f"{network} is not within the addresses of its {parent}: {', '.join(theirs)}.", param="addresses"
            )


def _is_within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return (
        inner.version == outer.version
        and inner.prefixlen >= outer.prefixlen
        and int(inner.network_address) >> (inner.max_prefixlen - outer.prefixlen)
        == int(outer.network_address) >> (outer.max_prefixlen - outer.prefixlen)
    )


def _check_amounts(terms: Terms, parent: Terms, name: str) -> None:
    for number, rate in enumerate(terms.rates):
        wide = next((each for each in parent.rates if _is_more_often(rate, each)), None)
        if wide is not None:
            told = f"{rate_words(rate)} is more than its {name} has: {rate_words(wide)}."
            raise InvalidRequest(told, param=f"limits[{number}].most")
    for number, budget in enumerate(terms.budgets):
        over = next((each for each in parent.budgets if _is_more(budget, each)), None)
        if over is not None:
            told = f"{budget_words(budget)} is more than its {name} has: {budget_words(over)}."
            raise InvalidRequest(told, param=f"budgets[{number}]")


def _is_more_often(own: RateTerm, theirs: RateTerm) -> bool:
    """Whether it lets through in no longer a time more than a parent ever does, of the same or of a part of that."""
    is_within = theirs.model in ("", own.model) and theirs.tag in ("", own.tag)
    if own.of != theirs.of or not is_within or own.most <= theirs.most:
        return False
    return own.of == "concurrency" or duration_us(own.per, "per") <= duration_us(theirs.per, "per")


def _is_more(own: BudgetTerm, theirs: BudgetTerm) -> bool:
    """Likewise of budgets: a day's that is above a parent's for the month can never be used."""
    if own.is_soft or theirs.is_soft or bool(own.tokens) != bool(theirs.tokens) or amount_of(own) <= amount_of(theirs):
        return False
    is_within = (
        (not theirs.model or theirs.model == own.model)
        and (not theirs.provider or theirs.provider == own.provider)
        and (not theirs.tag or theirs.tag == own.tag)
    )
    return is_within and length_us(own.window) <= length_us(theirs.window)
