"""What was used and what it cost, summed up by key, end user, model and the quarter of an hour in which calls began.

Written in the transaction that keeps the calls themselves, so that a sum is never without its calls, nor twice.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import SPEND, SPEND_BY_TAG

QUARTER_US: Final = 900_000_000
_KIDS_MAX: Final = 500
"""How many keys one query names."""
_SUMS: Final = ("calls", "input_tokens", "output_tokens", "cost_nano_usd", "charge_nano_usd")
_NAMES: Final = ("quarter_us", "key_id", "user", "model", "provider", "upstream")
_NEW = insert(SPEND)
_ADD = _NEW.on_conflict_do_update(
    index_elements=_NAMES, set_={name: SPEND.c[name] + _NEW.excluded[name] for name in _SUMS}
)

_NEW_TAGGED = insert(SPEND_BY_TAG)
_ADD_TAGGED = _NEW_TAGGED.on_conflict_do_update(
    index_elements=("tag", *_NAMES),
    set_={name: SPEND_BY_TAG.c[name] + _NEW_TAGGED.excluded[name] for name in _SUMS},
)


class Place(NamedTuple):
    """What is summed up together."""

    quarter_us: int
    key_id: str
    user: str
    model: str
    """As asked for."""
    provider: str
    upstream: str


class Sums(NamedTuple):
    """What it comes to."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    charge_nano_usd: int = 0


class Spent(NamedTuple):
    """A line of the table."""

    place: Place
    sums: Sums


def add(connection: Connection, spent: Iterable[Spent]) -> None:
    """Adds to what is there."""
    rows = [place._asdict() | sums._asdict() for place, sums in spent]
    if rows:
        connection.execute(_ADD, rows)


def add_tagged(connection: Connection, spent: Iterable[tuple[str, Spent]]) -> None:
    """The same for calls with a tag, which are in the sums of all besides."""
    rows = [{"tag": tag} | place._asdict() | sums._asdict() for tag, (place, sums) in spent]
    if rows:
        connection.execute(_ADD_TAGGED, rows)


def tagged_since(connection: Connection, kids: Sequence[str], since_us: int, tag: str) -> list[Spent]:
    """What `since` tells, of calls with a tag."""
    found: list[Spent] = []
    columns = [SPEND_BY_TAG.c[name] for name in (*_NAMES, *_SUMS)]
    for at in range(0, len(kids), _KIDS_MAX):
        wanted = SPEND_BY_TAG.c.key_id.in_(kids[at : at + _KIDS_MAX])
        query = select(*columns).where(
            SPEND_BY_TAG.c.tag == tag, wanted, SPEND_BY_TAG.c.quarter_us > since_us - QUARTER_US
        )
        for row in connection.execute(query):
            found.append(Spent(Place(*row[: len(_NAMES)]), Sums(*row[len(_NAMES) :])))
    return sorted(found)


def since(connection: Connection, kids: Sequence[str], since_us: int) -> list[Spent]:
    """What was used with these keys in the quarters since a moment, its own included; in the order of time."""
    found: list[Spent] = []
    for at in range(0, len(kids), _KIDS_MAX):
        wanted = SPEND.c.key_id.in_(kids[at : at + _KIDS_MAX])
        query = select(SPEND).where(wanted, SPEND.c.quarter_us > since_us - QUARTER_US)
        for row in connection.execute(query):
            found.append(Spent(Place(*row[: len(_NAMES)]), Sums(*row[len(_NAMES) :])))
    return sorted(found)


def within(
    connection: Connection, since_us: int, before_us: int, kids: Collection[str] | None = None, provider: str = ""
) -> Iterator[Spent]:
    """What was used in a time that begins and ends with quarters: with these keys or any, answered by this provider or
    any (empty)."""
    time = (SPEND.c.quarter_us >= since_us, SPEND.c.quarter_us < before_us)
    where = (*time, SPEND.c.provider == provider) if provider else time
    for some in _some_at_a_time(kids):
        query = select(SPEND).where(*where, *some)
        for row in connection.execute(query):
            yield Spent(Place(*row[: len(_NAMES)]), Sums(*row[len(_NAMES) :]))


def first(connection: Connection, kids: Collection[str] | None = None) -> int | None:
    """The first quarter in which anything was used with these keys, or with any; None: nothing was."""
    if kids is None:
        return connection.execute(select(func.min(SPEND.c.quarter_us))).scalar_one()
    of_each = (select(func.min(SPEND.c.quarter_us)).where(SPEND.c.key_id == kid) for kid in kids)
    found = (connection.execute(query).scalar_one() for query in of_each)
    return min((quarter_us for quarter_us in found if quarter_us is not None), default=None)


def _some_at_a_time(kids: Collection[str] | None) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """The condition on keys of one query after the other; none where all are meant."""
    if kids is None:
        yield ()
        return
    every = sorted(kids)
    for at in range(0, len(every), _KIDS_MAX):
        yield (SPEND.c.key_id.in_(every[at : at + _KIDS_MAX]),)


def total(connection: Connection, kids: Sequence[str], since_us: int = 0, before_us: int | None = None) -> Sums:
    """The sum over keys and a time, which begins and ends with quarters."""
    sums = Sums()
    for at in range(0, len(kids), _KIDS_MAX):
        query = select(*(func.coalesce(func.sum(SPEND.c[name]), 0) for name in _SUMS)).where(
            SPEND.c.key_id.in_(kids[at : at + _KIDS_MAX]), SPEND.c.quarter_us >= since_us
        )
        if before_us is not None:
            query = query.where(SPEND.c.quarter_us < before_us)
        more = connection.execute(query).one()
        sums = Sums(*(int(a) + int(b) for a, b in zip(sums, more, strict=True)))
    return sums


def models_since(connection: Connection, since_us: int) -> list[tuple[str, str]]:
    """The providers, and their names of models, that were used in the quarters since a moment."""
    query = select(SPEND.c.provider, SPEND.c.upstream).where(SPEND.c.quarter_us > since_us - QUARTER_US).distinct()
    return [(provider, upstream) for provider, upstream in connection.execute(query) if provider]


def by_user(
    connection: Connection, kids: Sequence[str] | None, since_us: int, before_us: int
) -> list[tuple[str, Sums]]:
    """What each end user has used, with these keys or (None) any, in the quarters of a time."""
    sums: dict[str, Sums] = {}
    turns = [None] if kids is None else [kids[at : at + _KIDS_MAX] for at in range(0, len(kids), _KIDS_MAX)]
    for some in turns:
        query = select(SPEND.c.user, *(func.sum(SPEND.c[name]) for name in _SUMS)).group_by(SPEND.c.user)
        query = query.where(SPEND.c.quarter_us >= since_us, SPEND.c.quarter_us < before_us)
        if some is not None:
            query = query.where(SPEND.c.key_id.in_(some))
        for user, *more in connection.execute(query):
            sums[user] = Sums(*(int(a) + int(b) for a, b in zip(sums.get(user, Sums()), more, strict=True)))
    return sorted(sums.items())


def everything(connection: Connection) -> Iterator[Spent]:
    """Every line: for those who check all the books."""
    for row in connection.execute(select(SPEND)):
        yield Spent(Place(*row[: len(_NAMES)]), Sums(*row[len(_NAMES) :]))
