"""What callers ask of the gateway's own files and batches, in the words of OpenAI's API."""

import asyncio
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.app.own.batches import CONCURRENCY, Batches, House, Tier, Wanted, shown_batch
from headgate.app.own.files import DECODE, OwnFiles, find_own
from headgate.app.own.lines import can_be_batched
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, NotFound
from headgate.engine.call import Call
from headgate.engine.own import OwnAnswer, OwnAsk
from headgate.store.queries import own

PAGE_MAX: Final = 100
_ENCODE: Final = msgspec.json.Encoder().encode


class _NewBatch(Struct):
    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None
    route: str = ""
    concurrency: int = CONCURRENCY
    tier: Tier | None = None
    model: str = ""


_NEW_BATCH: Final = msgspec.json.Decoder(_NewBatch).decode


class Desk:
    """Implements the engine's `OwnThings`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.tier: Tier = house.tier
        self.files = OwnFiles(house.store, house.folder.parent / "files")
        self.batches = Batches(house, self.files)

    async def answer(self, call: Call, ask: OwnAsk) -> OwnAnswer:
        """Does what is asked. Raises a `ClientError` that says why not."""
        place, caller = ask.place, call.principal
        shape = (place.collection.kind, ask.method, bool(place.id), place.rest)
        match shape:
            case ("file", "POST", False, ""):
                if ask.form is None:
                    raise InvalidRequest("'file' is missing: send a form with file and purpose", param="file")
                return _told(await self.files.receive(caller.owner, ask.form))
            case ("batch", "POST", False, ""):
                return _told(await self._batch(caller, ask.body))
            case (kind, "GET", False, ""):
                return OwnAnswer(body=await asyncio.to_thread(self._page, caller.owner, kind, ask.query))
            case ("file", "GET", True, ""):
                return _told(await self.files.find(caller.owner, place.id))
            case ("file", "GET", True, "/content"):
                pieces = await self.files.read(caller.owner, place.id)
                return OwnAnswer(pieces=pieces, content_type="application/octet-stream")
            case ("file", "DELETE", True, ""):
                await self.files.delete(caller.owner, place.id)
                return _told({"id": place.id, "object": "file", "deleted": True})
            case ("batch", "GET", True, ""):
                return _told(await self.batches.find(caller.owner, place.id))
            case ("batch", "POST", True, "/cancel"):
                return _told(await self.batches.cancel(caller.owner, place.id))
            case _:
                raise NotFound(f"The gateway's own files and batches have nothing at {ask.method} {place.path}.")

    async def _batch(self, caller: Principal, body: bytes) -> object:
        try:
            wanted = _NEW_BATCH(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text, _, path = str(error).partition(" - at `$.")
            raise InvalidRequest(text, param=path.rstrip("`") or None) from None
        if not can_be_batched(wanted.endpoint):
            raise InvalidRequest(f"Nothing that can be batched is at {wanted.endpoint[:80]!r}.", param="endpoint")
        batch = await self.batches.make(
            caller,
            Wanted(
                input_file_id=wanted.input_file_id,
                endpoint=wanted.endpoint,
                route=wanted.route or wanted.model,
                concurrency=wanted.concurrency,
                tier=wanted.tier or self.tier,
                metadata=wanted.metadata,
            ),
        )
        self.batches.start(batch)
        return batch.shown

    def _page(self, owner: str, kind: str, query: dict[str, str]) -> bytes:
        asked = query.get("limit", "")
        limit = min(int(asked), PAGE_MAX) if asked.isdecimal() and int(asked) > 0 else PAGE_MAX
        cursor = query.get("after", "")
        after = find_own(self._house.store, owner, cursor) if cursor else None
        with self._house.store.read() as connection:
            things = own.newest(connection, owner, kind, after, limit + 1)
        shown: list[Any] = [DECODE(each.document) if kind == "file" else shown_batch(each) for each in things[:limit]]
        ids = [each.id for each in things[:limit]]
        page = {
            "object": "list",
            "data": shown,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
            "has_more": len(things) > limit,
        }
        return _ENCODE(page)


def _told(value: object) -> OwnAnswer:
    return OwnAnswer(body=_ENCODE(value))
