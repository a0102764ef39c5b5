"""The built-in demo provider: a transport without a network, for URLs such as `demo:///openai_chat/chat/completions`.

It answers in whatever dialect the URL begins with, by that dialect's own verbs, so a first call, a client's tools, a
limit or a slow stream can be tried without any provider. Must not know any wire format.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from headgate.app.demo_answers import Script, input_tokens, script
from headgate.app.demo_sides import side_answer
from headgate.core.problems import HeadgateError, Outcome, Problem, UpstreamError
from headgate.dialects.base import Dialect, Envelope, ReplyTo
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import Sent
from headgate.server import paths
from headgate.transport.base import Flight, Timeouts, UpstreamRequest


class DemoTransport:
    """A `Transport`. Gives the same answer to the same bytes, but for the time in it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def start(self, request: UpstreamRequest, timeouts: Timeouts) -> Flight:
        """The answer, ready to be told."""
        return DemoFlight(_answer(request, int(self._clock())), timeouts)

    async def aclose(self) -> None:
        """There is nothing to close."""


class _Telling:
    """What a flight tells: a status, a content type, and pieces with a silence before each."""

    def __init__(self, status: int, content_type: str, pieces: Iterator[bytes], before_s: float, gap_s: float) -> None:
        self.status = status
        self.content_type = content_type
        self.pieces = pieces
        self.before_s = before_s
        self.gap_s = gap_s


def _whole(status: int, body: bytes, before_s: float = 0.0) -> _Telling:
    return _Telling(status, "application/json", iter((body,)), before_s, 0.0)


def _answer(request: UpstreamRequest, now_s: int) -> _Telling:
    _, name, address = f"{urlsplit(request.url).path}//".split("/", 2)
    dialect = DIALECTS.get(name)
    endpoint = _endpoint("/" + address.rstrip("/"))
    if dialect is None or endpoint is None:
        return _whole(404, b'{"error":{"message":"the demo has nothing there"}}')
    try:
        return _spoken(dialect, endpoint, request, now_s)
    except HeadgateError as error:
        return _refused(dialect, error.problem)


def _endpoint(path: str) -> paths.Endpoint | None:
    found = paths.find("POST", unquote(path))
    if found is None:
        found = paths.find("POST", "/v1beta" + unquote(path))
    return found if isinstance(found, paths.Endpoint) else None


def _spoken(dialect: Dialect, endpoint: paths.Endpoint, request: UpstreamRequest, now_s: int) -> _Telling:
    envelope = Envelope(model=endpoint.argument, is_stream=endpoint.is_stream)
    if endpoint.action == "count" and dialect.counting is not None:
        counted = dialect.counting.parse_request(request.body, envelope)
        return _whole(200, dialect.counting.render_response(input_tokens(counted)))
    if endpoint.action == "operate":
        return _beside_chat(dialect, endpoint, request, now_s)
    asked = dialect.parse_request(request.body, envelope)
    told = script(asked, asked.model)
    if isinstance(told, Problem):
        return _refused(dialect, told)
    reply_to = ReplyTo(
        id=f"demo-{hashlib.sha256(request.body).hexdigest()[:24]}",
        model=asked.model,
        now_s=now_s,
        is_stream=asked.is_stream,
        wants_usage=asked.wants_usage,
        echo=asked,
    )
    if not asked.is_stream:
        events = [event for step in told.steps for event in step]
        return _whole(200, dialect.render_response(events, reply_to, set()), told.duration_s)
    return _Telling(200, dialect.stream_type, _streamed(dialect, told, reply_to), 0.0, told.gap_s)


def _beside_chat(dialect: Dialect, endpoint: paths.Endpoint, request: UpstreamRequest, now_s: int) -> _Telling:
    content_type = next((value for name, value in request.headers if name == "content-type"), "")
    sent = Sent(body=request.body, envelope=Envelope(model=endpoint.argument), content_type=content_type)
    told = side_answer(dialect.sides[endpoint.operation], sent, now_s)
    if isinstance(told, Problem):
        return _refused(dialect, told)
    return _Telling(200, told.content_type, iter(told.pieces), 0.0, 0.0)


def _streamed(dialect: Dialect, told: Script, reply_to: ReplyTo) -> Iterator[bytes]:
    renderer = dialect.stream_renderer(reply_to)
    return (data for step in told.steps if (data := renderer.render(step)))


def _refused(dialect: Dialect, problem: Problem) -> _Telling:
    return _whole(*dialect.render_error(problem))


class DemoFlight:
    """A `Flight` whose bytes are made here."""

    def __init__(self, telling: _Telling, timeouts: Timeouts) -> None:
        self.status = telling.status
        self.headers: Mapping[str, str] = {"content-type": telling.content_type}
        self._telling = telling
        self._timeouts = timeouts
        self._has_spoken = False
        self._outcome: Outcome | None = None
        self._is_aborted = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        if timeouts.whole_s < math.inf:
            self.limit(timeouts.whole_s, Outcome.SLOW)

    @property
    def is_sent(self) -> bool:
        """There is nobody to be told."""
        return True

    def fields_named(self, part: str) -> list[tuple[str, str]]:
        """No fields but the usual ones."""
        return []

    def content_type(self) -> str:
        """What kind of answer it is."""
        return self._telling.content_type

    async def send(self, data: bytes) -> bool:
        """Nothing here reads what comes in pieces."""
        return False

    async def head(self) -> None:
        """Waits as long as a whole answer would take to make."""
        await self._pause(self._telling.before_s, self._timeouts.head_s, Outcome.SLOW)

    async def read(self) -> bytes:
        """The next piece."""
        if self._has_spoken:
            await self._pause(self._telling.gap_s, self._timeouts.idle_s, Outcome.STALL)
        else:
            self._refuse_if_aborted()
        self._has_spoken = True
        return next(self._telling.pieces, b"")

    async def read_all(self, bytes_max: int) -> bytes:
        """All pieces that are left."""
        body = bytearray()
        while data := await self.read():
            body += data
            if len(body) > bytes_max:
                raise _failure(Outcome.PROTOCOL, f"the answer is over the limit of {bytes_max} bytes")
        return bytes(body)

    def abort(self, outcome: Outcome) -> None:
        """The pending or next read raises."""
        self._outcome = self._outcome or outcome
        self._is_aborted.set()

    def limit(self, left_s: float, outcome: Outcome) -> None:
        """How long it may still take."""
        self.close()
        self._timer = asyncio.get_running_loop().call_later(left_s, self.abort, outcome)

    def close(self) -> None:
        """Done with it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _pause(self, gap_s: float, gap_s_max: float, too_long: Outcome) -> None:
        """Waits, but no longer than is allowed and not once aborted; without a gap it lets others run."""
        if gap_s <= 0:
            await asyncio.sleep(0)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_aborted.wait(), min(gap_s, gap_s_max))
        self._refuse_if_aborted()
        if gap_s > gap_s_max:
            raise _failure(too_long, f"the demo was silent for {gap_s_max:g} s")

    def _refuse_if_aborted(self) -> None:
        if self._outcome is not None:
            raise _failure(self._outcome, "the flight was ended")


def _failure(outcome: Outcome, message: str) -> UpstreamError:
    return UpstreamError(Problem(kind="upstream", message=message, outcome=outcome))
