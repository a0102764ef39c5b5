"""Editions of the price book: which held since when, what each said, and that what was priced stays as it was."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError
from tests.unit.app.test_tenants import Office, run

from headgate.app.config import build
from headgate.app.config_prices import own_prices
from headgate.app.core import Core, open_core
from headgate.app.price_keeping import PriceKeeper, history
from headgate.core.problems import ConfigError
from headgate.ledger.prices import PriceBook
from headgate.providers.spec import packaged
from headgate.store.queries import prices
from headgate.store.queries.prices import Edition
from headgate.store.queries.spend import QUARTER_US, Place, Spent, Sums, add
from headgate.store.sqlite import open_sqlite
from headgate.store.tables import PRICE_EDITIONS, PRICES

DAY_S = 86_400
LAB = {"like": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "none"}


def setup(folder: Path, **price: object) -> dict:
    return {"data_dir": str(folder), "providers": {"lab": {**LAB, "prices": {"m": price}}}}


def with_core(config: dict, work) -> None:
    async def inside() -> None:
        async with open_core(build(config, environ={})) as core:
            work(core)

    asyncio.run(inside())


def used(core: Core, model: str) -> None:
    now_us = core.now_us()
    place = Place(now_us - now_us % QUARTER_US, "k", "", model, "lab", model)
    with core.store.write() as connection:
        add(connection, [Spent(place, Sums(1, 1, 1, 1, 1))])


def test_an_own_price_changes_at_its_time_and_not_before():
    later = [
        {"since": "2027-01-01", "input": 2, "output": 4},
        {"since": "2027-01-01T12:00+01:00", "input": 3, "output": 4},
    ]
    config = build(setup(Path("x"), input=1, output=4, later=later), environ={}).config
    now_s = 0.0
    book = PriceBook(lambda: now_s, own_prices(config.providers, packaged()))

    def rate_at(moment: datetime) -> int | None:
        nonlocal now_s
        now_s = moment.timestamp()
        found = book.find("own:lab", "m")
        return None if found is None else found.rates.input

    assert rate_at(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)) == 1_000_000
    assert rate_at(datetime(2027, 1, 1, tzinfo=UTC)) == 2_000_000
    assert rate_at(datetime(2027, 1, 1, 10, 59, tzinfo=UTC)) == 2_000_000
    assert rate_at(datetime(2027, 1, 1, 11, tzinfo=UTC)) == 3_000_000


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ([{"since": "soon", "input": 1, "output": 1}], "must be a date or time"),
        ([{"since": 5, "input": 1, "output": 1}], "must be a date or time"),
        ([{"input": 1, "output": 1}], "since"),
        ([{"since": "2027-01-01", "input": 1}], "needs both input and output"),
        ([{"since": "2027-01-01", "input": -1, "output": 1}], "must be from 0"),
        (
            [{"since": "2027-01-02", "input": 1, "output": 1}, {"since": "2027-01-01", "input": 1, "output": 1}],
            "rising",
        ),
        ([{"since": "2027-01-01", "input": 1, "output": 1}] * 2, "rising"),
    ],
)
def test_what_is_no_later_price_is_refused(tmp_path: Path, later: list, told: str):
    with pytest.raises(ConfigError, match=told):
        build(setup(tmp_path, input=1, output=1, later=later), environ={})


def test_an_edition_is_named_by_what_it_says(tmp_path: Path):
    def version(**price: object) -> str:
        config = build(setup(tmp_path, **price), environ={}).config
        return PriceBook(own=own_prices(config.providers, packaged())).version

    bare = PriceBook().version
    assert version(input=1, output=2) == version(input="1", output="2.0")
    assert version(input=1, output=2) != version(input=1, output=3)
    assert version(input=1, output=2).startswith(f"{bare}; own ")


def test_what_an_edition_said_is_told_after_it_has_gone(tmp_path: Path):
    def first(core: Core) -> None:
        keeper = PriceKeeper(core)
        used(core, "m")
        used(core, "unknown")
        keeper.look()
        keeper.look()
        used(core, "gpt-4o-mini")
        keeper.look()

    def second(core: Core) -> None:
        used(core, "m")
        PriceKeeper(core).look()

    one, other = setup(tmp_path, input=1, output=2), setup(tmp_path, input=3, output=2)
    for config, work in ((one, first), (other, second), (one, second)):
        with_core(config, work)
    with open_sqlite(tmp_path / "headgate.db") as store:
        with store.read() as connection:
            editions = prices.editions(connection)
        assert [each.version for each in editions] == [editions[0].version, editions[1].version, editions[0].version]
        assert editions[0].version != editions[1].version
        told = history(store, "lab", "m")
        assert [(row["version"], row["since_us"], row["usd"]["prompt"]) for row in told] == [
            (edition.version, edition.since_us, usd)
            for edition, usd in zip(editions, ("0.000001", "0.000003", "0.000001"), strict=True)
        ]
        assert history(store, "", "m") == told
        assert history(store, "other", "m") == history(store, "", "unknown") == []
        # a model that has no price of the operator's own
        assert history(store, "lab", "gpt-4o-mini")[0]["usd"]["prompt"] == "0.00000015"
        for table in (PRICE_EDITIONS, PRICES):
            with pytest.raises(DatabaseError, match="only added to"), store.write() as connection:
                connection.execute(table.delete())


def test_an_edition_begins_after_the_one_before_it(tmp_path: Path):
    with open_sqlite(tmp_path / "h.db") as store, store.write() as connection:
        assert prices.begin(connection, Edition(since_us=10, version="a"))
        assert not prices.begin(connection, Edition(since_us=20, version="a"))
        assert prices.begin(connection, Edition(since_us=5, version="b"))  # a clock that was set back
        assert [(each.since_us, each.version) for each in prices.editions(connection)] == [(10, "a"), (11, "b")]


def test_newer_data_that_says_the_same_is_no_new_edition():
    book = PriceBook()
    before = book.version
    data = json.loads(Path("src/headgate/ledger/prices.json").read_bytes())
    raw = Path("src/headgate/ledger/prices.json").read_bytes()
    book.renew(raw.replace(data["version"].encode(), b"later"))
    assert book.version == before
    del data["providers"]["openai"]
    book.renew(json.dumps({**data, "version": "later"}).encode())
    assert book.version.startswith("later; ")


def test_the_administration_tells_them_to_the_operator(tmp_path: Path):
    async def work(office: Office) -> None:
        core = office.core
        place = Place(core.now_us() // QUARTER_US * QUARTER_US, "k", "", "x", "demo", "echo")
        with core.store.write() as connection:
            add(connection, [Spent(place, Sums(1, 1, 1, 1, 1))])
        PriceKeeper(core).look()
        [row] = (await office("GET", "/prices?model=echo"))["data"]
        assert (row["version"], row["usd"]["prompt"], row["minutes"]) == (core.prices.version, "0.000001", None)
        assert row["since"].startswith("20")
        assert (await office("GET", "/prices?model=echo&provider=lab"))["data"] == []
        await office("GET", "/prices", None, 400)

    run(tmp_path, work)


def test_what_an_organisation_pays_changes_at_a_time(tmp_path: Path):
    async def work(office: Office) -> None:
        organisation = await office.organisation()
        prices = [
            {"markup_percent": 10},
            {"markup_percent": 20, "since": "2027-01-01"},
            {"markup_percent": 30, "since": "2027-01-01T00:00:00+01:00"},
        ]
        shown = await office("PATCH", f"/organisations/{organisation}", {"terms": {"prices": prices}})
        assert [each["since"] for each in shown["terms"]["prices"]] == [
            None,
            "2027-01-01T00:00:00Z",
            "2026-12-31T23:00:00Z",
        ]
        refused = await office(
            "PATCH",
            f"/organisations/{organisation}",
            {"terms": {"prices": [{"markup_percent": 1, "since": "soon"}]}},
            400,
        )
        assert refused["error"]["param"] == "terms.prices.0.since"

    run(tmp_path, work)
