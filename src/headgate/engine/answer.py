"""What the client gets: the head with our header fields, the body, or an error in its own dialect; once."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import structs

from headgate.core.problems import Outcome, Problem
from headgate.core.record import Attempt, CallRecord
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange, Header

NANO_PER_USD = 1_000_000_000
REQUEST_ID_NAMES = {"anthropic": b"request-id"}
"""What the surfaces' own SDKs read the id of a call from, where it is not `x-request-id`."""


class Answerer:
    """The one answer to a call. Knows whether a byte of it has gone out: from there on nothing else can be tried."""

    __slots__ = ("_call", "_exchange", "_on_gone", "is_committed", "is_gone")

    def __init__(self, call: Call, exchange: Exchange) -> None:
        self._call = call
        self._exchange = exchange
        self._on_gone: Callable[[], None] | None = None
        self.is_committed = False
        self.is_gone = False
        exchange.on_disconnect(self._client_left)

    def watch(self, callback: Callable[[], None] | None) -> None:
        """Who to tell if the client goes away: the attempt under way."""
        self._on_gone = callback
        if callback is not None and self.is_gone:
            callback()

    def _client_left(self) -> None:
        self.is_gone = True
        if self._on_gone is not None:
            self._on_gone()

    async def whole(self, body: bytes, content_type: str, attempt: Attempt) -> None:
        """A complete answer."""
        self.is_committed = True
        record = self._call.record
        record.status = 200
        record.streamed_bytes = len(body)
        headers = success_headers(record, attempt, content_type)
        headers.append((b"content-length", b"%d" % len(body)))
        if attempt.is_priced:
            headers.append((b"x-headgate-cost-usd", usd(record.cost_nano_usd + attempt.cost_nano_usd).encode()))
        await self._exchange.start(200, headers)
        await self._exchange.end(body)

    async def begin(self, content_type: str, attempt: Attempt) -> None:
        """The head of a stream: from here on the answer is this attempt's."""
        self.is_committed = True
        self._call.record.status = 200
        headers = success_headers(self._call.record, attempt, content_type)
        headers.append((b"cache-control", b"no-cache, no-transform"))
        headers.append((b"x-accel-buffering", b"no"))
        await self._exchange.start(200, headers)

    async def more(self, data: bytes) -> None:
        """More of a stream."""
        self._call.record.streamed_bytes += len(data)
        await self._exchange.write(data)

    async def end(self) -> None:
        """The end of a stream."""
        await self._exchange.end()

    async def refuse(self, problem: Problem, *, attempts: Sequence[Mapping[str, object]] = ()) -> None:
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
        headers = error_headers(record, problem)
        headers.append((b"content-length", b"%d" % len(body)))
        await self._exchange.start(status, headers)
        await self._exchange.end(body)


def success_headers(record: CallRecord, attempt: Attempt, content_type: str) -> list[Header]:
    """The header fields of every good answer."""
    request_id = record.id.encode()
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (REQUEST_ID_NAMES.get(record.surface, b"x-request-id"), request_id),
        (b"x-headgate-request-id", request_id),
        (b"x-headgate-provider", attempt.provider.encode()),
        (b"x-headgate-model", ascii_text(attempt.model)),
        (b"x-headgate-attempts", b"%d" % attempt.number),
        (b"x-headgate-overhead-ms", b"%.2f" % record.overhead_ms),
    ]
    if record.dropped:
        headers.append((b"x-headgate-dropped", ascii_text(", ".join(record.dropped))))
    return headers


def error_headers(record: CallRecord, problem: Problem) -> list[Header]:
    """The header fields of an error."""
    request_id = record.id.encode()
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (REQUEST_ID_NAMES.get(record.surface, b"x-request-id"), request_id),
        (b"x-headgate-request-id", request_id),
        (b"x-headgate-attempts", b"%d" % len(record.attempts)),
    ]
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % -(-problem.retry_after_s // 1)))
        headers.append((b"retry-after-ms", b"%d" % round(problem.retry_after_s * 1000)))
    return headers


def ascii_text(text: str) -> bytes:
    """A header value: what is not printable ASCII becomes a question mark."""
    return "".join(char if " " <= char <= "~" else "?" for char in text).encode()


def usd(nano: int) -> str:
    """Nano-USD as a decimal string of dollars, exact: `0.000012345`."""
    whole, part = divmod(nano, NANO_PER_USD)
    return f"{whole}.{part:09d}"
