"""Sums of what was used: of a time, of some keys, of a provider; and no question reads more than it needs."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from headgate.store.base import Store
from headgate.store.queries import spend
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums

DAY_US = 86_400_000_000


def line(quarter: int, key_id: str = "a", provider: str = "openai", upstream: str = "gpt") -> Spent:
    return Spent(Place(quarter * QUARTER_US, key_id, "", "m", provider, upstream), Sums(1, 2, 3, 4, 5))


def filled(store: Store, *lines: Spent) -> Store:
    with store.write() as connection:
        spend.add(connection, lines)
    return store


def test_a_time_begins_with_its_first_quarter_and_ends_before_its_last(store: Store):
    lines = [line(at, key) for at in range(4) for key in "ab"]
    filled(store, *lines)

    with store.read() as connection:
        found = sorted(spend.within(connection, QUARTER_US, 3 * QUARTER_US))
        of_a = sorted(spend.within(connection, QUARTER_US, 3 * QUARTER_US, {"a"}))
        of_nobody = list(spend.within(connection, 0, 9 * QUARTER_US, ()))

    assert found == sorted(lines[2:6])
    assert of_a == [line(1), line(2)]
    assert of_nobody == []


def test_more_keys_than_one_query_names(store: Store):
    keys = [f"{at:04}" for at in range(1201)]
    filled(store, *(line(1, key) for key in keys))

    with store.read() as connection:
        assert len(list(spend.within(connection, 0, 9 * QUARTER_US, keys))) == 1201


def test_providers_and_their_models_since_then(store: Store):
    filled(store, line(1), line(2, provider="xai", upstream="grok"), line(3, "b", "xai", "grok"), line(3, provider=""))

    with store.read() as connection:
        assert list(spend.within(connection, 0, 9 * QUARTER_US, provider="openai")) == [line(1)]
        assert spend.models_since(connection, 2 * QUARTER_US) == [("xai", "grok")]


def test_the_first_quarter_of_all_or_of_some_keys(store: Store):
    with store.read() as connection:
        assert (spend.first(connection), spend.first(connection, {"a"}), spend.first(connection, ())) == (None,) * 3
    filled(store, line(3), line(5), line(2, "b"))

    with store.read() as connection:
        firsts = [spend.first(connection, kids) for kids in (None, {"a"}, {"b", "a"}, {"c"})]

    assert firsts == [2 * QUARTER_US, 3 * QUARTER_US, 2 * QUARTER_US, None]


@contextmanager
def heard(connection: Connection) -> Generator[list[tuple[str, Any]]]:
    """Every statement that is executed meanwhile, with its parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "a month of all": lambda on: list(spend.within(on, 0, 30 * DAY_US)),
    "a month of some keys": lambda on: list(spend.within(on, 0, 30 * DAY_US, {"a", "b"})),
    "a month at a provider": lambda on: list(spend.within(on, 0, 30 * DAY_US, provider="openai")),
    "the first of all": spend.first,
    "the first of some keys": lambda on: spend.first(on, {"a", "b"}),
    "models in use": lambda on: spend.models_since(on, DAY_US),
    "a key's since then": lambda on: spend.since(on, ["a"], DAY_US),
    "a key's sum": lambda on: spend.total(on, ["a"], DAY_US, 2 * DAY_US),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_looks_at_every_line(store: Store, question: str):
    filled(store, line(1), line(2, "b"))
    with store.read() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:  # which reads so few lines one by one
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        with heard(connection) as statements:
            QUESTIONS[question](connection)
        plans: list[str] = []
        for statement, parameters in statements:
            explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
            plans.append("\n".join(str(row[-1]) for row in rows))

    assert plans
    for plan in plans:
        if is_sqlite:
            assert "SEARCH spend" in plan
            assert "SCAN spend" not in plan
        else:
            assert "Seq Scan" not in plan
            assert "Index" in plan
