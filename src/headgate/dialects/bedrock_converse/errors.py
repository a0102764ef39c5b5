"""Amazon Bedrock's errors, both ways: an exception's name in a header, a message in the body.

https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and the operations' own lists (2026-11)
"""

import re
from typing import Final

from msgspec import Raw

from headgate.core.problems import Outcome, Problem, ProblemKind, outcome_of_status
from headgate.dialects.base import Headers
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.wire import NAME, members_in, text_in

_TYPES: Final[dict[str, tuple[ProblemKind, Outcome]]] = {
    "ValidationException": ("invalid_request", Outcome.CLIENT),
    "ValidationError": ("invalid_request", Outcome.CLIENT),
    "SerializationException": ("invalid_request", Outcome.CLIENT),
    "ConflictException": ("invalid_request", Outcome.CLIENT),
    "ResourceNotFoundException": ("not_found", Outcome.CLIENT),
    "UnknownOperationException": ("not_found", Outcome.CLIENT),
    "AccessDeniedException": ("permission", Outcome.ACCOUNT),
    "NotAuthorized": ("permission", Outcome.ACCOUNT),
    "OptInRequired": ("permission", Outcome.ACCOUNT),
    "UnrecognizedClientException": ("authentication", Outcome.ACCOUNT),
    "InvalidSignatureException": ("authentication", Outcome.ACCOUNT),
    "IncompleteSignature": ("authentication", Outcome.ACCOUNT),
    "IncompleteSignatureException": ("authentication", Outcome.ACCOUNT),
    "MissingAuthenticationTokenException": ("authentication", Outcome.ACCOUNT),
    "InvalidClientTokenId": ("authentication", Outcome.ACCOUNT),
    "ExpiredTokenException": ("authentication", Outcome.ACCOUNT),
    "RequestExpired": ("authentication", Outcome.ACCOUNT),
    "ServiceQuotaExceededException": ("billing", Outcome.ACCOUNT),
    "ThrottlingException": ("rate_limit", Outcome.RATE),
    "TooManyRequestsException": ("rate_limit", Outcome.RATE),
    "ModelNotReadyException": ("overloaded", Outcome.OVERLOAD),
    "ServiceUnavailableException": ("overloaded", Outcome.OVERLOAD),
    "ModelTimeoutException": ("timeout", Outcome.SLOW),
    "ModelErrorException": ("upstream", Outcome.SERVER),
    "ModelStreamErrorException": ("upstream", Outcome.SERVER),
    "InternalServerException": ("upstream", Outcome.SERVER),
    "InternalFailure": ("upstream", Outcome.SERVER),
}

_TEXTS: Final[tuple[tuple[str, ProblemKind, Outcome], ...]] = (
    # https://repost.aws/knowledge-center/bedrock-validation-exception-errors (2026-11)
    ("too many input tokens", "invalid_request", Outcome.CONTEXT),
    ("input is too long", "invalid_request", Outcome.CONTEXT),
    ("prompt is too long", "invalid_request", Outcome.CONTEXT),
    ("exceed context limit", "invalid_request", Outcome.CONTEXT),
    ("maximum context length", "invalid_request", Outcome.CONTEXT),
    # the operator chose a model that this account or region has not: another deployment may have it
    # https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html (2026-11)
    ("with on-demand throughput isn", "permission", Outcome.ACCOUNT),
    ("operation not allowed", "permission", Outcome.ACCOUNT),
    ("blocked by content filtering policy", "invalid_request", Outcome.POLICY),
)
"""What only its text tells from a plain validation error, in lower case."""

_KINDS: Final[dict[Outcome, ProblemKind]] = {
    Outcome.CLIENT: "invalid_request",
    Outcome.ACCOUNT: "permission",
    Outcome.RATE: "rate_limit",
    Outcome.OVERLOAD: "overloaded",
    Outcome.SLOW: "timeout",
}
_KINDS_OF_STATUS: Final[dict[int, ProblemKind]] = {401: "authentication", 404: "not_found", 413: "too_large"}

_TYPE_OF_KIND: Final[dict[ProblemKind, str]] = {
    "invalid_request": "ValidationException",
    "too_large": "ValidationException",
    "authentication": "UnrecognizedClientException",
    "permission": "AccessDeniedException",
    "billing": "ServiceQuotaExceededException",
    "not_found": "ResourceNotFoundException",
    "rate_limit": "ThrottlingException",
    "overloaded": "ServiceUnavailableException",
    "timeout": "ModelTimeoutException",
    "internal": "InternalServerException",
    "upstream": "InternalServerException",
}
_STREAM_TYPES: Final = frozenset(
    {
        "internalServerException",
        "modelStreamErrorException",
        "validationException",
        "throttlingException",
        "serviceUnavailableException",
    }
)
"""What a stream may end with; https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html"""

_TAGS = re.compile(r"<[^>]*>")


def parse_error(status: int, headers: Headers, body: bytes) -> Problem:
    """What an upstream's error response says, whatever its body is."""
    members = members_in(Raw(body))
    named = headers.get("x-amzn-errortype") or text_in(members.get("__type")) or text_in(members.get("code"))
    type = named.partition(":")[0].rpartition("#")[2]
    message = text_in(members.get("message")) or text_in(members.get("Message")) or _plain(body, status)
    return _problem(type, message, status, body, _retry_after_s(headers))


def stream_problem(type: str, body: bytes) -> Problem:
    """The problem of an exception amid a stream; its name begins in lower case there."""
    members = members_in(Raw(body))
    message = text_in(members.get("message")) or text_in(members.get("originalMessage")) or _plain(body, 0)
    return _problem(type[:1].upper() + type[1:], message, 0, body, None)


def _problem(type: str, message: str, status: int, raw: bytes, retry_after_s: float | None) -> Problem:
    kind, outcome = _class(type, message, status)
    return Problem(
        kind=kind,
        message=message,
        outcome=outcome,
        status=status,
        type=type or None,
        retry_after_s=retry_after_s,
        dialect=NAME,
        raw=raw,
    )


def _class(type: str, message: str, status: int) -> tuple[ProblemKind, Outcome]:
    found = _TYPES.get(type) or _class_of_status(status)
    if found[1] is Outcome.CLIENT:
        lower = message.lower()
        for text, kind, outcome in _TEXTS:
            if text in lower:
                return kind, outcome
    return found


def _class_of_status(status: int) -> tuple[ProblemKind, Outcome]:
    outcome = outcome_of_status(status or 500)
    return _KINDS_OF_STATUS.get(status) or _KINDS.get(outcome, "upstream"), outcome


def _plain(body: bytes, status: int) -> str:
    text = " ".join(_TAGS.sub(" ", body[:4096].decode("utf-8", "replace")).split())
    where = f"Amazon Bedrock answered {status}" if status else "Amazon Bedrock's stream failed"
    return f"{where}: {text[:300]}" if text else where


def _retry_after_s(headers: Headers) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 10**9 else None


def render_error(problem: Problem) -> tuple[int, bytes]:
    """The status and body that tell a caller of this dialect; SDKs find the exception's name in the body too."""
    if problem.dialect == NAME and problem.raw:
        return problem.http_status, problem.raw
    return problem.http_status, wire.encode({"__type": _type(problem), "message": problem.message})


def stream_exception(problem: Problem) -> tuple[str, bytes]:
    """The name and payload of the exception that ends a stream which failed."""
    type = _type(problem)
    name = type[:1].lower() + type[1:]
    return name if name in _STREAM_TYPES else "internalServerException", wire.encode({"message": problem.message})


def _type(problem: Problem) -> str:
    return problem.type if problem.dialect == NAME and problem.type else _TYPE_OF_KIND[problem.kind]
