"""The fake upstream itself: opens the port, gives requests to the playbook, keeps the log."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from headgate.transport.fake.answers import Answer, streamed
from headgate.transport.fake.control import control
from headgate.transport.fake.faults import Fault, Refuse
from headgate.transport.fake.fixtures import read_answer, read_fixtures
from headgate.transport.fake.live import Line, Live
from headgate.transport.fake.log import Attempt, Log
from headgate.transport.fake.playbook import Pace, Play, Playbook
from headgate.transport.fake.session import Session
from headgate.transport.fake.steps import Step
from headgate.transport.fake.voice import parse_ask

TEXT = "The quick brown fox jumps over the lazy dog."


class FakeSettings(Struct, frozen=True, kw_only=True):
    """How a fake upstream is set up."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    text: str = TEXT
    """What the default answers say, streamed word by word."""
    gap_s: float = 0.0
    """Pause between two chunks of the default streams."""
    first_s: float = 0.0
    """The median wait for a first token, which is log-normal and grows with the prompt; 0: none."""
    seed: int = 0
    """Of the dice that faults with a probability throw."""
    log_attempts_max: int = 10_000
    tls: ssl.SSLContext | None = None
    """Serve https with this."""


class FakeUpstream:
    """A provider made for tests: `async with FakeUpstream() as upstream`, then send calls to `upstream.url`.

    Unscripted it speaks OpenAI chat completions and responses, Anthropic messages and Gemini, whole and streamed, and
    OpenAI's realtime over WebSockets.
    Scripts and faults may be added at any time and hold from the next request on; `upstream.log` says what happened.
    """

    def __init__(self, settings: FakeSettings | None = None) -> None:
        self.settings = settings or FakeSettings()
        self.full_log = Log(self.settings.log_attempts_max)
        self._playbook = Playbook(Pace(gap_s=self.settings.gap_s, first_s=self.settings.first_s), self.settings.seed)
        self._sessions: set[Session] = set()
        self._lives: set[Live] = set()
        self._talks: list[Sequence[Line]] = []
        self.talks: list[Live] = []
        """Every live session so far, oldest first: what was heard in it, and how it ended."""
        self._connections = 0
        self._port = self.settings.port
        self._is_open = True
        self._reopening: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port

    @property
    def url(self) -> str:
        """The origin, such as http://127.0.0.1:9101."""
        return f"{'https' if self.settings.tls else 'http'}://{self.settings.host}:{self._port}"

    @property
    def log(self) -> list[Attempt]:
        """Every attempt so far, oldest first."""
        return list(self.full_log.attempts)

    # Scripts: without `times` they stand, with it they come first and run out

    def reply(
        self,
        body: bytes,
        *,
        status: int = 200,
        headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),),
        path: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answers with this body, at `path` or everywhere."""
        chunks = (body,) if body else ()
        answer = Answer(status=status, headers=tuple(headers), chunks=chunks)
        self._playbook.add_answer(answer, path=path, times=times)

    def stream(
        self, chunks: Sequence[bytes], *, gap_s: float = 0.0, path: str | None = None, times: int | None = None
    ) -> None:
        """Answers with these chunks as text/event-stream, one by one."""
        self._playbook.add_answer(streamed(chunks, gap_s=gap_s), path=path, times=times)

    def script(self, steps: Sequence[Step], *, path: str | None = None, times: int | None = None) -> None:
        """Does exactly this on the wire: `[Send(b"HTTP/1.1 200 OK\\r\\n"), Wait(1), Close()]`."""
        self._playbook.add_answer(list(steps), path=path, times=times)

    def replay(self, file: Path, *, path: str | None = None, times: int | None = None) -> None:
        """Answers with the body in a file; one that ends in .sse is streamed event by event."""
        self._playbook.add_answer(read_answer(file, self.settings.gap_s), path=path, times=times)

    def load(self, folder: Path) -> None:
        """Answers from a folder whose files are named like the paths of calls: `v1/messages.json`, `….sse`."""
        for fixture in read_fixtures(folder, self.settings.gap_s):
            self._playbook.add_answer(fixture.answer, path=fixture.path, for_stream=fixture.for_stream)

    def talk(self, script: Sequence[Line]) -> None:
        """Goes through exactly this in the next live session: `[Say(event), Hear(), HangUp(1000)]`."""
        self._talks.append(script)

    # Faults

    def fail(
        self, fault: Fault, *, times: int | None = None, probability: float = 1.0, path: str | None = None
    ) -> None:
        """Fails so from now on: `times` often (None: until `heal`), with this probability, at `path` or everywhere."""
        self._playbook.add_fault(fault, times=times, probability=probability, path=path)
        if isinstance(fault, Refuse):
            self._loop.call_soon_threadsafe(self._refuse, fault.s)

    def heal(self) -> None:
        """Takes all faults back."""
        self._playbook.clear_faults()
        self._loop.call_soon_threadsafe(self._reopen)

    def break_connections(self) -> None:
        """Ends every connection (FIN), as a provider does that restarts."""
        self._loop.call_soon_threadsafe(self._close_sessions)

    # Lifetime

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._door = asyncio.Event()
        async with AsyncExitStack() as stack:
            server = await self._listen()
            group = await stack.enter_async_context(asyncio.TaskGroup())
            self._keeper = group.create_task(self._keep_door(server))
            await asyncio.sleep(0)  # it has to begin: cancelled before, it would never close the port
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        self._keeper.cancel()
        await self._stack.aclose()
        for session in [*self._sessions, *self._lives]:
            session.abort()
        if self._sessions or self._lives:
            self._emptied = asyncio.Event()
            await self._emptied.wait()

    @classmethod
    @contextmanager
    def threaded(cls, settings: FakeSettings | None = None) -> Generator[FakeUpstream]:
        """The same in a thread with a loop of its own: for tests and programs that are not asynchronous."""
        upstream = cls(settings)
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(upstream._live(started)), name="fake-upstream")
        thread.start()
        started.wait()
        try:
            yield upstream
        finally:
            upstream._loop.call_soon_threadsafe(upstream._leave.set)
            thread.join()

    async def _live(self, started: threading.Event) -> None:
        self._leave = asyncio.Event()
        async with self:
            started.set()
            await self._leave.wait()

    # What a session asks

    def opened(self, session: Session) -> int:
        """A connection came; its number."""
        self._sessions.add(session)
        self._connections += 1
        return self._connections

    def closed(self, session: Session) -> None:
        """A connection is gone."""
        self._sessions.discard(session)
        if self._emptied is not None and not self._sessions and not self._lives:
            self._emptied.set()

    def control(self, attempt: Attempt) -> list[Step] | None:
        """The answer to a control call, or None if it is none."""
        answer = control(self, attempt)
        return answer.steps() if answer is not None else None

    def receive(self, attempt: Attempt) -> Play:
        """Writes the attempt down and decides what it gets."""
        self.full_log.add(attempt)
        return self._playbook.play(parse_ask(attempt.path, attempt.body, self.settings.text, attempt.method))

    def live(self, attempt: Attempt) -> Live | Play:
        """The same for a wish for a WebSocket."""
        self.full_log.add(attempt)
        play = self._playbook.play_instead(parse_ask(attempt.path, attempt.body, self.settings.text, attempt.method))
        if play is not None:
            return play
        attempt.status = 101
        script = self._talks.pop(0) if self._talks else None
        talk = Live(attempt, self.settings.text, script, self._ended)
        self.talks.append(talk)
        self._lives.add(talk)
        return talk

    def _ended(self, live: Live) -> None:
        self._lives.discard(live)
        if self._emptied is not None and not self._sessions and not self._lives:
            self._emptied.set()

    # The door

    async def _listen(self) -> asyncio.Server:
        server = await self._loop.create_server(
            lambda: Session(self), self.settings.host, self._port, ssl=self.settings.tls, backlog=1024
        )
        self._port = int(server.sockets[0].getsockname()[1])
        return server

    async def _keep_door(self, server: asyncio.Server) -> None:
        """Closes the port when told to refuse, and opens it again."""
        try:
            while True:
                await self._door.wait()
                self._door.clear()
                if server.is_serving() and not self._is_open:
                    server.close()
                elif self._is_open and not server.is_serving():
                    server = await self._listen()
        finally:
            server.close()

    def _refuse(self, s: float | None) -> None:
        self._is_open = False
        self._door.set()
        for session in list(self._sessions):
            if not session.is_control:  # through which the fault can be taken back
                session.abort()
        if s is not None:
            self._reopening = self._loop.call_later(s, self._reopen)

    def _reopen(self) -> None:
        self._playbook.clear_faults(Refuse)
        self._is_open = True
        self._door.set()

    def _close_sessions(self) -> None:
        for session in list(self._sessions):
            session.close()
