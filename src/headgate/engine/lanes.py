"""The two lanes: the same bytes where the dialects are equal, rendered words where they are not. Does no I/O.

A lane decides what goes upstream and what comes back. Both read the answer with the upstream dialect's own parser,
so what is metered, judged and shown never comes from two readings.
"""

from collections.abc import Sequence

from msgspec import Struct

from headgate.core.events import Event, Failed, Finished, PartDelta
from headgate.core.problems import Problem
from headgate.core.record import Lane
from headgate.core.request import Request
from headgate.core.usage import Usage
from headgate.dialects.base import Dialect, Head, ReplyTo, Target
from headgate.dialects.registry import DIALECTS
from headgate.engine.call import Call
from headgate.providers.catalog import Deployment, Door


class Prepared(Struct, kw_only=True, gc=False):
    """One attempt, ready to be sent."""

    deployment: Deployment
    door: Door
    dialect: Dialect
    """The one the upstream speaks."""
    lane: Lane
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    dropped: set[str]
    """What this upstream will not be told."""
    request: Request | None = None
    """The request in words; None in the verbatim lane."""


def prepare(call: Call, head: Head, deployment: Deployment, request: Request | None) -> Prepared:
    """What to send to a deployment. `request` None: the verbatim lane, whose bytes pass as they are."""
    door = deployment.door(call.dialect.name)
    dialect = DIALECTS[door.dialect]
    target = Target(
        model=deployment.model,
        version=door.version,
        quirks=door.quirks,
        is_stream=head.is_stream,
    )
    dropped: set[str] = set()
    address = dialect.address(target)
    if request is None:
        body = dialect.patch(call.body, target)
        if call.query:
            address = with_query(address, call.query)
    else:
        body = dialect.render_request(request, target, dropped)
    same_dialect = dialect.name == call.dialect.name
    if same_dialect and request is not None:
        body = dialect.patch(body, target)  # what metering needs, which a faithful rendering leaves alone
    fields = dialect.headers(target, call.headers if same_dialect else {})
    return Prepared(
        deployment=deployment,
        door=door,
        dialect=dialect,
        lane="verbatim" if request is None else "translated",
        url=door.url(address),
        headers=(*fields, *door.headers),
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
        self.parser = prepared.dialect.stream_parser()
        self.finished: Finished | None = None
        self.failed: Problem | None = None
        self.text_chars = 0
        self._client = call.dialect
        self._reply_to = reply_to
        self._verbatim = prepared.lane == "verbatim"
        self._renderer = None if self._verbatim else call.dialect.stream_renderer(reply_to)
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
        return set() if self._renderer is None else self._renderer.dropped

    def read(self, data: bytes) -> list[Event]:
        """The events of what was read; b"" is the end."""
        events = self.parser.feed(data) if data else self.parser.close()
        for event in events:
            match event:
                case PartDelta(_, text):
                    self.text_chars += len(text)
                case Finished():
                    self.finished = event
                case Failed(problem):
                    self.failed = problem
                case _:
                    pass
        return events

    def write(self, data: bytes, events: Sequence[Event]) -> bytes:
        """What the client gets for it."""
        if self._renderer is None:
            return self._filter.feed(data) if data else self._filter.close()
        out = self._renderer.render(events)
        return out or (self._client.ping if data else b"")

    def fail(self, problem: Problem) -> bytes:
        """The honest end of a stream that broke: the dialect's error event, never its terminator."""
        renderer = self._renderer or self._client.stream_renderer(self._reply_to)
        return renderer.render([Failed(problem)])


class _WholeEvents:
    """Holds back an event that is not complete, so that an error event can follow at any time."""

    def __init__(self, ends: tuple[bytes, ...]) -> None:
        self._ends = ends
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        if self._rest:
            data = self._rest + data
        end = max(at + len(mark) if (at := data.rfind(mark)) >= 0 else 0 for mark in self._ends)
        self._rest = data[end:]
        return data[:end]

    def close(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest
