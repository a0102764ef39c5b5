"""The two things the journal asks of a disk, in one place so that a test can be a full or failing one."""

import os
from collections.abc import Callable

from msgspec import Struct


class Disk(Struct, frozen=True):
    """How to write and how to flush a file."""

    write: Callable[[int, bytes], int]
    sync: Callable[[int], None]


DISK = Disk(os.write, os.fsync)
