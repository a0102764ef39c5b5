"""Amazon Bedrock behind the gateway: clients of other dialects, and an upstream that answers in AWS's event streams."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.fold import fold
from headgate.dialects.eventstream import event, exception
from headgate.dialects.registry import DIALECTS
from tests.engine.harness import Anyone, call

MODEL = "us.anthropic.claude-x-v1:0"
USAGE = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
WHOLE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "pong"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}
STREAM = [
    event("messageStart", b'{"role":"assistant"}'),
    event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"po"},"p":"abc"}'),
    event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"ng"}}'),
    event("contentBlockStop", b'{"contentBlockIndex":0}'),
    event("messageStop", b'{"stopReason":"end_turn"}'),
    event("metadata", json.dumps({"usage": USAGE, "metrics": {"latencyMs": 1}}).encode()),
]
CLAUDE: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "pong"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"cited_text": "c"}}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
]
CHUNKS = [
    event("chunk", json.dumps({"bytes": base64.b64encode(json.dumps(told).encode()).decode()}).encode())
    for told in CLAUDE
]


class Bedrock:
    """A server that knows one model. `asked` is what it heard: request line, header fields and body."""

    def __init__(self, streams: dict[str, list[bytes]]) -> None:
        self.streams = streams
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = json.loads(await reader.readexactly(int(fields["content-length"])))
        path = head[0].split(" ")[1]
        self.asked.append((path, fields, body))
        pieces = self.streams.get(path.rpartition("/")[2])
        if pieces is None:
            data, kind = json.dumps(WHOLE).encode(), "application/json"
        else:
            data, kind = b"".join(pieces), "application/vnd.amazon.eventstream"
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode())
        for at in range(0, len(data), 97):
            writer.write(data[at : at + 97])
            await writer.drain()
        writer.close()


@asynccontextmanager
async def bench(folder: Path, streams: dict[str, list[bytes]], door: str) -> AsyncIterator[tuple[Any, Bedrock]]:
    upstream = Bedrock(streams)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        entry = {"like": "bedrock", "base_url": url, "api_key": "env:KEY", "speaks": [door]}
        setup = build({"data_dir": str(folder), "providers": {"aws": entry}}, environ={"KEY": "bedrock-key"})
        async with open_core(setup) as core, wiring.open_engine(core) as (engine, spawn):
            transport = AsyncTransport(wiring.client_listener(core, engine, Anyone()), spawn)
            headers = {"authorization": "Bearer anything"}
            async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
                yield client, upstream


async def ask(client: Any, dialect: str, *, is_stream: bool) -> Any:
    path, body = call(dialect, f"aws/{MODEL}", is_stream=is_stream)
    return await client.post(path, json=body)


CLIENTS = ["openai_chat", "openai_responses", "anthropic", "gemini"]


@pytest.mark.parametrize("dialect", CLIENTS)
def test_every_client_hears_converse(tmp_path: Path, dialect: str) -> None:
    async def run() -> None:
        async with bench(tmp_path, {"converse-stream": STREAM}, "bedrock_converse") as (client, upstream):
            whole = await ask(client, dialect, is_stream=False)
            streamed = await ask(client, dialect, is_stream=True)
            parser = DIALECTS[dialect].stream_parser()
            for events in (
                DIALECTS[dialect].parse_response(whole.content),
                parser.feed(streamed.content) + parser.close(),
            ):
                answer = fold(events)
                assert (answer.text, answer.reason, answer.problem) == ("pong", "stop", None)
            (path, fields, body), (stream_path, stream_fields, _) = upstream.asked
            assert (path, stream_path) == (
                "/model/us.anthropic.claude-x-v1%3A0/converse",
                "/model/us.anthropic.claude-x-v1%3A0/converse-stream",
            )
            assert fields["authorization"] == "bearer bedrock-key"
            assert (fields["accept"], stream_fields["accept"]) == (
                "application/json",
                "application/vnd.amazon.eventstream",
            )
            assert body["messages"] == [{"role": "user", "content": [{"text": "say pong"}]}]

    asyncio.run(run())


def test_a_client_of_anthropic_hears_all_that_claude_says(tmp_path: Path) -> None:
    async def run() -> None:
        streams = {"invoke-with-response-stream": CHUNKS}
        async with bench(tmp_path, streams, "bedrock_invoke") as (client, upstream):
            streamed = await ask(client, "anthropic", is_stream=True)
            told = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
            assert told[2:4] == CLAUDE[2:4]
            assert "x-headgate-dropped" not in streamed.headers
            (path, _, body) = upstream.asked[0]
            assert path == "/model/us.anthropic.claude-x-v1%3A0/invoke-with-response-stream"
            assert body == {
                "anthropic_version": "bedrock-2023-05-31",
                "max_tokens": 64,
                "messages": [{"role": "user", "content": "say pong"}],
            }

    asyncio.run(run())


def test_an_exception_amid_a_stream_is_an_error_for_the_client(tmp_path: Path) -> None:
    async def run() -> None:
        broken = [*STREAM[:3], exception("throttlingException", b'{"message":"slow down"}')]
        async with bench(tmp_path, {"converse-stream": broken}, "bedrock_converse") as (client, _):
            streamed = await ask(client, "openai_chat", is_stream=True)
            assert "slow down" in streamed.text
            assert "[DONE]" not in streamed.text

    asyncio.run(run())


def test_an_exception_in_place_of_a_stream_is_a_status(tmp_path: Path) -> None:
    async def run() -> None:
        broken = [exception("throttlingException", b'{"message":"slow down"}')]
        async with bench(tmp_path, {"converse-stream": broken}, "bedrock_converse") as (client, _):
            refused = await ask(client, "openai_chat", is_stream=True)
            assert (refused.status_code, "slow down" in refused.text) == (429, True)

    asyncio.run(run())
