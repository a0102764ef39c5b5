"""The dashboard as an ASGI application in front of the administration: what is below /dashboard is its own.

A path that is not in the table does not exist; each says which right it takes. Forms are taken from our own pages only.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from http.client import responses
from typing import Final, NamedTuple

from msgspec import Struct

from headgate.core.problems import Forbidden, HeadgateError, NotFound
from headgate.policies.roles import OPERATOR, Administrator
from headgate.server.admin.guard import BODY_BYTES_MAX, AdminKey, Application, Receive, Scope, Send, is_known_host
from headgate.server.dashboard.assets import ASSETS, Asset
from headgate.server.dashboard.forms import cookie, fields, is_from_here
from headgate.server.dashboard.rendering import render
from headgate.server.dashboard.sessions import SESSION_S, Session, Sessions
from headgate.server.dashboard.sights import Sights
from headgate.server.dashboard.visiting import Answer, Page, Redirect, Route, Sent, Visit

ROOT: Final = "/dashboard"
LOGIN: Final = "/dashboard/login"
LOGOUT: Final = "/dashboard/logout"
ASSETS_AT: Final = "/dashboard/assets/"
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_SAFETY: Final = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # without one, browsers send no Origin with a form
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ASSET_AGE: Final = b"public, max-age=31536000, immutable"
_log = logging.getLogger("headgate")


class Entrance(Struct, frozen=True, kw_only=True):
    """Who may come in, and by which names."""

    key: AdminKey
    names: frozenset[str]
    """Hosts besides loopback."""


class _Ask(NamedTuple):
    """A request, as far as the dashboard reads it."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def host(self) -> str:
        return self.headers.get(b"host", b"").decode("latin-1")

    @property
    def cookie_name(self) -> str:
        """Browsers keep a `__Host-` cookie only over TLS. On this machine there need not be any."""
        return "headgate-session" if is_known_host(self.host, frozenset()) else "__Host-headgate-session"


class _Reply(NamedTuple):
    status: int
    headers: Sequence[tuple[bytes, bytes]]
    content: Sent


class Dashboard:
    """An ASGI application in front of another one."""

    def __init__(self, behind: Application, sights: Sights, entrance: Entrance, routes: Sequence[Route]) -> None:
        self._behind = behind
        self._sights = sights
        self._entrance = entrance
        self._routes = routes
        self._sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path: str = scope["path"]
        if path != "/" and path != ROOT and not path.startswith(f"{ROOT}/"):
            await self._behind(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = await _body(receive) if scope["method"] == "POST" else b""
        ask = _Ask(scope["method"], path, scope["query_string"], headers, body)
        reply = await self._reply(ask)
        if reply.content.stream is None or ask.method == "HEAD":
            await _send(reply, send, is_head=ask.method == "HEAD")
        else:
            await _stream(reply, reply.content.stream, receive, send)

    async def _reply(self, ask: _Ask) -> _Reply:
        if not is_known_host(ask.host, self._entrance.names):
            return _plain(421, "This Host is not known here. Add it to server.admin_names.")
        if ask.path.startswith(ASSETS_AT):
            return _asset(ASSETS.get(ask.path.removeprefix(ASSETS_AT)))
        if ask.path == "/":
            return _redirect(ROOT)
        if ask.method == "POST" and not is_from_here(ask.headers):
            return _plain(403, "Another site sent this form.")
        if len(ask.body) > BODY_BYTES_MAX:
            return _plain(413, f"The form is over the limit of {BODY_BYTES_MAX} bytes.")
        if ask.path == LOGIN:
            return await self._login(ask)
        token = cookie(ask.headers.get(b"cookie", b""), ask.cookie_name)
        session = self._sessions.find(token, time.monotonic())
        who = None if session is None else await self._who(session.presented)
        if session is None or who is None:
            return _redirect(LOGIN) if ask.method in ("GET", "HEAD") else _plain(401, "Log in again.")
        if ask.path == LOGOUT and ask.method == "POST":
            self._sessions.end(token)
            return _redirect(LOGIN, _cookie(ask, "", 0))
        return await self._page(ask, session, who)

    async def _who(self, presented: bytes) -> Administrator | None:
        if self._entrance.key.accepts(presented):
            return OPERATOR
        return await asyncio.to_thread(self._sights.doors.recognise, presented)

    async def _login(self, ask: _Ask) -> _Reply:
        if ask.method != "POST":
            return _html(200, render("login.html", fault=""))
        now_s = time.monotonic()
        if not self._sessions.may_try(now_s):
            return _html(429, render("login.html", fault="Too many wrong keys. Wait a minute."))
        presented = fields(ask.body).get("key", "").encode()
        if await self._who(presented) is None:
            self._sessions.failed(now_s)
            return _html(401, render("login.html", fault="This is no key of the administration."))
        return _redirect(ROOT, _cookie(ask, self._sessions.begin(presented, now_s), SESSION_S))

    async def _page(self, ask: _Ask, session: Session, who: Administrator) -> _Reply:
        try:
            route, params = find(self._routes, ask.method, ask.path)
            form = fields(ask.body) if ask.method == "POST" else {}
            visit = Visit(
                who=who,
                sights=self._sights.seen_by(who),
                path=ask.path,
                params=params,
                query=fields(ask.query),
                form=form,
                csrf=session.csrf,
                now_us=self._sights.doors.now_us(),
                is_part=b"hx-request" in ask.headers,
            )
            if not who.may(route.right):
                raise Forbidden(f"The role {who.role!r} may not see this: it takes the right to {route.right}.")
            if ask.method == "POST" and form.get("csrf") != session.csrf:
                raise Forbidden("This form is out of date. Load the page again.")
            return self._answered(await route.view(visit), who, ask, session)
        except HeadgateError as error:
            refusal = error
        except Exception:
            _log.exception("a bug in Headgate ended %s %s", ask.method, ask.path)
            refusal = HeadgateError("Headgate failed on this page. Its log says more.")
        return self._answered(_refused(refusal), who, ask, session)

    def _answered(self, answer: Answer, who: Administrator, ask: _Ask, session: Session) -> _Reply:
        match answer:
            case Redirect(to=to):
                return _redirect(to)
            case Sent():
                return _Reply(200, ((b"cache-control", b"no-store"),), answer)
            case Page():
                shared = {"who": who, "path": ask.path, "csrf": session.csrf, "nav": self._navigation(who, ask.path)}
                return _html(answer.status, render(answer.template, **shared, **answer.context))

    def _navigation(self, who: Administrator, path: str) -> dict[str, list[tuple[str, str, bool]]]:
        """Groups of path, label and whether that is where one is."""
        groups: dict[str, list[tuple[str, str, bool]]] = {}
        for route in self._routes:
            if route.label and who.may(route.right):
                is_here = path == route.path or (route.path != ROOT and path.startswith(f"{route.path}/"))
                groups.setdefault(route.group, []).append((route.path, route.label, is_here))
        return groups


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route of a path, and what stands in it for the names of its template. Raises `NotFound`."""
    parts = path.split("/")
    for route in routes:
        wanted = route.path.split("/")
        if route.method == ("GET" if method == "HEAD" else method) and len(wanted) == len(parts):
            params = {name[1:-1]: part for name, part in zip(wanted, parts, strict=True) if name.startswith("{")}
            if all(name.startswith("{") or name == part for name, part in zip(wanted, parts, strict=True)):
                return route, params
    raise NotFound("There is no such page.")


def _refused(error: HeadgateError) -> Page:
    status = error.problem.http_status
    context: dict[str, object] = {
        "title": responses.get(status, "Refused"),
        "message": error.problem.message,
    }
    return Page(template="refused.html", context=context, status=status)


def _html(status: int, body: bytes) -> _Reply:
    return _Reply(status, ((b"cache-control", b"no-store"),), Sent(media_type="text/html; charset=utf-8", body=body))


def _plain(status: int, text: str) -> _Reply:
    return _Reply(status, (), Sent(media_type="text/plain; charset=utf-8", body=text.encode()))


def _redirect(to: str, *headers: tuple[bytes, bytes]) -> _Reply:
    # none of the paths that lead here is a visitor's to choose
    return _Reply(303, ((b"location", to.encode()), *headers), Sent(media_type="text/plain"))


def _asset(asset: Asset | None) -> _Reply:
    if asset is None:
        return _plain(404, "There is no such file.")
    return _Reply(200, ((b"cache-control", _ASSET_AGE),), Sent(media_type=asset.media_type, body=asset.body))


def _cookie(ask: _Ask, value: str, age_s: int) -> tuple[bytes, bytes]:
    name = ask.cookie_name
    secure = "; Secure" if name.startswith("__Host-") else ""
    return b"set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}".encode()


async def _body(receive: Receive) -> bytes:
    """All of it; the listener has seen to its length."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(reply: _Reply, send: Send, *, is_head: bool) -> None:
    headers = [*_headers(reply), (b"content-length", b"%d" % len(reply.content.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if is_head else reply.content.body
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _headers(reply: _Reply) -> list[tuple[bytes, bytes]]:
    return [*_SAFETY, *reply.headers, (b"content-type", reply.content.media_type.encode())]


async def _stream(reply: _Reply, stream: AsyncGenerator[bytes], receive: Receive, send: Send) -> None:
    """Until it ends or the visitor leaves."""
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})

    async def pour() -> None:
        async with aclosing(stream):
            async for piece in stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})

    async def wait_for_leaving() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pour()), group.create_task(wait_for_leaving())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
