"""Sends a call on as it is and gives back the answer as it comes: one attempt, journalled like any other.

Nothing is read but what a caller of this file asks for: a short JSON answer, to keep its ids, or the usage in passing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct, structs

from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.core.record import Attempt
from headgate.dialects.base import Malformed
from headgate.dialects.registry import DIALECTS
from headgate.engine.answer import REQUEST_ID_NAMES, Answerer
from headgate.engine.call import Call
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Exchange
from headgate.engine.forms import Form, Stream
from headgate.engine.overhearing import Ear, Line, total_of
from headgate.engine.timing import CONNECT_S
from headgate.engine.travelling import Fields, returning
from headgate.engine.trial import STOPPED
from headgate.providers.catalog import Door, Provider
from headgate.transport.base import Flight, Timeouts, UpstreamRequest

_log = logging.getLogger("headgate")
_BODILESS = frozenset({204, 304})
_MAY_COST = frozenset({Outcome.OK, Outcome.CLIENT_GONE, Outcome.CUT, Outcome.STALL})


class Errand(Struct, kw_only=True, gc=False):
    """What is to be sent where, and what to look at in the answer."""

    provider: Provider
    door: Door
    method: str
    url: str
    fields: Fields
    body: bytes = b""
    form: Form | Stream | None = None
    """What is sent in place of a body, while it comes."""
    costs: bool = False
    """Whether the provider bills for it: then a cost that nobody can tell is marked as not known."""
    overhearing: Ear | None = None
    bill: Callable[[], list[Line]] | None = None
    """What is to be paid for, asked for once the answer has ended."""
    dialect: str
    """Whose words its errors are."""
    read: Callable[[bytes], Awaitable[bytes]] | None = None
    """Makes the client's answer of a good one in JSON, before anything of it goes out."""


async def relay(engine: Engine, call: Call, errand: Errand, exchange: Exchange) -> None:
    """Answers one call, whatever happens. Never raises."""
    await _Relay(engine, call, errand, exchange).run()


async def refuse(engine: Engine, call: Call, error: HeadgateError, exchange: Exchange) -> None:
    """Answers a call that is not sent anywhere."""
    Answerer(call, exchange).refuse(error.problem)
    call.record.duration_ms = (time.monotonic() - call.started_s) * 1e3
    engine.metering.call_ended(call.record)


class _Relay:
    """The state of one call."""

    def __init__(self, engine: Engine, call: Call, errand: Errand, exchange: Exchange) -> None:
        self._engine = engine
        self._call = call
        self._errand = errand
        self._exchange = exchange
        self._answerer = Answerer(call, exchange)
        self._is_ended = False
        self._sent_s = time.monotonic()
        self._attempt = Attempt(
            number=1,
            provider=errand.provider.name,
            model="",
            dialect=errand.dialect,
            lane="verbatim",
            started_ms=(self._sent_s - call.started_s) * 1e3,
            price_version=engine.metering.price_version,
        )

    async def run(self) -> None:
        """Sends, answers, writes down."""
        try:
            self._engine.metering.begin(self._call.record, self._attempt)
            await self._exchange_with_upstream()
        except UpstreamError as error:
            self._failed(error.problem)
        except HeadgateError as error:
            self._attempt.outcome, self._attempt.message = error.problem.outcome, error.problem.message
            self._answerer.refuse(error.problem)
        except asyncio.CancelledError:
            self._attempt.outcome, self._attempt.message = Outcome.LOCAL, STOPPED
            self._call.record.outcome, self._call.record.error = Outcome.LOCAL, STOPPED
            raise
        except Exception:
            _log.exception("a bug in Headgate ended call %s", self._call.id)
            told = Problem(kind="internal", message="Headgate failed on this call.", outcome=Outcome.LOCAL)
            self._answerer.refuse(told)
        finally:
            self._end()

    async def _exchange_with_upstream(self) -> None:
        errand, settings = self._errand, self._engine.settings
        request = UpstreamRequest(
            method=errand.method,
            url=errand.url,
            headers=errand.fields,
            body=errand.body,
            length=errand.form.length if errand.form is not None else None,
        )
        timeouts = Timeouts(connect_s=CONNECT_S, head_s=settings.whole_s, idle_s=settings.idle_s)
        request = await self._engine.signed(request, errand.door.signer, settings.whole_s)
        flight = self._engine.transports[errand.url.partition(":")[0]].start(request, timeouts)
        self._answerer.watch(flight.abort)
        try:
            if errand.form is not None:
                await _send(flight, errand.form)
            await flight.head()
            self._attempt.status = flight.status
            is_good = 200 <= flight.status < 300
            if not is_good:
                await self._pass_error(flight)
            elif errand.read is not None and flight.content_type().startswith("application/json"):
                await self._read(flight, errand.read)
            else:
                await self._pass_on(flight)
        finally:
            self._answerer.watch(None)
            flight.close()

    async def _read(self, flight: Flight, read: Callable[[bytes], Awaitable[bytes]]) -> None:
        """A short answer, looked at. Its ids are on disk before the client learns them."""
        body = await flight.read_all(self._engine.settings.answer_bytes_max)
        try:
            body = await read(body)
        except ValueError:
            raise Malformed("the answer is not what the provider's API says") from None
        self._begin(flight, f"content-length: {len(body)}\r\n")
        self._call.record.streamed_bytes = len(body)
        self._end()
        self._exchange.end(body)

    async def _pass_error(self, flight: Flight) -> None:
        """The provider's own words, which the caller understands."""
        body = await flight.read_all(self._engine.settings.answer_bytes_max)
        problem = DIALECTS[self._errand.dialect].parse_error(flight.status, flight.headers, body)
        if problem.outcome is Outcome.ACCOUNT:  # ours, whose words may tell of our credential
            told = (
                f"{self._errand.provider.name} does not accept this gateway's account for {self._errand.method} here."
            )
            raise UpstreamError(structs.replace(problem, kind="upstream", message=told, status=0, raw=b"", dialect=""))
        self._attempt.outcome, self._attempt.message = problem.outcome, problem.message
        self._call.record.outcome, self._call.record.error = problem.outcome, problem.message
        self._begin(flight, f"content-length: {len(body)}\r\n")
        self._call.record.streamed_bytes = len(body)
        self._exchange.end(body)

    async def _pass_on(self, flight: Flight) -> None:
        """Byte for byte, no faster than the client reads."""
        heard = self._errand.overhearing
        if heard is not None:
            heard.begin(flight.content_type())
        if flight.status in _BODILESS or self._errand.method == "HEAD":
            self._begin(flight, "" if flight.status in _BODILESS else "content-length: 0\r\n")
            self._end()
            self._exchange.end()
            return
        self._begin(flight, "")
        while data := await flight.read():
            if self._attempt.ttft_ms is None:
                self._attempt.ttft_ms = (time.monotonic() - self._sent_s) * 1e3
            if heard is not None:
                heard.feed(data)
            await self._answerer.more(data)
        if heard is not None:
            heard.feed(b"")
        self._end()
        self._exchange.end()

    def _begin(self, flight: Flight, more: str) -> None:
        record = self._call.record
        self._answerer.is_committed = True
        record.status = flight.status
        name = REQUEST_ID_NAMES.get(record.surface, "x-request-id")
        fields = (
            f"{returning(flight.headers)}{name}: {record.id}\r\nx-headgate-request-id: {record.id}\r\n"
            f"x-headgate-provider: {self._attempt.provider}\r\nx-headgate-attempts: 1\r\n{more}"
        )
        self._exchange.start(flight.status, fields.encode("latin-1"))

    def _failed(self, problem: Problem) -> None:
        """No answer, or one that broke off: a cut connection says so where no error can be told any more."""
        self._attempt.outcome, self._attempt.message = problem.outcome, problem.message
        if self._answerer.is_committed:
            self._call.record.outcome, self._call.record.error = problem.outcome, problem.message
            return
        self._answerer.refuse(problem)

    def _end(self) -> None:
        """The attempt's line and the record, once."""
        if self._is_ended:
            return
        self._is_ended = True
        record, attempt = self._call.record, self._attempt
        attempt.duration_ms = (time.monotonic() - self._sent_s) * 1e3
        self._settle()
        record.attempts.append(attempt)
        record.usage, record.usage_source = attempt.usage, attempt.usage_source
        record.cost_nano_usd, record.is_priced = attempt.cost_nano_usd, attempt.is_priced
        record.ttft_ms = attempt.ttft_ms
        record.duration_ms = (time.monotonic() - self._call.started_s) * 1e3
        record.overhead_ms = max(0.0, record.duration_ms - attempt.duration_ms)
        self._engine.metering.call_ended(record)

    def _settle(self) -> None:
        attempt, errand = self._attempt, self._errand
        bill = errand.bill() if errand.bill is not None else []
        if bill:
            prices = errand.provider.deployment(attempt.model).prices
            attempt.usage_source = "provider_reported"
            attempt.model = ", ".join(dict.fromkeys(line.model for line in bill))
            attempt.usage = total_of(bill)
            for line in bill:
                priced = structs.replace(attempt, model=line.model, usage=line.usage, cost_nano_usd=0, is_priced=True)
                self._engine.metering.settle(priced, prices)
                attempt.cost_nano_usd += priced.cost_nano_usd * line.answers
                attempt.is_priced = attempt.is_priced and priced.is_priced
        elif errand.costs and attempt.outcome in _MAY_COST:
            attempt.is_priced = False


async def _send(flight: Flight, form: Form | Stream) -> None:
    """All of a form, or as much as the upstream wants before it answers."""
    async for piece in form.passing():
        if piece and not await flight.send(piece):
            return
    await flight.send(b"")
