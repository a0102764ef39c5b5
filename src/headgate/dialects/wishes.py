"""Where a call may run: OpenRouter's members `models` and `provider`, which any dialect's body may carry, and what it
may cost: `max_cost_usd`, and `max_price`, which may stand by itself as well as in `provider`.

They are for Headgate: read here, and taken out before the body goes anywhere. What cannot be granted is refused, since
a wish that is overlooked sends data where it must not go or costs what it must not.
https://openrouter.ai/docs/features/provider-routing (2026-11)
"""

from decimal import Decimal, InvalidOperation
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct, structs

from headgate.core.needs import NO_WISHES, PriceLimit, Sort, Wishes
from headgate.core.problems import InvalidRequest

MODELS_MAX: Final = 16
"""The most models that a call may name as its fallbacks."""
_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "data_collection": (None, "allow"),
    "zdr": (None, False),
    "enforce_distillable_text": (None, False),
    "quantizations": (None, []),
    "preferred_min_throughput": (None,),
    "preferred_max_latency": (None,),
}
"""Members that are not granted yet, with the values that wish for nothing."""


_SORTS: Final[dict[str, Sort]] = {"price": "price", "throughput": "throughput", "latency": "latency"}
_MILLIONTHS: Final = 1_000_000
"""USD per million tokens into pico-USD per token."""
_NANO: Final = 1_000_000_000
USD_MAX: Final = 1_000_000


class _Sorting(Struct, forbid_unknown_fields=True):
    by: str | None = None
    partition: Literal["model"] | None = None


class _Prices(Struct, forbid_unknown_fields=True):
    prompt: float | str | None = None
    completion: float | str | None = None
    request: float | str | None = None


class _Provider(Struct):
    order: list[str] | None = None
    only: list[str] | None = None
    ignore: list[str] | None = None
    allow_fallbacks: bool | None = None
    require_parameters: bool | None = None
    sort: str | _Sorting | None = None
    max_price: _Prices | None = None


class _Body(Struct):
    models: list[str] | None = None
    provider: _Provider | None = None
    max_price: _Prices | None = None
    max_cost_usd: float | str | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ENCODE: Final = msgspec.json.Encoder().encode


class _Members(Struct):
    provider: dict[str, object] | None = None


_MEMBERS: Final = msgspec.json.Decoder(_Members)
_NAMES: Final = tuple(f'"{name}"'.encode() for name in _Body.__struct_fields__)
_GRANTED: Final = frozenset(_Provider.__struct_fields__)


def parse_wishes(body: bytes) -> Wishes:
    """The wishes of a valid JSON object. Raises `InvalidRequest` for one that is not granted."""
    try:
        seen = _BODY.decode(body)
        members = _MEMBERS.decode(body).provider or {}
    except msgspec.DecodeError as error:
        text, _, path = str(error).partition(" - at `$.")
        param = path.rstrip("`")
        if not param:  # half of a character, which nobody has had to read so far
            raise InvalidRequest(f"models or provider: {error}", param="provider") from None
        raise InvalidRequest(f"{param}: {text}", param=param) from None
    for name, value in members.items():
        if name not in _GRANTED and value not in _NEUTRAL.get(name, ()):
            reason = "is not available yet" if name in _NEUTRAL else "is not known here"
            raise InvalidRequest(
                f"provider.{name} {reason}; leave it out. Known: {', '.join(sorted(_GRANTED))}.",
                param=f"provider.{name}",
                code="unsupported_parameter",
            )
    models = tuple(seen.models or ())
    if len(models) > MODELS_MAX:
        raise InvalidRequest(f"models has {len(models)} entries; {MODELS_MAX} at most", param="models")
    provider = seen.provider or _Provider()
    prices, param = provider.max_price, "provider.max_price"
    if seen.max_price is not None:
        if prices is not None:
            raise InvalidRequest("max_price stands in 'provider' as well; say it once.", param="max_price")
        prices, param = seen.max_price, "max_price"
    return Wishes(
        models=models,
        order=_lower(provider.order),
        only=_lower(provider.only),
        ignore=_lower(provider.ignore),
        allow_fallbacks=provider.allow_fallbacks is not False,
        sort=_sort(provider.sort),
        max_price=_max_price(prices, param),
        cost_nano_usd_max=_cost_max(seen.max_cost_usd),
        require_parameters=bool(provider.require_parameters),
    )


def _sort(told: str | _Sorting | None) -> Sort | None:
    word = told.by if isinstance(told, _Sorting) else told
    if word is None:
        return None
    found = _SORTS.get(word)
    if found is None:
        raise InvalidRequest(
            f"provider.sort: {word!r} is not known here; known: {', '.join(_SORTS)}",
            param="provider.sort",
            code="unsupported_parameter",
        )
    return found


def without_cap(wishes: Wishes) -> Wishes:
    """The wishes about where to run alone."""
    left = structs.replace(wishes, cost_nano_usd_max=None)
    return NO_WISHES if left == NO_WISHES else left


def _cost_max(told: float | str | None) -> int | None:
    """In nano-USD."""
    if told is None:
        return None
    amount = _decimal(told)
    nano = None if amount is None else amount * _NANO
    if nano is None or nano != int(nano):
        raise InvalidRequest(
            f"max_cost_usd: {told!r} is not an amount in USD from 0 to {USD_MAX}, such as 0.05, down to 0.000000001",
            param="max_cost_usd",
        )
    return int(nano)


def _max_price(told: _Prices | None, param: str) -> PriceLimit | None:
    if told is None or told == _Prices():
        return None
    return PriceLimit(
        input=_amount(told.prompt, f"{param}.prompt", _MILLIONTHS),
        output=_amount(told.completion, f"{param}.completion", _MILLIONTHS),
        request=_amount(told.request, f"{param}.request", _NANO),
    )


def _amount(told: float | str | None, param: str, unit: int) -> int | None:
    """USD, as a number or text, in whole units of a fraction of it."""
    if told is None:
        return None
    amount = _decimal(told)
    if amount is None:
        raise InvalidRequest(f"{param}: {told!r} is not an amount in USD from 0 to {USD_MAX}", param=param)
    return int(amount * unit)


def _decimal(told: float | str) -> Decimal | None:
    """USD; None: that is no amount."""
    try:
        amount = Decimal(str(told))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= USD_MAX else None


def may_have_wishes(body: bytes) -> bool:
    """Whether it is worth looking, for those who have not read the top level."""
    return any(name in body for name in _NAMES)


def _lower(names: list[str] | None) -> tuple[str, ...]:
    return tuple(name.lower() for name in names or ())


def without_wishes(body: bytes) -> bytes:
    """The body as it goes on: every other member byte for byte."""
    members = _OBJECT.decode(body)
    for name in _Body.__struct_fields__:
        members.pop(name, None)
    return _ENCODE(members)
