"""Every path of the dashboard, with the right that it takes, in the order of the navigation."""

from typing import Final

from headgate.server.dashboard.pages.overview import overview
from headgate.server.dashboard.pages.requests import request, requests
from headgate.server.dashboard.visiting import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/dashboard", right="see", view=overview, label="Overview", group="Watch"),
    Route(method="GET", path="/dashboard/requests", right="see", view=requests, label="Requests", group="Watch"),
    Route(method="GET", path="/dashboard/requests/{id}", right="see", view=request),
)
