"""The administration as an ASGI application: its paths, behind its guard, with one shape for all errors.

Built with FastAPI, which is imported only when this listener starts. Its endpoints are plain functions, run in
threads, since the books wait for a disk.
"""

from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from headgate import __version__
from headgate.core.problems import HeadgateError
from headgate.server.admin.access import check_access
from headgate.server.admin.accounting import accounting_router
from headgate.server.admin.administrators import administrators_router
from headgate.server.admin.alerts import alerts_router
from headgate.server.admin.calls import calls_router
from headgate.server.admin.coupons import coupons_router
from headgate.server.admin.credit import credit_router
from headgate.server.admin.doors import Doors
from headgate.server.admin.guard import AdminKey, Application, Guard, error_body
from headgate.server.admin.keys import keys_router
from headgate.server.admin.payments import payments_router
from headgate.server.admin.reuse import reuse_router
from headgate.server.admin.tenants import tenants_router
from headgate.server.admin.views import Refusal

OPENAPI_PATH = "/admin/v1/openapi.json"


def create_admin(doors: Doors, key: AdminKey, names: Iterable[str] = ()) -> Application:
    """The administration. `names`: hosts that it may be called by, besides loopback."""
    return Guard(cast("Application", create_api(doors)), key, doors.recognise, names)


def create_api(doors: Doors) -> FastAPI:
    """Its paths, open to whoever can call them: to be put behind a guard."""
    api = FastAPI(
        title="Headgate administration",
        version=__version__,
        description="Keys, calls, providers and models of one gateway. Send an admin key as a bearer token.",
        openapi_url=OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        exception_handlers=_REFUSALS,
        dependencies=[Depends(check_access)],
        responses={"4XX": {"model": Refusal, "description": "Refused, and why."}},
    )
    api.include_router(keys_router(doors))
    api.include_router(tenants_router(doors))
    api.include_router(credit_router(doors))
    api.include_router(coupons_router(doors))
    api.include_router(payments_router(doors))
    api.include_router(accounting_router(doors))
    api.include_router(calls_router(doors))
    api.include_router(alerts_router(doors))
    api.include_router(administrators_router(doors))
    api.include_router(reuse_router(doors))
    return api


def _error(status: int, message: str, code: str | None = None, param: str | None = None) -> Response:
    return Response(error_body(status, code, message, param), status, media_type="application/json")


async def _refuse_invalid(request: Request, error: RequestValidationError) -> Response:
    """Every fault of a body or query in one message; `param` is the first one's field."""
    faults = [_fault(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()]
    return _error(400, "; ".join(message for _, message in faults), "invalid_request", faults[0][0])


def _fault(place: tuple[int | str, ...], kind: str, message: str) -> tuple[str, str]:
    param = ".".join(map(str, place[1:])) or str(place[0])
    if kind == "extra_forbidden":
        return param, f"{param} is not known here"
    return param, f"{param}: {message}"


async def _refuse_http(request: Request, error: HTTPException) -> Response:
    """Unknown paths and methods."""
    response = _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}.")
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # the framework names those of one endpoint alone
        response.headers["allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """All that a path takes."""

    def is_taken(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return {method for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT") if is_taken(method)}


async def _refuse_ours(request: Request, error: HeadgateError) -> Response:
    problem = error.problem
    return _error(problem.http_status, problem.message, problem.code, problem.param)


_REFUSALS: Final[dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]] = {
    RequestValidationError: _refuse_invalid,
    HTTPException: _refuse_http,
    HeadgateError: _refuse_ours,
}
