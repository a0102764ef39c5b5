"""Who keeps what a call names: ids of files, answers and so on lead to the provider that minted them, or nowhere."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from headgate.core.minted import BILL, Minted, owed_mark
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, UnknownId
from headgate.engine.call import Call

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


async def keeper_of(engine: "Engine", principal: Principal, ids: Iterable[str]) -> str:
    """The provider that keeps all of these for the caller. Raises `UnknownId` for one that is not this caller's, and
    `InvalidRequest` for things at several places. Empty: ids that nobody here knows may pass."""
    wanted = tuple(dict.fromkeys(ids))
    found = await engine.metering.minted.find_all(principal.owner, wanted)
    unknown = next((id for id in wanted if id not in found), None)
    if unknown is not None and not engine.settings.passes_unknown_ids:
        raise unknown_id(unknown)
    providers = list(dict.fromkeys(entry.provider for entry in found.values()))
    if len(providers) > 1:
        raise InvalidRequest(
            f"This call refers to things of {' and '.join(providers)}, which cannot see each other's. "
            "Use what one of them keeps."
        )
    return providers[0] if providers else ""


async def find_kept(engine: "Engine", principal: Principal, id: str) -> Minted:
    """The one thing of that id. Raises `UnknownId` unless it is the caller's."""
    found = await engine.metering.minted.find(principal.owner, id)
    if found is None:
        raise unknown_id(id)
    return found


def unknown_id(id: str) -> UnknownId:
    """The refusal of an id that is not the caller's, whether or not somebody else has it."""
    return UnknownId(
        f"Nothing that this key has made here has the id {id[:200]!r}. Ids mean something only where they were made: "
        "make it again through this gateway, with this key or one of its team."
    )


def minted(call: Call, kind: str, id: str, provider: str, model: str = "") -> Minted:
    """What a call has had made."""
    return Minted(
        id=id,
        owner=call.principal.owner,
        kind=kind,
        provider=provider,
        created_us=call.record.started_us,
        model=model,
    )


PENDING = frozenset({"queued", "in_progress"})
"""How an answer ends that goes on in the background: what it uses is told by it later."""


def owing(call: Call, id: str, provider: str, model: str) -> Minted:
    """The mark of an answer that goes on in the background: nothing that it uses is in the books yet."""
    return minted(call, BILL, owed_mark(id), provider, model)


def gone(call: Call, entry: Minted) -> Minted:
    """What a call has had deleted: from now on it is unknown."""
    now_us = max(call.record.started_us, entry.created_us)
    return Minted(
        id=entry.id,
        owner=entry.owner,
        kind=entry.kind,
        provider=entry.provider,
        created_us=now_us,
        model=entry.model,
        expires_us=now_us,
    )
