"""The administration over its own ASGI door: who comes in, what the paths answer, and what every error looks like."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from headgate.core.problems import ConfigError, NotFound
from headgate.core.record import CallRecord
from headgate.ledger.calls import Page
from headgate.limits.terms import Terms
from headgate.policies.issuing import NewKey
from headgate.policies.organising import NewTenant
from headgate.policies.pepper import Pepper
from headgate.policies.roles import ROLES, Administrator
from headgate.server.admin.application import OPENAPI_PATH, create_admin, create_api
from headgate.server.admin.doors import Doors
from headgate.server.admin.guard import OPEN, AdminKey
from headgate.store.queries.calls import CallFilter
from headgate.store.queries.keys import KeyRow
from headgate.store.queries.tenants import TenantRow

KEY = "k" * 32
PEPPER = Pepper(b"pepper of the tests")
VISITORS = {role.encode(): Administrator(actor=role, role=role, organisation="org", team="") for role in ROLES}
NOW_US = 1_800_000_000_000_000


class Keys:
    """A book of keys in memory."""

    def __init__(self) -> None:
        self.rows: list[KeyRow] = []

    def create(self, wanted: NewKey) -> tuple[str, KeyRow]:
        row = KeyRow(
            kid=f"kid{len(self.rows)}",
            hmac=b"never shown",
            pepper="never shown",
            name=wanted.name,
            models=wanted.models,
            created_us=NOW_US,
            expires_us=wanted.expires_us,
        )
        self.rows.append(row)
        return "sk-hg_once", row

    def list(self) -> Sequence[KeyRow]:
        return self.rows

    def revoke(self, kid: str) -> KeyRow:
        for place, row in enumerate(self.rows):
            if row.kid == kid:
                self.rows[place] = msgspec.structs.replace(row, revoked_us=NOW_US)
                return self.rows[place]
        raise NotFound(f"There is no key with the id {kid!r}.")

    def rotate(self, kid: str, overlap_us: int) -> tuple[str, KeyRow]:
        raise NotImplementedError

    def change(self, kid: str, change: Callable[[Terms], Terms]) -> KeyRow:
        raise NotImplementedError


class Tenants:
    """No organisations: what they do is tested with real books."""

    def create(self, wanted: NewTenant) -> TenantRow:
        raise NotImplementedError

    def list(self) -> Sequence[TenantRow]:
        return ()

    def change(self, id: str, name: str | None, change: Callable[[Terms], Terms]) -> TenantRow:
        raise NotImplementedError

    def budgets(self) -> Sequence[dict[str, object]]:
        return ()


def record(number: int) -> CallRecord:
    return CallRecord(
        id=f"req_{number}",
        started_us=number,
        key_id="kid0",
        surface="openai_chat",
        operation="generate",
        model="demo/echo",
        is_stream=False,
        cost_nano_usd=12_345,
    )


class Calls:
    """Three calls; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[CallFilter, str]] = []

    async def recent(self, wanted: CallFilter, *, limit: int = 50, after: str = "") -> Page:
        self.asked.append((wanted, after))
        below = int(after or 4)
        found = [record(number) for number in range(3, 0, -1) if number < below][:limit]
        return Page(found, str(found[-1].started_us) if found[-1].started_us > 1 else "")

    async def find(self, call_id: str) -> CallRecord | None:
        return record(1) if call_id == "req_1" else None


class Reply(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Admin:
    """The application, called as a browser or script would."""

    def __init__(self) -> None:
        self.keys, self.calls = Keys(), Calls()
        self.doors = Doors(
            seen_by=lambda who: self.doors,
            recognise=lambda presented: VISITORS.get(presented),
            administrators=None,
            keys=self.keys,
            tenants=Tenants(),
            credit=None,
            coupons=None,
            payments=None,
            receive=None,
            alerts=lambda limit, before: [],
            accounting=None,
            calls=self.calls,
            reuse=None,
            prices=lambda provider, model: [],
            providers=lambda: [{"name": "demo", "used": True}],
            models=lambda: b'{"object":"list","data":[]}',
            status=lambda: {"journal": {"failure": ""}},
            now_us=lambda: NOW_US,
        )
        self.application = create_admin(self.doors, AdminKey.of(KEY, PEPPER.digest), ["admin.example.com"])

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        sent = {"host": "127.0.0.1:8081", "authorization": f"Bearer {KEY}", **headers}
        data = b"" if body is None else json.dumps(body).encode()
        if data:
            sent = {"content-type": "application/json", "content-length": str(len(data)), **sent}
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8081),
            "client": ("127.0.0.1", 1),
        }
        return asyncio.run(self._exchange(scope, data))

    async def _exchange(self, scope: dict[str, Any], data: bytes) -> Reply:
        reply = Reply(0, {}, b"")

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                reply.body += message["body"]

        await self.application(scope, receive, send)
        return reply


NO_LIMITS = {"rpm": None, "tpm": None, "concurrency": None, "rates": []}
NO_TERMS = {
    "models": None,
    "endpoints": None,
    "addresses": None,
    "limits": NO_LIMITS,
    "budgets": [],
    "users": {"limits": NO_LIMITS, "budgets": []},
    "blocked": False,
    "prepaid": False,
    "priority": None,
    "weight": None,
}


@pytest.fixture
def admin() -> Admin:
    return Admin()


def test_a_key_is_made_listed_and_ended(admin: Admin) -> None:
    made = admin("POST", "/admin/v1/keys", {"name": "ci", "models": ["demo/echo"], "expires": "30d"})
    view = {
        "id": "kid0",
        "name": "ci",
        "team": None,
        "organisation": None,
        "models": ["demo/echo"],
        "terms": {**NO_TERMS, "models": ["demo/echo"]},
        "replaces": None,
        "created": "2027-01-15T08:00:00Z",
        "expires": "2027-02-14T08:00:00Z",
        "revoked": None,
    }
    assert (made.status, made.json) == (201, {**view, "key": "sk-hg_once"})
    assert admin("GET", "/admin/v1/keys").json == {"data": [view]}

    ended = admin("DELETE", "/admin/v1/keys/kid0")
    assert (ended.status, ended.json) == (200, {**view, "revoked": "2027-01-15T08:00:00Z"})
    assert admin("DELETE", "/admin/v1/keys/other").json["error"] == {
        "message": "There is no key with the id 'other'.",
        "type": "not_found_error",
        "code": None,
        "param": None,
    }


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "name", "name: Field required"),
        ({"name": ""}, "name", "name: String should have at least 1 character"),
        ({"name": 1}, "name", "name: Input should be a valid string"),
        ({"name": "a", "models": []}, "models", "models: List should have at least 1 item after validation, not 0"),
        (
            {"name": "a", "budgets": [{"usd": -1, "window": "day"}]},
            "budgets.0.usd",
            "budgets.0.usd: Input should be gr",
        ),
        (
            {"name": "a", "budgets": [{"usd": "NaN", "window": "day"}]},
            "budgets.0.usd",
            "budgets.0.usd: Input should be",
        ),
        ({"name": "a", "budgets": [{"usd": 1e-10, "window": "day"}]}, "budgets.0.usd", "budgets.0.usd: Decimal input"),
        (
            {"name": "a", "budgets": [{"usd": 10**7, "window": "day"}]},
            "budgets.0.usd",
            "budgets.0.usd: Decimal input",
        ),
        ({"name": "a", "budgets": [{"usd": 1}]}, "budgets.0.window", "budgets.0.window: Field required"),
        ({"name": "a", "budgets": [{"window": "day"}]}, "budgets[0]", "budgets[0] takes one of 'usd' and 'tokens'."),
        ({"name": "a", "budgets": [{"eur": 1, "window": "day"}]}, "budgets.0.eur", "budgets.0.eur is not known here"),
        ({"name": "a", "limits": {"rpm": 0}}, "limits.rpm", "limits.rpm: Input should be greater than or equal to 1"),
        ({"name": "a", "limits": {"rpm": "9"}}, "limits.rpm", "limits.rpm: Input should be a valid integer"),
        ({"name": "a", "title": "t"}, "title", "title is not known here"),
        ({"name": "a", "expires": "soon"}, "expires", "'soon' is no time; write 30d"),
        ({"name": "a", "expires": "2020-01-01"}, "expires", "'2020-01-01' has passed already"),
    ],
)
def test_a_faulty_key_is_refused_by_field(admin: Admin, body: object, param: str, message: str) -> None:
    reply = admin("POST", "/admin/v1/keys", body)
    assert (reply.status, reply.json["error"]["param"]) == (400, param)
    assert reply.json["error"]["message"].startswith(message)
    assert admin.keys.rows == []


def test_calls_are_listed_page_by_page(admin: Admin) -> None:
    first = admin("GET", "/admin/v1/calls?limit=2&key_id=kid0&model=m&status=200&outcome=ok&since=2027-01-15T08:00:00Z")
    assert [call["id"] for call in first.json["data"]] == ["req_3", "req_2"]
    assert first.json["data"][0]["cost_usd"] == "0.000012345"

    second = admin("GET", f"/admin/v1/calls?limit=2&after={first.json['next']}")
    assert ([call["id"] for call in second.json["data"]], second.json["next"]) == (["req_1"], None)
    assert admin.calls.asked == [
        (CallFilter(key_id="kid0", model="m", status=200, outcome="ok", since_us=NOW_US), ""),
        (CallFilter(), "2"),
    ]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "since=yesterday", "unknown=1"])
def test_a_faulty_question_is_refused_by_field(admin: Admin, query: str) -> None:
    reply = admin("GET", f"/admin/v1/calls?{query}")
    assert (reply.status, reply.json["error"]["param"]) == (400, query.partition("=")[0])


def test_one_call_is_found_or_not(admin: Admin) -> None:
    assert admin("GET", "/admin/v1/calls/req_1").json["id"] == "req_1"
    assert admin("GET", "/admin/v1/calls/req_9").status == 404


def test_providers_and_models_are_what_the_configuration_says(admin: Admin) -> None:
    assert admin("GET", "/admin/v1/status").json == {"journal": {"failure": ""}}
    assert admin("GET", "/admin/v1/providers").json == {"data": [{"name": "demo", "used": True}]}
    assert admin("GET", "/admin/v1/models").json == {"object": "list", "data": []}


def test_every_path_but_the_open_ones_wants_the_key(admin: Admin) -> None:
    paths = admin("GET", OPENAPI_PATH).json["paths"]
    known = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert known == {
        ("GET", "/livez"),
        ("GET", "/metrics"),
        ("POST", "/webhooks/stripe"),
        ("POST", "/admin/v1/credit/{account}/post"),
        ("POST", "/admin/v1/credit/{account}/void"),
        ("POST", "/admin/v1/credit/{account}/checkout"),
        ("GET", "/admin/v1/credit/{account}/auto-top-up"),
        ("PUT", "/admin/v1/credit/{account}/auto-top-up"),
        ("DELETE", "/admin/v1/credit/{account}/auto-top-up"),
        ("POST", "/admin/v1/coupons"),
        ("GET", "/admin/v1/coupons"),
        ("DELETE", "/admin/v1/coupons/{coupon_id}"),
        ("POST", "/admin/v1/redemptions"),
        ("GET", "/admin/v1/prices"),
        ("GET", "/admin/v1/alerts"),
        ("GET", "/admin/v1/invoices/{month}"),
        ("GET", "/admin/v1/invoices/{account}/{month}"),
        ("GET", "/admin/v1/focus/{month}"),
        ("GET", "/admin/v1/forecast"),
        ("GET", "/admin/v1/keys"),
        ("POST", "/admin/v1/keys"),
        ("DELETE", "/admin/v1/keys/{key_id}"),
        ("PATCH", "/admin/v1/keys/{key_id}"),
        ("POST", "/admin/v1/keys/{key_id}/rotate"),
        *(
            (method, f"/admin/v1/{kind}{rest}")
            for kind in ("organisations", "teams")
            for method, rest in (("GET", ""), ("POST", ""), ("PATCH", "/{tenant_id}"))
        ),
        ("GET", "/admin/v1/budgets"),
        ("GET", "/admin/v1/credit/{account}"),
        ("POST", "/admin/v1/credit/{account}"),
        ("GET", "/admin/v1/statements/{account}"),
        ("GET", "/admin/v1/status"),
        ("GET", "/admin/v1/calls"),
        ("GET", "/admin/v1/calls/{call_id}"),
        ("GET", "/admin/v1/providers"),
        ("GET", "/admin/v1/models"),
        ("POST", "/admin/v1/administrators"),
        ("GET", "/admin/v1/administrators"),
        ("DELETE", "/admin/v1/administrators/{kid}"),
        ("GET", "/admin/v1/cache"),
        ("DELETE", "/admin/v1/cache"),
        ("GET", "/admin/v1/savings"),
        ("GET", "/admin/v1/audit"),
    }
    for method, path in [*known - OPEN, ("GET", OPENAPI_PATH), ("GET", "/docs"), ("GET", "/nowhere")]:
        for wrong in ["", "Bearer", "Bearer " + "x" * 32, f"Basic {KEY}", KEY]:
            assert admin(method, path, authorization=wrong).json == {
                "error": {
                    "message": "Invalid admin key. Send it as a bearer token.",
                    "type": "authentication_error",
                    "code": "invalid_admin_key",
                    "param": None,
                }
            }
    assert admin("GET", "/livez", authorization="", host="10.0.0.7").json == {"status": "live"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8081", 200),
        ("127.0.0.1:8081", 200),
        ("127.8.9.1", 200),
        ("[::1]:8081", 200),
        ("admin.example.com", 200),
        ("Admin.Example.com:443", 200),
        ("evil.example.com", 421),
        ("10.0.0.1", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("localhost:8081@evil", 421),
        ("", 421),
    ],
)
def test_only_known_hosts_are_answered(admin: Admin, host: str, status: int) -> None:
    assert admin("GET", "/admin/v1/keys", host=host).status == status


def test_a_body_has_a_length_and_a_limit(admin: Admin) -> None:
    assert admin("POST", "/admin/v1/keys", {}, content_length="1048577").status == 413
    assert admin("POST", "/admin/v1/keys", {}, content_length="x").status == 413
    assert admin("POST", "/admin/v1/keys", {}, transfer_encoding="chunked").status == 411


def test_a_body_is_json_whatever_it_is_called(admin: Admin) -> None:
    form = "application/x-www-form-urlencoded"
    assert admin("POST", "/admin/v1/keys", {"name": "curl"}, content_type=form).status == 201


def test_unknown_paths_and_methods_have_the_same_shape(admin: Admin) -> None:
    assert admin("GET", "/nowhere").json["error"]["message"] == "GET /nowhere: Not Found."
    wrong = admin("PUT", "/admin/v1/keys")
    assert (wrong.status, wrong.json["error"]["type"]) == (405, "invalid_request_error")
    assert "GET" in wrong.headers["allow"] or "POST" in wrong.headers["allow"]


def test_answers_are_not_kept_by_caches(admin: Admin) -> None:
    for reply in [admin("GET", "/admin/v1/keys"), admin("GET", "/admin/v1/keys", authorization="")]:
        assert (reply.headers["cache-control"], reply.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_there_is_no_page_that_loads_scripts_from_elsewhere(admin: Admin) -> None:
    api = create_api(admin.doors)
    assert (api.docs_url, api.redoc_url) == (None, None)


def test_administrators_come_in_with_their_keys(admin: Admin) -> None:
    assert admin("GET", "/admin/v1/keys", authorization="Bearer viewer").json == {"data": []}
    refused = admin("POST", "/admin/v1/keys", {"name": "x"}, authorization="Bearer viewer")
    assert (refused.status, refused.json["error"]) == (
        403,
        {
            "message": "The role 'viewer' may not POST /admin/v1/keys: it takes the right to issue.",
            "type": "permission_error",
            "code": "role_not_allowed",
            "param": None,
        },
    )
    assert admin.keys.rows == []


def test_a_short_admin_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32 characters"):
        AdminKey.of("k" * 31, PEPPER.digest)
