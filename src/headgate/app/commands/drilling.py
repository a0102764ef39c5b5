"""`headgate drill`: failures on purpose at the operator's own routes, and a verdict for continuous integration."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct, structs

from headgate import __version__
from headgate.app.config import Setup
from headgate.app.drill import house
from headgate.app.drill.judge import Result, judge
from headgate.app.drill.report import FORMS, Drill
from headgate.app.drill.running import Plan, run
from headgate.app.drill.scenarios import BY_ID, ONLY_TARGET, SCENARIOS, Scenario
from headgate.app.drill.simulating import strangers, targets
from headgate.core.problems import ConfigError

Tell = Callable[[str], None]
_WITH_ORDER: Final = "strays"


class Load(Struct, frozen=True, kw_only=True):
    """How the calls come, and what they ask for."""

    plan: Plan = Plan()
    is_stream: bool = True


def parse_load(text: str) -> Load:
    """`20,10,stream`: calls per second, seconds of a fault, and how answers come; what is left out is as usual."""
    rate, seconds, form = (*text.split(","), "", "")[:3]
    try:
        plan = Plan(rate_per_s=float(rate or 20), fault_s=float(seconds or 10))
    except ValueError:
        plan = Plan(rate_per_s=0)
    if not 1 <= plan.rate_per_s <= 500 or not 2 <= plan.fault_s <= 600 or form not in {"", "stream", "whole"}:
        raise ConfigError(f"--load is calls per second (1 to 500), seconds (2 to 600), stream or whole; not {text!r}")
    return Load(plan=plan, is_stream=form != "whole")


class Wanted(Struct, frozen=True, kw_only=True):
    """What the operator asked for."""

    routes: Sequence[str] = ()
    """Empty: all."""
    scenarios: Sequence[str] = ()
    """Empty: all."""
    load: Load = Load()
    reports: Sequence[Path] = ()


def drill(setup: Setup, wanted: Wanted, tell: Tell) -> Drill:
    """Runs every scenario at every route, and writes the reports. Raises `ConfigError` for what cannot be drilled."""
    _check(setup, wanted)
    results: dict[str, list[Result]] = {}
    notes: list[str] = []
    for route in wanted.routes or tuple(setup.config.routes):
        providers = targets(setup, route)
        odd = strangers(setup, providers)
        if odd:
            notes.append(f"{route}: {', '.join(odd)} stood in with OpenAI's API, since their own is not simulated.")
        order = house.Order(config=setup.file, route=route, providers=providers, is_stream=wanted.load.is_stream)
        results[route] = []
        for scenario in SCENARIOS:
            if wanted.scenarios and scenario.id not in wanted.scenarios:
                continue
            fitting = fitted(scenario, len(providers), is_ordered=setup.config.routes[route].strategy == "ordered")
            if fitting is None or (fitting.streams_only and not wanted.load.is_stream):
                continue
            result = _once(fitting, order, wanted.load.plan)
            results[route].append(result)
            tell(f"{route} {result.scenario} {'holds' if result.holds else 'MISSED'}: {result.title}")
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    found = Drill(version=__version__, when=when, plan=wanted.load.plan, results=results, notes=notes)
    for file in wanted.reports:
        file.write_text(FORMS[file.suffix](found))
    return found


def _check(setup: Setup, wanted: Wanted) -> None:
    if not setup.config.routes:
        raise ConfigError("there is no route to drill: configure one under `routes`")
    if unknown := [name for name in wanted.scenarios if name not in BY_ID]:
        raise ConfigError(f"no scenario {', '.join(unknown)}; there are {', '.join(BY_ID)}")
    for file in wanted.reports:
        if file.suffix not in FORMS:
            raise ConfigError(f"a report ends in {', '.join(FORMS)}, not as {file.name!r} does")


def _once(scenario: Scenario, order: house.Order, plan: Plan) -> Result:
    with house.opened(order) as place:
        return judge(uvloop.run(run(scenario, place, plan)), is_stream=order.is_stream)


def fitted(scenario: Scenario, targets: int, *, is_ordered: bool) -> Scenario | None:
    """A scenario as it makes sense for a route; None: it does not. Where every target fails there can be no answers,
    only honest errors; and only under `ordered` is it known where calls begin."""
    if not scenario.places:
        bounds = (
            scenario.bounds if is_ordered else tuple(each for each in scenario.bounds if each.measure != _WITH_ORDER)
        )
        return structs.replace(scenario, bounds=bounds)
    hit = scenario.places & frozenset(range(targets))
    if len(hit) == targets and not scenario.is_everywhere:
        if targets > 1 or len(scenario.places) > 1:
            return None
        return structs.replace(scenario, bounds=ONLY_TARGET)
    return scenario
