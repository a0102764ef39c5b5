"""What the client gets: the head with our header fields, the body, or an error in its own dialect; once."""

import math
from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from headgate.core.principal import Sold
from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt, CallRecord
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange

NANO_PER_USD = 1_000_000_000
REQUEST_ID_NAMES = {"anthropic": "request-id"}
"""What the surfaces' own SDKs read the id of a call from, where it is not `x-request-id`."""
_ID_NAME = "x-request-id"
_STREAM_FIELDS = b"cache-control: no-cache, no-transform\r\nx-accel-buffering: no\r\n"


class Answerer:
    """The one answer to a call. Knows whether a byte of it has gone out: from there on nothing else can be tried."""

    __slots__ = ("_call", "_exchange", "_on_gone", "is_committed", "is_gone")

    def __init__(self, call: Call, exchange: Exchange) -> None:
        self._call = call
        self._exchange = exchange
        self._on_gone: Callable[[Outcome], None] | None = None
        self.is_committed = False
        self.is_gone = False
        exchange.on_disconnect(self._client_left)

    @property
    def exchange(self) -> Exchange:
        """What it goes out by."""
        return self._exchange

    @property
    def is_congested(self) -> bool:
        """Whether the client reads slower than we write."""
        return self._exchange.is_congested

    def watch(self, abort: Callable[[Outcome], None] | None) -> None:
        """What to call if the client goes away: it ends the attempt under way."""
        self._on_gone = abort
        if abort is not None and self.is_gone:
            abort(Outcome.CLIENT_GONE)

    def _client_left(self) -> None:
        self.is_gone = True
        if self._on_gone is not None:
            self._on_gone(Outcome.CLIENT_GONE)

    def whole(self, body: bytes, content_type: str, attempt: Attempt) -> None:
        """A complete answer."""
        self.is_committed = True
        record = self._call.record
        if self.is_gone:
            record.status = 499
            return
        record.status = 200
        record.streamed_bytes = len(body)
        fields = f"{success_fields(record, attempt, content_type)}{self._call.fields}content-length: {len(body)}\r\n"
        if attempt.is_priced:
            cost = record.cost_nano_usd - record.extra_nano_usd + attempt.cost_nano_usd
            tariff, usage = self._call.principal.tariff, attempt.usage
            if tariff is not None and usage is not None:  # who pays by prices of its own is not told what it costs
                where = (record.model, attempt.provider, attempt.model)
                cost = tariff.charge(Sold(*where, usage, attempt.cost_nano_usd, record.started_us))
            fields += f"x-headgate-cost-usd: {usd(cost)}\r\n"
        self._exchange.start(200, fields.encode())
        self._exchange.end(body)

    def begin(self, content_type: str, attempt: Attempt) -> None:
        """The head of a stream: from here on the answer is this attempt's."""
        self.is_committed = True
        if self.is_gone:
            self._call.record.status = 499
            return
        self._call.record.status = 200
        fields = success_fields(self._call.record, attempt, content_type) + self._call.fields
        self._exchange.start(200, fields.encode() + _STREAM_FIELDS)

    async def more(self, data: bytes) -> None:
        """More of a stream; waits while the client reads slower than we write."""
        if self.is_gone:
            return
        self._call.record.streamed_bytes += len(data)
        self._exchange.write(data)
        if self._exchange.is_congested:
            await self._exchange.drained()

    def end(self) -> None:
        """The end of a stream."""
        self._exchange.end()

    def refuse(self, problem: Problem, *, attempts: Sequence[Mapping[str, object]] = ()) -> None:
        """An error in the caller's dialect, if nothing has gone out yet."""
        record = self._call.record
        record.outcome = problem.outcome
        record.error = problem.message
        if self.is_committed:
            return
        self.is_committed = True
        if self.is_gone:
            record.outcome = Outcome.CLIENT_GONE
            record.status = 499
            return
        if problem.dialect != self._call.dialect.name or not problem.raw:
            metadata: dict[str, object] = {"request_id": record.id}
            if attempts:
                metadata["attempts"] = list(attempts)
            problem = structs.replace(problem, metadata=metadata)
        status, body = self._call.dialect.render_error(problem)
        record.status = status
        fields = f"{error_fields(record, problem)}{self._call.fields}content-length: {len(body)}\r\n"
        self._exchange.start(status, fields.encode())
        self._exchange.end(body)


def success_fields(record: CallRecord, attempt: Attempt, content_type: str) -> str:
    """The header fields of every good answer."""
    name = REQUEST_ID_NAMES.get(record.surface, _ID_NAME)
    more = f"x-headgate-dropped: {header_value(', '.join(record.dropped))}\r\n" if record.dropped else ""
    number = attempt.number
    if record.hedge:
        number, more = max(number, record.hedge), f"{more}x-headgate-hedged: true\r\n"
    return (
        f"content-type: {header_value(content_type)}\r\n{name}: {record.id}\r\nx-headgate-request-id: {record.id}\r\n"
        f"x-headgate-provider: {attempt.provider}\r\nx-headgate-model: {header_value(attempt.model)}\r\n"
        f"x-headgate-attempts: {number}\r\nx-headgate-overhead-ms: {record.overhead_ms:.2f}\r\n{more}"
    )


def error_fields(record: CallRecord, problem: Problem) -> str:
    """The header fields of an error."""
    name = REQUEST_ID_NAMES.get(record.surface, _ID_NAME)
    fields = (
        f"content-type: application/json\r\n{name}: {record.id}\r\nx-headgate-request-id: {record.id}\r\n"
        f"x-headgate-attempts: {len(record.attempts)}\r\n"
    )
    wait_s = problem.retry_after_s
    if wait_s is None:
        return fields
    return f"{fields}retry-after: {math.ceil(wait_s)}\r\nretry-after-ms: {round(wait_s * 1000)}\r\n"


def header_value(text: str) -> str:
    """A header value: what is not printable ASCII becomes a question mark."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def usd(nano: int) -> str:
    """Nano-USD as a decimal string of dollars, exact: `0.000012345`."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{part:09d}"
