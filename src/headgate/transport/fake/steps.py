"""What a fake upstream does with a connection, one step after the other: the words of every script."""

from msgspec import Struct


class Send(Struct, frozen=True):
    """Writes these bytes as they are."""

    data: bytes


class Wait(Struct, frozen=True):
    """Does nothing for so long."""

    s: float


class Repeat(Struct, frozen=True):
    """Writes these bytes again and again, for ever."""

    data: bytes
    gap_s: float


class Silence(Struct, frozen=True):
    """Does nothing more, and leaves the connection open."""


class Close(Struct, frozen=True):
    """Closes the connection in the orderly way (FIN)."""


class ResetNow(Struct, frozen=True):
    """Breaks the connection (RST)."""


Step = Send | Wait | Repeat | Silence | Close | ResetNow
