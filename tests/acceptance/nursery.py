"""`python -m tests.acceptance.nursery`: gateways that start in a tenth of the time, to be killed.

Loads the server once and forks it on demand. Told by lines on stdin: `start`, answered by the new process's id; `kill`
(SIGKILL) and `stop` (SIGTERM), answered by `gone` once it is. The gateway's settings are in the environment.
"""

import os
import signal
import sys

from headgate.app import cli, serving


def born() -> int:
    """A process that serves until it is ended."""
    child = os.fork()
    if child:
        return child
    log = os.open(os.environ["HEADGATE_TEST_LOG"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    status = 1
    try:
        sys.argv = ["headgate", "serve"]
        cli.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


def main() -> None:
    """Until stdin ends."""
    assert serving  # loaded before any fork
    child = 0
    for line in sys.stdin:
        if line == "start\n":
            child = born()
            print(child, flush=True)
        else:
            os.kill(child, signal.SIGKILL if line == "kill\n" else signal.SIGTERM)
            os.waitpid(child, 0)
            print("gone", flush=True)


if __name__ == "__main__":
    main()
