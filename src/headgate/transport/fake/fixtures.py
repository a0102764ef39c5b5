"""Recorded or written answers from a folder: the path of a file is the path of the call.

`v1/chat/completions.json` answers whole calls of /v1/chat/completions, `v1/chat/completions.sse` its streams, event by
event. Any other ending is sent whole, as it is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from headgate.transport.fake.answers import Answer, streamed, whole

_CONTENT_TYPES: Final = {".json": "application/json", ".html": "text/html", ".txt": "text/plain"}


class Fixture(Struct, frozen=True):
    """An answer from a file, and for which calls it is."""

    path: str
    for_stream: bool
    answer: Answer


def read_answer(file: Path, gap_s: float = 0.0) -> Answer:
    """The answer in a file, streamed if its name ends in .sse."""
    body = file.read_bytes()
    if file.suffix == ".sse":
        return streamed(split_events(body), gap_s=gap_s)
    return whole(body, content_type=_CONTENT_TYPES.get(file.suffix, "application/octet-stream"))


def read_fixtures(folder: Path, gap_s: float = 0.0) -> Iterator[Fixture]:
    """Every fixture of a folder."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            path = "/" + file.relative_to(folder).with_suffix("").as_posix()
            yield Fixture(path, file.suffix == ".sse", read_answer(file, gap_s))


def split_events(body: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line that ends it; joined they are `body`."""
    separator = b"\r\n\r\n" if b"\r\n\r\n" in body else b"\n\n"
    *events, rest = body.split(separator)
    return [event + separator for event in events] + ([rest] if rest else [])
