"""`python -m bench.budgets`: five hundred calls at once against a budget for fifty, at Headgate and at LiteLLM.

The judge is the upstream: what it has answered was spent. After the rush, calls are made one by one until three are
refused, so that a gateway which stops too early is seen as well as one that stops too late.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench import procs, wire
from bench.gateways import LITELLM, PEER_KEY, Lab, Launch, find_headgate, headgate_launch, launch_of_litellm
from bench.installs import Installed, Unavailable, python_peer
from bench.measure import choose_cores, free_ports, wait_for
from bench.report import TREE, machine, now, table
from headgate.transport.fake import FakeSettings, FakeUpstream

MARKDOWN = TREE / "docs" / "benchmarks" / "budgets.md"
CALLS, COVERED = 500, 50
TOKENS = 1000
"""Of each prompt and of each answer."""
NANO_USD = TOKENS * 150 + TOKENS * 600
"""What a call costs, at USD 0.15 and 0.60 per million tokens."""
BUDGET_USD = COVERED * NANO_USD / 1e9
ANSWER_S = 0.5
SETTLE_S = 3.0
REFUSALS_MAX = 3
PRISMA = "binaries.prisma.sh"


class Row(msgspec.Struct, frozen=True):
    """One gateway and the way in which it has its budget."""

    name: str
    settings: str
    install: Callable[[], Installed]
    launch: Callable[[Lab, Installed], Launch]
    ready: str = "/readyz"


class Seen(msgspec.Struct):
    """What came of it."""

    version: str
    rush: Counter[int]
    answered: int
    """By the upstream, in the rush."""
    refused_ms: float
    """How long a refusal took, in the middle of the rush."""
    later: int
    """Answered one by one after it."""
    statuses: Counter[int]


def _headgate(lab: Lab, installed: Installed) -> Launch:
    prices = "{bench-model: {input: 0.15, output: 0.60}}"
    routes = f"""\
providers:
  lab: {{like: openai, base_url: "{lab.upstream_url}", api_key: env:LAB_KEY, prices: {prices}}}
routes:
  bench: {{targets: [lab/{wire.UPSTREAM_MODEL}]}}
"""
    launch = headgate_launch(lab, installed, routes)
    key_id = launch.headers["Authorization"].removeprefix("Bearer ")[6:16]
    subprocess.run(
        [installed.program, "keys", "limit", key_id, f"{BUDGET_USD}usd/month"],
        env=procs.environment(launch.environment),
        cwd=lab.folder,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return launch


def _litellm(settings: str, general: str, router: str = "") -> Callable[[Lab, Installed], Launch]:
    def launch(lab: Lab, installed: Installed) -> Launch:
        model = f"model: openai/{wire.UPSTREAM_MODEL}, input_cost_per_token: 1.5e-7, output_cost_per_token: 6.0e-7"
        lab.write("bench_auth.py", LITELLM_AUTH)
        config = lab.write(
            "litellm.yaml",
            f"""\
model_list:
  - model_name: {wire.UPSTREAM_MODEL}
    litellm_params: {{{model}, api_base: "{lab.upstream_url}", api_key: none}}
litellm_settings: {{request_timeout: 600, num_retries: 0, telemetry: false{settings}}}
general_settings: {{master_key: {PEER_KEY}, disable_error_logs: true{general}}}
{router}
""",
        )
        return launch_of_litellm(lab, installed, str(config))

    return launch


LITELLM_AUTH = f"""\
from litellm.proxy._types import UserAPIKeyAuth


async def auth(request, api_key: str) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(api_key=api_key, token="bench", user_id="bench", spend=0.0, max_budget={BUDGET_USD})
"""


def _with_database() -> Installed:
    """LiteLLM keeps keys and spend in PostgreSQL by way of Prisma, whose engine is a binary of its own."""
    with contextlib.suppress(OSError):
        socket.getaddrinfo(PRISMA, 443)
        raise Unavailable("its makers' engine could be had here, but this bench has no row for it yet")
    raise Unavailable(
        f"it reaches PostgreSQL by Prisma's query engine alone, which is had from {PRISMA} and in no package of PyPI "
        "or npm: `npm install prisma@5.4.2` and its postinstall were tried, and end with ENOTFOUND for that host"
    )


ROWS = (
    Row("Headgate", "a budget of the key; SQLite", find_headgate, _headgate),
    Row(
        "LiteLLM, of a key",
        "`max_budget` of a key that a custom authentication gives, `custom_auth_run_common_checks`; its reservations "
        "and counters in memory",
        lambda: python_peer(LITELLM),
        _litellm(
            ", enable_post_custom_auth_checks: true",
            ", custom_auth: bench_auth.auth, custom_auth_run_common_checks: true",
        ),
        "/health/liveliness",
    ),
    Row(
        "LiteLLM, of a provider",
        "`provider_budget_config`, in memory",
        lambda: python_peer(LITELLM),
        _litellm(
            "",
            "",
            f"router_settings: {{provider_budget_config: {{openai: {{budget_limit: {BUDGET_USD}, time_period: 1d}}}}}}",
        ),
        "/health/liveliness",
    ),
    Row("LiteLLM with PostgreSQL", "", _with_database, _headgate),
)


def answer() -> bytes:
    """One that always costs the same."""
    message = {"role": "assistant", "content": "word " * TOKENS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": TOKENS, "completion_tokens": TOKENS, "total_tokens": 2 * TOKENS}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": wire.UPSTREAM_MODEL}
    return msgspec.json.encode({**head, "choices": [choice], "usage": usage})


async def ask(target: wire.Target) -> tuple[int, float]:
    """One call on a connection of its own: its status, and how long it took, in ms."""
    messages = [{"role": "user", "content": "word " * (TOKENS * 4 // 5)}]
    body = msgspec.json.encode({"model": target.model, "max_tokens": TOKENS, "messages": messages})
    request = wire.request_bytes(
        msgspec.structs.replace(target, headers=(*target.headers, ("Connection", "close"))), body
    )
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(wire.HOST, target.port)
    writer.write(request)
    told = await reader.read()
    writer.close()
    return int(told[9:12]), (time.perf_counter() - began) * 1000


async def rush(target: wire.Target, upstream: FakeUpstream) -> tuple[Counter[int], int, float, int, Counter[int]]:
    """All at once, and then one by one."""
    before = len(upstream.log)
    came = await asyncio.gather(*(ask(target) for _ in range(CALLS)))
    await asyncio.sleep(SETTLE_S)
    answered = len(upstream.log) - before
    statuses: Counter[int] = Counter()
    while statuses.total() - statuses[200] < REFUSALS_MAX and statuses[200] <= 2 * COVERED:
        status, _ = await ask(target)
        statuses[status] += 1
    refused = [ms for status, ms in came if status != 200]
    middle = statistics.median(refused) if refused else 0.0
    return Counter(status for status, _ in came), answered, middle, len(upstream.log) - before - answered, statuses


def run(row: Row) -> Seen:
    """One of them, anew."""
    installed = row.install()
    cores = choose_cores()
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="headgate-budgets-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = stack.enter_context(FakeUpstream.threaded(FakeSettings(first_s=ANSWER_S)))
        upstream.reply(answer())
        port, admin_port = free_ports(2)
        launch = row.launch(Lab(folder, port, admin_port, upstream.port), installed)
        command = launch.command(folder)
        running = stack.enter_context(procs.Running(command, core=cores.gateway, log=folder / "gateway.log"))
        wait_for(running, lambda: _fault(port, row.ready))
        target = wire.Target(port, launch.path, launch.model, tuple(launch.headers.items()))
        counts, answered, middle, later, statuses = asyncio.run(rush(target, upstream))
    return Seen(installed.version, counts, answered, middle, later, statuses)


def _fault(port: int, path: str) -> str:
    """Asks nothing that costs anything."""
    connection = http.client.HTTPConnection(wire.HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return "" if connection.getresponse().status == 200 else "not ready"
    except OSError as fault:
        return str(fault)
    finally:
        connection.close()


def render(seen: dict[str, Seen], absent: dict[str, str]) -> str:
    """The page."""
    lines: list[list[str]] = []
    for row in ROWS:
        if (of := seen.get(row.name)) is None:
            lines.append([row.name, "not run", "", "", "", "", ""])
            continue
        spent = (of.answered + of.later) / COVERED
        told = ", ".join(f"{count} × {status}" for status, count in sorted(of.rush.items()))
        last = ", ".join(str(status) for status in sorted(of.statuses) if status != 200) or "none"
        lines.append(
            [
                f"{row.name} {of.version}",
                told,
                str(of.answered),
                f"{of.refused_ms:,.0f} ms",
                str(of.later),
                f"**{spent:.0%}**",
                last,
            ]
        )
    head = ["gateway", "answers to 500 at once", "upstream saw", "a refusal took", "later, one by one", "spent in all"]
    settings = [f"* {row.name}: {row.settings}." for row in ROWS if row.settings]
    missing = [f"* {name} was not run: {why}." for name, why in absent.items()]
    made = f"Made by `python -m bench.budgets --write` on {now():%Y-%m-%d %H:%M} UTC. {machine()}."
    parts = (
        "# Budgets under a rush",
        made,
        f"{CALLS} calls at once, each USD {NANO_USD / 1e9}, against a budget of USD {BUDGET_USD}, which covers "
        f"{COVERED}. The upstream answers after {ANSWER_S} s and counts; every call asks for at most as many "
        f"tokens as it gets, and its price is set in each gateway's own configuration. After the rush, calls "
        f"are made one by one until three are refused. More than 100 % is money that nobody had; much less is "
        f"calls refused for nothing.",
        table([*head, "and then"], lines),
        "\n".join([*settings, *missing]),
        NOTE,
    )
    return "\n\n".join(parts) + "\n"


NOTE = (
    "A gateway cannot know beforehand what a call will cost. Headgate holds a prompt at three bytes to a token "
    "and all of `max_tokens`, so in a rush some calls are refused (429, with `Retry-After`) for which there "
    "proves to be room when others have settled: they get it one by one. The last call or two of a budget may be "
    "refused since it *could* have cost more than was left. The same at each level, on SQLite and PostgreSQL, "
    "with streams and after kills, is tested in `tests/engine/test_limits.py` and "
    "`tests/acceptance/test_killing.py`."
)


def main() -> int:
    """Runs and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.budgets", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {MARKDOWN.relative_to(TREE)}")
    given = parser.parse_args()
    seen: dict[str, Seen] = {}
    absent: dict[str, str] = {}
    for row in ROWS:
        print(row.name, file=sys.stderr, flush=True)
        try:
            seen[row.name] = run(row)
        except (Unavailable, procs.StartFailed) as why:
            absent[row.name] = str(why)
    text = render(seen, absent)
    print(text)
    if given.write:
        MARKDOWN.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
