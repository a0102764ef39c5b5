"""Which edition of the price book held since when, and what each said of the models that were used. Only added to."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from headgate.store.tables import PRICE_EDITIONS, PRICES


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an edition says of a model."""

    version: str
    provider: str
    model: str
    """The provider's name of it."""
    price: str
    """A JSON array: prices, and when they hold."""


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """An edition of the price book, and since when it has held."""

    since_us: int
    version: str


_KEEP = insert(PRICES).on_conflict_do_nothing(index_elements=["version", "provider", "model"])
_NAMES = PriceRow.__struct_fields__


def begin(connection: Connection, edition: Edition) -> bool:
    """An edition holds from now on. False: it was the one that did."""
    newest = select(PRICE_EDITIONS.c.since_us, PRICE_EDITIONS.c.version).order_by(PRICE_EDITIONS.c.since_us.desc())
    last = connection.execute(newest.limit(1)).one_or_none()
    if last is not None and last.version == edition.version:
        return False
    since_us = edition.since_us if last is None else max(edition.since_us, last.since_us + 1)
    connection.execute(insert(PRICE_EDITIONS), {"since_us": since_us, "version": edition.version})
    return True


def keep(connection: Connection, rows: Iterable[PriceRow]) -> None:
    """Keeps what an edition says; what is known of it stays."""
    values = [msgspec.structs.asdict(each) for each in rows]
    if values:
        connection.execute(_KEEP, values)


def editions(connection: Connection) -> list[Edition]:
    """All that ever held, in the order in which they did."""
    rows = connection.execute(select(PRICE_EDITIONS).order_by(PRICE_EDITIONS.c.since_us)).mappings()
    return [Edition(since_us=row["since_us"], version=row["version"]) for row in rows]


def of_model(connection: Connection, provider: str, model: str) -> list[PriceRow]:
    """What any edition said of a model, at one provider or (empty) any."""
    query = select(*(PRICES.c[name] for name in _NAMES)).where(PRICES.c.model == model)
    if provider:
        query = query.where(PRICES.c.provider == provider)
    return [PriceRow(**row) for row in connection.execute(query.order_by(PRICES.c.provider)).mappings()]
