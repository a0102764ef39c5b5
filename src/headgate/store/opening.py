"""Opens the store that an address names. The only place that knows which databases there are."""

from pathlib import Path

from headgate.store.base import Store
from headgate.store.sqlite import open_sqlite

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"


def open_store(url: str) -> Store:
    """The store at `sqlite:///` and a path, or at `postgresql://` and what libpq takes; made or brought up to date if
    need be. Raises `ConfigError` if it cannot be."""
    if url.startswith(POSTGRESQL):
        from headgate.store.postgresql import open_postgresql  # noqa: PLC0415  its driver is an extra

        return open_postgresql(url)
    return open_sqlite(Path(url.removeprefix(SQLITE)))
