"""`headgate drill`: which scenarios fit a route, one drill from end to end, and its reports."""

import json
from pathlib import Path

import pytest

from headgate.app.commands.drilling import Load, Wanted, drill, fitted, parse_load
from headgate.app.config import load
from headgate.app.drill.report import html, markdown
from headgate.app.drill.running import Plan
from headgate.app.drill.scenarios import BY_ID, ONLY_TARGET, SCENARIOS
from headgate.core.problems import ConfigError

FILE = """\
data_dir: {folder}
providers:
  openai: {{api_key: none}}
  anthropic: {{api_key: none}}
routes:
  smart: {{targets: [openai/gpt-4o-mini, anthropic/claude-haiku-4-5]}}
  lone: {{targets: [openai/gpt-4o-mini]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "headgate.yaml"
    path.write_text(FILE.format(folder=tmp_path / "data"))
    return path


def test_scenarios_have_ids_of_their_own_and_bounds() -> None:
    assert len(BY_ID) == len(SCENARIOS)
    assert all(scenario.bounds for scenario in SCENARIOS)


@pytest.mark.parametrize(
    ("id", "places", "is_fitting"),
    [("F2", 2, True), ("F2", 1, True), ("F18", 3, True), ("F18", 2, False), ("F18", 1, False), ("F19", 1, True)],
)
def test_a_scenario_needs_somewhere_left_to_go(id: str, places: int, is_fitting: bool) -> None:
    assert (fitted(BY_ID[id], places, is_ordered=True) is not None) is is_fitting


def test_a_lone_target_can_promise_honesty_alone() -> None:
    found = fitted(BY_ID["F2"], 1, is_ordered=True)
    assert found is not None
    assert found.bounds == ONLY_TARGET


def test_where_calls_begin_is_known_under_an_order_alone() -> None:
    names = [
        {bound.measure for bound in found.bounds}
        for is_ordered in (True, False)
        if (found := fitted(BY_ID["F0"], 2, is_ordered=is_ordered))
    ]
    assert names[0] - names[1] == {"strays"}


def test_a_drill_lets_upstreams_fail_and_reports(file: Path, tmp_path: Path) -> None:
    plan = Plan(rate_per_s=20, warm_s=1.0, fault_s=1.5, after_s=0.5, patience_s=8)
    reports = [tmp_path / f"report.{end}" for end in ("md", "html", "json")]
    wanted = Wanted(routes=["smart"], scenarios=["F1", "F6", "F15"], load=Load(plan=plan), reports=reports)
    said: list[str] = []
    found = drill(load(file), wanted, said.append)
    refused, overloaded, too_long = found.results["smart"]
    assert (refused.lost, refused.measures["dishonest"]) == (0, 0)
    assert overloaded.lost == 0
    assert overloaded.measures["faulty_attempts"] > 0
    assert (too_long.lost, too_long.measures["honest_pct"]) == (too_long.calls, 100)
    assert said[0].startswith("smart F1 ")
    assert reports[0].read_text() == markdown(found)
    assert reports[1].read_text() == html(found)
    told = json.loads(reports[2].read_text())
    assert (told["holds"], len(told["results"]["smart"])) == (found.holds, 3)
    assert "| F1 | port closed | streamed | 0 of " in reports[0].read_text()
    assert "<script" not in reports[1].read_text()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (Wanted(scenarios=["F99"]), "no scenario F99; there are F0, "),
        (Wanted(reports=[Path("x.pdf")]), "a report ends in .md, .html, .json"),
        (Wanted(routes=["none"]), "no route 'none' is configured"),
    ],
)
def test_what_cannot_be_drilled_is_said(file: Path, wanted: Wanted, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        drill(load(file), wanted, lambda line: None)


def test_without_routes_there_is_nothing_to_drill(tmp_path: Path) -> None:
    path = tmp_path / "headgate.yaml"
    path.write_text("providers: {}\n")
    with pytest.raises(ConfigError, match="there is no route to drill"):
        drill(load(path), Wanted(), lambda line: None)


@pytest.mark.parametrize(
    ("text", "load"),
    [
        ("", Load()),
        ("50", Load(plan=Plan(rate_per_s=50))),
        ("5,30,whole", Load(plan=Plan(rate_per_s=5, fault_s=30), is_stream=False)),
        (",3,stream", Load(plan=Plan(fault_s=3))),
    ],
)
def test_a_load_is_short_to_say(text: str, load: Load) -> None:
    assert parse_load(text) == load


@pytest.mark.parametrize("text", ["x", "0", "501", "20,1", "20,601", "20,10,half", "nan"])
def test_a_load_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--load is calls per second"):
        parse_load(text)
