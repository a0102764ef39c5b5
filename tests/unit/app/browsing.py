"""A house that a dashboard stands on, browsers that visit it, and what they make of its pages."""

import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser

import httpx2

from headgate.app.core import Core
from headgate.policies.administrators import NewAdministrator, appoint
from headgate.policies.roles import OPERATOR, Role
from headgate.server.dashboard.application import Dashboard
from headgate.server.dashboard.table import ROUTES
from headgate.store.queries import tenants

KEY = "k" * 40
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
PAGES = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path and not route.is_endless]


class House:
    """A core and its dashboard, as a browser finds it."""

    def __init__(self, core: Core, application: Dashboard) -> None:
        self.core = core
        self.application = application
        self.is_stopping = False

    def browser(self, host: str = "localhost") -> "Browser":
        return Browser(self.application, host)

    async def logged_in(self, key: str = KEY) -> "Browser":
        browser = self.browser()
        assert (await browser.log_in(key)).headers["location"] == "/dashboard"
        return browser

    def administrator(self, role: Role) -> str:
        """One of the first organisation's; returns the key."""
        with self.core.store.read() as connection:
            organisation = next(row.id for row in tenants.listed(connection) if row.name == "Northwind")
        wanted = NewAdministrator(name=role, role=role, organisation=organisation)
        return appoint(self.core.store, self.core.pepper, wanted, by=OPERATOR)[0]


class Browser:
    """Keeps cookies, follows nothing."""

    def __init__(self, application: Dashboard, host: str) -> None:
        transport = httpx2.ASGITransport(application)
        self.client = httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=headers)

    async def log_in(self, key: str, **headers: str) -> httpx2.Response:
        return await self.client.post("/dashboard/login", data={"key": key}, headers=headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx2.Response:
        return await self.client.post(path, data=form, headers=headers)

    async def csrf(self) -> str:
        page = await self.get("/dashboard")
        return re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0]


Visiting = Callable[[Callable[[House], Awaitable[None]]], None]


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside_script = False
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._inside_script = False

    def handle_data(self, data: str) -> None:
        (self.inline if self._inside_script else self.words).append(data)


def faults(text: str) -> list[str]:
    """What a strict policy would not let happen, and what markup from outside would look like."""
    page = Reader(text)
    found = [f"inline: {each}" for each in page.inline if each.strip()]
    for tag, attributes in page.tags:
        found += [f"{tag} {name}" for name in attributes if name.startswith("on") or name == "style"]
        address = attributes.get("src") or attributes.get("href") or attributes.get("action") or ""
        if not address.startswith(("/", "#", "?")) and address:
            found.append(f"{tag} leads to {address}")
    return found
