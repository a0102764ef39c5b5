"""What a fake upstream answers: status, headers and chunks, and the steps that put them on the wire."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from headgate.transport.fake.steps import Send, Step, Wait

_BODILESS = frozenset({204, 304})


class Answer(Struct, frozen=True, kw_only=True):
    """One answer. Several chunks, or `is_stream`, go out chunked and one by one; else the body has its length."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    chunks: tuple[bytes, ...] = ()
    gap_s: float = 0.0
    """Pause before each chunk but the first."""
    is_stream: bool = False
    ping: bytes = b": ping\n\n"
    """What this API sends to keep a stream alive."""
    error: bytes = b'data: {"error":{"message":"Overloaded","type":"overloaded_error","code":"overloaded"}}\n\n'
    """What it sends when it fails in the midst of a stream."""

    @property
    def body_bytes(self) -> int:
        return sum(map(len, self.chunks))

    def steps(self) -> list[Step]:
        """All of it."""
        return [*self.steps_before(self.body_bytes), *self.ending()]

    def steps_before(self, bytes_end: int) -> list[Step]:
        """The head and the first `bytes_end` bytes of the body."""
        return [self.head(), *self.body(0, bytes_end)]

    def head(self) -> Send:
        """Status line and headers."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.is_stream:
            lines.append("transfer-encoding: chunked")
        elif self.status not in _BODILESS:
            lines.append(f"content-length: {self.body_bytes}")
        return Send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def body(self, bytes_start: int, bytes_end: int) -> list[Step]:
        """The part of the body between two offsets."""
        steps: list[Step] = []
        offset = 0
        for chunk in self.chunks:
            part = chunk[max(0, bytes_start - offset) : max(0, bytes_end - offset)]
            offset += len(chunk)
            if part:
                if self.gap_s and steps:
                    steps.append(Wait(self.gap_s))
                steps.append(Send(self.framed(part)))
        return steps

    def ending(self) -> list[Step]:
        """What says that the body is whole."""
        return [Send(b"0\r\n\r\n")] if self.is_stream else []

    def framed(self, data: bytes) -> bytes:
        """A piece of the body as it stands on the wire."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.is_stream else data

    def with_chunks(self, chunks: Sequence[bytes]) -> "Answer":
        """The same answer with another body."""
        return replace(self, chunks=tuple(chunks))


def whole(body: bytes, *, status: int = 200, content_type: str = "application/json") -> Answer:
    """An answer that comes in one piece."""
    return Answer(status=status, headers=(("content-type", content_type),), chunks=(body,) if body else ())


def streamed(chunks: Sequence[bytes], *, gap_s: float = 0.0, content_type: str = "text/event-stream") -> Answer:
    """An answer that comes chunk by chunk."""
    headers = (("content-type", content_type), ("cache-control", "no-cache"))
    return Answer(headers=headers, chunks=tuple(chunks), gap_s=gap_s, is_stream=True)


_REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}
