"""Errors, both ways. https://docs.cohere.com/v2/reference/errors (2026-11): an object with a `message`, at times an
`error_type`."""

import re
from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.cohere.wire import ENCODE, NAME, OBJECT
from headgate.dialects.members import readable

_TEXT: Final = msgspec.json.Decoder(str)
_MESSAGE_LENGTH_MAX: Final = 2000

_OUTCOMES: Final[dict[int, Outcome]] = {
    498: Outcome.POLICY,  # blocked input or output
    499: Outcome.CLIENT,  # cancelled by the caller
    501: Outcome.CLIENT,  # not implemented
}
_OUTCOMES_OF_TYPES: Final[dict[str, Outcome]] = {
    "TOO_MANY_TOKENS": Outcome.CONTEXT,
    "INVALID_TOOL_GENERATION": Outcome.SERVER,
}
_PHRASES: Final = (
    (re.compile(r"too many tokens|context length|maximum number of tokens", re.I), Outcome.CONTEXT),
    (re.compile(r"blocked|safety", re.I), Outcome.POLICY),
    (re.compile(r"api (?:key|token)", re.I), Outcome.ACCOUNT),
)
# a trial key's month is over, or a card is missing: waiting does not help
_ACCOUNT = re.compile(r"trial key[^.]*month|billing|credit", re.I)
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
_TYPES: Final[dict[Outcome, str]] = {Outcome.CONTEXT: "TOO_MANY_TOKENS"}


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """What an answer with an error status means."""
    members = _members(readable(body))
    message = _text(members, "message") or _text(members, "detail") or _plain(body if not members else b"")
    kind = _text(members, "error_type") or None
    return Problem(
        kind=_KINDS.get(status, "upstream" if status >= 500 else "invalid_request"),
        message=message or f"Cohere answered with status {status} and no message",
        outcome=_outcome(status, message, kind),
        status=status,
        type=kind,
        retry_after_s=_wait(headers),
        dialect=NAME,
        raw=body,
    )


def problem_of_end(error: str, error_type: str | None, raw: bytes) -> Problem:
    """What an answer that was given up half way means."""
    outcome = _OUTCOMES_OF_TYPES.get(error_type or "", Outcome.SERVER)
    return Problem(kind="upstream", message=error, outcome=outcome, type=error_type, dialect=NAME, raw=raw)


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The answer to a client of this dialect."""
    if problem.dialect == NAME and problem.raw and problem.status:
        return problem.http_status, problem.raw
    return problem.http_status, ENCODE(error_members(problem))


def error_members(problem: Problem) -> dict[str, object]:
    """The error as clients of this dialect know it."""
    told = problem.type if problem.dialect == NAME else _TYPES.get(problem.outcome)
    members: dict[str, object] = {"message": problem.message}
    members |= {"error_type": told} if told else {}
    return members | ({"metadata": problem.metadata} if problem.metadata else {})


def _outcome(status: int, message: str, kind: str | None) -> Outcome:
    known = _OUTCOMES_OF_TYPES.get(kind or "")
    if known is not None:
        return known
    if status in (400, 422):
        for pattern, outcome in _PHRASES:
            if pattern.search(message):
                return outcome
    if status == 429 and _ACCOUNT.search(message):
        return Outcome.ACCOUNT
    return _OUTCOMES.get(status) or outcome_of_status(status)


def _members(body: bytes) -> dict[str, Raw]:
    try:
        return OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _plain(body: bytes) -> str:
    """A page or bare text, as proxies answer: its title, else its words."""
    text = body.decode("utf-8", "replace")
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
    plain = title[1] if title else re.sub(r"<[^>]*>", " ", text[:_MESSAGE_LENGTH_MAX])
    return " ".join(plain.split())


def _text(members: dict[str, Raw], name: str) -> str:
    raw = bytes(members.get(name, b""))
    if raw[:1] != b'"':
        return ""
    try:
        return _TEXT.decode(raw)[:_MESSAGE_LENGTH_MAX]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _wait(headers: Headers) -> float | None:
    after = headers.get("retry-after", "").strip()
    return float(after) if re.fullmatch(r"\d+(\.\d+)?", after) else None
