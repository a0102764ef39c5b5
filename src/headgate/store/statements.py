"""Statements as a driver takes them, for where going through SQLAlchemy each time costs more than the database does."""

import re
from typing import cast

from sqlalchemy import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.dml import Insert


def positional(adding: Insert, names: list[str], dialect: Dialect, rows: int = 1) -> str:
    """The statement with the values of `rows` rows one after the other, each in the order of `names`.

    One statement for many rows: a driver lets other threads run at every statement, and gets its turn back late.
    """
    spoken = dialect if dialect.positional else cast("type[DefaultDialect]", type(dialect))(paramstyle="format")
    one = str(adding.compile(dialect=spoken, column_keys=names))
    before, row, after = re.split(r"(?<= VALUES )(\([^()]+\))", one)
    return before + ", ".join([row] * rows) + after
