"""The two lanes: the same bytes where the dialects are equal, rendered words where they are not. Does no I/O.

A lane decides what goes upstream and what comes back. Both read the answer with the upstream dialect's own parser,
so what is metered, judged and shown never comes from two readings.
"""

from collections.abc import Sequence

from msgspec import Struct

from headgate.core.events import Event, Failed, Finished, PartDelta, PartKind, PartStarted
from headgate.core.problems import Problem
from headgate.core.record import Lane
from headgate.core.request import Request
from headgate.core.usage import Usage
from headgate.dialects.base import Dialect, Headers, ReplyTo, Target
from headgate.dialects.registry import DIALECTS
from headgate.engine.call import Call
from headgate.providers.catalog import Deployment, Door


class Way(Struct, frozen=True, kw_only=True, gc=False):
    """How a deployment is reached by callers of one dialect: what is the same for each of their calls."""

    deployment: Deployment
    door: Door
    dialect: Dialect
    """The one the upstream speaks."""
    is_same: bool
    """Whether the callers speak it too."""
    target: Target
    url: str
    scheme: str
    headers: tuple[tuple[str, str], ...]


def way(deployment: Deployment, client: Dialect, *, is_stream: bool) -> Way:
    """The way to a deployment for callers who speak `client`."""
    door = deployment.door(client.name)
    dialect = DIALECTS[door.dialect]
    target = Target(model=deployment.model, version=door.version, quirks=door.quirks, is_stream=is_stream)
    url = door.url(door.address(dialect.address(target), target), deployment.model)
    return Way(
        deployment=deployment,
        door=door,
        dialect=dialect,
        is_same=dialect.name == client.name,
        target=target,
        url=url,
        scheme=url.partition(":")[0],
        headers=_fields(dialect, door, target, {}),
    )


def _fields(dialect: Dialect, door: Door, target: Target, client: Headers) -> tuple[tuple[str, str], ...]:
    accept = dialect.stream_type.partition(";")[0] if target.is_stream else "application/json"
    own = (("content-type", "application/json"), ("accept", accept))
    return (*own, *dialect.headers(target, client), *door.headers)


class Prepared(Struct, kw_only=True, gc=False):
    """One attempt, ready to be sent."""

    way: Way
    lane: Lane
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dropped: set[str]
    """What this upstream will not be told."""
    request: Request | None = None
    """The request in words; None in the verbatim lane."""


def prepare(call: Call, way: Way, request: Request | None) -> Prepared:
    """What to send. `request` None: the verbatim lane, whose bytes pass as they are."""
    dialect, target, door = way.dialect, way.target, way.door
    url, headers = way.url, way.headers
    dropped: set[str] = set()
    if request is None:
        body = dialect.patch(call.body, target)
        if call.query and door.paths is None:  # of the dialect's own path: at others the service knows others
            url = door.url(with_query(dialect.address(target), call.query), target.model)
    else:
        body = dialect.render_request(request, target, dropped)
        if way.is_same:
            body = dialect.patch(body, target)  # what metering needs, which a faithful rendering leaves alone
    if call.headers and way.is_same:
        headers = _fields(dialect, door, target, call.headers)
    return Prepared(
        way=way,
        lane="verbatim" if request is None else "translated",
        url=url,
        headers=headers,
        body=body,
        dropped=dropped,
        request=request,
    )


def with_query(address: str, query: str) -> str:
    """A path with the client's query members that it does not already carry."""
    path, _, own = address.partition("?")
    taken = {member.partition("=")[0] for member in own.split("&")} if own else set[str]()
    more = [member for member in query.split("&") if member and member.partition("=")[0] not in taken]
    members = ([own] if own else []) + more
    return f"{path}?{'&'.join(members)}" if members else path


class Passage:
    """A streamed answer on its way through: bytes in from the upstream, bytes out to the client."""

    def __init__(self, prepared: Prepared, call: Call, reply_to: ReplyTo) -> None:
        self.parser = prepared.way.dialect.stream_parser()
        self.finished: Finished | None = None
        self.failed: Problem | None = None
        self.text_chars = 0
        self.kind: PartKind = "text"
        """Of the part that began last."""
        self._client = call.dialect
        self._reply_to = reply_to
        self._verbatim = prepared.lane == "verbatim"
        self.renderer = None if self._verbatim else call.dialect.stream_renderer(reply_to)
        """Tells the client in its own words; None: it gets the upstream's bytes."""
        withheld = self._verbatim and not reply_to.wants_usage and call.dialect.usage_filter is not None
        self._filter = (
            call.dialect.usage_filter()
            if withheld and call.dialect.usage_filter
            else _WholeEvents(call.dialect.event_ends)
        )

    @property
    def usage(self) -> Usage | None:
        """The latest known."""
        return (self.finished.usage if self.finished else None) or self.parser.usage

    @property
    def dropped(self) -> set[str]:
        """What of the answer the client's dialect could not say."""
        return set() if self.renderer is None else self.renderer.dropped

    def read(self, data: bytes) -> list[Event]:
        """The events of what was read; b"" is the end."""
        events = self.parser.feed(data) if data else self.parser.close()
        for event in events:
            match event:
                case PartDelta(_, text):
                    self.text_chars += len(text)
                case PartStarted(kind=kind):
                    self.kind = kind
                case Finished():
                    self.finished = event
                case Failed(problem):
                    self.failed = problem
                case _:
                    pass
        return events

    def write(self, data: bytes, events: Sequence[Event]) -> bytes:
        """What the client gets for it. A failure that only the end shows is in none of the upstream's bytes."""
        if self.renderer is None:
            if data:
                return self._filter.feed(data)
            return self._filter.close() if self.failed is None else self.fail(self.failed)
        out = self.renderer.render(events)
        return out or (self._client.ping if data else b"")

    def fail(self, problem: Problem) -> bytes:
        """The honest end of a stream that broke: the dialect's error event, never its terminator."""
        renderer = self.renderer or self._client.stream_renderer(self._reply_to)
        return renderer.render([Failed(problem)])


class _WholeEvents:
    """Holds back an event that is not complete, so that an error event can follow at any time."""

    def __init__(self, ends: tuple[bytes, ...]) -> None:
        self._ends = ends
        self._rest = bytearray()

    def feed(self, data: bytes) -> bytes:
        rest = self._rest
        seen = len(rest)
        if not seen:
            end = max(at + len(mark) if (at := data.rfind(mark)) >= 0 else 0 for mark in self._ends)
            rest += data[end:]
            return data[:end]
        rest += data
        # what was looked at is not again, but for the beginning of an end
        starts = ((mark, max(seen - len(mark) + 1, 0)) for mark in self._ends)
        end = max(at + len(mark) if (at := rest.rfind(mark, start)) >= 0 else 0 for mark, start in starts)
        whole = bytes(rest[:end])
        del rest[:end]
        return whole

    def close(self) -> bytes:
        rest, self._rest = bytes(self._rest), bytearray()
        return rest
