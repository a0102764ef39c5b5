"""Runs lines of a batch at providers' own batches, at their price: orders, waits, fetches what came of it.

Everything goes through the listener in the caller's name, so that files, batches and their bills are in the books like
those that a client makes. What a provider does not take or does not answer is left for calls at the usual price.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import structs

from headgate.app.own.calling import incoming_of
from headgate.app.own.lines import Line
from headgate.app.own.ordering import Order, cut, result_of, results_in, spans_of
from headgate.app.own.results import Results
from headgate.app.own.shapes import BOUNDARY, SHAPES, Bodies, Made, batch_body, input_file
from headgate.app.own.telling import TALKS, envelope_of, told, told_back
from headgate.core.needs import NO_WISHES
from headgate.core.principal import Principal
from headgate.core.problems import HeadgateError
from headgate.dialects.base import Target
from headgate.dialects.batched import errors_of, results_of
from headgate.dialects.registry import DIALECTS
from headgate.dialects.resources import Place, id_of, members_of, place_of
from headgate.dialects.side import Sent
from headgate.dialects.wishes import may_have_wishes
from headgate.engine.billing import goes_on, told_of
from headgate.engine.candidates import planned
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Unattended
from headgate.ledger.calls import PAGE_MAX, Calls
from headgate.providers.spec import ProviderSpec
from headgate.server.listener import ClientListener
from headgate.server.paths import Endpoint, find
from headgate.store.queries.calls import CallFilter

POLL_S_MAX: Final = 300.0
"""Between two looks at a provider's batch, at most; each wait is half as long again as the one before."""
_TURN_LINES: Final = 64
_PAGES_MAX: Final = 20
"""How many pages of calls are looked through for one that a kill has parted from its batch."""
_JSON: Final = b"application/json"
_FORM: Final = f"multipart/form-data; boundary={BOUNDARY}".encode()
_log = logging.getLogger("headgate")


Take = Callable[[bytes], None]


POLL_S: Final = 10.0


class Group(NamedTuple):
    """Lines that may be in one order."""

    provider: str
    model: str
    """The provider's own name of it."""
    url: str
    dialect: str = ""
    """What they are told in; empty: the words in which they are written."""


class Buyer(NamedTuple):
    """Whose batch it is, and how it is stopped."""

    caller: Principal
    batch_id: str
    is_cancelled: Callable[[], bool]


class Wholesale:
    """Orders at providers."""

    def __init__(self, engine: Engine, listener: ClientListener, poll_s: float) -> None:
        self._engine = engine
        self._listener = listener
        self._poll_s = poll_s

    async def plan(self, buyer: Buyer, lines: Iterable[Line]) -> list[tuple[Order, Bodies]]:
        """The orders that these lines make; lines that no provider of theirs takes in batches are in none."""
        groups: dict[Group, Bodies] = {}
        for count, line in enumerate(lines):
            found = self._target(buyer.caller, line)
            if found is not None:
                group, body = found
                groups.setdefault(group, []).append((line, body))
            if count % _TURN_LINES == 0:
                await asyncio.sleep(0)  # others have a turn
        return [
            (self._order(buyer, group, part), part)
            for group, bodies in groups.items()
            for part in cut(bodies, SHAPES[self._spec(group).batch_api].bytes_max)
        ]

    async def place(self, buyer: Buyer, order: Order, bodies: Bodies) -> Order:
        """The order with the id of its batch, or refused: then its lines are calls like any."""
        shape, id = order.shape, ""
        made = Made(url=order.url, model=order.model, bodies=bodies)
        if shape.uploads:
            form = _Question("POST", shape.uploads, input_file(shape, made), _FORM)
            made = structs.replace(made, file_id=await self._make(buyer, order, form))
        if made.file_id or not shape.uploads:
            where = (shape.makes or shape.path).replace("{model}", order.model)
            id = await self._make(buyer, order, _Question("POST", where, batch_body(shape, made)))
        if not id:
            _log.warning("event=batch_order_refused batch=%s provider=%s", buyer.batch_id, order.provider)
        return structs.replace(order, id=id, is_refused=not id)

    async def wait(self, buyer: Buyer, order: Order) -> bool:
        """Until the provider has ended a batch. False: it does not know it any more."""
        place, wait_s, is_told = _place_of(order), self._poll_s, False
        while True:
            if buyer.is_cancelled() and not is_told:
                stop = _Question("POST", f"{order.path}{order.shape.cancels}")
                is_told = (await self._ask(buyer, order, stop)).status in (200, 400, 409)
            try:
                if not goes_on(place, await told_of(self._engine, order.provider, place)):
                    return True
            except HeadgateError as error:
                if error.problem.status in (404, 410):
                    return False
                _log.info("event=batch_look_failed id=%s provider=%s error=%r", order.id, order.provider, str(error))
            except ValueError:  # not configured any more
                return False
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, POLL_S_MAX)

    async def fetch(self, buyer: Buyer, order: Order, lines: Mapping[int, Line], results: Results) -> None:
        """Keeps what came of an order's lines; with that, what it cost is booked."""

        def take(line: bytes) -> None:
            result = result_of(line, lines)
            if result is not None and order.dialect:
                result = told_back(result, lines[result.number], order.dialect)
            if result is not None and result.number not in results.done:
                results.add(result)

        batch = members_of((await self._ask(buyer, order, _Question("GET", order.path))).body)
        for line in results_in(batch):
            take(line)
        for place in (*results_of(_place_of(order), batch), *errors_of(batch)):
            await self._ask(buyer, order, _Question("GET", f"/v1{place.path}"), take)

    def _target(self, caller: Principal, line: Line) -> tuple[Group, bytes] | None:
        """Where a line can be ordered, and its body there."""
        endpoint = find("POST", line.url)
        if not isinstance(endpoint, Endpoint) or may_have_wishes(line.body):
            return None
        dialect = DIALECTS[endpoint.dialect]
        side = dialect.sides.get(endpoint.operation)
        try:
            envelope = envelope_of(line)
            sent = Sent(body=line.body, envelope=envelope, content_type="application/json")
            asked = side.peek(sent) if side is not None else None
            model = asked.model if asked is not None else dialect.peek(line.body, envelope).model
            for deployment in planned(self._engine, caller, model, NO_WISHES).plan.deployments:
                batches = self._engine.directory.providers[deployment.provider].spec.batches
                door = deployment.door(dialect.name)
                target = Target(model=deployment.model, version=door.version, quirks=door.quirks)
                url = TALKS.get(door.dialect, "") if endpoint.action == "generate" else line.url
                if url not in batches:
                    continue
                if door.dialect == dialect.name:
                    body = side.patch(sent, asked, target) if side and asked else dialect.patch(line.body, target)
                    return Group(deployment.provider, deployment.model, url), body
                body = told(line, dialect, DIALECTS[door.dialect], target) if side is None else None
                if body is not None:
                    return Group(deployment.provider, deployment.model, url, door.dialect), body
        except HeadgateError:  # the call that it becomes says what is wrong with it
            return None
        return None

    def _spec(self, group: Group) -> ProviderSpec:
        return self._engine.directory.providers[group.provider].spec

    def _order(self, buyer: Buyer, group: Group, part: Bodies) -> Order:
        return Order(
            provider=group.provider,
            model=group.model,
            url=group.url,
            dialect=group.dialect,
            api=self._spec(group).batch_api,
            session=f"{buyer.batch_id}-{secrets.token_hex(4)}",
            spans=spans_of(line.number for line, _ in part),
            lines=len(part),
        )

    async def _make(self, buyer: Buyer, order: Order, question: "_Question") -> str:
        """The id of what has been made; empty: the provider has refused."""
        answer = await self._ask(buyer, order, question)
        return answer.id if 200 <= answer.status < 300 else ""

    async def _ask(self, buyer: Buyer, order: Order, question: "_Question", take: Take | None = None) -> "_Answer":
        headers = {
            b"content-type": question.content_type,
            b"x-headgate-session": order.session.encode(),
            b"x-headgate-provider": order.provider.encode(),
            **order.shape.headers,
        }
        answer = _Answer(take)
        incoming = incoming_of(buyer.caller, question.method, question.path, question.body, headers)
        await self._listener.serve(incoming, answer)
        if answer.fault is not None:
            raise answer.fault
        return answer


class _Question(NamedTuple):
    """What is asked of the listener."""

    method: str
    path: str
    body: bytes = b""
    content_type: bytes = _JSON


class _Answer(Unattended):
    """A short answer is kept whole, one that is taken by lines is not."""

    def __init__(self, take: Take | None) -> None:
        super().__init__()
        self._take = take
        self._parts: list[bytes] = []
        self._rest = b""
        self.fault: OSError | None = None
        """Why a line could not be kept."""

    @property
    def body(self) -> bytes:
        """The answer, unless it was taken by lines."""
        return b"".join(self._parts)

    @property
    def id(self) -> str:
        """Of what it tells of."""
        return id_of(members_of(self.body))

    def write(self, data: bytes) -> None:
        """More of the body."""
        if self._take is None or self.status != 200:
            self._parts.append(data)
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._hand_on(self._take, lines)

    def end(self, data: bytes = b"") -> None:
        """The last of the body."""
        self.write(data)
        if self._take is not None and self._rest:
            self._hand_on(self._take, [self._rest])

    def _hand_on(self, take: Take, lines: list[bytes]) -> None:
        try:
            for line in lines:
                if line and self.fault is None:
                    take(line)
        except OSError as fault:
            self.fault = fault


async def batch_made_for(calls: Calls, order: Order) -> str:
    """The id of the provider's batch that was made for an order before a kill; empty: the books know of none."""
    after = ""
    for _ in range(_PAGES_MAX):
        page = await calls.recent(CallFilter(), limit=PAGE_MAX, after=after)
        for record in page.records:
            if record.session == order.session:
                for entry in record.minted:
                    if entry.kind == "batch":
                        return entry.id
        after = page.next
        if not after:
            break
    return ""


def _place_of(order: Order) -> Place:
    place = place_of(order.path)
    if place is None:  # an id that cannot be one: nobody could ask for it
        raise ValueError(f"{order.provider} has made a batch with the id {order.id!r}, which is none")
    return place
