"""One line of a batch, called like any client's request, and its answer as one value. Must not know batches."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from headgate.app.own.lines import Line
from headgate.app.own.results import Result
from headgate.core.principal import Principal
from headgate.engine.exchange import Unattended
from headgate.server.incoming import Incoming, RequestHead
from headgate.server.listener import ClientListener
from headgate.server.paths import Endpoint, find

TRIES_MAX: Final = 4
"""How often a line is called while its answer says that it may do another time."""
WAIT_S_MAX: Final = 60.0
_PASSING: Final = frozenset({429, 500, 502, 503, 504, 529})
_ENCODE: Final = msgspec.json.Encoder().encode
Keep = Callable[[Result], None]


class Collected(Unattended):
    """An exchange whose answer is kept whole, the moment it ends: before its call is written into the books."""

    def __init__(self, line: Line, keep: Keep, *, is_last: bool) -> None:
        super().__init__()
        self._line = line
        self._keep = keep
        self._is_last = is_last
        self._parts: list[bytes] = []
        self.fields: dict[str, str] = {}
        self.result: Result | None = None
        """What was kept; None: nothing was, or it is to be called again."""
        self.fault: OSError | None = None
        """Why it could not be kept."""

    @property
    def wait_s(self) -> float:
        """How long the answer asks to wait; 0: it does not say."""
        told = self.fields.get("retry-after", "")
        return min(float(told), WAIT_S_MAX) if told.isdecimal() else 0.0

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        super().start(status, fields)
        lines = (line.partition(": ") for line in fields.decode("latin-1").split("\r\n") if line)
        self.fields = {name: value for name, _, value in lines}

    def write(self, data: bytes) -> None:
        """More of the body."""
        self._parts.append(data)

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self._parts.append(data)
        if self.status in _PASSING and not self._is_last:
            return
        result = Result(
            number=self._line.number,
            custom_id=self._line.custom_id,
            status=self.status,
            request_id=self.fields.get("x-headgate-request-id", ""),
            body=_json(b"".join(self._parts)),
        )
        try:
            self._keep(result)
        except OSError as fault:
            self.fault = fault
        else:
            self.result = result


def _json(body: bytes) -> Raw:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Raw(_ENCODE(body.decode("utf-8", "replace")))
    return Raw(b" ".join(body.splitlines()))  # one line, as the files are


async def call_line(listener: ClientListener, caller: Principal, line: Line, session: str, keep: Keep) -> Result:
    """Calls until the answer is one to keep. Raises `OSError` when it cannot be kept."""
    for attempt in range(1, TRIES_MAX + 1):
        collected = Collected(line, keep, is_last=attempt == TRIES_MAX)
        headers = {
            b"content-type": b"application/json",
            b"x-headgate-session": session.encode(),
            b"x-headgate-priority": b"batch",
        }
        await listener.serve(incoming_of(caller, "POST", line.url, line.body, headers), collected)
        if collected.fault is not None:
            raise collected.fault
        if collected.result is not None:
            return collected.result
        if collected.status:
            await asyncio.sleep(collected.wait_s or min(2.0**attempt, WAIT_S_MAX))
    error = {"error": {"message": "Headgate failed on this line.", "type": "internal_error"}}
    result = Result(number=line.number, custom_id=line.custom_id, status=500, request_id="", body=Raw(_ENCODE(error)))
    keep(result)
    return result


def incoming_of(caller: Principal, method: str, path: str, body: bytes, headers: dict[bytes, bytes]) -> Incoming:
    """A request of the gateway's own, in a caller's name. `path`: of an endpoint that there is."""
    incoming = Incoming(RequestHead(method, path, b"", headers), len(body))
    endpoint = find(method, path)
    assert isinstance(endpoint, Endpoint)  # noqa: S101 - none but ours and those that `read_lines` has looked at
    incoming.endpoint = endpoint
    incoming.principal = caller
    incoming.body = body
    incoming.body_bytes_max = len(body)
    return incoming
