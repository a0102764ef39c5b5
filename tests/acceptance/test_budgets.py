"""Budgets of a gateway that is killed under load: nothing stays held, nothing that was booked is forgotten."""

import json
import random
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.acceptance.running import Gateway, gateway

KILLS = 3
CALLS = 16


def admin(running: Gateway, path: str, body: object = None) -> Any:
    asked = {"authorization": f"Bearer {running.environment['HEADGATE_ADMIN_KEY']}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{running.admin_url}/admin/v1{path}", data=data, headers=asked)  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
        return json.load(response)


def ask(running: Gateway, key: str, pace: str, answered: list[str]) -> None:
    body = {"model": f"demo/lorem@{pace}", "messages": [{"role": "user", "content": "go"}], "max_tokens": 40}
    request = urllib.request.Request(  # noqa: S310
        f"{running.url}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            answered.append(response.headers["x-headgate-cost-usd"])
            response.read()
    except (urllib.error.URLError, ConnectionError, OSError):
        pass  # it was killed


def nano(usd: str) -> int:
    whole, _, part = usd.partition(".")
    return int(whole) * 10**9 + int(part.ljust(9, "0"))


def test_a_killed_gateway_forgets_no_spend_and_holds_nothing(tmp_path: Path):
    dice = random.Random(20261129)
    answered: list[str] = []
    key = ""
    for _ in range(KILLS):
        with gateway(tmp_path / "gateway", {}) as running:
            key = key or admin(running, "/keys", {"name": "k", "budgets": [{"usd": 1, "window": "month"}]})["key"]
            paces = [dice.choice(("1ms", "5ms", "60ms")) for _ in range(CALLS)]
            threads = [threading.Thread(target=ask, args=(running, key, pace, answered)) for pace in paces]
            for thread in threads:
                thread.start()
            threading.Event().wait(dice.uniform(0.3, 0.9))
            running.kill()
            for thread in threads:
                thread.join()
    with gateway(tmp_path / "gateway", {}) as running:
        [budget] = admin(running, "/budgets")["data"]
        assert answered
        assert budget["held"] == 0
        # an answer that was on its way when the process died may have been booked and not have arrived
        assert budget["settled"] >= sum(map(nano, answered))
        assert nano(admin(running, f"/credit/{key[6:16]}")["used_usd"]) == budget["settled"]
        assert running.run("db", "verify") == "the books balance\n"
