"""One answer under way, and everybody who waits for it. Must not know what is asked, nor who pays.

Who reads slowly is told the rest when it can take it, from what has come so far: nobody waits for anybody, up to a
bound. The answer goes on until the last reader has left.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from headgate.core.problems import Outcome, Problem, UpstreamError
from headgate.engine.answer import Answerer
from headgate.engine.call import Call

LAG_BYTES_MAX: Final = 4 * 1024 * 1024
"""How far one reader may stay behind before the answer waits for it."""
_CUT: Final = Problem(kind="upstream", message="the call that this answer was asked by has ended", outcome=Outcome.CUT)
Retell = Callable[[bytes], bytes]
"""What becomes of header fields, and of the body of an error, for one reader."""


class Reader:
    """One client of the answer."""

    __slots__ = (
        "_answerer",
        "_exchange",
        "_must_lead",
        "_retell",
        "_shared",
        "_wake",
        "at",
        "bytes",
        "call",
        "is_gone",
    )

    def __init__(self, shared: "Shared", call: Call, answerer: Answerer, retell: Retell) -> None:
        self.call = call
        self._shared = shared
        self._must_lead = False
        self._answerer = answerer
        self._exchange = answerer.exchange
        self._retell = retell
        self._wake = asyncio.Event()
        self.is_gone = False
        self.at = 0
        """How many parts it has been told."""
        self.bytes = 0
        """And how many bytes those have."""

    def leave(self, outcome: Outcome) -> None:
        """Its client has gone."""
        self.is_gone = True
        self._wake.set()
        self._shared.left(self)

    def notify(self) -> None:
        """There is more: it is told at once if it can take it."""
        if not self._exchange.is_congested:
            self._tell()
        if self._shared.is_over or self._exchange.is_congested:
            self._wake.set()

    async def catch_up(self) -> None:
        """Waits until it has been told everything so far, or has gone."""
        await self._exchange.drained()
        if not self.is_gone:
            self._tell()

    def lead(self) -> None:
        """It is the one that asks anew."""
        self._must_lead = True
        self._wake.set()

    async def read(self) -> bool:
        """Until the answer is told to its end, or the client has left. False: it is to ask for it itself."""
        shared = self._shared
        while True:
            if self._must_lead:
                self._must_lead = False
                return False
            if self.is_gone:
                return True
            if shared.is_cut:
                raise UpstreamError(_CUT)
            if self._exchange.is_congested:
                await self._exchange.drained()
                continue
            self._tell()
            if shared.is_over and self.at == len(shared.parts):
                self._exchange.end()
                return True
            self._wake.clear()
            if not self._exchange.is_congested:
                await self._wake.wait()

    def _tell(self) -> None:
        shared = self._shared
        if not shared.status or self.is_gone:
            return
        if not self._answerer.is_committed:
            self._answerer.is_committed = True
            self._exchange.start(shared.status, self._retell(shared.fields))
        is_error = shared.status != 200
        for part in shared.parts[self.at :]:
            self.at += 1
            self.bytes += len(part)
            self._exchange.write(self._retell(part) if is_error else part)


class Shared:
    """The exchange by which such an answer goes out."""

    def __init__(self) -> None:
        self.status = 0
        """0: it has not begun."""
        self.fields = b""
        self.parts: list[bytes] = []
        self.bytes = 0
        self.is_over = self.is_cut = False
        self.readers: list[Reader] = []
        """Those who have not left."""
        self._is_read = False
        self._on_gone: Callable[[], None] | None = None

    def join(self, call: Call, answerer: Answerer, retell: Retell) -> Reader:
        """One more reads along, from the beginning."""
        reader = Reader(self, call, answerer, retell)
        self.readers.append(reader)
        self._is_read = True
        answerer.watch(reader.leave)
        return reader

    def left(self, reader: Reader) -> None:
        """One does not read any more; when none does, the answer is not wanted."""
        if reader in self.readers:
            self.readers.remove(reader)
            if not self.readers and not self.is_over and self._on_gone is not None:
                self._on_gone()

    def cut(self) -> None:
        """Nobody tells the rest."""
        self.is_cut = True
        self.end()

    # The exchange

    def start(self, status: int, fields: bytes) -> None:
        """Status and header fields."""
        self.status, self.fields = status, fields
        self._notify()

    def write(self, data: bytes) -> None:
        """More of the body."""
        if data:
            self._add(data)
            self._notify()

    def end(self, data: bytes = b"") -> None:
        """The last of it."""
        if data:
            self._add(data)
        self.is_over = True
        self._notify()

    def _add(self, data: bytes) -> None:
        self.parts.append(data)
        self.bytes += len(data)

    def _notify(self) -> None:
        for reader in [*self.readers]:
            reader.notify()

    @property
    def is_congested(self) -> bool:
        """Whether somebody has stayed too far behind."""
        return any(self.bytes - reader.bytes > LAG_BYTES_MAX for reader in self.readers)

    async def drained(self) -> None:
        """Waits until nobody has."""
        for reader in [*self.readers]:
            if self.bytes - reader.bytes > LAG_BYTES_MAX:
                await reader.catch_up()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Calls back when the last reader has left."""
        self._on_gone = callback
        if self._is_read and not self.readers and not self.is_over:
            callback()
