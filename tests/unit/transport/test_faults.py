"""The words for what went wrong, and whose fault it is."""

import errno
import socket
import ssl

import pytest

from headgate.core.problems import Outcome
from headgate.transport.faults import abort_problem, connect_problem

ORIGIN = "https://api.example"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), f"refused: nothing listens at {ORIGIN}"),
        (OSError(errno.EHOSTUNREACH, "x"), f"unreachable: no host answers for {ORIGIN}"),
        (ConnectionResetError(), f"reset: {ORIGIN} closed the connection while it was being opened"),
        (ssl.SSLError(1, "[SSL] odd"), f"TLS: no secure connection with {ORIGIN}: [SSL] odd"),
        (socket.gaierror(-2, "odd"), f"unknown name: the host of {ORIGIN} cannot be found (odd)"),
        (socket.gaierror(errno.EMFILE, "odd"), f"unknown name: the host of {ORIGIN} cannot be found (odd)"),
        (OSError(errno.EACCES, "Permission denied"), f"no connection to {ORIGIN}: Permission denied"),
    ],
)
def test_a_connection_that_could_not_be_opened(error, words):
    problem = connect_problem(error, ORIGIN)
    assert (problem.outcome, problem.kind, problem.message) == (Outcome.CONNECT, "upstream", words)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
def test_a_lack_of_our_own_is_no_fault_of_the_upstream(number):
    problem = connect_problem(OSError(number, "x"), ORIGIN)
    assert (problem.outcome, problem.kind) == (Outcome.LOCAL, "overloaded")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_abort_has_words(outcome):
    problem = abort_problem(outcome, ORIGIN)
    assert problem.outcome is outcome
    assert problem.message.startswith("given up")
    assert ORIGIN in problem.message
