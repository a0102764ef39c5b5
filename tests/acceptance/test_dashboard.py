"""The dashboard in a real browser before a real server: every page is drawn, quiet, within its policy, and usable.

Runs where playwright and a chromium are found. Accessibility is looked at with axe-core, where `make acceptance` has
installed it or HEADGATE_TEST_AXE names its file. HEADGATE_TEST_SHOTS names a folder for a picture of each page.
"""

import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.server.dashboard.table import ROUTES
from tests.acceptance.running import Gateway, gateway

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(
    os.environ.get("HEADGATE_TEST_AXE")
    or Path(__file__).parent.parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
)
SHOTS = os.environ.get("HEADGATE_TEST_SHOTS")
PAGES = [
    route.path
    for route in ROUTES
    if route.method == "GET"
    and "{" not in route.path
    and not route.is_endless
    and route.path != "/dashboard/connect/seen"
]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed here")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("dashboard"), {}) as running:
        running.process.terminate()
        running.process.wait()
        running.run("demo", "seed", "--calls", "2000", "--days", "10")
    with gateway(Path(running.environment["HEADGATE_CONFIG"]).parent, {}) as again:
        yield again


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed here")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visitor:
    """Somebody who is logged in, and everything that their browser complained of."""

    def __init__(self, browser: Any, house: Gateway, **manner: Any) -> None:
        self.house = house
        self.complaints: list[str] = []
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **manner)
        self.page = context.new_page()
        self.page.add_init_script(WATCH)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{house.admin_url}/")
        self.page.fill("#key", house.environment["HEADGATE_ADMIN_KEY"])
        self.page.click("button")
        self.page.wait_for_selector("h1")

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, path: str) -> None:
        answer = self.page.goto(f"{self.house.admin_url}{path}")
        assert answer is not None
        assert answer.status == 200, path

    def all_complaints(self) -> list[str]:
        return self.complaints + self.page.evaluate("window.violations")


@pytest.fixture
def visitor(chromium: Any, house: Gateway) -> Iterator[Visitor]:
    visitor = Visitor(chromium, house)
    yield visitor
    assert visitor.all_complaints() == []
    visitor.page.context.close()


def call(house: Gateway, model: str) -> None:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    fields = {"authorization": f"Bearer {house.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{house.url}/v1/chat/completions", data=body, headers=fields)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        answer.read()


def shoot(page: Any, path: str, kind: str = "") -> None:
    if SHOTS:
        name = path.strip("/").replace("/", "-")
        page.screenshot(path=str(Path(SHOTS) / f"{name}{kind}.png"), full_page=True)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_drawn_without_a_complaint(visitor: Visitor, path: str):
    visitor.go(path)
    page = visitor.page
    charts = page.locator("[data-chart]").count()
    if charts:
        page.wait_for_selector("[data-chart] canvas")
    assert page.locator("[data-chart] canvas").count() == charts
    assert page.locator("nav a[aria-current=page]").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shoot(page, path)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_open_to_everybody(visitor: Visitor, path: str):
    if not AXE.exists():
        pytest.skip(f"axe-core is not installed at {AXE}")
    visitor.go(path)
    visitor.page.evaluate(AXE.read_text())
    found = visitor.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious] == []


def test_a_small_dark_screen_has_a_menu(chromium: Any, house: Gateway):
    visitor = Visitor(chromium, house, color_scheme="dark")
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/dashboard", "/dashboard/requests", "/dashboard/playground"):
        visitor.go(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert not page.locator("nav[aria-label=Pages]").is_visible()
        shoot(page, path, "-phone")
    page.click("summary >> text=Menu")
    page.click("nav >> text=Costs")
    page.wait_for_url("**/dashboard/costs")
    assert visitor.all_complaints() == []
    page.context.close()


def test_one_call_opens_beside_the_list_and_the_focus_returns(visitor: Visitor):
    visitor.go("/dashboard/requests")
    page = visitor.page
    page.locator("a[data-drawer]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] .timeline, dialog[open] .empty")
    shoot(page, "/dashboard/requests", "-drawer")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('a[data-drawer]')")
    rows = page.locator("a[data-drawer]").count()
    page.click("text=Older calls")
    page.locator("a[data-drawer]").nth(rows).wait_for()


def test_a_call_appears_in_the_tail_as_it_ends(visitor: Visitor, house: Gateway):
    visitor.go("/dashboard/tail")
    page = visitor.page
    page.wait_for_selector("[data-tail-state] >> text=live")
    call(house, "demo/echo")
    page.wait_for_selector("[data-tail] >> text=demo/echo")
    page.click("text=Pause")
    call(house, "demo/lorem")
    call(house, "demo/echo")
    page.click("text=Go on")
    page.wait_for_selector("[data-tail] >> text=demo/lorem")
    shoot(page, "/dashboard/tail", "-live")


def test_the_playground_streams_to_several_models(visitor: Visitor):
    visitor.go("/dashboard/playground?models=demo/echo,demo/lorem@20ms")
    page = visitor.page
    page.fill("[name=prompt]", "<b>Hello</b>")
    page.click("text=Send to all")
    page.locator("[data-facts] a").nth(1).wait_for()
    assert page.locator("[data-answer]").first.text_content() == "<b>Hello</b>"
    assert len((page.locator("[data-answer]").nth(1).text_content() or "").split()) > 20
    shoot(page, "/dashboard/playground", "-answered")
    page.locator("[data-facts] a").first.click()
    page.wait_for_selector("h1 >> text=req_")


def test_the_plan_of_a_request_is_told(visitor: Visitor):
    visitor.go("/dashboard/routes")
    visitor.page.click("text=Where would it go?")
    visitor.page.wait_for_selector("text=It would try these")


def test_logging_out_ends_it(visitor: Visitor):
    visitor.go("/dashboard")
    visitor.page.click("text=Log out")
    visitor.page.wait_for_selector("#key")
    visitor.page.goto(f"{visitor.house.admin_url}/dashboard/requests")
    assert visitor.page.url.endswith("/dashboard/login")
