"""A gateway in process with fake upstreams on real sockets: what the engine's tests stand on."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import Core, open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.principal import Principal
from headgate.core.record import CallRecord
from headgate.engine.conduct import Engine
from headgate.server.listener import ClientListener
from headgate.server.listening import Spawn
from headgate.transport.fake import FakeUpstream

PROVIDERS = {
    "openai_chat": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "openai_responses": "openai",
    "cohere": "cohere",
    "ollama": "ollama",
}
DIALECTS = tuple(PROVIDERS)
"""Those that a client may speak and an upstream may be made to."""
UPSTREAM_ONLY = {"bedrock_converse", "bedrock_invoke", "vertex_predict"}
"""Those that no client can speak yet: the server has no path for them."""


class Anyone:
    """Every key is good and means the same caller."""

    def recall(self, presented: bytes) -> Principal | None:
        return Principal(key_id="test", name="test")

    async def identify(self, presented: bytes) -> Principal | None:
        return Principal(key_id="test", name="test")


class Keys(Protocol):
    """Who may call."""

    def recall(self, presented: bytes) -> Principal | None: ...

    async def identify(self, presented: bytes) -> Principal | None: ...


class Bench:
    """A running gateway and its upstreams `a`, `b`, …, as providers `a_<dialect>` with the model `m`."""

    spawn: Spawn

    def __init__(
        self,
        core: Core,
        engine: Engine,
        listener: ClientListener,
        client: httpx2.AsyncClient,
        upstreams: Mapping[str, FakeUpstream],
    ) -> None:
        self.core = core
        self.engine = engine
        self.listener = listener
        self.client = client
        self.upstreams = upstreams

    async def post(self, dialect: str, model: str, **members: Any) -> httpx2.Response:
        """A whole call in a dialect."""
        path, body = call(dialect, model, is_stream=False)
        return await self.client.post(path, json={**body, **members})

    @asynccontextmanager
    async def stream(self, dialect: str, model: str, **members: Any) -> AsyncIterator[httpx2.Response]:
        """A streaming call in a dialect."""
        path, body = call(dialect, model, is_stream=True)
        async with self.client.stream("POST", path, json={**body, **members}) as response:
            yield response

    async def record(self, response: httpx2.Response) -> CallRecord:
        """What was written down of a call: at its end, which is a moment after the answer's."""
        async with asyncio.timeout(5):
            while (found := await self.core.calls.find(response.headers["x-headgate-request-id"])) is None:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def bench(
    folder: Path,
    names: str = "a",
    routes: Mapping[str, Any] | None = None,
    providers: Mapping[str, Any] | None = None,
    keys: Keys | None = None,
    **route: Any,
) -> AsyncIterator[Bench]:
    """A gateway in front of the upstreams `names`, and of `providers` besides.

    The route `r` tries the upstreams in order, in the client's dialect's place: `r_<dialect>` has the doors that speak
    `dialect` only. `route` are further settings of these routes.
    """
    kept = route.pop("kept", "database")  # where answers are
    async with AsyncExitStack() as stack:
        upstreams = {name: await stack.enter_async_context(FakeUpstream()) for name in names}
        faked = {
            f"{name}_{dialect}": {
                "like": PROVIDERS[dialect],
                "base_url": upstream.url,
                "speaks": [dialect],
                "api_key": "env:UPSTREAM_KEY",
            }
            for name, upstream in upstreams.items()
            for dialect in DIALECTS
        }
        made = {f"r_{dialect}": {"targets": [f"{name}_{dialect}/m" for name in names], **route} for dialect in DIALECTS}
        tree = {
            "data_dir": str(folder),
            "providers": {**faked, **(providers or {})},
            "routes": {**made, **(routes or {})},
            "cache": {"kept": kept},
        }
        setup = build(tree, environ={"UPSTREAM_KEY": "upstream-secret"})
        core = await stack.enter_async_context(open_core(setup))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        engine.fleet.blame.lag_max_s = 60.0  # whatever else this machine has to do
        listener = wiring.client_listener(core, engine, keys or Anyone())
        transport = AsyncTransport(listener, spawn)
        client = httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers={"authorization": "Bearer anything"}, timeout=30
        )
        gateway = Bench(core, engine, listener, await stack.enter_async_context(client), upstreams)
        gateway.spawn = spawn
        yield gateway


def call(dialect: str, model: str, *, is_stream: bool) -> tuple[str, dict[str, Any]]:
    """Path and body of a small call."""
    words = "say pong"
    match dialect:
        case "openai_chat":
            body = {"model": model, "messages": [{"role": "user", "content": words}]}
            return "/v1/chat/completions", {**body, "stream": True} if is_stream else body
        case "openai_responses":
            body = {"model": model, "input": words}
            return "/v1/responses", {**body, "stream": True} if is_stream else body
        case "anthropic":
            body = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": words}]}
            return "/v1/messages", {**body, "stream": True} if is_stream else body
        case "cohere":
            body = {"model": model, "messages": [{"role": "user", "content": words}]}
            return "/v2/chat", {**body, "stream": True} if is_stream else body
        case "ollama":
            body = {"model": model, "messages": [{"role": "user", "content": words}]}
            return "/api/chat", body if is_stream else {**body, "stream": False}
        case _:
            verb = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
            return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": words}]}]}


def text_of(dialect: str, body: bytes) -> str:
    """The words of a whole answer."""
    answer = json.loads(body)
    match dialect:
        case "openai_chat":
            return answer["choices"][0]["message"]["content"]
        case "openai_responses":
            return "".join(part["text"] for item in answer["output"] for part in item.get("content", ()))
        case "anthropic":
            return "".join(block["text"] for block in answer["content"] if block["type"] == "text")
        case "cohere":
            return "".join(part["text"] for part in answer["message"]["content"])
        case "ollama":
            return answer["message"]["content"]
        case _:
            return "".join(part.get("text", "") for part in answer["candidates"][0]["content"]["parts"])
