"""The gateways: how each is had, configured, started and called. One table entry each."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import procs
from bench.installs import Installed, NodePeer, PythonPeer, Unavailable, node_peer, python_peer
from bench.procs import Command
from bench.wire import CALL_PATH, HOST, UPSTREAM_MODEL

PEER_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
UPSTREAM_KEY = "sk-upstream-0123456789abcdef"
KEY_S_MAX = 60


@dataclass(frozen=True)
class Lab:
    """Where one start of a gateway takes place: an empty folder and free ports."""

    folder: Path
    port: int
    admin_port: int
    upstream_port: int

    @property
    def upstream_url(self) -> str:
        return f"http://{HOST}:{self.upstream_port}/v1"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@dataclass(frozen=True)
class Launch:
    """How to start it and what a call to it must say. `port` None: it prints the address that it chose."""

    words: list[str | Path]
    port: int | None
    path: str = CALL_PATH
    model: str = UPSTREAM_MODEL
    headers: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, folder: Path) -> Command:
        return Command([str(word) for word in self.words], self.environment, folder)


@dataclass(frozen=True)
class Gateway:
    """`settings` says in a sentence how it is run; `module` is what a library user would import."""

    name: str
    settings: str
    install: Callable[[], Installed]
    launch: Callable[[Lab, Installed], Launch]
    module: str = ""


def find_headgate() -> Installed:
    program = Path(sys.executable).parent / "headgate"
    if not program.exists():
        raise Unavailable("no `headgate` command beside this Python: install the project first")
    return Installed(str(program), importlib.metadata.version("headgate"))


def _launch_headgate(lab: Lab, installed: Installed) -> Launch:
    """Everything as it comes: client key checked, tokens metered, every call in the journal, SQLite."""
    return headgate_launch(
        lab,
        installed,
        f"""\
providers:
  lab: {{like: openai, base_url: "{lab.upstream_url}", api_key: env:LAB_KEY}}
routes:
  bench: {{strategy: ordered, targets: [lab/{UPSTREAM_MODEL}]}}
""",
    )


def headgate_launch(lab: Lab, installed: Installed, routes: str) -> Launch:
    """The server as it comes with a key of its own; `routes` is the part of its file that says where `bench` goes."""
    config = lab.write(
        "headgate.yaml",
        f"""\
server: {{host: {HOST}, port: {lab.port}, admin_port: {lab.admin_port}}}
store: sqlite:///{lab.folder}/headgate.db
{routes}""",
    )
    environment = {
        "HEADGATE_CONFIG": str(config),
        "HEADGATE_DATA_DIR": str(lab.folder),
        "HEADGATE_ADMIN_KEY": "bench-admin-" + PEER_KEY,
        "LAB_KEY": UPSTREAM_KEY,
    }
    made = subprocess.run(
        [installed.program, "keys", "create", "--name", "bench"],
        env=procs.environment(environment),
        cwd=lab.folder,
        capture_output=True,
        text=True,
        timeout=KEY_S_MAX,
        check=False,
    )
    key = made.stdout.strip()
    if made.returncode or not key or " " in key:
        said = " ".join((made.stderr or made.stdout).split())
        raise Unavailable(f"`headgate keys create` gave no key: {said[-300:]}")
    return Launch(
        words=[installed.program, "serve"],
        port=lab.port,
        model="bench",
        headers={"Authorization": f"Bearer {key}"},
        environment=environment,
    )


def _find_nginx() -> Installed:
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not program:
        raise Unavailable("nginx is not installed here")
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return Installed(program, said.strip().rpartition("/")[2])


def _launch_nginx(lab: Lab, installed: Installed) -> Launch:
    temporary = "\n".join(f"  {kind}_temp_path {lab.folder}/{kind};" for kind in ("client_body", "proxy"))
    unused = "\n".join(f"  {kind}_temp_path {lab.folder}/{kind};" for kind in ("fastcgi", "uwsgi", "scgi"))
    config = lab.write(
        "nginx.conf",
        f"""\
daemon off;
{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1;
pid {lab.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
{temporary}
{unused}
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  upstream lab {{ server {HOST}:{lab.upstream_port}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen {HOST}:{lab.port} backlog=1024;
    location / {{ proxy_pass http://lab; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
""",
    )
    return Launch(words=[installed.program, "-e", "stderr", "-c", config], port=lab.port)


LITELLM = PythonPeer("litellm", "1.109.1", "[proxy]", loose=("certifi", "litellm-proxy-extras", "litellm-enterprise"))


def launch_of_litellm(lab: Lab, installed: Installed, config: str) -> Launch:
    """The proxy with this configuration file, as its makers want it in production."""
    program = Path(installed.program).with_name("litellm")
    return Launch(
        words=[program, "--config", config, "--host", HOST, "--port", str(lab.port), "--num_workers", "1"],
        port=lab.port,
        headers={"Authorization": f"Bearer {PEER_KEY}"},
        environment={
            "LITELLM_MODE": "PRODUCTION",
            "LITELLM_LOG": "ERROR",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
        },
    )


def _launch_litellm(lab: Lab, installed: Installed) -> Launch:
    """After its "Production Best Practices" (docs.litellm.ai/docs/proxy/prod, 2026-10): one Uvicorn worker for the
    core, a master key, production mode, logs at errors only, no callbacks; prices from the package, not the network."""
    config = lab.write(
        "litellm.yaml",
        f"""\
model_list:
  - model_name: {UPSTREAM_MODEL}
    litellm_params: {{model: openai/{UPSTREAM_MODEL}, api_base: "{lab.upstream_url}", api_key: {UPSTREAM_KEY}}}
litellm_settings: {{request_timeout: 600, set_verbose: false, callbacks: [], num_retries: 0, telemetry: false}}
general_settings: {{master_key: {PEER_KEY}, disable_error_logs: true}}
""",
    )
    return launch_of_litellm(lab, installed, config)


PORTKEY = NodePeer(
    package="@portkey-ai/gateway",
    version="1.15.2",
    script="build/start-server.js",
    overrides={"@hono/node-server": "1.14.1"},  # github.com/Portkey-AI/gateway/issues/1389, 2025-10
    note="with a newer `@hono/node-server` than 1.14.1 it answers every streamed call with 500 (its issue 1389)",
)


def _launch_portkey(lab: Lab, installed: Installed) -> Launch:
    """As its deployment guide says for a server: the built script under Node, production, without the console."""
    node = shutil.which("node")
    if not node:
        raise Unavailable("it needs Node.js, and it is not installed here")
    return Launch(
        words=[node, installed.program, f"--port={lab.port}", "--headless"],
        port=lab.port,
        headers={
            "Authorization": f"Bearer {UPSTREAM_KEY}",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": lab.upstream_url,
        },
        environment={"NODE_ENV": "production"},
    )


def _launch_tensorzero(lab: Lab, installed: Installed) -> Launch:
    config = lab.write(
        "tensorzero.toml",
        f"""\
[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true

[models.bench]
routing = ["lab"]

[models.bench.providers.lab]
type = "openai"
api_base = "{lab.upstream_url}/"
model_name = "{UPSTREAM_MODEL}"
api_key_location = "env::LAB_KEY"
""",
    )
    return Launch(
        words=[installed.program, Path(__file__).with_name("tensorzero_host.py"), config],
        port=None,
        path="/openai" + CALL_PATH,
        model="tensorzero::model_name::bench",
        environment={"LAB_KEY": UPSTREAM_KEY, "RUST_LOG": "warn"},
    )


GATEWAYS = (
    Gateway(
        name="nginx",
        settings="the limit: `proxy_pass`, one worker, keep-alive on both sides, no access log; reads no JSON, checks "
        "no key",
        install=_find_nginx,
        launch=_launch_nginx,
    ),
    Gateway(
        name="Headgate",
        settings="as it comes: client key checked, tokens metered, every call in the journal (SQLite), one process",
        install=find_headgate,
        launch=_launch_headgate,
        module="headgate",
    ),
    Gateway(
        name="TensorZero",
        settings="the gateway inside the PyPI package, started by a Python that then sleeps; observability off and so "
        "nothing recorded (its recommended batch writes need ClickHouse); no key check (that needs PostgreSQL)",
        install=lambda: python_peer(PythonPeer("tensorzero", "2026.6.0")),
        launch=_launch_tensorzero,
    ),
    Gateway(
        name="Portkey",
        settings="`node build/start-server.js --headless`, `NODE_ENV=production`; no key check, nothing recorded",
        install=lambda: node_peer(PORTKEY),
        launch=_launch_portkey,
    ),
    Gateway(
        name="LiteLLM",
        settings="one Uvicorn worker, master key checked, production mode, logs at errors only, no callbacks, no "
        "database",
        install=lambda: python_peer(LITELLM),
        launch=_launch_litellm,
        module="litellm",
    ),
)
