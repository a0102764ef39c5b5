"""Anthropic's errors, both ways. Classified by type, code and status; by text only where nothing else tells.

https://docs.claude.com/en/api/errors (2026-11)
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Raw

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.wire import Members, members_in, text_in
from headgate.dialects.members import readable

_TYPES: Final[dict[str, tuple[ProblemKind, Outcome]]] = {
    "invalid_request_error": ("invalid_request", Outcome.CLIENT),
    "authentication_error": ("authentication", Outcome.ACCOUNT),
    "billing_error": ("billing", Outcome.ACCOUNT),
    "permission_error": ("permission", Outcome.ACCOUNT),
    "not_found_error": ("not_found", Outcome.CLIENT),
    "request_too_large": ("too_large", Outcome.CLIENT),
    "conflict_error": ("invalid_request", Outcome.CLIENT),
    "rate_limit_error": ("rate_limit", Outcome.RATE),
    "api_error": ("upstream", Outcome.SERVER),
    "timeout_error": ("timeout", Outcome.SERVER),
    "overloaded_error": ("overloaded", Outcome.OVERLOAD),
}

_KINDS: Final[dict[Outcome, ProblemKind]] = {
    Outcome.CLIENT: "invalid_request",
    Outcome.CONTEXT: "invalid_request",
    Outcome.POLICY: "invalid_request",
    Outcome.ACCOUNT: "permission",
    Outcome.RATE: "rate_limit",
    Outcome.OVERLOAD: "overloaded",
}

_KINDS_OF_STATUS: Final[dict[int, ProblemKind]] = {
    401: "authentication",
    402: "billing",
    404: "not_found",
    408: "timeout",
    413: "too_large",
    504: "timeout",
}

_CODES: Final[dict[str, tuple[ProblemKind, Outcome]]] = {
    "contract_spend_limit_reached": ("billing", Outcome.ACCOUNT),
    "enforced_spend_limit_reached": ("billing", Outcome.ACCOUNT),
    "linked_organization_spend_limit_reached": ("billing", Outcome.ACCOUNT),
    "linked_organization_billing_unavailable": ("billing", Outcome.ACCOUNT),
    "organization_on_hold": ("permission", Outcome.ACCOUNT),
    "ramp_limit_exceeded": ("rate_limit", Outcome.RATE),
}
"""`error.details.error_code`, as the official SDK 2.12 names them (2026-11)."""

_TEXTS: Final[tuple[tuple[str, ProblemKind, Outcome], ...]] = (
    # https://portkey.ai/error-library/input-length-error-10153 (2026-11)
    ("prompt is too long", "invalid_request", Outcome.CONTEXT),
    # https://github.com/docker/docker-agent/issues/569 (2025-10)
    ("exceed context limit", "invalid_request", Outcome.CONTEXT),
    # https://github.com/anthropics/claude-code/issues/66314 (2026-06)
    ("credit balance is too low", "billing", Outcome.ACCOUNT),
    # https://github.com/anthropics/claude-code/issues/38035 (2026-03): a spend limit the customer set itself
    ("reached your specified api usage limits", "billing", Outcome.ACCOUNT),
    # https://github.com/anthropics/claude-code/issues/58367 (2026-05)
    ("blocked by content filtering policy", "invalid_request", Outcome.POLICY),
)
"""Refusals that only their text tells from a plain `invalid_request_error`."""

_TYPE_OF_KIND: Final[dict[ProblemKind, str]] = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "billing_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limit": "rate_limit_error",
    "internal": "api_error",
    "upstream": "api_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}

_OVERLOADED_STATUS: Final = 529

_SECONDS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """What an upstream's error response says, whatever its body is."""
    members = members_in(Raw(body))
    return _problem(members, body, status=status, retry_after_s=_retry_after_s(headers))


def problem_of(members: Members, raw: bytes) -> Problem:
    """The problem of an error amid a stream."""
    return _problem(members, raw, status=0, retry_after_s=None)


def problem_of_body(body: bytes) -> Problem:
    """The problem of an error's body that came with status 200."""
    return problem_of(members_in(Raw(body)), body)


def _problem(members: Members, raw: bytes, *, status: int, retry_after_s: float | None) -> Problem:
    error = members_in(members.get("error"))
    type, code = text_in(error.get("type")), _code(error)
    message = _message(members, error, raw, status)
    kind, outcome = _class(type, code, message, status)
    return Problem(
        kind=kind,
        message=message,
        outcome=outcome,
        status=status,
        code=code or None,
        type=type or None,
        retry_after_s=retry_after_s,
        dialect=NAME,
        raw=raw,
    )


def _code(error: Members) -> str:
    """The stable code: Anthropic's own among the details, or one beside the type as compatible services have it."""
    return text_in(members_in(error.get("details")).get("error_code")) or text_in(error.get("code"))


def _class(type: str, code: str, message: str, status: int) -> tuple[ProblemKind, Outcome]:
    found = _CODES.get(code)
    if found is not None:
        return found
    found = _TYPES.get(type) or _TYPES.get(code) or _class_of_status(status)
    if found[1] in (Outcome.CLIENT, Outcome.ACCOUNT):
        lower = message.lower()
        for text, kind, outcome in _TEXTS:
            if text in lower:
                return kind, outcome
    return found


def _class_of_status(status: int) -> tuple[ProblemKind, Outcome]:
    outcome = outcome_of_status(status or 500)
    kind: ProblemKind = _KINDS_OF_STATUS.get(status) or _KINDS.get(outcome, "upstream")
    return kind, outcome


def _message(members: Members, error: Members, raw: bytes, status: int) -> str:
    told = (error.get("message"), members.get("error"), members.get("message"), members.get("detail"))
    for candidate in told:
        if text := text_in(candidate):
            return text
    text = " ".join(_TAGS.sub(" ", raw[:4096].decode("utf-8", "replace")).split())
    where = f"the upstream answered {status}" if status else "the upstream's stream failed"
    return f"{where}: {text[:300]}" if text else where


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "").strip()
    found = _SECONDS.fullmatch(text)
    if not text or found is None:
        return None
    return 3600 * float(found[1] or 0) + 60 * float(found[2] or 0) + float(found[3] or 0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 10**9 else None


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The status and body that tell a caller of this dialect."""
    is_own = problem.dialect == NAME and bool(problem.raw)
    status = problem.http_status
    if problem.kind == "overloaded" and not (is_own and problem.status):
        status = _OVERLOADED_STATUS
    return status, problem.raw if is_own else wire.encode(_envelope(problem))


def error_event(problem: Problem) -> bytes:
    """The data of the event that ends a stream which failed: always one line of JSON."""
    if problem.dialect == NAME and (members := members_in(Raw(readable(problem.raw)))).get("error") is not None:
        return wire.encode({"type": "error"} | {name: wire.ANY.decode(raw) for name, raw in members.items()})
    return wire.encode(_envelope(problem))


def _envelope(problem: Problem) -> dict[str, object]:
    is_ours = problem.dialect == NAME and problem.type is not None
    error: dict[str, object] = {
        "type": problem.type if is_ours else _TYPE_OF_KIND[problem.kind],
        "message": problem.message,
    }
    if problem.code:
        error["details"] = {"error_code": problem.code}
    if problem.metadata:
        error["metadata"] = problem.metadata
    envelope: dict[str, object] = {"type": "error", "error": error}
    request_id = (problem.metadata or {}).get("request_id")
    if request_id:
        envelope["request_id"] = request_id
    return envelope
