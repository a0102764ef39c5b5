"""Frames as bytes on a bare socket, for what no WebSocket library would ever send."""

import socket
import struct
from typing import Self

MASK = b"\x01\x02\x03\x04"
OPENING = {
    "host": "gateway",
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ACCEPTED = b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="
"""The answer to that key in RFC 6455, 1.3; in lower case."""


def opening(path: str, key: str, **changes: str | None) -> bytes:
    """A handshake; a field that is None is left out."""
    fields = {**OPENING, "authorization": f"Bearer {key}", **{name.replace("_", "-"): v for name, v in changes.items()}}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bytes | None = MASK) -> bytes:
    """A frame as a client writes it; without a mask as none may."""
    first, masked = (0x80 if fin else 0) | opcode, 0x80 if mask is not None else 0
    if len(data) < 126:
        head = bytes([first, masked | len(data)])
    elif len(data) < 65536:
        head = bytes([first, masked | 126]) + struct.pack("!H", len(data))
    else:
        head = bytes([first, masked | 127]) + struct.pack("!Q", len(data))
    if mask is None:
        return head + data
    key = int.from_bytes((mask * (len(data) // 4 + 1))[: len(data)] or b"\0", "big")
    return head + mask + (int.from_bytes(data or b"\0", "big") ^ key).to_bytes(len(data), "big")


class Raw:
    """A bare connection after its handshake; frames that come are read one by one."""

    def __init__(self, connection: socket.socket, asking: bytes) -> None:
        self._connection = connection
        self._read = b""
        connection.sendall(asking)
        while b"\r\n\r\n" not in self._read:
            self._read += self._more()
        self.head, _, self._read = self._read.partition(b"\r\n\r\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._connection.sendall(data)

    def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and data. A server's has no mask."""
        first, second = self._take(2)
        assert second < 128
        size = second
        if second >= 126:
            size = int.from_bytes(self._take(2 if second == 126 else 8), "big")
        return first & 15, self._take(size)

    def close_code(self) -> int:
        """Reads to the close; then the connection has to end."""
        opcode, data = self.frame()
        while opcode != 8:
            opcode, data = self.frame()
        assert self._connection.recv(65536) == b""
        return struct.unpack("!H", data[:2])[0]

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            self._read += self._more()
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def _more(self) -> bytes:
        data = self._connection.recv(65536)
        assert data, "the connection ended"
        return data
