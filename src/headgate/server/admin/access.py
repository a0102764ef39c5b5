"""Which right each path of the administration takes, and who is asking. What is not in the table is the operator's."""

from typing import Annotated, Final

from fastapi import Depends, Request

from headgate.core.problems import Forbidden
from headgate.policies.roles import Administrator, Right
from headgate.server.admin.guard import ADMINISTRATOR, OPEN

RIGHTS: Final[dict[tuple[str, str], Right]] = {
    ("POST", "/admin/v1/keys"): "issue",
    ("GET", "/admin/v1/keys"): "see",
    ("PATCH", "/admin/v1/keys/{key_id}"): "govern",
    ("DELETE", "/admin/v1/keys/{key_id}"): "issue",
    ("POST", "/admin/v1/keys/{key_id}/rotate"): "issue",
    ("POST", "/admin/v1/organisations"): "operate",
    ("GET", "/admin/v1/organisations"): "see",
    ("PATCH", "/admin/v1/organisations/{tenant_id}"): "operate",
    ("POST", "/admin/v1/teams"): "govern",
    ("GET", "/admin/v1/teams"): "see",
    ("PATCH", "/admin/v1/teams/{tenant_id}"): "govern",
    ("GET", "/admin/v1/budgets"): "see",
    ("GET", "/admin/v1/credit/{account}"): "see",
    ("POST", "/admin/v1/credit/{account}"): "operate",
    ("POST", "/admin/v1/credit/{account}/post"): "operate",
    ("POST", "/admin/v1/credit/{account}/void"): "operate",
    ("POST", "/admin/v1/credit/{account}/checkout"): "govern",
    ("GET", "/admin/v1/credit/{account}/auto-top-up"): "see",
    ("PUT", "/admin/v1/credit/{account}/auto-top-up"): "govern",
    ("DELETE", "/admin/v1/credit/{account}/auto-top-up"): "govern",
    ("POST", "/admin/v1/coupons"): "operate",
    ("GET", "/admin/v1/coupons"): "operate",
    ("DELETE", "/admin/v1/coupons/{coupon_id}"): "operate",
    ("POST", "/admin/v1/redemptions"): "govern",
    ("GET", "/admin/v1/statements/{account}"): "see",
    ("GET", "/admin/v1/invoices/{account}/{month}"): "see",
    ("GET", "/admin/v1/invoices/{month}"): "operate",
    ("GET", "/admin/v1/focus/{month}"): "operate",
    ("GET", "/admin/v1/forecast"): "see",
    ("GET", "/admin/v1/status"): "operate",
    ("GET", "/admin/v1/calls"): "see",
    ("GET", "/admin/v1/calls/{call_id}"): "see",
    ("GET", "/admin/v1/models"): "see",
    ("GET", "/admin/v1/savings"): "see",
    ("GET", "/admin/v1/cache"): "operate",
    ("DELETE", "/admin/v1/cache"): "govern",
    ("GET", "/admin/v1/providers"): "operate",
    ("GET", "/admin/v1/prices"): "operate",
    ("GET", "/admin/v1/alerts"): "operate",
    ("GET", "/admin/v1/audit"): "govern",
    ("POST", "/admin/v1/administrators"): "appoint",
    ("GET", "/admin/v1/administrators"): "govern",
    ("DELETE", "/admin/v1/administrators/{kid}"): "appoint",
}


def right_for(method: str, path: str) -> Right:
    """What a path takes, by its template."""
    return RIGHTS.get((method, path), "operate")


def _asking(request: Request) -> Administrator:
    who: Administrator = request.scope[ADMINISTRATOR]
    return who


Who = Annotated[Administrator, Depends(_asking)]
"""A parameter of an endpoint: who is asking."""


def check_access(request: Request) -> None:
    """Before every endpoint: raises `Forbidden` for a role that has no right to it."""
    path: str = request.scope["route"].path
    if (request.method, path) in OPEN:
        return
    who = _asking(request)
    right = right_for(request.method, path)
    if not who.may(right):
        raise Forbidden(
            f"The role {who.role!r} may not {request.method} {path}: it takes the right to {right}.",
            code="role_not_allowed",
        )
