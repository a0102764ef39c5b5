"""Errors, both ways: the many shapes that hosts of this dialect answer with, and the one that clients know."""

import email.utils
import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.openai_chat.wire import ARRAY, ENCODE, NAME, OBJECT

_TEXT: Final = msgspec.json.Decoder(str)
_NUMBER: Final = msgspec.json.Decoder(float)
_MESSAGE_LENGTH_MAX: Final = 2000

# https://platform.openai.com/docs/guides/error-codes and the hosts' own pages (2026-11)
_OUTCOMES: Final[dict[str, Outcome]] = {
    "context_length_exceeded": Outcome.CONTEXT,
    "exceed_context_size_error": Outcome.CONTEXT,  # llama.cpp
    "content_filter": Outcome.POLICY,
    "content_policy_violation": Outcome.POLICY,
    "responsibleaipolicyviolation": Outcome.POLICY,  # Azure's inner code
    "invalid_prompt": Outcome.POLICY,
    "moderation_blocked": Outcome.POLICY,
    "insufficient_quota": Outcome.ACCOUNT,
    "insufficient_credits": Outcome.ACCOUNT,
    "insufficient_balance": Outcome.ACCOUNT,
    "billing_hard_limit_reached": Outcome.ACCOUNT,
    "billing_not_active": Outcome.ACCOUNT,
    "account_deactivated": Outcome.ACCOUNT,
    "invalid_api_key": Outcome.ACCOUNT,
    "authentication_error": Outcome.ACCOUNT,
    "rate_limit_exceeded": Outcome.RATE,
    "rate_limit_error": Outcome.RATE,
    "ratelimitreached": Outcome.RATE,  # Azure
    "tokens": Outcome.RATE,
    "requests": Outcome.RATE,
    "overloaded": Outcome.OVERLOAD,
    "overloaded_error": Outcome.OVERLOAD,
    "engine_overloaded": Outcome.OVERLOAD,
    "over_capacity": Outcome.OVERLOAD,  # Groq
    "slow_down": Outcome.OVERLOAD,
    "server_error": Outcome.SERVER,
    "internal_server_error": Outcome.SERVER,
    "api_error": Outcome.SERVER,
    "tool_use_failed": Outcome.SERVER,  # Groq: the model wrote a call that its own host refuses
}
_WEAK: Final = frozenset({Outcome.SERVER, Outcome.CLIENT})
_BILLING: Final = frozenset({"insufficient_quota", "insufficient_credits", "insufficient_balance"})

# Most hosts other than OpenAI give no code for these. The words are the hosts' own, seen 2026-11; only a refusal is
# looked at, so that a message that merely quotes them does not count.
_PHRASES: Final = (
    (
        re.compile(
            r"max(?:imum)? context length|context window|context size|too many tokens|token limit"
            r"|prompt (?:is )?too long|`inputs` tokens \+ `max_new_tokens`",
            re.I,
        ),
        Outcome.CONTEXT,
    ),
    (
        re.compile(
            r"content management policy|content[ _]policy|safety system|flagged|violates usage guidelines", re.I
        ),
        Outcome.POLICY,
    ),
    (re.compile(r"api key|unauthorized", re.I), Outcome.ACCOUNT),
)
_REFUSALS: Final = frozenset({400, 413, 422})
_FORBIDDEN: Final = 403
"""With it some hosts (xAI, moderation at OpenRouter, 2026-11) refuse what was said, and not the account."""
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
    529: "overloaded",
}
_TYPES: Final[dict[ProblemKind, str]] = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "billing": "insufficient_quota",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "invalid_request_error",
    "rate_limit": "rate_limit_error",
    "internal": "server_error",
    "upstream": "server_error",
    "overloaded": "server_error",
    "timeout": "server_error",
}
_CODES: Final[dict[Outcome, str]] = {
    Outcome.CONTEXT: "context_length_exceeded",
    Outcome.POLICY: "content_policy_violation",
    Outcome.RATE: "rate_limit_exceeded",
}

_WAIT = re.compile(r"(?:try again|retry)[^\d]{0,30}((?:\d+(?:\.\d+)?\s*(?:ms|[hms][a-z]*)\s*)+)", re.I)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class _Told(Struct, kw_only=True):
    """What an error body says, in whichever shape."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    inner: str | None = None
    status: int = 0
    retry_after_s: float | None = None


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """What an answer with an error status means."""
    told = _told_of_body(body)
    wait = _wait_of_headers(headers)
    return _problem(told, status, told.retry_after_s if wait is None else wait, body)


def problem_of_event(error: Raw, body: bytes) -> Problem:
    """What an error in the middle of an answer means; its status is what it says itself, or that of a fault."""
    told = _told_of_value(error)
    return _problem(told, told.status or 502, told.retry_after_s, body)


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The answer to a client of this dialect."""
    if problem.dialect == NAME and problem.raw:
        return problem.http_status, problem.raw
    return problem.http_status, ENCODE(error_object(problem))


def error_object(problem: Problem) -> dict[str, object]:
    """The error as clients of this dialect know it; also what ends a stream."""
    is_ours = problem.dialect in ("", NAME)
    code = problem.code if is_ours else None
    error: dict[str, object] = {
        "message": problem.message,
        "type": (problem.type if is_ours else None) or _TYPES[problem.kind],
        "param": problem.param,
        "code": code or _CODES.get(problem.outcome) or ("insufficient_quota" if problem.kind == "billing" else None),
    }
    if problem.metadata:
        error["metadata"] = problem.metadata
    return {"error": error}


def _problem(told: _Told, status: int, wait: float | None, body: bytes) -> Problem:
    outcome = _outcome(told, status)
    is_bill = bool({told.code, told.type} & _BILLING)
    kind: ProblemKind = "billing" if is_bill else _KINDS.get(status, "upstream" if status >= 500 else "invalid_request")
    return Problem(
        kind=kind,
        message=told.message or f"the provider answered with status {status} and no message",
        outcome=outcome,
        status=status,
        code=told.code,
        type=told.type,
        param=told.param,
        retry_after_s=wait,
        dialect=NAME,
        raw=body,
    )


def _outcome(told: _Told, status: int) -> Outcome:
    """By the most exact word; where a host gives only a class of status, by the status, then by its phrases."""
    words = [word.lower() for word in (told.inner, told.code, told.type) if word]
    known = [_OUTCOMES[word] for word in words if word in _OUTCOMES]
    exact = next((outcome for outcome in known if outcome not in _WEAK), None)
    if exact is not None:
        return exact
    for pattern, outcome in _PHRASES:
        is_told_so = status in _REFUSALS or (status == _FORBIDDEN and outcome is Outcome.POLICY)
        if is_told_so and pattern.search(told.message):
            return outcome
    # Ollama calls a model that it does not have a fault of its own, with 404
    return known[0] if known and status < 500 and status not in (404, 429) else outcome_of_status(status)


def _told_of_body(body: bytes) -> _Told:
    """JSON of any shape, else the text itself; of a page, its title."""
    text = body.decode("utf-8", "replace").strip()
    try:
        return _told_of_value(Raw(body.strip()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
        plain = title[1] if title else re.sub(r"<[^>]*>", " ", text[:_MESSAGE_LENGTH_MAX])
        return _Told(message=" ".join(plain.split()))


def _told_of_value(raw: Raw) -> _Told:
    match bytes(raw)[:1]:
        case b"{":
            return _told_of_object(OBJECT.decode(raw))
        case b"[":
            items = ARRAY.decode(raw)
            return _told_of_value(items[0]) if items else _Told()
        case b'"':
            return _Told(message=_TEXT.decode(raw)[:_MESSAGE_LENGTH_MAX])
        case _ if bytes(raw) == b"null":
            return _Told()
        case _:
            msgspec.json.decode(raw, type=Raw)
            return _Told(message=bytes(raw).decode("utf-8", "replace")[:_MESSAGE_LENGTH_MAX])


def _told_of_object(members: dict[str, Raw]) -> _Told:
    """The object itself, or the one it has under `error`, `errors` or `detail`; what is outside fills the gaps."""
    texts = {name: text for name in ("message", "msg", "title") if (text := _text(members, name))}
    told = _Told(
        message=next(iter(texts.values()), ""),
        code=_text(members, "code"),
        type=_text(members, "type") or _text(members, "error_type"),
        param=_text(members, "param"),
        status=_status(members),
        retry_after_s=_wait_of_members(members),
    )
    for name in ("error", "innererror", "errors", "detail", "details"):
        raw = members.get(name)
        if raw is None or bytes(raw) == b"null":
            continue
        within = _told_of_value(raw)
        if name == "innererror":
            told.inner = within.code
            continue
        told.message = told.message if name == "details" and told.message else within.message or told.message
        told.code, told.type = within.code or told.code, within.type or told.type
        told.param, told.inner = within.param or told.param, within.inner or told.inner
        told.status = within.status or told.status
        told.retry_after_s = told.retry_after_s if within.retry_after_s is None else within.retry_after_s
    if behind := _told_behind(members):
        told.message = f"{told.message}: {behind.message}" if told.message else behind.message
        told.code, told.type = told.code if _is_word(told.code) else behind.code, told.type or behind.type
        told.param = told.param or behind.param
    if told.retry_after_s is None:
        told.retry_after_s = _wait_of_text(told.message)
    return told


def _told_behind(members: dict[str, Raw]) -> _Told | None:
    """What a host behind a router said: OpenRouter has its whole body as a text, in `metadata.raw`
    (https://openrouter.ai/docs/api-reference/errors, 2026-11)."""
    metadata = members.get("metadata")
    if metadata is None or bytes(metadata)[:1] != b"{":
        return None
    text = _text(OBJECT.decode(metadata), "raw")
    return _told_of_body(text.encode()) if text else None


def _is_word(code: str | None) -> bool:
    """Whether it says more than the status does."""
    return code is not None and not code.isdigit()


def _text(members: dict[str, Raw], name: str) -> str | None:
    raw = members.get(name)
    if raw is None:
        return None
    match bytes(raw)[:1]:
        case b'"':
            return _TEXT.decode(raw)[:_MESSAGE_LENGTH_MAX] or None
        case b"{" | b"[" | b"n" | b"t" | b"f":
            return None
        case _:
            return bytes(raw).decode()


def _status(members: dict[str, Raw]) -> int:
    for name in ("status_code", "code", "raw_status_code", "status"):
        text = _text(members, name) or ""
        if text.isdigit() and 400 <= int(text) < 600:
            return int(text)
    return 0


def _wait_of_headers(headers: Headers) -> float | None:
    """`retry-after-ms`, or `retry-after` in seconds or as a date, against the answer's own date."""
    if (wait := _number(headers.get("retry-after-ms", ""))) is not None:
        return wait / 1000
    after = headers.get("retry-after", "")
    if (wait := _number(after)) is not None or not after:
        return wait
    try:
        then = email.utils.parsedate_to_datetime(after)
        return max((then - email.utils.parsedate_to_datetime(headers.get("date", ""))).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _wait_of_members(members: dict[str, Raw]) -> float | None:
    """Google's `retryDelay: "33s"`, OpenRouter's and others' `retry_after`."""
    for name in ("retryDelay", "retry_after", "retry_after_seconds"):
        text = _text(members, name)
        if text is not None:
            return _number(text) if _number(text) is not None else _span(text)
    metadata = members.get("metadata")
    return _wait_of_members(OBJECT.decode(metadata)) if metadata and bytes(metadata)[:1] == b"{" else None


def _wait_of_text(message: str) -> float | None:
    """OpenAI's and Groq's sentence: "Please try again in 1m2.5s"."""
    found = _WAIT.search(message)
    return _span(found[1]) if found else None


def _span(text: str) -> float | None:
    pieces = _SPAN.findall(text)
    return round(sum(float(number) * _SECONDS[unit] for number, unit in pieces), 3) if pieces else None
