"""Usage in FOCUS, the FinOps Foundation's form of cost data, 1.2 and 1.4: values in, rows out.

One row for each hour, key, end user and model, with what the account is charged, exactly. A row covers tokens of
several rates, so it has no single unit price: `SkuPriceId`, the unit prices and the pricing quantity are null, as the
specification has it then (https://focus.finops.org/focus-specification/v1-4/, 2026-11). What the operator pays itself
stands in `x_ProviderCost`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from headgate.core.money import shown_usd
from headgate.core.problems import InvalidRequest
from headgate.ledger.billing.months import Month, shown_time
from headgate.ledger.billing.sheets import Amount, csv_text
from headgate.store.queries.spend import Place, Spent

FocusVersion = Literal["1.2", "1.4"]
FocusForm = Literal["csv", "jsonl"]
FOCUS_VERSIONS: Final[tuple[FocusVersion, ...]] = ("1.2", "1.4")
HOUR_US: Final = 3_600_000_000
Row = dict[str, str | int | None]
_encode = msgspec.json.Encoder().encode


class Owner(Struct, frozen=True, kw_only=True):
    """Who is charged for a key: its organisation, or itself where it has none; and its team."""

    account: str
    account_name: str
    account_type: str
    team: str = ""
    team_name: str = ""
    key_name: str = ""


class Export(Struct, frozen=True, kw_only=True):
    """What an export is of."""

    month: Month
    owners: Mapping[str, Owner]
    """By the ids of keys."""
    titles: Mapping[str, str]
    """What providers are called by people, by their names."""
    issuer: str
    is_final: bool
    """The month is over: rows name their invoice."""


class _Line(NamedTuple):
    place: Place
    """Of the whole hour."""
    calls: int
    input_tokens: int
    output_tokens: int
    cost: int
    charge: int


def focus_version(name: str) -> FocusVersion:
    """The version of that name. Raises `InvalidRequest`."""
    for version in FOCUS_VERSIONS:
        if version == name:
            return version
    raise InvalidRequest(f"FOCUS {name[:20]!r} is not written here; 1.2 and 1.4 are.", param="version")


def focus_rows(export: Export, spent: Iterable[Spent], version: FocusVersion) -> list[Row]:
    """The rows of the Cost and Usage dataset, by time."""
    providers = _PROVIDERS[version]
    rows: list[Row] = []
    for line in _hours(spent):
        title = export.titles.get(line.place.provider, line.place.provider) or "unknown"
        rows.append(_row(export, line, title) | dict.fromkeys(providers, title))
    return rows


def write_focus(rows: Sequence[Row], version: FocusVersion, form: FocusForm) -> bytes:
    """CSV, in which null is empty, or one JSON object a line, in which amounts are text, since they are exact."""
    if form == "jsonl":
        return b"".join(_encode(row) + b"\n" for row in rows)
    names = columns(version)
    told = ([_cell(name, row[name]) for name in names] for row in rows)
    return csv_text(names, told).encode()


def columns(version: FocusVersion) -> tuple[str, ...]:
    """The columns that are written, in order: those of FOCUS by name, then our own."""
    ours = tuple(name for name in _COLUMNS if name.startswith("x_"))
    return (*sorted({*_COLUMNS, *_PROVIDERS[version]} - set(ours)), *ours)


def _cell(name: str, value: str | int | None) -> object:
    if value is None:
        return ""
    return Amount(value) if name.endswith("Cost") else value


def _hours(spent: Iterable[Spent]) -> list[_Line]:
    sums: dict[Place, list[int]] = {}
    for place, each in spent:
        hour = place._replace(quarter_us=place.quarter_us - place.quarter_us % HOUR_US)
        so_far = sums.setdefault(hour, [0, 0, 0, 0, 0])
        for at, number in enumerate(each):
            so_far[at] += number
    return [_Line(place, *numbers) for place, numbers in sorted(sums.items())]


_PROVIDERS: Final[Mapping[FocusVersion, tuple[str, ...]]] = {
    # https://focus.finops.org/focus-specification/v1-3/ brought new names beside the old, 1.4 removed those (2026-06)
    "1.2": ("ProviderName", "PublisherName"),
    "1.4": ("ServiceProviderName", "HostProviderName"),
}
_Told = Callable[[Export, _Line, Owner, str], str | int | None]


def _charge(export: Export, line: _Line, owner: Owner, title: str) -> str:
    return shown_usd(line.charge)


def _has_tokens(line: _Line) -> bool:
    return bool(line.input_tokens or line.output_tokens)


def _consumed(export: Export, line: _Line, owner: Owner, title: str) -> int:
    return line.input_tokens + line.output_tokens if _has_tokens(line) else line.calls


_COLUMNS: Final[Mapping[str, _Told]] = {
    "BilledCost": _charge,
    "BillingAccountId": lambda export, line, owner, title: owner.account,
    "BillingAccountName": lambda export, line, owner, title: owner.account_name,
    "BillingAccountType": lambda export, line, owner, title: owner.account_type,
    "BillingCurrency": lambda export, line, owner, title: "USD",
    "BillingPeriodEnd": lambda export, line, owner, title: shown_time(export.month.end_us),
    "BillingPeriodStart": lambda export, line, owner, title: shown_time(export.month.start_us),
    "ChargeCategory": lambda export, line, owner, title: "Usage",
    "ChargeClass": lambda export, line, owner, title: None,
    "ChargeDescription": lambda export, line, owner, title: f"{line.calls} calls to {line.place.model} at {title}",
    "ChargeFrequency": lambda export, line, owner, title: "Usage-Based",
    "ChargePeriodEnd": lambda export, line, owner, title: shown_time(line.place.quarter_us + HOUR_US),
    "ChargePeriodStart": lambda export, line, owner, title: shown_time(line.place.quarter_us),
    "ConsumedQuantity": _consumed,
    "ConsumedUnit": lambda export, line, owner, title: "Tokens" if _has_tokens(line) else "Requests",
    "ContractedCost": _charge,
    "EffectiveCost": _charge,
    "InvoiceId": lambda export, line, owner, title: f"{export.month.name}-{owner.account}" if export.is_final else None,
    "InvoiceIssuerName": lambda export, line, owner, title: export.issuer,
    "ListCost": _charge,
    "PricingQuantity": lambda export, line, owner, title: None,
    "PricingUnit": lambda export, line, owner, title: None,
    "ResourceId": lambda export, line, owner, title: _resource(line),
    "ResourceName": lambda export, line, owner, title: line.place.upstream or None,
    "ResourceType": lambda export, line, owner, title: "Model" if line.place.upstream else None,
    "ServiceCategory": lambda export, line, owner, title: "AI and Machine Learning",
    "ServiceName": lambda export, line, owner, title: f"{title} API",
    "ServiceSubcategory": lambda export, line, owner, title: "Generative AI",
    "SkuId": lambda export, line, owner, title: _resource(line),
    "SubAccountId": lambda export, line, owner, title: owner.team or None,
    "SubAccountName": lambda export, line, owner, title: owner.team_name or None,
    "SubAccountType": lambda export, line, owner, title: "Team" if owner.team else None,
    "x_KeyId": lambda export, line, owner, title: line.place.key_id,
    "x_KeyName": lambda export, line, owner, title: owner.key_name or None,
    "x_User": lambda export, line, owner, title: line.place.user or None,
    "x_Model": lambda export, line, owner, title: line.place.model,
    "x_RequestCount": lambda export, line, owner, title: line.calls,
    "x_InputTokens": lambda export, line, owner, title: line.input_tokens,
    "x_OutputTokens": lambda export, line, owner, title: line.output_tokens,
    "x_ProviderCost": lambda export, line, owner, title: shown_usd(line.cost),
}


def _resource(line: _Line) -> str | None:
    return f"{line.place.provider}/{line.place.upstream}" if line.place.upstream else None


def _row(export: Export, line: _Line, title: str) -> Row:
    key = line.place.key_id
    owner = export.owners.get(key) or Owner(account=key or "none", account_name=key or "none", account_type="Key")
    return {name: tell(export, line, owner, title) for name, tell in _COLUMNS.items()}
