"""Audit, alerts and settings: what was changed, what was told, and how this gateway is set."""

import asyncio

from headgate.server.dashboard.board import Board, page_of
from headgate.server.dashboard.tables import Cell, Column, Table
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.audit import AuditQuery

ROWS_MAX = 100


async def audit(visit: Visit) -> Page:
    """What was changed, newest first."""
    before = visit.query.get("before", "")
    wanted = AuditQuery(
        organisation=visit.who.organisation,
        team=visit.who.team,
        before=int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else 0,
    )
    lines = await asyncio.to_thread(visit.sights.doors.administrators.audit, wanted, ROWS_MAX)
    rows = [
        [
            Cell(line.entry.at_us),
            *(Cell(text) for text in (line.entry.actor, line.entry.action, line.entry.object, line.entry.detail)),
        ]
        for line in lines
    ]
    columns = [Column("When (UTC)", "moment"), Column("Who"), Column("Did"), Column("To"), Column("Detail", "code")]
    note = "Each line hangs on the one before it by a digest; `headgate db verify` looks whether one was changed."
    table = Table(title="Changes", columns=columns, rows=rows, note=note, empty="Nothing was changed.")
    older = visit.link(before=str(lines[-1].id)) if len(lines) == ROWS_MAX else ""
    return page_of(visit, Board(title="Audit", tables=[table], template="audit.html", more={"older": older}))


async def alerts(visit: Visit) -> Page:
    """What was told outside, newest first."""
    messages = await asyncio.to_thread(visit.sights.alerts)
    rows = [
        [
            Cell(each.at_us),
            Cell(
                "sent" if each.sent_us else "failed" if each.error else "on its way",
                "",
                "good" if each.sent_us else "bad" if each.error else "",
            ),
            Cell(each.channel),
            Cell(each.attempts),
            Cell(each.body),
            Cell(each.error),
        ]
        for each in messages
    ]
    columns = [
        Column("When (UTC)", "moment"),
        Column("State", "tag"),
        Column("Over"),
        Column("Tries", "number"),
        Column("What", "code"),
        Column("Fault"),
    ]
    return page_of(
        visit,
        Board(title="Alerts", tables=[Table(title="The newest", columns=columns, rows=rows, empty="There were none.")]),
    )


async def settings(visit: Visit) -> Page:
    """The configuration in effect."""
    rows = [[Cell(path), Cell(value)] for path, value in visit.sights.settings()]
    columns = [Column("Setting", "code"), Column("Value", "code")]
    note = "As the file, variables and options come to. Secrets are never shown."
    return page_of(
        visit, Board(title="Settings", tables=[Table(title="In effect", columns=columns, rows=rows, note=note)])
    )
