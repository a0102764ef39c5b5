"""Google's errors, both ways. Must not know who asks.

The shape is google.rpc.Status with details (https://google.aip.dev/193, 2026-11); Vertex AI and streams without
`alt=sse` wrap it in a list.
"""

import re
from typing import Final, cast

import msgspec

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.gemini.wire import ANY, ENCODER, NAME

_Json = dict[str, object]

_OF_REASON: Final[dict[str, Outcome]] = {
    "API_KEY_INVALID": Outcome.ACCOUNT,
    "API_KEY_EXPIRED": Outcome.ACCOUNT,
    "API_KEY_SERVICE_BLOCKED": Outcome.ACCOUNT,
    "API_KEY_HTTP_REFERRER_BLOCKED": Outcome.ACCOUNT,
    "API_KEY_IP_ADDRESS_BLOCKED": Outcome.ACCOUNT,
    "ACCESS_TOKEN_EXPIRED": Outcome.ACCOUNT,
    "BILLING_DISABLED": Outcome.ACCOUNT,
    "CONSUMER_INVALID": Outcome.ACCOUNT,
    "CONSUMER_SUSPENDED": Outcome.ACCOUNT,
    "SERVICE_DISABLED": Outcome.ACCOUNT,
    "RATE_LIMIT_EXCEEDED": Outcome.RATE,
}
"""By the reason in google.rpc.ErrorInfo (https://cloud.google.com/apis/design/errors, 2026-11)."""

_OF_STATUS: Final[dict[str, Outcome]] = {
    "INVALID_ARGUMENT": Outcome.CLIENT,
    "OUT_OF_RANGE": Outcome.CLIENT,
    "NOT_FOUND": Outcome.CLIENT,
    "ALREADY_EXISTS": Outcome.CLIENT,
    "UNIMPLEMENTED": Outcome.CLIENT,
    "FAILED_PRECONDITION": Outcome.ACCOUNT,  # billing is off, or the location is not served
    "UNAUTHENTICATED": Outcome.ACCOUNT,
    "PERMISSION_DENIED": Outcome.ACCOUNT,
    "RESOURCE_EXHAUSTED": Outcome.RATE,
    "UNAVAILABLE": Outcome.OVERLOAD,
    "INTERNAL": Outcome.SERVER,
    "UNKNOWN": Outcome.SERVER,
    "DATA_LOSS": Outcome.SERVER,
    "ABORTED": Outcome.SERVER,
    "CANCELLED": Outcome.SERVER,
    "DEADLINE_EXCEEDED": Outcome.SERVER,
}
"""By google.rpc.Code (https://ai.google.dev/gemini-api/docs/troubleshooting, 2026-11)."""

_OF_MESSAGE: Final = (
    # no code tells these apart from other invalid arguments (seen 2026-11)
    (
        "INVALID_ARGUMENT",
        re.compile(r"token count.*(?:exceeds|but.*supports)|exceeds the maximum number of tokens", re.I),
        Outcome.CONTEXT,
    ),
    ("INVALID_ARGUMENT", re.compile(r"responsible ai|violat.*polic|blocked.*safety", re.I), Outcome.POLICY),
    ("INVALID_ARGUMENT", re.compile(r"api key (?:not valid|expired)", re.I), Outcome.ACCOUNT),
    ("INVALID_ARGUMENT", re.compile(r"location is not supported", re.I), Outcome.ACCOUNT),
    # the caller's own name of a thing: no fault of the account
    ("PERMISSION_DENIED", re.compile(r"not found \(or permission denied\)|may not exist", re.I), Outcome.CLIENT),
    ("RESOURCE_EXHAUSTED", re.compile(r"credits? (?:are|is) (?:depleted|exhausted)|limit: 0\b", re.I), Outcome.ACCOUNT),
)

_KINDS: Final[dict[Outcome, ProblemKind]] = {
    Outcome.CONTEXT: "invalid_request",
    Outcome.POLICY: "invalid_request",
    Outcome.RATE: "rate_limit",
    Outcome.OVERLOAD: "overloaded",
    Outcome.SERVER: "upstream",
    Outcome.SLOW: "timeout",
    Outcome.ACCOUNT: "permission",
    Outcome.CLIENT: "invalid_request",
}
_KINDS_OF_STATUS: Final[dict[str, ProblemKind]] = {
    "NOT_FOUND": "not_found",
    "UNAUTHENTICATED": "authentication",
    "DEADLINE_EXCEEDED": "timeout",
}

_STATUS_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_CODES: Final = {"UNAVAILABLE": 503} | {
    word: code for code, word in _STATUS_WORDS.items() if word != "UNAVAILABLE" and code != 408
}
_MESSAGE_MAX: Final = 500
_RETRY_IN = re.compile(r"retry in (\d+(?:\.\d+)?)(ms|s)", re.I)
_TAG = re.compile(r"<[^>]*>")


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """The problem that an answer tells, whatever its body looks like."""
    error = error_object(body)
    details = _details(error)
    word = _text(error.get("status")) or _STATUS_WORDS.get(status, "")
    message = _text(error.get("message")) or _plain(body) or f"Google answered with status {status} and no message"
    reason = next((text for detail in details if (text := _text(detail.get("reason")))), "")
    outcome = _outcome(status, word, reason, message, details)
    return Problem(
        kind=_KINDS_OF_STATUS.get(word) or _KINDS.get(outcome, "upstream"),
        message=message,
        outcome=outcome,
        status=status,
        code=reason or None,
        type=word or None,
        param=_param(details),
        retry_after_s=_retry_after(headers, details, message),
        dialect=NAME,
        raw=body,
    )


def stream_problem(body: bytes) -> Problem:
    """The problem told in the middle of a stream, which had begun with status 200."""
    error = error_object(body)
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else _CODES.get(_text(error.get("status")), 500)
    return parse_error(status, {}, body)


def error_object(body: bytes) -> _Json:
    """The `error` member, out of an object or the first object of a list; empty when there is none."""
    try:
        told = ANY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(told, list):
        told = cast(object, told[0]) if told else None
    if not isinstance(told, dict):
        return {}
    members = cast(_Json, told)
    error = members.get("error")
    if isinstance(error, dict):
        return cast(_Json, error)
    # the token endpoint's shape (RFC 6749), and a bare status
    message = members.get("error_description") or error or members.get("message")
    return {**members, "message": message}


def _details(error: _Json) -> list[_Json]:
    details = error.get("details")
    found = cast(list[object], details) if isinstance(details, list) else []
    return [cast(_Json, detail) for detail in found if isinstance(detail, dict)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(body: bytes) -> str:
    """What a page that is not JSON says, without its tags."""
    text = " ".join(_TAG.sub(" ", body[:20_000].decode("utf-8", "replace")).split())
    return text[:_MESSAGE_MAX]


def _outcome(status: int, word: str, reason: str, message: str, details: list[_Json]) -> Outcome:
    if reason in _OF_REASON:
        return _OF_REASON[reason]
    for only, pattern, outcome in _OF_MESSAGE:
        if word == only and pattern.search(message):
            return outcome
    if word == "RESOURCE_EXHAUSTED" and _is_plan_spent(details, message):
        return Outcome.ACCOUNT
    if word in _OF_STATUS and not (word == "ABORTED" and status == 409):
        return _OF_STATUS[word]
    return outcome_of_status(status)


def _is_plan_spent(details: list[_Json], message: str) -> bool:
    """A daily quota does not come back in time; without details, only the message speaks of plan and billing."""
    violations = [violation for detail in details for violation in _violations(detail, "violations")]
    quotas = [_text(violation.get("quotaId")) for violation in violations]
    if any(quotas):
        return any("PerDay" in quota for quota in quotas) and not any("PerMinute" in quota for quota in quotas)
    is_told_when = any("retryDelay" in detail for detail in details) or bool(_RETRY_IN.search(message))
    return "billing details" in message and not is_told_when


def _violations(detail: _Json, name: str) -> list[_Json]:
    found = detail.get(name)
    listed = cast(list[object], found) if isinstance(found, list) else []
    return [cast(_Json, item) for item in listed if isinstance(item, dict)]


def _param(details: list[_Json]) -> str | None:
    fields = (_text(item.get("field")) for detail in details for item in _violations(detail, "fieldViolations"))
    return next((field for field in fields if field), None)


def _retry_after(headers: Headers, details: list[_Json], message: str) -> float | None:
    """Seconds to wait: from the headers, google.rpc.RetryInfo, or the message."""
    told = [(headers.get("retry-after-ms", ""), 0.001), (headers.get("retry-after", ""), 1.0)]
    told += [(_text(detail.get("retryDelay")).removesuffix("s"), 1.0) for detail in details]
    if said := _RETRY_IN.search(message):
        told.append((said[1], 0.001 if said[2] == "ms" else 1.0))
    for text, unit in told:
        if re.fullmatch(r"\d+(\.\d+)?", text.strip(), re.ASCII):
            return float(text) * unit
    return None


def render_error(problem: Problem) -> tuple[int, bytes]:
    """Status and body: at home as they came."""
    if problem.dialect == NAME and problem.raw:
        return problem.http_status, problem.raw
    return problem.http_status, ENCODER.encode({"error": _rendered(problem)})


def error_event(problem: Problem) -> bytes:
    """The error as one JSON object on one line, for the middle of a stream."""
    if problem.dialect == NAME and (error := error_object(problem.raw)).get("message"):
        return ENCODER.encode({"error": {"code": problem.http_status, **error}})
    return ENCODER.encode({"error": _rendered(problem)})


def _rendered(problem: Problem) -> _Json:
    status = problem.http_status
    word = problem.type if problem.dialect == NAME else None
    fallback = "INVALID_ARGUMENT" if status < 500 else "INTERNAL"
    out: _Json = {
        "code": status,
        "message": problem.message,
        "status": word or _STATUS_WORDS.get(status, fallback),
    }
    details = _rendered_details(problem)
    if details:
        out["details"] = details
    if problem.metadata is not None:
        out["metadata"] = problem.metadata
    return out


def _rendered_details(problem: Problem) -> list[_Json]:
    out: list[_Json] = []
    if problem.code:
        out.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": problem.code.upper()})
    if problem.param:
        violation = {"field": problem.param, "description": problem.message}
        out.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    if problem.retry_after_s is not None:
        out.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{problem.retry_after_s:g}s"})
    return out
