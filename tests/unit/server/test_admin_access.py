"""Role by path: who may do what in the administration, written out once as a table and held against every path."""

import asyncio
import re

import httpx2
import pytest

from headgate.policies.roles import OPERATOR, Administrator
from headgate.server.admin.access import RIGHTS, right_for
from headgate.server.admin.application import create_api
from headgate.server.admin.guard import OPEN, as_known

# viewer, member, admin, owner, and the operator last
MATRIX = {
    "POST /admin/v1/keys": ". m a o O",
    "GET /admin/v1/keys": "v m a o O",
    "PATCH /admin/v1/keys/{key_id}": ". . a o O",
    "DELETE /admin/v1/keys/{key_id}": ". m a o O",
    "POST /admin/v1/keys/{key_id}/rotate": ". m a o O",
    "POST /admin/v1/organisations": ". . . . O",
    "GET /admin/v1/organisations": "v m a o O",
    "PATCH /admin/v1/organisations/{tenant_id}": ". . . . O",
    "POST /admin/v1/teams": ". . a o O",
    "GET /admin/v1/teams": "v m a o O",
    "PATCH /admin/v1/teams/{tenant_id}": ". . a o O",
    "GET /admin/v1/budgets": "v m a o O",
    "GET /admin/v1/credit/{account}": "v m a o O",
    "POST /admin/v1/credit/{account}": ". . . . O",
    "POST /admin/v1/credit/{account}/post": ". . . . O",
    "POST /admin/v1/credit/{account}/void": ". . . . O",
    "POST /admin/v1/credit/{account}/checkout": ". . a o O",
    "GET /admin/v1/credit/{account}/auto-top-up": "v m a o O",
    "PUT /admin/v1/credit/{account}/auto-top-up": ". . a o O",
    "DELETE /admin/v1/credit/{account}/auto-top-up": ". . a o O",
    "POST /admin/v1/coupons": ". . . . O",
    "GET /admin/v1/coupons": ". . . . O",
    "DELETE /admin/v1/coupons/{coupon_id}": ". . . . O",
    "POST /admin/v1/redemptions": ". . a o O",
    "GET /admin/v1/prices": ". . . . O",
    "GET /admin/v1/alerts": ". . . . O",
    "GET /admin/v1/statements/{account}": "v m a o O",
    "GET /admin/v1/invoices/{account}/{month}": "v m a o O",
    "GET /admin/v1/invoices/{month}": ". . . . O",
    "GET /admin/v1/focus/{month}": ". . . . O",
    "GET /admin/v1/forecast": "v m a o O",
    "GET /admin/v1/status": ". . . . O",
    "GET /admin/v1/calls": "v m a o O",
    "GET /admin/v1/calls/{call_id}": "v m a o O",
    "GET /admin/v1/models": "v m a o O",
    "GET /admin/v1/providers": ". . . . O",
    "GET /admin/v1/savings": "v m a o O",
    "GET /admin/v1/cache": ". . . . O",
    "DELETE /admin/v1/cache": ". . a o O",
    "GET /admin/v1/audit": ". . a o O",
    "GET /admin/v1/administrators": ". . a o O",
    "POST /admin/v1/administrators": ". . . o O",
    "DELETE /admin/v1/administrators/{kid}": ". . . o O",
}
ASKING = [
    *(Administrator(actor="x", role=role, organisation="org") for role in ("viewer", "member", "admin", "owner")),
    OPERATOR,
]
API = create_api(None)
PATHS = sorted(
    (method.upper(), path)
    for path, methods in API.openapi()["paths"].items()
    for method in methods
    if (method.upper(), path) not in OPEN
)


def allowed(method: str, path: str) -> list[bool]:
    told = MATRIX.get(f"{method} {path}", ". . . . O")
    return [letter != "." for letter in told.split()]


@pytest.mark.parametrize(("method", "path"), PATHS, ids=lambda part: part)
def test_each_role_may_do_what_the_table_says(method: str, path: str) -> None:
    assert [who.may(right_for(method, path)) for who in ASKING] == allowed(method, path)


@pytest.mark.parametrize(("method", "path"), PATHS, ids=lambda part: part)
def test_a_role_without_the_right_is_turned_away_before_anything_else(method: str, path: str) -> None:
    async def ask(who: Administrator) -> httpx2.Response:
        transport = httpx2.ASGITransport(as_known(API, who), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
            return await client.request(method, re.sub(r"\{.*?\}", "x", path), json={})

    for who, may in zip(ASKING, allowed(method, path), strict=True):
        answer = asyncio.run(ask(who))
        assert (answer.status_code != 403) is may, who
        if not may:
            error = answer.json()["error"]
            assert (error["type"], error["code"]) == ("permission_error", "role_not_allowed")
            assert repr(who.role) in error["message"]


def test_the_table_names_no_path_that_there_is_not() -> None:
    assert set(RIGHTS) <= set(PATHS)
    assert {tuple(name.split(" ", 1)) for name in MATRIX} == set(RIGHTS)
