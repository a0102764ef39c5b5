"""Every path of the dashboard, with the right that it takes, in the order of the navigation."""

from typing import Final

from headgate.server.dashboard.pages.books import alerts, audit, settings
from headgate.server.dashboard.pages.catalogue import models
from headgate.server.dashboard.pages.connect import connect, seen
from headgate.server.dashboard.pages.costs import costs
from headgate.server.dashboard.pages.keys import end_key, invoice, keys, make_key, teams
from headgate.server.dashboard.pages.overview import overview
from headgate.server.dashboard.pages.performance import performance
from headgate.server.dashboard.pages.reliability import reliability
from headgate.server.dashboard.pages.requests import request, requests
from headgate.server.dashboard.pages.tail import tail, tail_stream
from headgate.server.dashboard.pages.trying import playground, routes, talk
from headgate.server.dashboard.visiting import Route

ROUTES: Final[tuple[Route, ...]] = (
    Route(method="GET", path="/dashboard", right="see", view=overview, label="Overview", group="Watch"),
    Route(method="GET", path="/dashboard/requests", right="see", view=requests, label="Requests", group="Watch"),
    Route(method="GET", path="/dashboard/requests/{id}", right="see", view=request),
    Route(method="GET", path="/dashboard/tail", right="see", view=tail, label="Live tail", group="Watch"),
    Route(method="GET", path="/dashboard/tail/stream", right="see", view=tail_stream, is_endless=True),
    Route(method="GET", path="/dashboard/costs", right="see", view=costs, label="Costs", group="Watch"),
    Route(
        method="GET", path="/dashboard/performance", right="see", view=performance, label="Performance", group="Watch"
    ),
    Route(
        method="GET", path="/dashboard/reliability", right="see", view=reliability, label="Reliability", group="Watch"
    ),
    Route(method="GET", path="/dashboard/models", right="see", view=models, label="Models", group="Use"),
    Route(method="GET", path="/dashboard/routes", right="see", view=routes, label="Routes", group="Use"),
    Route(method="POST", path="/dashboard/routes", right="see", view=routes),
    Route(method="GET", path="/dashboard/playground", right="issue", view=playground, label="Playground", group="Use"),
    Route(method="POST", path="/dashboard/playground/talk", right="issue", view=talk),
    Route(method="GET", path="/dashboard/connect", right="see", view=connect, label="Connect", group="Use"),
    Route(method="GET", path="/dashboard/connect/seen", right="see", view=seen),
    Route(method="GET", path="/dashboard/keys", right="see", view=keys, label="Keys", group="Govern"),
    Route(method="POST", path="/dashboard/keys", right="issue", view=make_key),
    Route(method="POST", path="/dashboard/keys/{id}/end", right="issue", view=end_key),
    Route(method="GET", path="/dashboard/teams", right="see", view=teams, label="Teams and credit", group="Govern"),
    Route(method="GET", path="/dashboard/invoices/{account}/{month}", right="see", view=invoice),
    Route(method="GET", path="/dashboard/alerts", right="operate", view=alerts, label="Alerts", group="Govern"),
    Route(method="GET", path="/dashboard/audit", right="govern", view=audit, label="Audit", group="Govern"),
    Route(method="GET", path="/dashboard/settings", right="operate", view=settings, label="Settings", group="Govern"),
)
