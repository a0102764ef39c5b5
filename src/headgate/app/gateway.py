"""The library face: the vendors' own SDK clients, served in process by the same engine as the server's.

    async with Gateway("headgate.yaml") as gateway:
        client = gateway.async_openai()
        await client.chat.completions.create(model="smart", messages=[…])

Heavy parts are imported when a gateway is opened, the SDKs when a client is asked for.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from headgate.core.principal import Principal
from headgate.core.problems import ConfigError

if TYPE_CHECKING:
    import anthropic
    import openai

    from headgate.app.core import Core
    from headgate.server.listener import ClientListener
    from headgate.server.listening import Spawn

_KEY = "in-process"
"""What the SDK clients present; there is nobody else in this process to keep out."""


class Gateway:
    """An async context manager around the engine. `config`: a file's path, the same as a mapping, or None for
    `HEADGATE_CONFIG`, `./headgate.yaml` or the defaults, in that order. Raises `ConfigError` on entering."""

    def __init__(self, config: str | Path | Mapping[str, object] | None = None) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._here: tuple[ClientListener, Spawn] | None = None
        self._core: Core | None = None
        self._portal: _Portal | None = None

    async def __aenter__(self) -> Self:
        from headgate.app import config, core, wiring  # noqa: PLC0415 - importing headgate must stay cheap

        given = self._config
        setup = config.build(given) if isinstance(given, Mapping) else config.load(Path(given) if given else None)
        async with AsyncExitStack() as stack:
            self._core = await stack.enter_async_context(core.open_core(setup, is_library=True))
            engine, spawn = await stack.enter_async_context(wiring.open_engine(self._core))
            self._here = _listener(self._core, engine, spawn), spawn
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        portal, self._portal, self._here = self._portal, None, None
        if portal is not None:
            await asyncio.to_thread(portal.close)
        await self._stack.aclose()

    def async_openai(self, **options: Any) -> "openai.AsyncOpenAI":
        """OpenAI's async client. `options` are its own."""
        import httpx2  # noqa: PLC0415
        import openai  # noqa: PLC0415

        from headgate.app.inprocess import BASE_URL, AsyncTransport  # noqa: PLC0415

        client = httpx2.AsyncClient(transport=AsyncTransport(*self._opened()), base_url=BASE_URL)
        return openai.AsyncOpenAI(api_key=_KEY, base_url=f"{BASE_URL}/v1", http_client=client, **options)

    def async_anthropic(self, **options: Any) -> "anthropic.AsyncAnthropic":
        """Anthropic's async client. `options` are its own."""
        import anthropic  # noqa: PLC0415
        import httpx2  # noqa: PLC0415

        from headgate.app.inprocess import BASE_URL, AsyncTransport  # noqa: PLC0415

        client = httpx2.AsyncClient(transport=AsyncTransport(*self._opened()), base_url=BASE_URL)
        return anthropic.AsyncAnthropic(api_key=_KEY, base_url=BASE_URL, http_client=client, **options)

    def openai(self, **options: Any) -> "openai.OpenAI":
        """OpenAI's blocking client, for any thread: it is served by a thread of its own, so that it cannot block the
        loop that would have to answer it."""
        import httpx2  # noqa: PLC0415
        import openai  # noqa: PLC0415

        from headgate.app.inprocess import BASE_URL, SyncTransport  # noqa: PLC0415

        self._opened()
        if self._portal is None:
            assert self._core is not None  # noqa: S101 - opened just above
            self._portal = _Portal(self._core)
        transport = SyncTransport(*self._portal.listener, self._portal.loop)
        client = httpx2.Client(transport=transport, base_url=BASE_URL)
        return openai.OpenAI(api_key=_KEY, base_url=f"{BASE_URL}/v1", http_client=client, **options)

    def _opened(self) -> "tuple[ClientListener, Spawn]":
        if self._here is None:
            raise ConfigError("the gateway is not open: use `async with Gateway(...) as gateway:`")
        return self._here


class _Portal:
    """A second engine on a loop of its own thread, with the same books: for callers that block."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="headgate-portal", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends the thread; calls under way are cancelled."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from headgate.app import wiring  # noqa: PLC0415

        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with wiring.open_engine(self._core) as (engine, spawn):
            self.listener = _listener(self._core, engine, spawn), spawn
            self._ready.set()
            await self._stop.wait()


class _Insider:
    """Everyone in this process is the same caller."""

    _principal = Principal(key_id="library", name="library")

    def recall(self, presented: bytes) -> Principal | None:
        """The library's own caller."""
        return self._principal

    async def identify(self, presented: bytes) -> Principal | None:
        """Likewise."""
        return self._principal


def _listener(core: "Core", engine: Any, spawn: "Spawn") -> "ClientListener":
    from headgate.app import wiring  # noqa: PLC0415

    listener = wiring.client_listener(core, engine, _Insider())
    wiring.open_desk(core, engine, listener, spawn)
    return listener
