"""Templates into pages, and how numbers, times and money are written in them. Everything in a page is escaped."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from headgate.core.money import NANO_PER_USD, shown_usd

HERE: Final = Path(__file__).parent
NOTHING: Final = "–"


def render(template: str, **context: Any) -> bytes:
    """A page."""
    return _TEMPLATES.get_template(template).render(**context).encode()


def add_global(name: str, value: object) -> None:
    """Gives templates one more word."""
    _WORDS[name] = value


def usd(nano_usd: int | None) -> str:
    """Money for reading: two places, more where it is little."""
    if nano_usd is None:
        return NOTHING
    amount = nano_usd / NANO_PER_USD
    size = abs(amount)
    if nano_usd == 0:
        return "$0"
    places = 2 if size >= 1 else 4 if size >= 0.01 else 6
    return f"-${size:,.{places}f}" if amount < 0 else f"${size:,.{places}f}"


def exact_usd(nano_usd: int) -> str:
    """Money to the last place."""
    return f"${shown_usd(nano_usd)}" if nano_usd >= 0 else f"-${shown_usd(-nano_usd)}"


def plain_usd(dollars: float) -> str:
    """A price of one, however small."""
    return f"{dollars:.12f}".rstrip("0").rstrip(".")


def number(value: float | None) -> str:
    """A number for reading: whole below ten thousand, then with a letter."""
    if value is None:
        return NOTHING
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            divided = value / (1e3 if letter == "k" else size)
            return f"{divided:.1f}{letter}" if abs(divided) < 100 else f"{divided:.0f}{letter}"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.1f}"


def whole(value: int) -> str:
    """A number with all its digits."""
    return f"{value:,}"


def ms(value: float | None) -> str:
    """A time that something took."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{value:.2f} ms"
    if value < 10:
        return f"{value:.1f} ms"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.2f} s" if value < 60_000 else f"{value / 60_000:.1f} min"


def share(part: float, of: float) -> str:
    """A part in hundredths."""
    if not of:
        return NOTHING
    percent = 100 * part / of
    if 99 < percent < 100:  # never all while some is missing
        return f"{min(percent, 99.99):.2f}%"
    if percent >= 10 or percent == 0:
        return f"{percent:.0f}%"
    return f"{percent:.2f}%" if percent < 1 else f"{percent:.1f}%"


def change(value: float) -> str:
    """How much more or less, as a share; as a factor where it is many times."""
    return f"×{value + 1:.0f}" if value >= 9 else share(abs(value), 1)


def moment(at_us: int) -> str:
    """A time of day, UTC."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def iso(at_us: int) -> str:
    """The same for machines."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")


def as_json(value: object) -> str:
    """For an attribute that a script reads."""
    return msgspec.json.encode(value).decode()


def indented(value: object) -> str:
    """JSON for people."""
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)


_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(
    usd=usd,
    exact_usd=exact_usd,
    number=number,
    whole=whole,
    plain_usd=plain_usd,
    change=change,
    ms=ms,
    moment=moment,
    iso=iso,
    as_json=as_json,
    indented=indented,
)
_WORDS: Final = cast("dict[str, object]", _TEMPLATES.globals)
_WORDS["share"] = share
