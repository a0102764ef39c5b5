"""`python -m tests.acceptance.failing_flush serve`: headgate, until SIGUSR1 comes; from then on the kernel answers each
of its flushes with EIO, as a dying disk does. Done with a filter of system calls, so no code of ours knows."""

import ctypes
import errno
import platform
import signal
import struct
import sys

from headgate.app import cli

CALLS = {"x86_64": (317, 74, 75), "aarch64": (277, 82, 83)}
"""By machine: the numbers of seccomp, fsync and fdatasync."""
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
LOAD_CALL, IS_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000 | errno.EIO
_libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """The kernel's `sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def fail() -> None:
    """From now on, for all threads of this process."""
    seccomp, fsync, fdatasync = CALLS[platform.machine()]
    steps = (
        (LOAD_CALL, 0, 0, 0),
        (IS_EQUAL, 2, 0, fsync),
        (IS_EQUAL, 1, 0, fdatasync),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, FAIL),
    )
    program = Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _libc.syscall(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


def main() -> None:
    """Serves."""
    signal.signal(signal.SIGUSR1, lambda *_: fail())
    sys.argv[0] = "headgate"
    cli.main()


if __name__ == "__main__":
    main()
