"""What can go wrong with a call, in one vocabulary. Must not know status codes of any vendor beyond HTTP's own.

A `Problem` is a value: parsed from an upstream's error by a dialect, judged by `routing`, rendered by a dialect in
the caller's words. The exceptions below carry one. Who is at fault is the first split: `ClientError` (fix the
call), `UpstreamError` (try elsewhere), `ConfigError` (fix the file); anything else is a bug and rises.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

ProblemKind = Literal[
    "invalid_request",  # 400: malformed, wrong type, missing field, unsupported ability
    "authentication",  # 401: no key, unknown key, revoked key
    "billing",  # 429: budget or credit used up
    "permission",  # 403
    "not_found",  # 404: unknown model, unknown object, unknown path
    "too_large",  # 413: body over the limit
    "rate_limit",  # 429
    "internal",  # 500: our own fault
    "upstream",  # 502: every candidate failed
    "overloaded",  # 503 (529 on the Anthropic surface)
    "timeout",  # 504: the deadline passed
]

STATUS_OF_KIND: dict[ProblemKind, int] = {
    "invalid_request": 400,
    "authentication": 401,
    "billing": 429,
    "permission": 403,
    "not_found": 404,
    "too_large": 413,
    "rate_limit": 429,
    "internal": 500,
    "upstream": 502,
    "overloaded": 503,
    "timeout": 504,
}


class Outcome(StrEnum):
    """How an attempt ended: the classes on which routing, health and money decide."""

    OK = "ok"
    CLIENT = "client"
    CONTEXT = "context"
    POLICY = "policy"
    ACCOUNT = "account"
    RATE = "rate"
    OVERLOAD = "overload"
    SERVER = "server"
    CONNECT = "connect"
    SLOW = "slow"
    STALL = "stall"
    CUT = "cut"
    PROTOCOL = "protocol"
    CLIENT_GONE = "client_gone"
    LOCAL = "local"


OUTCOME_OF_STATUS: dict[int, Outcome] = {
    400: Outcome.CLIENT,
    401: Outcome.ACCOUNT,
    402: Outcome.ACCOUNT,
    403: Outcome.ACCOUNT,
    404: Outcome.CLIENT,
    405: Outcome.CLIENT,
    408: Outcome.SLOW,
    409: Outcome.CLIENT,
    413: Outcome.CLIENT,
    415: Outcome.CLIENT,
    422: Outcome.CLIENT,
    424: Outcome.SERVER,
    425: Outcome.SERVER,
    429: Outcome.RATE,
    498: Outcome.RATE,  # Groq: flex tier capacity exceeded, https://console.groq.com/docs/errors (2026-11)
    500: Outcome.SERVER,
    502: Outcome.SERVER,
    503: Outcome.OVERLOAD,
    504: Outcome.SERVER,
    529: Outcome.OVERLOAD,
}


def outcome_of_status(status: int) -> Outcome:
    """The class of a bare HTTP status, where the body says nothing more exact."""
    return OUTCOME_OF_STATUS.get(status, Outcome.CLIENT if 400 <= status < 500 else Outcome.SERVER)


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failure, told in the field's words; `raw` is the upstream's own body when there was one."""

    kind: ProblemKind
    message: str
    outcome: Outcome = Outcome.CLIENT
    status: int = 0
    """HTTP status to show, or as seen upstream; 0: take it from `kind`."""
    code: str | None = None
    type: str | None = None
    """The dialect's own error type, kept when a problem returns to the dialect it came from."""
    param: str | None = None
    retry_after_s: float | None = None
    dialect: str = ""
    """The dialect whose words `code`, `type` and `raw` are; empty: ours."""
    raw: bytes = b""
    metadata: dict[str, object] | None = None
    """`{provider, attempts[], request_id}`: rendered as `error.metadata`."""

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.status or STATUS_OF_KIND[self.kind]


class HeadgateError(Exception):
    """Base of everything Headgate raises on purpose; carries the problem to tell."""

    kind: ProblemKind = "internal"
    code: str | None = None
    outcome: Outcome = Outcome.LOCAL

    def __init__(self, message: str = "", *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.problem = Problem(
            kind=self.kind, message=str(self), outcome=self.outcome, param=param, code=code or self.code
        )


class ClientError(HeadgateError):
    """The call cannot be served as it stands; fix the call."""

    kind: ProblemKind = "invalid_request"
    outcome = Outcome.CLIENT


class InvalidRequest(ClientError):
    """The request body is not valid for this endpoint."""


class Unrenderable(ClientError):
    """The call uses a feature that the target's API cannot express."""

    code = "unsupported_feature"


class MissingAbility(ClientError):
    """No deployment of this model can do what the call asks for. Ask for a model that can, or leave it out."""

    code = "unsupported_feature"


class Unpriced(ClientError):
    """No price is known for this model, and this gateway refuses what has none (`prices.unpriced: refuse`)."""

    code = "model_not_priced"


class Unauthenticated(ClientError):
    """Invalid API key. Send a Headgate key as a bearer token, or make one with `headgate keys create`."""

    kind = "authentication"
    code = "invalid_api_key"


class UnknownModel(ClientError):
    """No model or route has that name. `GET /v1/models` lists the names this key may use."""

    kind = "not_found"
    code = "model_not_found"


class Forbidden(ClientError):
    """This key may not do that."""

    kind = "permission"
    code = "not_allowed"


class LimitReached(ClientError):
    """A limit of the caller's own does not let the call through."""

    outcome = Outcome.LOCAL

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class UnknownId(ClientError):
    """Nothing that this key has made here has that id."""

    kind = "not_found"
    code = "not_found"


class NotFound(ClientError):
    """There is nothing at this path."""

    kind = "not_found"


class TooLarge(ClientError):
    """The request body is over the limit."""

    kind = "too_large"
    code = "request_too_large"


class ConfigError(HeadgateError):
    """The configuration cannot be used; fix the file."""


class UpstreamError(HeadgateError):
    """An upstream failed; another may do. Carries the parsed problem."""

    kind: ProblemKind = "upstream"
    outcome = Outcome.SERVER

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
