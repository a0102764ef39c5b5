"""What a provider says was used, compared with our own books: how far they drift apart, by model.

Reads OpenAI's completions usage (`GET /v1/organization/usage/completions`) and costs (`…/costs`), Anthropic's usage
report (`GET /v1/organizations/usage_report/messages`), and CSV with a header of our own words. Shapes are those of the
providers' API references (https://platform.openai.com/docs/api-reference/usage,
https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report, 2026-11).
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import Struct

from headgate.core.money import NANO_PER_USD
from headgate.core.problems import InvalidRequest
from headgate.store.queries.spend import QUARTER_US, Spent

NUMBER_MAX: Final = 2**63 - 1
_DAY_US: Final = 86_400_000_000


class Count(Struct, kw_only=True):
    """What was used of a model. None: that side does not tell it."""

    calls: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano_usd: int | None = None

    def add(self, other: "Count") -> None:
        """Adds what the other tells."""
        for name in self.__struct_fields__:
            more = getattr(other, name)
            if more is not None:
                setattr(self, name, (getattr(self, name) or 0) + more)


class Report(NamedTuple):
    """What a provider's file says, and of which time."""

    form: str
    start_us: int
    end_us: int
    """Exclusive."""
    counts: dict[str, Count]
    """By the provider's names of its models; empty: it does not say which."""


class Drift(NamedTuple):
    """One number of a model that both sides tell."""

    model: str
    what: str
    ours: int
    theirs: int

    @property
    def difference(self) -> int:
        """Ours less theirs."""
        return self.ours - self.theirs

    @property
    def share(self) -> float | None:
        """Of theirs; None: they say nothing was used."""
        return self.difference / self.theirs if self.theirs else None


def read_report(data: bytes) -> Report:
    """Raises `InvalidRequest` for what is no export that is known here, and says where."""
    text = data.decode("utf-8-sig", "replace").strip()
    if not text.startswith("{"):
        return _csv(text)
    try:
        document = msgspec.json.decode(text.encode())
    except msgspec.DecodeError as fault:
        raise InvalidRequest(f"The export is no JSON: {fault}", param="file") from None
    buckets = _list(document, "data", "$")
    if document.get("has_more"):
        raise InvalidRequest("$.has_more: the export is one page of several; join their `data` first.", param="file")
    return _buckets(buckets)


def compare(ours: Mapping[str, Count], theirs: Mapping[str, Count]) -> list[Drift]:
    """Every number that both sides tell, by model; a model that only one side knows counts as 0 at the other."""
    if set(theirs) == {""}:
        ours = {"": _sum(ours.values())}
    told = {name for count in theirs.values() for name in Count.__struct_fields__ if getattr(count, name) is not None}
    found: list[Drift] = []
    for model in sorted({*ours, *theirs}):
        mine, their = ours.get(model) or Count(), theirs.get(model) or Count()
        for what in (name for name in Count.__struct_fields__ if name in told):
            found.append(Drift(model, what, getattr(mine, what) or 0, getattr(their, what) or 0))
    return found


def counted(spent: Iterable[Spent], provider: str, report: Report) -> dict[str, Count]:
    """What our books have of a provider in that time, by its own names of models; its cost is what it asks of us."""
    found: dict[str, Count] = {}
    for place, sums in spent:
        if place.provider == provider and report.start_us <= place.quarter_us < report.end_us:
            found.setdefault(place.upstream, Count()).add(
                Count(
                    calls=sums.calls,
                    input_tokens=sums.input_tokens,
                    output_tokens=sums.output_tokens,
                    cost_nano_usd=sums.cost_nano_usd,
                )
            )
    return found


def _sum(counts: Iterable[Count]) -> Count:
    total = Count()
    for count in counts:
        total.add(count)
    return total


def _buckets(buckets: list[Any]) -> Report:
    counts: dict[str, Count] = {}
    spans: list[tuple[int, int]] = []
    form = ""
    for at, bucket in enumerate(buckets):
        where = f"$.data[{at}]"
        if not isinstance(bucket, dict):
            raise InvalidRequest(f"{where}: takes an object.", param="file")
        each = cast("dict[str, Any]", bucket)
        spans.append(_span(each, where))
        for number, result in enumerate(_list(each, "results", where)):
            form, model, count = _result(result, f"{where}.results[{number}]")
            counts.setdefault(model, Count()).add(count)
    if not spans:
        raise InvalidRequest("$.data: the export is empty.", param="file")
    return Report(form, min(start for start, _ in spans), max(end for _, end in spans), counts)


def _span(bucket: dict[str, Any], where: str) -> tuple[int, int]:
    """OpenAI tells Unix seconds, Anthropic RFC 3339."""
    if "start_time" in bucket:
        times = (_integer(bucket, "start_time", where) * 1_000_000, _integer(bucket, "end_time", where) * 1_000_000)
    else:
        times = tuple(_moment(bucket.get(name), f"{where}.{name}") for name in ("starting_at", "ending_at"))
    if any(time % QUARTER_US for time in times):
        raise InvalidRequest(f"{where}: our books have quarters of an hour; export whole hours or days.", param="file")
    return times[0], times[1]


def _result(result: Any, where: str) -> tuple[str, str, Count]:
    if not isinstance(result, dict):
        raise InvalidRequest(f"{where}: takes an object.", param="file")
    each = cast("dict[str, Any]", result)
    if each.get("object") == "organization.costs.result":
        return "OpenAI costs", "", Count(cost_nano_usd=_cost(each.get("amount"), where))
    if "uncached_input_tokens" in each:
        created = cast("dict[str, Any]", each.get("cache_creation") or {})
        inputs = [_integer(each, name, where) for name in ("uncached_input_tokens", "cache_read_input_tokens")]
        inputs += [_integer(created, name, f"{where}.cache_creation") for name in created]
        told = Count(input_tokens=sum(inputs), output_tokens=_integer(each, "output_tokens", where))
        return "Anthropic usage", str(each.get("model") or ""), told
    if "input_tokens" in each:
        told = Count(
            calls=_integer(each, "num_model_requests", where),
            input_tokens=_integer(each, "input_tokens", where),
            output_tokens=_integer(each, "output_tokens", where) if "output_tokens" in each else 0,
        )
        return "OpenAI usage", str(each.get("model") or ""), told
    raise InvalidRequest(f"{where}: no usage or cost is told here that is known.", param="file")


def _cost(amount: Any, where: str) -> int:
    told = cast("dict[str, Any]", amount if isinstance(amount, dict) else {})
    currency = str(told.get("currency", ""))
    if currency.lower() != "usd":
        raise InvalidRequest(f"{where}.amount.currency: {currency[:20]!r} is not known here; usd is.", param="file")
    return _nano(str(told.get("value")), f"{where}.amount.value")


def _nano(text: str, where: str) -> int:
    try:
        return round(Decimal(text) * NANO_PER_USD)
    except (InvalidOperation, OverflowError, ValueError):
        raise InvalidRequest(f"{where}: {text[:40]!r} is no amount.", param="file") from None


def _integer(each: dict[str, Any], name: str, where: str) -> int:
    value = each.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
        raise InvalidRequest(f"{where}.{name}: takes a whole number from 0, not {value!r}.", param="file")
    return value


def _list(each: Any, name: str, where: str) -> list[Any]:
    value = cast("dict[str, Any]", each).get(name) if isinstance(each, dict) else None
    if not isinstance(value, list):
        raise InvalidRequest(f"{where}.{name}: takes a list.", param="file")
    return cast("list[Any]", value)


def _moment(value: Any, where: str) -> int:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidRequest(f"{where}: {str(value)[:40]!r} is no time.", param="file") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * 1_000_000


def _csv(text: str) -> Report:
    """`date` (a day of UTC), `model`, and any of `calls`, `input_tokens`, `output_tokens`, `cost_usd`."""
    rows = csv.DictReader(io.StringIO(text))
    names = set(rows.fieldnames or ())
    if not {"date", "model"} <= names or not names & {"calls", "input_tokens", "output_tokens", "cost_usd"}:
        needed = "date, model and some of calls, input_tokens, output_tokens, cost_usd"
        raise InvalidRequest(f"The export is neither JSON nor CSV with a header of {needed}.", param="file")
    counts: dict[str, Count] = {}
    days: list[int] = []
    for row in rows:
        where = f"line {rows.line_num}"
        days.append(_moment(row["date"], where) // _DAY_US * _DAY_US)
        told = {name: _whole(row.get(name), f"{where}: {name}") for name in _COUNTED if name in names}
        if "cost_usd" in names:
            told["cost_nano_usd"] = _nano(row.get("cost_usd") or "0", f"{where}: cost_usd")
        counts.setdefault(row["model"] or "", Count()).add(Count(**told))
    if not days:
        raise InvalidRequest("The export is empty.", param="file")
    return Report("CSV", min(days), max(days) + _DAY_US, counts)


_COUNTED: Final = ("calls", "input_tokens", "output_tokens")


def _whole(text: str | None, where: str) -> int:
    if not text or not text.isascii() or not text.isdigit() or int(text) > NUMBER_MAX:
        raise InvalidRequest(f"{where} takes a whole number from 0, not {str(text)[:40]!r}.", param="file")
    return int(text)


def drifting(drifts: Iterable[Drift], tolerance: float) -> Iterator[Drift]:
    """Those that differ by more than a share of theirs; whatever they do not know at all is among them."""
    for each in drifts:
        if abs(each.difference) > tolerance * each.theirs:
            yield each
