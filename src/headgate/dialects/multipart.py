"""Forms with files in them, `multipart/form-data`: bytes in, parts out, however the network cut them.

Strict, since whoever reads the same bytes next must find the same parts in them: what two readers could take for two
things is refused. https://www.rfc-editor.org/rfc/rfc7578, https://www.rfc-editor.org/rfc/rfc2046#section-5.1 (2026-11)
"""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from headgate.core.problems import InvalidRequest

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';[ \t]*([\w*-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))[ \t]*')
_PADDING = re.compile(rb"[ \t]*")
_PLAIN: Final = frozenset({"", "7bit", "8bit", "binary"})
_PADDING_BYTES_MAX: Final = 64


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of a form; its length is bounded by whoever reads it."""

    parts_max: int = 128
    head_bytes_max: int = 8192
    """Of one part's header fields; also of what may stand before the first part."""


class Begun(Struct, frozen=True, kw_only=True):
    """A part begins."""

    name: str
    file_name: str | None
    """None: it is a plain field."""
    content_type: str
    at: int
    """Where its content begins, in bytes from the start of the form."""


class Content(Struct, frozen=True):
    """More of the part's content: a view of what was fed."""

    data: memoryview


class Ended(Struct, frozen=True):
    """The part ends."""

    at: int
    """Where its content ends."""


Piece = Begun | Content | Ended


class Part(Struct, frozen=True, kw_only=True):
    """A part of a form at hand: its content is `body[start:end]`."""

    name: str
    file_name: str | None
    content_type: str
    start: int
    end: int


class Scanner:
    """Feeds on the bytes of a form, yields its pieces. Raises `InvalidRequest` for what is none."""

    def __init__(self, boundary: bytes, limits: Limits | None = None) -> None:
        self._mark = b"\r\n--" + boundary
        self._limits = limits or Limits()
        self._step: Callable[[], bool] = self._skip_preamble
        self._buffer = b"\r\n"  # the first boundary has no line before it
        self._at: int = 0
        """How far the buffer has been read."""
        self._offset = -2
        """Where the buffer stands in the form."""
        self._count = 0
        self._pieces: list[Piece] = []
        self._is_over = False

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that `data` completes."""
        rest = self._buffer[self._at :]
        self._offset += self._at
        self._buffer, self._at = (rest + data if rest else data), 0
        while self._step():
            pass
        pieces, self._pieces = self._pieces, []
        return pieces

    def close(self) -> None:
        """The end of the bytes."""
        if not self._is_over:
            raise InvalidRequest(
                "the form ends before its closing boundary; send the whole of it, ended by the boundary and two hyphens"
            )

    # Each step reads on in the buffer, and says whether another may follow

    def _skip_preamble(self) -> bool:
        found = self._buffer.find(self._mark, self._at)
        earliest = len(self._buffer) - len(self._mark) + 1 if found < 0 else found
        if self._offset + earliest > self._limits.head_bytes_max:
            raise InvalidRequest("the form does not begin with the boundary that its content-type names")
        if found < 0:
            return False
        self._at = found + len(self._mark)
        self._step = self._read_mark
        return True

    def _read_mark(self) -> bool:
        """What follows a boundary: two hyphens, or the end of its line."""
        buffer, at = self._buffer, self._at
        if buffer[at : at + 2] == b"--":
            self._is_over = True
            self._step = self._skip_rest
            return True
        padding = _PADDING.match(buffer, at)
        end = padding.end() if padding is not None else at
        following = buffer[end : end + 2]
        if following == b"\r\n" and end - at <= _PADDING_BYTES_MAX:
            self._at = end
            self._step = self._read_head
            return True
        can_grow = following in (b"", b"\r") or (end == at and following == b"-")
        if not can_grow or end - at > _PADDING_BYTES_MAX:
            raise InvalidRequest(
                "a boundary of the form must end its line, with CR and LF; if a content has it too, choose another one"
            )
        return False

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", self._at)
        earliest = len(self._buffer) - 3 if end < 0 else end
        if earliest - self._at > self._limits.head_bytes_max:
            raise InvalidRequest(f"the head of a part is over the limit of {self._limits.head_bytes_max} bytes")
        if end < 0:
            return False
        self._count += 1
        if self._count > self._limits.parts_max:
            raise InvalidRequest(f"the form has more than {self._limits.parts_max} parts")
        head = self._buffer[self._at + 2 : end] if end > self._at else b""
        self._at = end + 4
        self._pieces.append(_begun(head, self._offset + self._at))
        self._step = self._read_content
        return True

    def _read_content(self) -> bool:
        buffer, mark = self._buffer, self._mark
        found = buffer.find(mark, self._at)
        end = found if found >= 0 else max(self._at, len(buffer) - len(mark) + 1)
        if end > self._at:
            self._pieces.append(Content(memoryview(buffer)[self._at : end]))
        if found < 0:
            self._at = end
            return False
        self._pieces.append(Ended(self._offset + found))
        self._at = found + len(mark)
        self._step = self._read_mark
        return True

    def _skip_rest(self) -> bool:
        self._at = len(self._buffer)
        return False


def boundary_of(content_type: str) -> bytes:
    """The boundary that a content type names. Raises `InvalidRequest` with status 400 where it names none."""
    kind, _, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise InvalidRequest(f"the body must be a form: content-type multipart/form-data, not {kind.strip()[:80]!r}")
    named = [value for name, value in _parameters(";" + rest) if name == "boundary"]
    if len(named) != 1 or not _BOUNDARY.fullmatch(named[0]):
        raise InvalidRequest("content-type names no usable boundary; send multipart/form-data; boundary=… as it is")
    return named[0].encode()


def parts_of(body: bytes, content_type: str, limits: Limits | None = None) -> list[Part]:
    """The parts of a form at hand."""
    scanner = Scanner(boundary_of(content_type), limits)
    pieces = scanner.feed(body)
    scanner.close()
    begun = [piece for piece in pieces if isinstance(piece, Begun)]
    ends = [piece.at for piece in pieces if isinstance(piece, Ended)]
    return [
        Part(name=part.name, file_name=part.file_name, content_type=part.content_type, start=part.at, end=end)
        for part, end in zip(begun, ends, strict=True)
    ]


def with_field(body: bytes, boundary: bytes, name: str, value: str) -> bytes:
    """The form with one more field before its others."""
    mark = b"--" + boundary
    if not body.startswith(mark):
        raise InvalidRequest(f"'{name}' is required: a plain field of the form", param=name)
    return (
        b'%b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (mark, name.encode(), value.encode()) + body
    )


def text_of(part: Part, body: bytes, bytes_max: int) -> str:
    """The text of a plain field. Raises `InvalidRequest` with its name."""
    if part.file_name is not None:
        raise InvalidRequest(f"'{part.name}' must be a plain field, not a file", param=part.name)
    if part.end - part.start > bytes_max:
        raise InvalidRequest(f"'{part.name}' is over the limit of {bytes_max} bytes", param=part.name)
    try:
        return body[part.start : part.end].decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{part.name}' is not UTF-8", param=part.name) from None


def _begun(head: bytes, at: int) -> Begun:
    fields: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n") if head else ():
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or not key or key != key.strip() or "\n" in line or "\r" in line:
            raise InvalidRequest("a part of the form has a line in its head that is no header field")
        if key in fields and key.startswith("content-"):
            raise InvalidRequest(f"a part of the form has {key} twice")
        fields[key] = value.strip()
    kind, _, rest = fields.get("content-disposition", "").partition(";")
    if kind.strip().lower() != "form-data":
        raise InvalidRequest('every part of the form needs `content-disposition: form-data; name="…"`')
    named = dict[str, str]()
    for name, value in _parameters(";" + rest):
        if name in named:
            raise InvalidRequest(f"a part of the form has {name} twice in its content-disposition")
        named[name] = value
    if not named.get("name"):
        raise InvalidRequest('a part of the form has no name: `content-disposition: form-data; name="…"`')
    encoding = fields.get("content-transfer-encoding", "").lower()
    if encoding not in _PLAIN:
        raise InvalidRequest(f"'{named['name']}' is encoded as {encoding[:40]}; send its bytes as they are")
    return Begun(
        name=named["name"],
        file_name=named.get("filename", named.get("filename*")),
        content_type=fields.get("content-type", ""),
        at=at,
    )


def _parameters(text: str) -> list[tuple[str, str]]:
    """The parameters of a header field; empty where they cannot be read to their end."""
    found: list[tuple[str, str]] = []
    at, text = 0, text.rstrip("; \t")
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            return []
        quoted = match[2]
        found.append((match[1].lower(), match[3] if quoted is None else re.sub(r'\\(["\\])', r"\1", quoted)))
        at = match.end()
    return found
