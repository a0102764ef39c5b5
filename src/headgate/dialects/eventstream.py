"""AWS's event stream: bytes split into messages, however the network cut them. Must not know what the payloads mean.

Follows https://smithy.io/2.0/aws/amazon-eventstream.html (2026-11): a prelude of two lengths and their CRC, headers
with typed values, a payload, and the CRC of all of it.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct, field

from headgate.dialects.base import Malformed

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

HEADERS_BYTES_MAX: Final = 128 * 1024
PAYLOAD_BYTES_MAX: Final = 24 * 1024 * 1024

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_FRAME_BYTES: Final = _PRELUDE.size + _CRC.size

_KNOWN_MAX: Final = 32
_KNOWN_BYTES_MAX: Final = 512

HeaderValue = bool | int | bytes | str
"""What a header holds. A time is read as its milliseconds, a UUID as its bytes; integers are written as long ones."""


class Message(Struct, frozen=True, gc=False):
    """One message: a payload and what is said about it."""

    payload: bytes = b""
    headers: Mapping[str, HeaderValue] = field(default_factory=dict[str, HeaderValue])

    def text(self, name: str) -> str:
        """A header's text; "" where there is none."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else ""


class Splitter:
    """Feeds on bytes, yields complete messages. Damage, and a message over the limits, raise `Malformed`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._known: dict[bytes, dict[str, HeaderValue]] = {}
        """Headers that came before, by their bytes: a stream says the same few of every word."""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes."""
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        at = 0
        while len(buffer) - at >= _PRELUDE.size:
            size, headers_size = _sizes(buffer, at)
            if len(buffer) - at < size:
                break
            messages.append(self._message(bytes(buffer[at : at + size]), headers_size))
            at += size
        del buffer[:at]
        return messages

    def _message(self, frame: bytes, headers_size: int) -> Message:
        if zlib.crc32(frame[: -_CRC.size]) != _CRC.unpack_from(frame, len(frame) - _CRC.size)[0]:
            raise Malformed("a message of the upstream's stream is damaged: its checksum is wrong")
        end = _PRELUDE.size + headers_size
        block = frame[_PRELUDE.size : end]
        headers = self._known.get(block)
        if headers is None:
            headers = _headers(block)
            if len(self._known) < _KNOWN_MAX and headers_size <= _KNOWN_BYTES_MAX:
                self._known[block] = headers
        return Message(frame[end : -_CRC.size], headers)


def _sizes(buffer: bytearray, at: int) -> tuple[int, int]:
    """The length of the message that begins at `at`, and of its headers, once they are known to be undamaged."""
    size, headers_size, crc = _PRELUDE.unpack_from(buffer, at)
    if zlib.crc32(buffer[at : at + 8]) != crc:
        shown = bytes(buffer[at : at + 8])
        raise Malformed(f"the upstream's bytes are no event stream: the checksum of the prelude {shown!r} is wrong")
    if headers_size > HEADERS_BYTES_MAX:
        raise Malformed(f"a stream message's headers are over the limit of {HEADERS_BYTES_MAX} bytes")
    payload_size = size - headers_size - _FRAME_BYTES
    if payload_size < 0:
        raise Malformed(f"a stream message of {size} bytes cannot hold {headers_size} bytes of headers")
    if payload_size > PAYLOAD_BYTES_MAX:
        raise Malformed(f"a stream message's payload is over the limit of {PAYLOAD_BYTES_MAX} bytes")
    return size, headers_size


def _headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            start = at + 1
            end = start + block[at]
            name = str(block[start:end], "utf-8")
            if len(block) <= end or name in headers:
                raise Malformed(f"a stream message's header {name!r} is cut off or there twice")
            headers[name], at = _READERS[block[end]](block, end + 1)
    except (KeyError, struct.error, UnicodeDecodeError):
        raise Malformed("a stream message's headers are damaged") from None
    return headers


_Reader = Callable[[bytes, int], tuple[HeaderValue, int]]


def _constant(value: bool) -> _Reader:
    return lambda block, at: (value, at)


def _number(form: str) -> _Reader:
    layout = struct.Struct(form)
    return lambda block, at: (int(layout.unpack_from(block, at)[0]), at + layout.size)


def _run(block: bytes, begin: int, length: int) -> tuple[bytes, int]:
    run = block[begin : begin + length]
    if len(run) < length:
        raise Malformed("a stream message's headers are cut off")
    return run, begin + length


def _bytes(block: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(block, at)
    return _run(block, at + _LENGTH.size, length)


def _text(block: bytes, at: int) -> tuple[str, int]:
    data, end = _bytes(block, at)
    return data.decode(), end


_TRUE, _FALSE, _LONG, _BYTES, _STRING = 0, 1, 5, 6, 7
_READERS: Final[dict[int, _Reader]] = {
    _TRUE: _constant(True),
    _FALSE: _constant(False),
    2: _number(">b"),
    3: _number(">h"),
    4: _number(">i"),
    _LONG: _number(">q"),
    _BYTES: _bytes,
    _STRING: _text,
    8: _number(">q"),  # a time, in milliseconds
    9: lambda block, at: _run(block, at, 16),  # a UUID
}


def render(message: Message) -> bytes:
    """The bytes of one message."""
    headers = b"".join(_header(name.encode(), value) for name, value in message.headers.items())
    size = len(headers) + len(message.payload) + _FRAME_BYTES
    lengths = struct.pack(">II", size, len(headers))
    frame = b"".join((lengths, _CRC.pack(zlib.crc32(lengths)), headers, message.payload))
    return frame + _CRC.pack(zlib.crc32(frame))


def _header(name: bytes, value: HeaderValue) -> bytes:
    match value:
        case bool():
            said = bytes((_TRUE if value else _FALSE,))
        case int():
            said = struct.pack(">Bq", _LONG, value)
        case bytes():
            said = struct.pack(">BH", _BYTES, len(value)) + value
        case text:
            data = text.encode()
            said = struct.pack(">BH", _STRING, len(data)) + data
    return bytes((len(name),)) + name + said


def event(kind: str, payload: bytes) -> bytes:
    """The bytes of one event with a JSON payload."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return render(Message(payload, headers))


def exception(kind: str, payload: bytes) -> bytes:
    """The bytes of the message that ends a stream which failed."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return render(Message(payload, headers))
