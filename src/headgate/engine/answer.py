"""What the client gets: the head with our header fields, the body, or an error in its own dialect; once."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt, CallRecord
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange

NANO_PER_USD = 1_000_000_000
REQUEST_ID_NAMES = {"anthropic": b"request-id"}
"""What the surfaces' own SDKs read the id of a call from, where it is not `x-request-id`."""
_ID_NAME = b"x-request-id"
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
        record.status = 200
        record.streamed_bytes = len(body)
        fields = b"%bcontent-length: %d\r\n" % (success_fields(record, attempt, content_type), len(body))
        if attempt.is_priced:
            fields += b"x-headgate-cost-usd: %b\r\n" % usd(record.cost_nano_usd + attempt.cost_nano_usd).encode()
        self._exchange.start(200, fields)
        self._exchange.end(body)

    def begin(self, content_type: str, attempt: Attempt) -> None:
        """The head of a stream: from here on the answer is this attempt's."""
        self.is_committed = True
        self._call.record.status = 200
        self._exchange.start(200, success_fields(self._call.record, attempt, content_type) + _STREAM_FIELDS)

    async def more(self, data: bytes) -> None:
        """More of a stream; waits while the client reads slower than we write."""
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
        self._exchange.start(status, b"%bcontent-length: %d\r\n" % (error_fields(record, problem), len(body)))
        self._exchange.end(body)


def success_fields(record: CallRecord, attempt: Attempt, content_type: str) -> bytes:
    """The header fields of every good answer."""
    request_id = record.id.encode()
    fields = (
        b"content-type: %b\r\n%b: %b\r\nx-headgate-request-id: %b\r\nx-headgate-provider: %b\r\n"
        b"x-headgate-model: %b\r\nx-headgate-attempts: %d\r\nx-headgate-overhead-ms: %.2f\r\n"
    ) % (
        header_value(content_type),
        REQUEST_ID_NAMES.get(record.surface, _ID_NAME),
        request_id,
        request_id,
        attempt.provider.encode(),
        header_value(attempt.model),
        attempt.number,
        record.overhead_ms,
    )
    if record.dropped:
        fields += b"x-headgate-dropped: %b\r\n" % header_value(", ".join(record.dropped))
    return fields


def error_fields(record: CallRecord, problem: Problem) -> bytes:
    """The header fields of an error."""
    request_id = record.id.encode()
    fields = b"content-type: application/json\r\n%b: %b\r\nx-headgate-request-id: %b\r\nx-headgate-attempts: %d\r\n" % (
        REQUEST_ID_NAMES.get(record.surface, _ID_NAME),
        request_id,
        request_id,
        len(record.attempts),
    )
    if problem.retry_after_s is not None:
        whole_s, whole_ms = -(-problem.retry_after_s // 1), round(problem.retry_after_s * 1000)
        fields += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (whole_s, whole_ms)
    return fields


def header_value(text: str) -> bytes:
    """A header value: what is not printable ASCII becomes a question mark."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode()


def usd(nano: int) -> str:
    """Nano-USD as a decimal string of dollars, exact: `0.000012345`."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{part:09d}"
