"""What kinds of values the configuration file has: references, amounts, names. Must not know any setting."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from headgate.app.config_secrets import NO_KEY, BadReference, Secret, Surroundings, resolve

USD_MAX = 1_000_000
USD_FORM = r"^[0-9]+(\.[0-9]{1,6})?$"


def refusal(text: str) -> PydanticCustomError:
    """A fault with its message ready for the operator."""
    return PydanticCustomError("headgate", "{text}", {"text": text})


def _secret(value: object, info: ValidationInfo) -> object:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise refusal("must be text: env:NAME or file:PATH")
    if value == NO_KEY:
        return Secret("")
    around = info.context if isinstance(info.context, Surroundings) else Surroundings({}, Path())
    try:
        return resolve(value, around)
    except BadReference as fault:
        raise refusal(str(fault)) from None


def _header(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and not value.startswith(("env:", "file:")):
        if not value.isprintable():
            raise refusal("must be printable text on one line")
        return Secret(value)
    return _secret(value, info)


def _variable(value: object, info: ValidationInfo) -> object:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return _header(str(value) if is_number else value, info)


def _usd(value: object) -> object:
    """USD per million tokens (or each) as millionths of that, exactly: a pico-USD per token (or a micro-USD)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise refusal("must be an amount in USD such as 0.15")
    try:
        millionths = Decimal(str(value)) * 1_000_000
        whole = int(millionths)
    except (InvalidOperation, OverflowError, ValueError):
        raise refusal(f"must be an amount in USD such as 0.15, not {value!r}") from None
    if not 0 <= whole <= USD_MAX * 1_000_000:
        raise refusal(f"must be from 0 to {USD_MAX} USD, not {value!r}")
    if whole != millionths:
        raise refusal(f"may have six decimals at most, not {value!r}")
    return whole


def section(value: object) -> object:
    return {} if value is None else value


REFERENCE_FORM = "^(env|file):.+$"
REFERENCE_OR_NONE_FORM = f"^(env:.+|file:.+|{NO_KEY})$"
Reference = Annotated[Secret, BeforeValidator(_secret), WithJsonSchema({"type": "string", "pattern": REFERENCE_FORM})]
ReferenceOrNone = Annotated[
    Secret, BeforeValidator(_secret), WithJsonSchema({"type": "string", "pattern": REFERENCE_OR_NONE_FORM})
]
HeaderValue = Annotated[Secret, BeforeValidator(_header), WithJsonSchema({"type": "string"})]
VariableValue = Annotated[Secret, BeforeValidator(_variable), WithJsonSchema({"type": "string"})]
Usd = Annotated[
    int,
    BeforeValidator(_usd),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": USD_FORM}, {"type": "number", "minimum": 0}]}),
]
Port = Annotated[int, Field(ge=0, le=65535)]
Host = Annotated[str, Field(min_length=1, max_length=253)]
Entry = TypeVar("Entry")
Bytes = Annotated[int, Field(ge=1024, le=1024 * 1024 * 1024)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Seconds = Annotated[float, Field(gt=0, le=86400, strict=False)]


class Section(BaseModel):
    """What all parts of the file have in common: unknown names are refused, values are not guessed, nothing changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True, use_attribute_docstrings=True
    )
