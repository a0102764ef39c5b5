"""Answers that are kept to be used again, each a sealed blob under its key; and what was purged, for others to hear.

Must not know what is in a blob.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, or_, select, true
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import ANSWERS, PURGES


class Kept(Struct, frozen=True, kw_only=True):
    """One answer."""

    key: bytes
    key_id: str
    team: str
    organisation: str
    namespace: str
    model: str
    """As it was asked for."""
    provider: str
    upstream: str
    tags: str
    """Each between two line breaks."""
    stored_us: int
    expires_us: int
    worth: int
    """What it saves each time, in nano-USD for a thousand bytes."""
    size_bytes: int
    blob: bytes


class Wanted(Struct, frozen=True, kw_only=True):
    """Which of them: what fits everything that is said here."""

    key: bytes = b""
    tenant: str = ""
    tag: str = ""
    model: str = ""
    namespace: str | None = None
    before_us: int = 0


class Purged(NamedTuple):
    """What was purged, by anybody."""

    seq: int
    what: str


_COLUMNS: Final = Kept.__struct_fields__
_NEW: Final = insert(ANSWERS)
_PUT: Final = _NEW.on_conflict_do_update(
    index_elements=["key"], set_={name: _NEW.excluded[name] for name in _COLUMNS if name != "key"}
)
_FIND: Final = select(ANSWERS.c.blob).where(
    ANSWERS.c.key == bindparam("wanted"), ANSWERS.c.expires_us > bindparam("now")
)
_STEP: Final = 100


def put(connection: Connection, answers: Iterable[Kept]) -> None:
    """Keeps answers, each in place of any other of its key."""
    rows = [{name: getattr(each, name) for name in _COLUMNS} for each in answers]
    if rows:
        connection.execute(_PUT, rows)


def find(connection: Connection, key: bytes, now_us: int) -> bytes | None:
    """The blob of a key, unless it is too old."""
    return connection.execute(_FIND, {"wanted": key, "now": now_us}).scalar_one_or_none()


def drop(connection: Connection, wanted: Wanted) -> int:
    """Takes out what is meant. Returns how many that were."""
    return connection.execute(delete(ANSWERS).where(_meant(wanted))).rowcount


def _meant(wanted: Wanted) -> ColumnElement[bool]:
    held = ANSWERS.c
    said: list[ColumnElement[bool]] = [true()]
    if wanted.key:
        said.append(held.key == wanted.key)
    if wanted.tenant:
        said.append(or_(*(column == wanted.tenant for column in (held.key_id, held.team, held.organisation))))
    if wanted.tag:
        said.append(held.tags.contains(f"\n{wanted.tag}\n", autoescape=True))
    if wanted.model:
        both = held.provider + "/" + held.upstream
        said.append(or_(held.model == wanted.model, held.upstream == wanted.model, both == wanted.model))
    if wanted.namespace is not None:
        said.append(held.namespace == wanted.namespace)
    if wanted.before_us:
        said.append(held.stored_us < wanted.before_us)
    return and_(*said)


def trim(connection: Connection, now_us: int, entries_max: int, bytes_max: int) -> int:
    """Takes out what is too old, and of what is too much that which saves least for its size, of that the oldest.
    Returns how many those were."""
    gone = connection.execute(delete(ANSWERS).where(ANSWERS.c.expires_us <= now_us)).rowcount
    while True:
        count, size = held(connection)
        if count <= entries_max and size <= bytes_max:
            return gone
        least = select(ANSWERS.c.key).order_by(ANSWERS.c.worth, ANSWERS.c.stored_us)
        surplus = max(count - entries_max, min(_STEP, count))
        keys = connection.execute(least.limit(surplus)).scalars().all()
        gone += connection.execute(delete(ANSWERS).where(ANSWERS.c.key.in_(keys))).rowcount


def held(connection: Connection) -> tuple[int, int]:
    """How many there are, and how many bytes they have."""
    count, size = connection.execute(
        select(func.count(), func.coalesce(func.sum(ANSWERS.c.size_bytes), 0)).select_from(ANSWERS)
    ).one()
    return int(count), int(size)


def note(connection: Connection, what: str, at_us: int) -> None:
    """Tells others what was purged."""
    connection.execute(insert(PURGES).values(at_us=at_us, what=what))


def purged_since(connection: Connection, seq: int) -> Sequence[Purged]:
    """What was purged after that, in order."""
    rows = connection.execute(select(PURGES.c.seq, PURGES.c.what).where(PURGES.c.seq > seq).order_by(PURGES.c.seq))
    return [Purged(row.seq, row.what) for row in rows]


def last_purge(connection: Connection) -> int:
    """The newest one's number; 0: there was none."""
    return int(connection.execute(select(func.coalesce(func.max(PURGES.c.seq), 0))).scalar_one())


def forget_purges(connection: Connection, before_us: int) -> None:
    """Takes out those that everybody has heard of."""
    connection.execute(delete(PURGES).where(PURGES.c.at_us < before_us))
