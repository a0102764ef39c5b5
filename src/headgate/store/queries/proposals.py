"""Transfers that are not decided yet: kept once, resolved once, never changed. Must not know what they are for."""

import msgspec
from sqlalchemy import Connection, Select, and_, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import PROPOSALS, RESOLUTIONS


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that is to go from one account to another, unless it comes to nothing."""

    id: str
    """What it is for, in a form that the same thing always has. The transfer that comes of it has the same."""
    at_us: int
    debit: str
    """The account that it comes from, of which it is held meanwhile."""
    credit: str
    nano_usd: int
    """At most."""
    kind: str
    expires_us: int | None = None
    """When it comes to nothing by itself; None: never."""
    detail: str = "{}"
    """A JSON object."""


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one."""

    id: str
    at_us: int
    nano_usd: int
    """What was posted; 0: it is void."""


_NAMES = Proposal.__struct_fields__
_JOINED = PROPOSALS.outerjoin(RESOLUTIONS, PROPOSALS.c.id == RESOLUTIONS.c.id)


def add(connection: Connection, pending: Proposal) -> None:
    """Keeps it; one that is there already stays as it is."""
    adding = insert(PROPOSALS).on_conflict_do_nothing(index_elements=["id"])
    connection.execute(adding, msgspec.structs.asdict(pending))


def resolve(connection: Connection, resolution: Resolution) -> None:
    """Says what came of one, which must not be said twice."""
    connection.execute(insert(RESOLUTIONS), msgspec.structs.asdict(resolution))


def find(connection: Connection, id: str) -> tuple[Proposal, Resolution | None] | None:
    """One of them, and what came of it."""
    row = connection.execute(_both().where(PROPOSALS.c.id == id)).one_or_none()
    return None if row is None else _read(tuple(row))


def resolved(connection: Connection) -> list[tuple[Proposal, Resolution]]:
    """All of which something came, or nothing."""
    rows = connection.execute(_both().where(RESOLUTIONS.c.id.is_not(None)))
    return [(pending, end) for pending, end in map(_read, map(tuple, rows)) if end is not None]


def undecided(connection: Connection, account: str, now_us: int) -> list[Proposal]:
    """All from or to an account that may still be posted, oldest first."""
    about = or_(PROPOSALS.c.debit == account, PROPOSALS.c.credit == account)
    wanted = _both().where(about, _is_open(now_us)).order_by(PROPOSALS.c.at_us, PROPOSALS.c.id)
    return [_read(tuple(row))[0] for row in connection.execute(wanted)]


def count(connection: Connection, prefix: str) -> int:
    """How many there ever were whose ids begin so."""
    like = PROPOSALS.c.id.startswith(prefix, autoescape=True)
    return int(connection.execute(select(func.count()).select_from(PROPOSALS).where(like)).scalar_one())


def held(connection: Connection, account: str, now_us: int) -> int:
    """How much of an account they hold, in nano-USD."""
    total = select(func.coalesce(func.sum(PROPOSALS.c.nano_usd), 0)).select_from(_JOINED)
    return int(connection.execute(total.where(PROPOSALS.c.debit == account, _is_open(now_us))).scalar_one())


def _is_open(now_us: int):
    is_current = or_(PROPOSALS.c.expires_us.is_(None), PROPOSALS.c.expires_us > now_us)
    return and_(RESOLUTIONS.c.id.is_(None), is_current)


def _both() -> Select[tuple[object, ...]]:
    return select(*(PROPOSALS.c[name] for name in _NAMES), RESOLUTIONS.c.at_us, RESOLUTIONS.c.nano_usd).select_from(
        _JOINED
    )


def _read(row: tuple[object, ...]) -> tuple[Proposal, Resolution | None]:
    pending = msgspec.convert(dict(zip(_NAMES, row, strict=False)), Proposal)
    at_us, nano_usd = row[len(_NAMES) :]
    if at_us is None:
        return pending, None
    return pending, msgspec.convert({"id": pending.id, "at_us": at_us, "nano_usd": nano_usd}, Resolution)
