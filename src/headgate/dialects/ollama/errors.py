"""Errors, both ways: an object with `error`, a sentence. https://docs.ollama.com/api/errors (2026-11)."""

import re
from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.ollama.wire import ENCODE, NAME, OBJECT, text_of

_MESSAGE_LENGTH_MAX: Final = 2000

# There are no codes, only sentences: https://github.com/ollama/ollama/blob/main/server/routes.go (2026-11)
_PHRASES: Final = (
    (re.compile(r"context (?:length|size|window)|prompt too long|exceeds? the context", re.I), Outcome.CONTEXT),
    (re.compile(r"unauthorized|api key", re.I), Outcome.ACCOUNT),
)
_REFUSALS: Final = frozenset({400, 413, 422})
_BUSY = re.compile(r"server busy|maximum pending requests", re.I)
_KINDS: Final[dict[int, ProblemKind]] = {
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
}


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """What an answer with an error status means."""
    message = _told(body)
    return Problem(
        kind=_KINDS.get(status, "upstream" if status >= 500 else "invalid_request"),
        message=message or f"Ollama answered with status {status} and no message",
        outcome=_outcome(status, message),
        status=status,
        retry_after_s=_wait(headers),
        dialect=NAME,
        raw=body,
    )


def problem_of_line(error: Raw, line: bytes) -> Problem:
    """What an error in the middle of a stream means: its status was 200 long ago."""
    message = _told(bytes(error)) or "Ollama ended the answer with an error"
    outcome = Outcome.OVERLOAD if _BUSY.search(message) else Outcome.SERVER
    return Problem(kind="upstream", message=message, outcome=outcome, dialect=NAME, raw=line)


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The answer to a client of this dialect."""
    if problem.dialect == NAME and problem.raw and problem.status:
        return problem.http_status, problem.raw
    return problem.http_status, error_body(problem)


def error_body(problem: Problem) -> bytes:
    """The error as clients of this dialect know it; also what ends a stream."""
    return ENCODE({"error": problem.message} | ({"metadata": problem.metadata} if problem.metadata else {}))


def _outcome(status: int, message: str) -> Outcome:
    if status in _REFUSALS:
        for pattern, outcome in _PHRASES:
            if pattern.search(message):
                return outcome
    return Outcome.OVERLOAD if status >= 500 and _BUSY.search(message) else outcome_of_status(status)


def _told(body: bytes) -> str:
    """The sentence of an object, of the object in its `error`, or of bare text; of a page, its title."""
    try:
        raw = Raw(body.strip())
        if (text := text_of(raw)) is not None:
            return text[:_MESSAGE_LENGTH_MAX]
        members = OBJECT.decode(raw)
        found = next((members[name] for name in ("error", "message") if name in members), None)
        return "" if found is None else _told(bytes(found))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace")
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
        plain = title[1] if title else re.sub(r"<[^>]*>", " ", text[:_MESSAGE_LENGTH_MAX])
        return " ".join(plain.split())


def _wait(headers: Headers) -> float | None:
    after = headers.get("retry-after", "").strip()
    return float(after) if re.fullmatch(r"\d+(\.\d+)?", after) else None
