"""What providers work on, or have done, whose cost is in nobody's books: kept from the call that had it made until one
books it. Written in the transaction that keeps those calls, so that neither is lost nor booked without the other."""

from collections.abc import Iterable

from msgspec import structs
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from headgate.core.minted import BILL, Minted, Unbilled, billed_id, billed_mark, owed_id
from headgate.core.record import CallRecord
from headgate.store.queries.minted import digest, find
from headgate.store.tables import UNBILLED

FIRST_LOOK_US = 60_000_000
"""How long after it was made a thing is looked at first: most clients look themselves."""
_ANSWERS = {"interactions": "/interactions"}
"""Where answers are that go on in the background, by the operation that has begun one."""
_RESPONSES = "/responses"


def note(connection: Connection, records: Iterable[CallRecord]) -> None:
    """What calls had made that is to be paid for later, and what they have booked or deleted of it."""
    for record in records:
        for entry in record.minted:
            path, done = _begun(record, entry), _done(entry)
            if path:
                _add(connection, record, entry, path)
            elif done:
                forget(connection, entry.owner, done)


def due(connection: Connection, now_us: int, limit: int) -> list[Unbilled]:
    """What is to be looked at now, the longest due first."""
    wanted = select(UNBILLED).where(UNBILLED.c.due_us <= now_us).order_by(UNBILLED.c.due_us).limit(limit)
    names = Unbilled.__struct_fields__
    return [Unbilled(**{name: row[name] for name in names}) for row in connection.execute(wanted).mappings()]


def put_off(connection: Connection, thing: Unbilled, due_us: int) -> None:
    """It has been looked at; when to look again."""
    changing = update(UNBILLED).where(UNBILLED.c.digest == digest(thing.owner, thing.id))
    connection.execute(changing.values(due_us=due_us, looks=thing.looks + 1))


def forget(connection: Connection, owner: str, id: str) -> None:
    """There is nothing to be looked at any more."""
    connection.execute(delete(UNBILLED).where(UNBILLED.c.digest == digest(owner, id)))


def _begun(record: CallRecord, entry: Minted) -> str:
    """The path of what has been made and is to be paid for later; empty: nothing has."""
    if entry.expires_us:
        return ""
    if entry.kind == "batch":
        method, _, path = record.path.partition(" ")
        return f"{path}/{entry.id}" if method == "POST" else ""
    id = owed_id(entry.id) if entry.kind == BILL else ""
    return f"{_ANSWERS.get(record.operation, _RESPONSES)}/{id}" if id else ""


def _done(entry: Minted) -> str:
    """The id of what is in the books now, or deleted; empty: neither."""
    return billed_id(entry.id) if entry.kind == BILL else entry.id if entry.expires_us else ""


def _add(connection: Connection, record: CallRecord, entry: Minted, path: str) -> None:
    """Unless it is in the books: a process's last calls may be applied in any order after its end."""
    id = path.rpartition("/")[2]
    if find(connection, entry.owner, billed_mark(id)) is not None:
        return
    thing = Unbilled(
        id=id,
        owner=entry.owner,
        key_id=record.key_id,
        provider=entry.provider,
        path=path,
        since_us=record.started_us,
        due_us=record.started_us + FIRST_LOOK_US,
    )
    values = structs.asdict(thing) | {"digest": digest(entry.owner, id)}
    connection.execute(insert(UNBILLED).values(**values).on_conflict_do_nothing())
