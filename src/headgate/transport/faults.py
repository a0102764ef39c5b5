"""What can go wrong on the way to an upstream, told for people. Must not know sockets or HTTP.

A message names the origin and no more: a path can hold the name of a project, a query string a key.
"""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from headgate.core.problems import Outcome, Problem, ProblemKind

_KIND_OF_OUTCOME: Final[Mapping[Outcome, ProblemKind]] = {
    Outcome.SLOW: "timeout",
    Outcome.STALL: "timeout",
    Outcome.LOCAL: "overloaded",
}

_WORDS_OF_ABORT: Final[Mapping[Outcome, str]] = {
    Outcome.SLOW: "given up: no answer in time from {origin}",
    Outcome.STALL: "given up: the answer of {origin} stopped coming",
    Outcome.CLIENT_GONE: "given up: the caller left before {origin} had answered",
    Outcome.LOCAL: "given up: we ended the call to {origin}",
}

_WORDS_OF_ERRNO: Final[Mapping[int, str]] = {
    errno.ECONNREFUSED: "refused: nothing listens at {origin}",
    errno.ENETUNREACH: "unreachable: no network leads to {origin}",
    errno.EHOSTUNREACH: "unreachable: no host answers for {origin}",
    errno.EADDRNOTAVAIL: "unreachable: no network leads to {origin}",
    errno.ENETDOWN: "unreachable: the network to {origin} is down",
    errno.ETIMEDOUT: "connect timeout: {origin} does not answer",
    errno.ECONNRESET: "reset: {origin} closed the connection while it was being opened",
    errno.EPIPE: "reset: {origin} closed the connection while it was being opened",
}

_WORDS_OF_OWN_ERRNO: Final[Mapping[int, str]] = {
    errno.EMFILE: "too many open files: raise `ulimit -n` to open another connection to {origin}",
    errno.ENFILE: "too many open files on this machine to open another connection to {origin}",
    errno.ENOBUFS: "no memory for another socket to {origin}",
    errno.ENOMEM: "no memory for another socket to {origin}",
}


def problem(outcome: Outcome, message: str) -> Problem:
    """A failure of the transport: `outcome` says of which class."""
    return Problem(kind=_KIND_OF_OUTCOME.get(outcome, "upstream"), message=message, outcome=outcome)


def abort_problem(outcome: Outcome, origin: str) -> Problem:
    """Why we ended a flight ourselves."""
    words = _WORDS_OF_ABORT.get(outcome, "given up ({outcome}): {origin}")
    return problem(outcome, words.format(origin=origin, outcome=outcome.value))


def connect_problem(error: OSError, origin: str) -> Problem:
    """Why no connection could be opened; lack of our own resources is no fault of the upstream."""
    if error.errno in _WORDS_OF_OWN_ERRNO and not isinstance(error, socket.gaierror | ssl.SSLError):
        return problem(Outcome.LOCAL, _WORDS_OF_OWN_ERRNO[error.errno].format(origin=origin))
    return problem(Outcome.CONNECT, _connect_words(error, origin))


def _connect_words(error: OSError, origin: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"unknown name: the host of {origin} cannot be found ({error.strerror})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate of {origin} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: no secure connection with {origin}: {error.strerror or error}"
    if error.errno in _WORDS_OF_ERRNO:
        return _WORDS_OF_ERRNO[error.errno].format(origin=origin)
    if isinstance(error, ConnectionError):  # asyncio raises these without a number when a TLS handshake ends early
        return _WORDS_OF_ERRNO[errno.ECONNRESET].format(origin=origin)
    return f"no connection to {origin}: {error.strerror or error}"
