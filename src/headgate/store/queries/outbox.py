"""What is to be told to the world outside: kept before it is sent, so that a crash loses none. Must not know how."""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import INT64_MAX, OUTBOX


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message over one channel."""

    id: str
    """What it tells and how, in a form that the same thing always has: so it is kept once."""
    at_us: int
    next_us: int
    """When it is to be tried next; `INT64_MAX`: never again."""
    channel: str
    body: str
    """A JSON object."""
    attempts: int = 0
    error: str = ""
    """Why the last attempt failed."""
    sent_us: int | None = None


_ADD: Final = insert(OUTBOX).on_conflict_do_nothing(index_elements=["id"])
_COLUMNS: Final = [OUTBOX.c[name] for name in Message.__struct_fields__]


def add(connection: Connection, messages: Iterable[Message]) -> None:
    """Keeps messages; those that were kept before stay as they are, sent or not."""
    rows = [msgspec.structs.asdict(each) for each in messages]
    if rows:
        connection.execute(_ADD, rows)


def due(connection: Connection, now_us: int, limit: int) -> list[Message]:
    """What is to be sent now, oldest first."""
    wanted = select(*_COLUMNS).where(OUTBOX.c.sent_us.is_(None), OUTBOX.c.next_us <= now_us)
    return [Message(**row) for row in connection.execute(wanted.order_by(OUTBOX.c.at_us).limit(limit)).mappings()]


def claim(connection: Connection, message: Message, until_us: int) -> bool:
    """Takes it for oneself until then, attempts counted. False: another process was quicker."""
    mine = update(OUTBOX).where(
        OUTBOX.c.id == message.id, OUTBOX.c.next_us == message.next_us, OUTBOX.c.sent_us.is_(None)
    )
    return connection.execute(mine.values(next_us=until_us, attempts=message.attempts + 1)).rowcount == 1


def sent(connection: Connection, id: str, at_us: int) -> None:
    """It has arrived."""
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == id).values(sent_us=at_us, error=""))


def failed(connection: Connection, id: str, error: str, next_us: int = INT64_MAX) -> None:
    """It has not, and when to try again."""
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == id).values(error=error, next_us=next_us))


def newest(connection: Connection, limit: int, before: tuple[int, str] | None = None) -> list[Message]:
    """The latest, newest first, after the one that had this `at_us` and `id`."""
    query = select(*_COLUMNS).order_by(OUTBOX.c.at_us.desc(), OUTBOX.c.id).limit(limit)
    if before is not None:
        at_us, id = before
        query = query.where(or_(OUTBOX.c.at_us < at_us, and_(OUTBOX.c.at_us == at_us, OUTBOX.c.id > id)))
    return [Message(**row) for row in connection.execute(query).mappings()]
