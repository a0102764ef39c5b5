"""The gateways under test: each with three targets in order, as its own documentation sets up a fallback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from bench.gateways import (
    LITELLM,
    PEER_KEY,
    PORTKEY,
    UPSTREAM_KEY,
    Lab,
    Launch,
    find_headgate,
    headgate_launch,
    launch_of_litellm,
)
from bench.installs import Installed, node_peer, python_peer
from bench.wire import HOST

MODEL = "m"


@dataclass(frozen=True)
class Row:
    """`settings` says in a sentence how it is set up."""

    name: str
    settings: str
    install: Callable[[], Installed]
    launch: Callable[[Lab, Installed, Sequence[int]], Launch]
    retries_same: bool = False


def urls(ports: Sequence[int]) -> list[str]:
    return [f"http://{HOST}:{port}/v1" for port in ports]


def _headgate(more: str) -> Callable[[Lab, Installed, Sequence[int]], Launch]:
    def launch(lab: Lab, installed: Installed, ports: Sequence[int]) -> Launch:
        names = "abcdefgh"[: len(ports)]
        providers = "".join(
            f'  {name}: {{like: openai, base_url: "{url}", api_key: env:LAB_KEY, speaks: [openai_chat],'
            f' prices: {{"*": {{input: 1, output: 4}}}}}}\n'
            for name, url in zip(names, urls(ports), strict=True)
        )
        targets = ", ".join(f"{name}/{MODEL}" for name in names)
        routes = f"providers:\n{providers}routes:\n  bench: {{strategy: ordered, targets: [{targets}]{more}}}\n"
        return headgate_launch(lab, installed, routes)

    return launch


def _litellm(shape: str) -> Callable[[Lab, Installed, Sequence[int]], Launch]:
    """`docs`: a group for each, fallbacks between them. `tuned`: cooled at the first failure, one retry, 5 s for a
    stream's first chunk. `group`: one group whose members have an order."""

    def launch(lab: Lab, installed: Installed, ports: Sequence[int]) -> Launch:
        models: list[dict[str, object]] = []
        for place, url in enumerate(urls(ports)):
            name = MODEL if shape == "group" or not place else f"{MODEL}{place}"
            own: dict[str, object] = {"model": f"openai/{MODEL}", "api_base": url, "api_key": UPSTREAM_KEY}
            own |= {"stream_timeout": 5} if shape == "tuned" else {}
            own |= {"order": place + 1} if shape == "group" else {}
            models.append({"model_name": name, "litellm_params": own})
        router: dict[str, object] = {"num_retries": 2, "timeout": 30}
        if shape == "group":
            router |= {"routing_strategy": "simple-shuffle", "enable_pre_call_checks": True}
        else:
            router |= {"fallbacks": [{MODEL: [f"{MODEL}{place}" for place in range(1, len(ports))]}]}
        if shape == "tuned":
            router |= {"allowed_fails": 1, "cooldown_time": 30, "num_retries": 1, "stream_timeout": 5}
        config = {
            "model_list": models,
            "router_settings": router,
            "litellm_settings": {"set_verbose": False, "callbacks": [], "telemetry": False},
            "general_settings": {"master_key": PEER_KEY, "disable_error_logs": True},
        }
        path = lab.write("litellm.yaml", msgspec.json.encode(config).decode())
        return replace(launch_of_litellm(lab, installed, path), model=MODEL)

    return launch


def _portkey(lab: Lab, installed: Installed, ports: Sequence[int]) -> Launch:
    config = {
        "strategy": {"mode": "fallback"},
        "request_timeout": 30_000,
        "retry": {"attempts": 2},
        "targets": [{"provider": "openai", "api_key": UPSTREAM_KEY, "custom_host": url} for url in urls(ports)],
    }
    return Launch(
        words=["node", installed.program, f"--port={lab.port}", "--headless"],
        port=lab.port,
        model=MODEL,
        headers={"x-portkey-config": msgspec.json.encode(config).decode()},
        environment={"NODE_ENV": "production"},
    )


HEADGATE = Row(
    "Headgate",
    "a route with `strategy: ordered`, nothing else set",
    find_headgate,
    _headgate(""),
)
RETRYING = Row(
    "Headgate, retrying",
    "the same with `retry_same_first: true` and `on_cut: continue`",
    find_headgate,
    _headgate(", retry_same_first: true, on_cut: continue"),
    retries_same=True,
)
PEERS = (
    Row(
        "LiteLLM, docs",
        "one deployment for each group, `fallbacks` between the groups, `num_retries: 2`, `timeout: 30`",
        lambda: python_peer(LITELLM),
        _litellm("docs"),
    ),
    Row(
        "LiteLLM, tuned",
        "the same with `allowed_fails: 1`, `cooldown_time: 30`, `num_retries: 1`, `stream_timeout: 5`",
        lambda: python_peer(LITELLM),
        _litellm("tuned"),
    ),
    Row(
        "LiteLLM, group",
        "all in one group with `order`, `simple-shuffle`, `enable_pre_call_checks: true`, `num_retries: 2`",
        lambda: python_peer(LITELLM),
        _litellm("group"),
    ),
    Row(
        "Portkey",
        "`strategy: fallback` over the targets, `retry: 2`, `request_timeout: 30000`",
        lambda: node_peer(PORTKEY),
        _portkey,
    ),
)
