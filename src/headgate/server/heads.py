"""Heads of requests seen before. A client's requests begin with the same bytes but for the length of their bodies, so
each beginning is parsed once; what it means is kept with it. Must not know what is served."""

from typing import Final

from headgate.server.incoming import RequestHead

_HEADS_MAX: Final = 512
_KEY_BYTES_MAX: Final = 4096
_LENGTH_FIELDS: Final = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_SPECIAL: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"connection", b"trailer"})
"""With one of these a request is framed or answered in a way of its own."""


class KnownHeads:
    """The heads that one listener's clients have sent lately, as parsed, by their bytes without the body's length."""

    def __init__(self) -> None:
        self._known: dict[bytes, RequestHead] = {}

    def find(self, key: bytes) -> RequestHead | None:
        """What was parsed from a head of this key."""
        return self._known.get(key)

    def remember(self, key: bytes, head: RequestHead) -> None:
        """Keeps a head that the parser took, if the next one of its kind may do without the parser."""
        headers = head.headers
        if headers.get(b"content-type", b"").startswith(b"multipart/"):  # its boundary never comes again
            return
        is_plain = headers.keys().isdisjoint(_SPECIAL) or (
            headers.get(b"connection", b"").lower() == b"keep-alive" and len(headers.keys() & _SPECIAL) == 1
        )
        if is_plain and len(key) <= _KEY_BYTES_MAX:
            if len(self._known) >= _HEADS_MAX:  # heads that never come again, with the id of a trace in them
                self._known.clear()
            self._known[key] = head


def split(data: bytes) -> tuple[bytes, int] | None:
    """The key of a request that is here whole and alone, and where its body begins; None for any other bytes.

    The length field is the only part of a head that is not in its key, and nothing but digits, as many as fit, may
    stand there: so bytes of one key are parsed alike.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    at = data.find(_LENGTH_FIELDS[0], 0, end)
    if at < 0:
        at = data.find(_LENGTH_FIELDS[1], 0, end)
        if at < 0:
            return None
    at += len(_LENGTH_FIELDS[0])
    stop = data.find(b"\r\n", at, end + 2)
    digits = data[at:stop]
    end += 4
    if not digits.isdigit() or len(digits) > 9 or int(digits) != len(data) - end:
        return None
    return data[:at] + data[stop:end], end
