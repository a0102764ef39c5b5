"""Files and batches that the gateway keeps itself, beside those of providers: what the engine needs of them."""

from collections.abc import AsyncIterator
from typing import Final, Protocol

from msgspec import Struct

from headgate.dialects.resources import Place, named_in
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.exchange import Exchange
from headgate.engine.forms import Form

OWN: Final = "headgate"
"""What is said in place of a provider's name."""
FILE_PREFIX: Final = "file-hg"
BATCH_PREFIX: Final = "batch_hg"
_COLLECTIONS: Final = frozenset({"/files", "/batches"})


class OwnAsk(Struct, kw_only=True):
    """What a caller wants of the gateway's own things."""

    place: Place
    method: str
    query: dict[str, str]
    body: bytes
    form: Form | None = None
    """What it sends in place of a body."""


class OwnAnswer(Struct, kw_only=True):
    """What it gets."""

    body: bytes = b""
    content_type: str = "application/json"
    pieces: AsyncIterator[bytes] | None = None
    """A long body, piece by piece, in place of `body`."""


class OwnThings(Protocol):
    """The gateway's own files and batches."""

    async def answer(self, call: Call, ask: OwnAsk) -> OwnAnswer:
        """Does what is asked. Raises a `ClientError` that says why not."""
        ...


def is_own(place: Place, wanted: str, body: bytes) -> bool:
    """Whether the gateway's own things are meant: by the id, by the name, or by the file of a new batch."""
    if place.collection.path not in _COLLECTIONS:
        return False
    if place.id:
        return place.id.startswith((FILE_PREFIX, BATCH_PREFIX))
    return wanted == OWN or any(id.startswith(FILE_PREFIX) for id in named_in(body))


async def tell(call: Call, answer: OwnAnswer, exchange: Exchange) -> None:
    """Gives the client its answer."""
    answerer = Answerer(call, exchange)
    answerer.is_committed = True
    record = call.record
    record.status = 200
    fields = (
        f"content-type: {answer.content_type}\r\nx-request-id: {record.id}\r\nx-headgate-request-id: {record.id}\r\n"
        f"x-headgate-provider: {OWN}\r\n"
    )
    if answer.pieces is None:
        record.streamed_bytes = len(answer.body)
        exchange.start(200, f"{fields}content-length: {len(answer.body)}\r\n".encode())
        exchange.end(answer.body)
        return
    exchange.start(200, fields.encode())
    async for piece in answer.pieces:
        if answerer.is_gone:
            return
        await answerer.more(piece)
    exchange.end()
