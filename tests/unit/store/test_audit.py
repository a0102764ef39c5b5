"""The audit: every line hangs on the one before it, and what was changed afterwards shows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DatabaseError

from headgate.store.base import Store
from headgate.store.queries import audit
from headgate.store.queries.audit import AuditEntry, AuditQuery
from headgate.store.sqlite import open_sqlite
from headgate.store.tables import AUDIT


def entry(number: int, organisation: str = "", team: str = "") -> AuditEntry:
    return AuditEntry(
        at_us=number, actor="a", action="key.create", object=f"k{number}", organisation=organisation, team=team
    )


def untie(store: Store, *changes: str) -> int | None:
    with store.write() as connection:
        for name in ("audit_keep_UPDATE", "audit_keep_DELETE", "audit_links_keep_UPDATE", "audit_links_keep_DELETE"):
            connection.execute(text(f"DROP TRIGGER {name}"))
        for change in changes:
            connection.execute(text(change))
    with store.read() as connection:
        return audit.broken(connection)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    with open_sqlite(tmp_path / "h.db") as opened:
        with opened.write() as connection:
            for number in range(4):
                audit.add(connection, entry(number, "org", "team" if number % 2 else ""))
            audit.add(connection, entry(9, "other"))
        yield opened


def test_lines_are_listed_newest_first_by_whose_affair_they_are(kept: Store) -> None:
    def ids(query: AuditQuery, limit: int = 9) -> list[int]:
        with kept.read() as connection:
            return [each.id for each in audit.listed(connection, query, limit)]

    assert ids(AuditQuery()) == [5, 4, 3, 2, 1]
    assert ids(AuditQuery(organisation="org")) == [4, 3, 2, 1]
    assert ids(AuditQuery(organisation="org", team="team")) == [4, 2]
    assert ids(AuditQuery(organisation="org", before=4), 2) == [3, 2]
    with kept.read() as connection:
        assert audit.broken(connection) is None


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("UPDATE audit SET actor = 'b' WHERE id = 3", 3),
        ("UPDATE audit SET detail = '[]' WHERE id = 5", 5),
        ("UPDATE audit_links SET organisation = 'else' WHERE id = 2", 2),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("DELETE FROM audit WHERE id = 5", 5),
        ("DELETE FROM audit_links WHERE id = 4", 4),
        ("UPDATE audit_links SET digest = 'x' WHERE id = 1", 1),
    ],
)
def test_what_was_changed_afterwards_shows(kept: Store, change: str, line: int) -> None:
    assert untie(kept, change) == line


@pytest.mark.parametrize("change", ["DELETE FROM audit", "DELETE FROM audit_links"])
def test_lines_cannot_be_changed(kept: Store, change: str) -> None:
    with pytest.raises(DatabaseError, match="only added to"), kept.write() as connection:
        connection.execute(text(change))


def test_lines_from_before_there_was_a_chain_are_taken_into_it(tmp_path: Path) -> None:
    with open_sqlite(tmp_path / "h.db") as store:
        with store.write() as connection:
            old = {"at_us": 1, "actor": "a", "action": "b", "object": "c", "detail": "{}"}
            connection.execute(insert(AUDIT).values(**old))
            audit.add(connection, entry(2, "org"))
        with store.read() as connection:
            assert audit.broken(connection) is None
            assert [(each.id, each.entry.organisation) for each in audit.listed(connection, AuditQuery(), 9)] == [
                (2, "org"),
                (1, ""),
            ]
