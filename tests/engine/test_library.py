"""The library face: the vendors' own clients in this process, blocking ones too, and nothing left when it closes."""

import asyncio
import itertools
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from headgate import Gateway
from headgate.core.problems import ConfigError
from headgate.transport.fake import CutAfter, FakeUpstream, StallAfter, Status
from headgate.transport.fake.upstream import TEXT

HI: list[Any] = [{"role": "user", "content": "say pong"}]
LIKES = {"openai_chat": "openai", "anthropic": "anthropic", "gemini": "gemini"}
STALL = StallAfter(bytes=900)
"""Enough for some words in every dialect, and never the end."""


def settings(folder: Path, url: str = "http://127.0.0.1:9") -> dict[str, Any]:
    """Providers named after their dialect, at one address."""
    providers = {
        dialect: {"like": like, "base_url": url, "speaks": [dialect], "api_key": "none", "bills_on": False}
        for dialect, like in LIKES.items()
    }
    return {"data_dir": str(folder), "providers": providers}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Gateway, FakeUpstream]]:
    """A gateway and the upstream behind it."""
    async with FakeUpstream() as upstream, Gateway(settings(folder, upstream.url)) as gateway:
        yield gateway, upstream


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - the log of an upstream has nobody to tell
            await asyncio.sleep(0.01)


# Beside chat


def test_the_endpoints_beside_chat_are_there_too(tmp_path: Path):
    async def run() -> None:
        async with opened(tmp_path) as (gateway, upstream), gateway.async_openai() as client:
            vectors = await client.embeddings.create(model="gemini/m", input=["a", "b"])
            assert [entry.embedding[0] for entry in vectors.data] == [0.25, 1.25]
            heard = await client.audio.transcriptions.create(model="openai_chat/m", file=("a.wav", b"sound"))
            assert heard.text == TEXT
            upstream.fail(CutAfter(bytes=400))
            with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
                await client.audio.speech.create(model="openai_chat/m", input="hello", voice="alloy")

    asyncio.run(run())


# Asynchronous clients


@pytest.mark.parametrize("dialect", LIKES)
def test_async_openai(tmp_path: Path, dialect: str):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, _), gateway.async_openai() as client:
            whole = await client.chat.completions.create(model=f"{dialect}/m", messages=HI)
            assert whole.choices[0].message.content == TEXT
            words: list[str] = []
            async for chunk in await client.chat.completions.create(model=f"{dialect}/m", messages=HI, stream=True):
                words += [choice.delta.content or "" for choice in chunk.choices]
            assert "".join(words) == TEXT
            answer = await client.responses.create(model=f"{dialect}/m", input="say pong")
            assert answer.output_text == TEXT

    asyncio.run(scene())


@pytest.mark.parametrize("dialect", LIKES)
def test_async_anthropic(tmp_path: Path, dialect: str):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, _), gateway.async_anthropic() as client:
            whole = await client.messages.create(model=f"{dialect}/m", max_tokens=64, messages=HI)
            assert [block.text for block in whole.content if block.type == "text"] == [TEXT]
            async with client.messages.stream(model=f"{dialect}/m", max_tokens=64, messages=HI) as stream:
                assert "".join([text async for text in stream.text_stream]) == TEXT

    asyncio.run(scene())


@pytest.mark.parametrize("dialect", LIKES)
def test_words_come_while_the_upstream_still_speaks(tmp_path: Path, dialect: str):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, upstream), gateway.async_openai() as client:
            upstream.fail(STALL)
            stream = await client.chat.completions.create(model=f"{dialect}/m", messages=HI, stream=True)
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    break
            (attempt,) = upstream.log
            assert (attempt.completed, attempt.closed_early) == (False, False)
            await stream.close()
            await until(lambda: attempt.closed_early)

    asyncio.run(scene())


def test_the_demo_streams_word_by_word(tmp_path: Path):
    async def scene() -> None:
        async with Gateway(settings(tmp_path)) as gateway, gateway.async_openai() as client:
            loop = asyncio.get_running_loop()
            came_s: list[float] = []
            async for chunk in await client.chat.completions.create(
                model="demo/lorem@50ms", messages=HI, max_tokens=6, stream=True
            ):
                if chunk.choices and chunk.choices[0].delta.content:
                    came_s.append(loop.time())
            assert len(came_s) == 6
            assert all(later > sooner for sooner, later in itertools.pairwise(came_s))
            assert came_s[-1] - came_s[0] > 0.1

    asyncio.run(scene())


def test_a_cancelled_call_is_cancelled_upstream(tmp_path: Path):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, upstream), gateway.async_anthropic(max_retries=0) as client:
            upstream.fail(StallAfter(bytes=0))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.messages.create(model="anthropic/m", max_tokens=64, messages=HI)
            await until(lambda: upstream.log and upstream.log[0].closed_early)

    asyncio.run(scene())


# Errors are the SDKs' own


def test_errors_of_openai(tmp_path: Path):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, upstream), gateway.async_openai(max_retries=0) as client:
            ask = client.chat.completions.create
            with pytest.raises(openai.NotFoundError, match="nobody"):
                await ask(model="nobody", messages=HI)
            with pytest.raises(openai.BadRequestError) as bad:
                await ask(model="openai_chat/m", messages="hi")  # type: ignore[arg-type]
            assert bad.value.param == "messages"
            upstream.fail(Status(status=429, retry_after_s=3), times=1)
            with pytest.raises(openai.RateLimitError) as limited:
                await ask(model="openai_chat/m", messages=HI)
            assert limited.value.response.headers["retry-after"] == "3"
            upstream.fail(Status(status=500))
            with pytest.raises(openai.InternalServerError):
                await ask(model="anthropic/m", messages=HI)
            upstream.heal()
            upstream.fail(CutAfter(bytes=700), times=1)
            with pytest.raises(openai.APIError):
                async for _ in await ask(model="openai_chat/m", messages=HI, stream=True):
                    pass

    asyncio.run(scene())


def test_errors_of_anthropic(tmp_path: Path):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, upstream), gateway.async_anthropic(max_retries=0) as client:
            with pytest.raises(anthropic.NotFoundError, match="nobody"):
                await client.messages.create(model="nobody", max_tokens=64, messages=HI)
            upstream.fail(Status(status=503))
            with pytest.raises(anthropic.InternalServerError):
                await client.messages.create(model="gemini/m", max_tokens=64, messages=HI)
            upstream.heal()
            upstream.fail(CutAfter(bytes=700))
            async with client.messages.stream(model="anthropic/m", max_tokens=64, messages=HI) as stream:
                with pytest.raises(anthropic.APIStatusError):
                    await stream.until_done()

    asyncio.run(scene())


# The blocking client


def converse(client: openai.OpenAI, upstream: FakeUpstream) -> None:
    """A whole call, a stream, a fault, and a stream that is left early."""
    ask = client.chat.completions.create
    assert ask(model="anthropic/m", messages=HI).choices[0].message.content == TEXT
    chunks = list(ask(model="anthropic/m", messages=HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    with pytest.raises(openai.NotFoundError):
        ask(model="nobody", messages=HI)
    upstream.fail(STALL, times=1)
    with ask(model="openai_chat/m", messages=HI, stream=True) as stream:
        next(iter(stream))
        assert not upstream.log[-1].closed_early


def test_the_blocking_client_in_a_thread_of_the_loop(tmp_path: Path):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, upstream):
            with gateway.openai(max_retries=0) as client:
                await asyncio.to_thread(converse, client, upstream)
            await until(lambda: upstream.log[-1].closed_early)

    asyncio.run(scene())


def test_the_blocking_client_inside_of_async_code(tmp_path: Path):
    """It blocks the loop, as any blocking call does, and still gets its answer."""

    async def scene(upstream: FakeUpstream) -> None:
        async with Gateway(settings(tmp_path, upstream.url)) as gateway:
            with gateway.openai(max_retries=0) as client:
                converse(client, upstream)
            await until(lambda: upstream.log[-1].closed_early)

    with FakeUpstream.threaded() as upstream:
        asyncio.run(scene(upstream))


def test_blocking_clients_in_many_threads(tmp_path: Path):
    async def scene() -> None:
        async with opened(tmp_path) as (gateway, _):
            with gateway.openai(max_retries=0) as client:
                answers: list[str | None] = []

                def call() -> None:
                    answer = client.chat.completions.create(model="gemini/m", messages=HI)
                    answers.append(answer.choices[0].message.content)

                threads = [threading.Thread(target=call) for _ in range(16)]
                for thread in threads:
                    thread.start()
                await until(lambda: not any(thread.is_alive() for thread in threads))
                assert answers == [TEXT] * 16

    asyncio.run(scene())


# Coming and going


def test_nothing_stays_when_it_closes(tmp_path: Path):
    async def scene() -> None:
        async with FakeUpstream() as upstream:
            tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
            async with Gateway(settings(tmp_path, upstream.url)) as gateway:
                upstream.fail(STALL)
                client, blocking = gateway.async_openai(), gateway.openai()
                left = await client.chat.completions.create(model="openai_chat/m", messages=HI, stream=True)
                await anext(aiter(left))
                assert asyncio.all_tasks() > tasks
            await until(lambda: upstream.log[0].closed_early)
            assert asyncio.all_tasks() == tasks
            pools = {thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")}
            assert set(threading.enumerate()) - pools == threads
            blocking.close()
            await client.close()

    asyncio.run(scene())


def test_a_stream_that_closing_cut_off_is_written_down_as_cut_off(tmp_path: Path):
    async def scene() -> None:
        async with FakeUpstream() as upstream:
            upstream.fail(STALL)
            async with Gateway(settings(tmp_path, upstream.url)) as gateway:
                client = gateway.async_openai()
                stream = await client.chat.completions.create(model="openai_chat/m", messages=HI, stream=True)
                await anext(aiter(stream))
                call_id = stream.response.headers["x-headgate-request-id"]
            async with Gateway(settings(tmp_path, upstream.url)) as gateway:
                again = gateway.async_openai()
                kept = await again.get(f"/generations/{call_id}", cast_to=dict[str, Any])
            assert kept["outcome"] != "ok"
            assert kept["attempts"][0]["outcome"] != "ok"
            assert kept["usage_source"] == "counted"

    asyncio.run(scene())


def test_a_client_of_a_closed_gateway_says_so(tmp_path: Path):
    async def scene() -> None:
        gateway = Gateway(settings(tmp_path))
        with pytest.raises(ConfigError, match="not open"):
            gateway.async_openai()
        async with gateway:
            clients = gateway.async_openai(max_retries=0), gateway.openai(max_retries=0)
        with pytest.raises(ConfigError, match="not open"):
            gateway.async_openai()
        with pytest.raises(ConfigError, match="not open"):
            gateway.openai()
        with pytest.raises(openai.APIConnectionError):
            await clients[0].chat.completions.create(model="demo/echo", messages=HI)
        with pytest.raises(openai.APIConnectionError):
            clients[1].chat.completions.create(model="demo/echo", messages=HI)

    asyncio.run(scene())


def test_importing_it_costs_little():
    heavy = {"uvicorn", "fastapi", "starlette", "pydantic", "sqlalchemy", "openai", "anthropic", "httpx2", "yaml"}
    code = "import sys, headgate; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert heavy & set(done.stdout.split()) == set()
