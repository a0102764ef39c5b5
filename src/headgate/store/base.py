"""What a store is: transactions on one database. Must not know which database, nor any query."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

StoreError = SQLAlchemyError
"""What every failure of a database is."""


class Store:
    """One database. For threads only: every call waits for the disk."""

    def __init__(self, engine: Engine, turn: AbstractContextManager[object] | None = None) -> None:
        self._engine = engine
        self._turn = turn or nullcontext()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """A transaction that sees one state of the database."""
        with self._turn, self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Generator[Connection]:
        """A transaction that no other writer interrupts; committed at the end, undone by an exception."""
        writer = self._engine.execution_options(is_writer=True)
        with self._turn, writer.connect() as connection, connection.begin():
            yield connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()
