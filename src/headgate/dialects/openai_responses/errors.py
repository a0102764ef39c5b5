"""Failures of the Responses API: read into problems, and problems written as its error bodies.

Classes come from a code, a type or the status; from words only where a service has no code for it. Codes:
https://platform.openai.com/docs/guides/error-codes and the `ResponseError` of the API reference (2026-11).
"""

import re
from typing import Final, cast

import msgspec
from msgspec import Raw, json

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.members import readable
from headgate.dialects.openai_responses.wire import ENCODER, MEMBERS, NAME, NULL, Members, members_of, raw_is, text_of

_MESSAGE_LENGTH_MAX: Final = 500

_OUTCOMES: Final[dict[str, Outcome]] = {
    "context_length_exceeded": Outcome.CONTEXT,
    "insufficient_quota": Outcome.ACCOUNT,
    "billing_hard_limit_reached": Outcome.ACCOUNT,
    "billing_not_active": Outcome.ACCOUNT,
    "account_deactivated": Outcome.ACCOUNT,
    "usage_limit_reached": Outcome.ACCOUNT,
    "usage_not_included": Outcome.ACCOUNT,
    "invalid_api_key": Outcome.ACCOUNT,
    "rate_limit_exceeded": Outcome.RATE,
    "rate_limit_error": Outcome.RATE,
    "tokens": Outcome.RATE,
    "requests": Outcome.RATE,
    "slow_down": Outcome.OVERLOAD,
    "server_is_overloaded": Outcome.OVERLOAD,
    "overloaded_error": Outcome.OVERLOAD,
    "server_error": Outcome.SERVER,
    "vector_store_timeout": Outcome.SERVER,
    "content_filter": Outcome.POLICY,
    "content_policy_violation": Outcome.POLICY,
    "image_content_policy_violation": Outcome.POLICY,
    "moderation_blocked": Outcome.POLICY,
    "bio_policy": Outcome.POLICY,
    "cyber_policy": Outcome.POLICY,
    "misalignment_policy_violation": Outcome.POLICY,
    "invalid_prompt": Outcome.POLICY,
    "invalid_request_error": Outcome.CLIENT,
}

_NO_KEY: Final = re.compile(r"incorrect api key", re.I)
"""xAI answers 400 `invalid-argument` to a key that it does not know (seen 2026-11)."""

_KIND_OF_STATUS: Final[dict[int, ProblemKind]] = {
    400: "invalid_request",
    401: "authentication",
    402: "billing",
    403: "permission",
    404: "not_found",
    408: "timeout",
    409: "invalid_request",
    413: "too_large",
    415: "invalid_request",
    422: "invalid_request",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_KIND_OF_OUTCOME: Final[dict[Outcome, ProblemKind]] = {
    Outcome.CLIENT: "invalid_request",
    Outcome.CONTEXT: "invalid_request",
    Outcome.POLICY: "invalid_request",
    Outcome.ACCOUNT: "billing",
    Outcome.RATE: "rate_limit",
    Outcome.OVERLOAD: "overloaded",
}

_TYPES: Final[dict[ProblemKind, str]] = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "insufficient_quota",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error",
}
_CODES: Final[dict[ProblemKind, str]] = {
    "billing": "insufficient_quota",
    "rate_limit": "rate_limit_exceeded",
    "overloaded": "server_is_overloaded",
    "internal": "server_error",
    "upstream": "server_error",
    "timeout": "server_error",
}

# "Please try again in 1.242s", "… in 20ms", "… in 6m0s": the API's own hint, beside or instead of a header.
_TRY_AGAIN: Final = re.compile(r"try again in (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)(ms|s))?")
_TITLE: Final = re.compile(rb"<title>([^<]*)", re.IGNORECASE)
_NUMBER: Final = json.Decoder(float)


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """What an answer with an error status means; any body will do."""
    members = _object(body)
    found = problem_of_members(members.get("error", NULL), members, status)
    wait = _wait(headers)
    return msgspec.structs.replace(
        found,
        message=found.message or _message_of_text(status, body),
        status=status,
        raw=body,
        retry_after_s=wait if wait is not None else found.retry_after_s,
    )


def problem_of_members(error: Raw, around: Members, status: int = 0) -> Problem:
    """The problem of an `error` object; of the members `around` it where it is none or bare text (xAI)."""
    members = members_of(error) or {**around, "message": error if raw_is(error, b'"') else around.get("message", NULL)}
    code, kind = text_of(members.get("code")) or None, text_of(members.get("type")) or None
    known = next((word for word in (code, kind) if word in _OUTCOMES and word != "invalid_request_error"), None)
    message = text_of(members.get("message")) or text_of(members.get("detail"))
    if known is not None:
        outcome = _OUTCOMES[known]
    elif _NO_KEY.match(message):
        outcome = Outcome.ACCOUNT
    elif status:
        outcome = outcome_of_status(status)
    else:
        outcome = _OUTCOMES.get(kind or "", Outcome.SERVER)
    return Problem(
        kind=_kind(status, outcome),
        message=message or ("" if status else "the service reported a failure without a message"),
        outcome=outcome,
        code=code,
        type=kind,
        param=text_of(members.get("param")) or None,
        retry_after_s=_wait_in(members, message),
        dialect=NAME,
    )


def problem_of_response(members: Members) -> Problem:
    """The problem of a response object whose status is `failed`."""
    return problem_of_members(members.get("error", NULL), {})


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The status and body to answer with."""
    if problem.dialect == NAME and problem.raw:
        return problem.http_status, problem.raw
    return problem.http_status, ENCODER.encode({"error": error_members(problem)})


def error_members(problem: Problem) -> dict[str, object]:
    """The `error` object of a problem."""
    is_own = problem.dialect in (NAME, "")
    members: dict[str, object] = {
        "message": problem.message,
        "type": (problem.type if is_own else None) or _TYPES.get(problem.kind, "server_error"),
        "param": problem.param,
        "code": code_of(problem),
    }
    if problem.metadata is not None:
        members["metadata"] = problem.metadata
    return members


def code_of(problem: Problem) -> str | None:
    """The code in this dialect's words: clients tell a full context and a spent account by it."""
    if problem.dialect in (NAME, "") and problem.code is not None:
        return problem.code
    if problem.outcome is Outcome.CONTEXT:
        return "context_length_exceeded"
    if problem.outcome is Outcome.POLICY:
        return "content_policy_violation"
    return _CODES.get(problem.kind)


def _kind(status: int, outcome: Outcome) -> ProblemKind:
    if outcome is Outcome.ACCOUNT and status in (0, 429):
        return "billing"
    if status:
        return _KIND_OF_STATUS.get(status, "invalid_request" if 400 <= status < 500 else "upstream")
    return _KIND_OF_OUTCOME.get(outcome, "upstream")


def _object(body: bytes) -> Members:
    """The object in `body`; Azure and some proxies put it into an array."""
    try:
        text = readable(body).strip()
        if text.startswith(b"["):
            text = bytes(next(iter(msgspec.json.decode(text, type=list[Raw])), NULL))
        return MEMBERS.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


def _message_of_text(status: int, body: bytes) -> str:
    text = body.strip()
    if not text:
        return f"the service answered {status} without a body"
    if text.startswith(b"<"):
        title = _TITLE.search(text)
        name = title[1].decode("utf-8", "replace").strip() if title else "no title"
        return f"the service answered {status} with a page ({name})"
    return text.decode("utf-8", "replace")[:_MESSAGE_LENGTH_MAX]


def _wait(headers: Headers) -> float | None:
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.replace(".", "", 1).isdigit() and value.isascii():
            return float(value) * unit_s
    return None


def _wait_in(members: Members, message: str) -> float | None:
    for name in ("retry_after", "retry_after_s", "resets_in_seconds"):
        raw = members.get(name)
        if raw is not None and bytes(raw).replace(b".", b"", 1).isdigit():
            return _NUMBER.decode(raw)
    hint = _TRY_AGAIN.search(message)
    if hint is None or not any(hint.groups()):
        return None
    hours, minutes, rest, unit = cast("tuple[str | None, str | None, str | None, str | None]", hint.groups())
    try:
        seconds = float(rest or 0) * (0.001 if unit == "ms" else 1)
    except ValueError:
        return None
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + seconds
