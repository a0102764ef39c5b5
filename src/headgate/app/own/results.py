"""What a batch's calls have come to, on disk as they end: a killed process loses none, and none is made again.

One file for each batch, one line for each call, appended by one write before the call is written into the books. Who
has it open has it locked, so that no batch runs twice at a time.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import ConfigError

_ENCODE: Final = msgspec.json.Encoder().encode


class Result(Struct, frozen=True, kw_only=True):
    """What came of one line."""

    number: int
    custom_id: str
    status: int
    """HTTP status of the answer; 0: there was none."""
    request_id: str
    body: Raw
    """The answer as JSON; of a call without one, an error object."""
    is_batched: bool = False
    """Whether a provider's batch has answered, at batch price."""
    dropped: list[str] = []
    """What of an answer in another API's words could not be told."""

    @property
    def is_good(self) -> bool:
        """Whether it goes to the output rather than to the errors."""
        return 200 <= self.status < 300


_DECODE: Final = msgspec.json.Decoder(Result).decode


class RunsElsewhere(ConfigError):
    """Another process works on this batch."""


class Results:
    """The results of one batch so far. Raises `RunsElsewhere` when somebody else has them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise RunsElsewhere() from None
        self.good = self.bad = self.batched = 0
        self.done: set[int] = set()
        """The numbers of the lines that have a result."""
        self._cut_torn_end()
        for result in self:
            self._count(result)

    def add(self, result: Result) -> None:
        """Keeps one. Raises `OSError` when the disk takes no more."""
        data = _ENCODE(result) + b"\n"
        size = os.fstat(self._file).st_size
        if os.write(self._file, data) != len(data):
            os.ftruncate(self._file, size)
            raise OSError("only a part of a result could be written; the disk is probably full")
        self._count(result)

    def __iter__(self) -> Iterator[Result]:
        """All so far, in the order in which they came."""
        with self._path.open("rb") as lines:
            for line in lines:
                yield _DECODE(line)

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self, result: Result) -> None:
        self.done.add(result.number)
        self.batched += result.is_batched
        if result.is_good:
            self.good += 1
        else:
            self.bad += 1

    def _cut_torn_end(self) -> None:
        """A line without its end was being written when its writer was killed."""
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            os.ftruncate(self._file, whole)


def output_line(result: Result) -> bytes:
    """A result as the output and error files tell it."""
    response = {"status_code": result.status, "request_id": result.request_id, "body": result.body}
    told = {"headgate": {"dropped": result.dropped}} if result.dropped else {}
    return (
        _ENCODE(
            {
                "id": f"batch_req_{result.request_id.removeprefix('req_')}",
                "custom_id": result.custom_id,
                "response": response,
                "error": None,
                **told,
            }
        )
        + b"\n"
    )
