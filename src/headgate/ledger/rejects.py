"""Records that could not be read, kept beside the journal for who can. Must not know what is wrong with them."""

import os
from collections.abc import Sequence
from pathlib import Path


def put_aside(path: Path, payloads: Sequence[bytes]) -> None:
    """Appends each as a line, and flushes. A process may end in the midst of it and be asked the same again: what the
    file ends with already, in whole or in part, is not written twice."""
    data = b"".join(payload + b"\n" for payload in payloads)
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - len(data)))
        tail = file.read()
        there = next(size for size in range(min(len(tail), len(data)), -1, -1) if tail.endswith(data[:size]))
        file.write(data[there:])
        file.flush()
        os.fsync(file.fileno())
