"""Every path of the dashboard, with the right that it takes, in the order of the navigation."""

from typing import Final

from headgate.server.dashboard.pages.books import alerts, audit, settings
from headgate.server.dashboard.pages.catalogue import models
from headgate.server.dashboard.pages.costs import costs
from headgate.server.dashboard.pages.overview import overview
from headgate.server.dashboard.pages.performance import performance
from headgate.server.dashboard.pages.reliability import reliability
from headgate.server.dashboard.pages.requests import request, requests
from headgate.server.dashboard.visiting import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/dashboard", right="see", view=overview, label="Overview", group="Watch"),
    Route(method="GET", path="/dashboard/requests", right="see", view=requests, label="Requests", group="Watch"),
    Route(method="GET", path="/dashboard/requests/{id}", right="see", view=request),
    Route(method="GET", path="/dashboard/costs", right="see", view=costs, label="Costs", group="Watch"),
    Route(
        method="GET", path="/dashboard/performance", right="see", view=performance, label="Performance", group="Watch"
    ),
    Route(
        method="GET", path="/dashboard/reliability", right="see", view=reliability, label="Reliability", group="Watch"
    ),
    Route(method="GET", path="/dashboard/models", right="see", view=models, label="Models", group="Use"),
    Route(method="GET", path="/dashboard/alerts", right="operate", view=alerts, label="Alerts", group="Govern"),
    Route(method="GET", path="/dashboard/audit", right="govern", view=audit, label="Audit", group="Govern"),
    Route(method="GET", path="/dashboard/settings", right="operate", view=settings, label="Settings", group="Govern"),
)
