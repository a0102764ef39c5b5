"""One visit to a page: who comes, what they ask, and what a page may answer with."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from urllib.parse import urlencode

from msgspec import Struct

from headgate.core.problems import InvalidRequest
from headgate.policies.roles import Administrator, Right
from headgate.server.dashboard.periods import PERIOD_USUAL, PERIODS, Period
from headgate.server.dashboard.sights import Sights


class Visit(Struct, frozen=True, kw_only=True):
    """Everything a page may look at."""

    who: Administrator
    sights: Sights
    """As they see them."""
    path: str
    params: Mapping[str, str]
    """What stands in the path where its template has a name."""
    query: Mapping[str, str]
    form: Mapping[str, str]
    csrf: str
    now_us: int
    is_part: bool
    """Whether a script asks for a part of the page, to put it in its place."""

    @property
    def period(self) -> Period:
        """The time that the page is to be about."""
        name = self.query.get("period", PERIOD_USUAL)
        if name not in PERIODS:
            raise InvalidRequest(f"There is no period {name[:20]!r}; there are: {', '.join(PERIODS)}.", param="period")
        return PERIODS[name]

    @property
    def money(self) -> str:
        """What they see of the money: the operator what it costs, everybody else what they pay."""
        return "cost_nano_usd" if self.who.role is None else "charge_nano_usd"

    def link(self, path: str = "", **changes: str) -> str:
        """This page's address, or another's, with some fields of the query changed; empty ones are left out."""
        fields = {name: value for name, value in {**self.query, **changes}.items() if value}
        return (path or self.path) + (f"?{urlencode(fields)}" if fields else "")


class Page(Struct, frozen=True, kw_only=True):
    """A template to fill."""

    template: str
    context: dict[str, object]
    status: int = 200


class Redirect(Struct, frozen=True):
    """Go and look there."""

    to: str


class Sent(Struct, frozen=True, kw_only=True):
    """Something else than a page, whole or as it comes."""

    media_type: str
    body: bytes = b""
    stream: AsyncGenerator[bytes] | None = None


Answer = Page | Redirect | Sent
View = Callable[[Visit], Awaitable[Answer]]


class Route(Struct, frozen=True, kw_only=True):
    """A path of the dashboard."""

    method: str
    path: str
    right: Right
    view: View
    label: str = ""
    """How the navigation names it; empty: it does not."""
    group: str = ""
    is_endless: bool = False
    """Whether its answer goes on until the visitor leaves."""
