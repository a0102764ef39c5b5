"""Inflates a compressed answer, piece by piece and never beyond its limits.

We ask for `identity`; some servers compress all the same. Bounded in size and in ratio, since 1 MiB of deflate can
hold 1 GiB: https://www.zlib.net/zlib_tech.html (2026-11).
"""

import zlib
from typing import Final

from headgate.core.problems import Outcome, UpstreamError
from headgate.transport.faults import problem
from headgate.transport.settings import PoolSettings

_ANY_ZLIB_OR_GZIP: Final = 32 + zlib.MAX_WBITS
_RATIO_FREE_BYTES: Final = 1024 * 1024
INFLATED: Final = frozenset({"gzip", "x-gzip", "deflate"})
"""The content encodings that we can read."""


class Inflater:
    """One compressed body. `is_whole` says whether its own end has come."""

    def __init__(self, settings: PoolSettings, origin: str) -> None:
        self._settings = settings
        self._origin = origin
        self._compressed = 0
        self._inflated = 0
        self._is_raw = False
        self._stream = zlib.decompressobj(_ANY_ZLIB_OR_GZIP)

    @property
    def is_whole(self) -> bool:
        return self._stream.eof or not self._compressed

    def feed(self, data: bytes) -> bytes:
        """What `data` adds to the body; `UpstreamError` (PROTOCOL) when it is no such data or too much."""
        pieces: list[bytes] = []
        self._compressed += len(data)
        while data:
            if self._stream.eof:  # gzip members may follow one another: RFC 1952 §2.2
                self._stream = zlib.decompressobj(_ANY_ZLIB_OR_GZIP)
            pieces.append(self._piece(data))
            data = self._stream.unused_data
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, data: bytes) -> bytes:
        room = self._room()
        try:
            piece = self._decompressed(data, room + 1)
        except zlib.error as error:
            raise self._fault(f"is not compressed as it says ({error})") from None
        self._inflated += len(piece)
        if len(piece) > room:
            limits = f"inflated_bytes_max={self._settings.inflated_bytes_max}"
            raise self._fault(f"inflates beyond {limits}, inflated_ratio_max={self._settings.inflated_ratio_max}")
        return piece

    def _decompressed(self, data: bytes, bytes_max: int) -> bytes:
        try:
            return self._stream.decompress(data, bytes_max)
        except zlib.error:
            if self._inflated or self._is_raw or self._compressed > len(data):
                raise
        # "deflate" without the zlib wrapper, as old servers send it: RFC 9110 §8.4.1.2
        self._is_raw = True
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        return self._stream.decompress(data, bytes_max)

    def _room(self) -> int:
        by_ratio = max(_RATIO_FREE_BYTES, self._compressed * self._settings.inflated_ratio_max)
        return min(by_ratio, self._settings.inflated_bytes_max) - self._inflated

    def _fault(self, what: str) -> UpstreamError:
        return UpstreamError(problem(Outcome.PROTOCOL, f"the answer of {self._origin} {what}"))
