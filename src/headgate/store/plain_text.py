"""Text as PostgreSQL takes it: without NUL, which a client may send and SQLite keeps."""

from psycopg.abc import Buffer
from psycopg.types.string import StrDumper


class PlainText(StrDumper):
    """Writes U+FFFD where there is a NUL: one that nobody could store would stop all that comes after it."""

    def dump(self, obj: str) -> Buffer | None:
        """The text as sent."""
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))
