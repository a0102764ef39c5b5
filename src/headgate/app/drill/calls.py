"""The load of a drill: calls that leave at set times, whoever waits, and what became of each. Knows no gateway but its
address. Every answer is compared with the text that the simulated upstreams say."""

import asyncio
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, cast

import msgspec
from httptools import HttpParserError, HttpResponseParser
from msgspec import Struct

MARK: Final = "drill-call-"
"""In every prompt, followed by the call's number and a stop: how an attempt in an upstream's log is known again."""
_FILLER: Final = "Say the same again, please. "


class End(StrEnum):
    """How a call ended for its client."""

    COMPLETE = "complete"
    HONEST = "honest"
    """An error that says so: a status, an error in the stream, a broken connection."""
    DISHONEST = "dishonest"
    """It looked whole and was not."""
    HANGING = "hanging"
    LEFT = "left"
    """The client hung up on purpose."""


class Target(Struct, frozen=True, kw_only=True):
    """Where calls go, and what they say."""

    host: str = "127.0.0.1"
    port: int
    path: str = "/v1/chat/completions"
    model: str
    headers: Mapping[str, str] = {}
    text: str
    """What a right answer says."""
    is_stream: bool = True


class Due(Struct, frozen=True):
    """One call to make. Times are on the monotonic clock."""

    number: int
    at_s: float
    prompt_tokens: int
    leaves: bool = False


class Call(Struct, kw_only=True):
    """What became of one."""

    number: int
    due_s: float
    first_s: float | None = None
    """When its first words were there."""
    ended_s: float | None = None
    status: int = 0
    output_tokens: int | None = None
    """As the answer told."""
    end: End = End.HANGING
    note: str = ""


def request_bytes(target: Target, due: Due) -> bytes:
    """The whole request of one call."""
    prompt = f"{MARK}{due.number}. " + _FILLER * (due.prompt_tokens * 4 // len(_FILLER))
    call: dict[str, object] = {"model": target.model, "messages": [{"role": "user", "content": prompt}]}
    if target.is_stream:
        call |= {"stream": True, "stream_options": {"include_usage": True}}
    body = msgspec.json.encode(call)
    fields = {
        "host": f"{target.host}:{target.port}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **target.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode() + body


class _Caller(asyncio.Protocol):
    """One call on a connection of its own."""

    def __init__(self, call: Call, target: Target, due: Due) -> None:
        self._call = call
        self._target = target
        self._due = due
        self._parser = HttpResponseParser(self)
        self._body = b""
        self._line = b""
        self._words: list[str] = []
        self._reason = ""
        self._error = ""
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(request_bytes(self._target, self._due))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as fault:
            self._end(End.DISHONEST, f"not HTTP: {fault!r}")

    def on_body(self, body: bytes) -> None:
        if self._target.is_stream and self._parser.get_status_code() == 200:
            lines = (self._line + body).split(b"\n")
            self._line = lines.pop()
            for line in lines:
                self._read(line.strip())
        else:
            self._body += body

    def on_message_complete(self) -> None:
        self._call.status = status = self._parser.get_status_code()
        if status != 200:
            self._end(End.HONEST, f"HTTP {status}: {self._body[:200].decode('utf-8', 'replace')}")
            return
        if not self._target.is_stream:
            self._whole()
        if self._error:
            self._end(End.HONEST, self._error)
        elif "".join(self._words) == self._target.text and self._reason:
            self._end(End.COMPLETE)
        else:
            told = f"{len(''.join(self._words))} of {len(self._target.text)} characters, finish {self._reason!r}"
            self._end(End.DISHONEST, told)

    def connection_lost(self, exc: Exception | None) -> None:
        # an end without a length is an end; anything else before the message was over is a break
        self._end(End.HONEST, f"the connection broke: {exc!r}")

    def _whole(self) -> None:
        self._read_object(self._body, "message")

    def _read(self, line: bytes) -> None:
        if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
            self._read_object(line[5:], "delta")

    def _read_object(self, data: bytes, member: str) -> None:
        try:
            event = msgspec.json.decode(data)
        except msgspec.DecodeError:
            self._error = self._error or "an event that is not JSON"
            return
        if not isinstance(event, dict):
            return
        told = cast(dict[str, object], event)
        if told.get("error"):
            self._error = str(told["error"])[:200]
        usage = told.get("usage")
        if isinstance(usage, dict):
            tokens = cast(dict[str, object], usage).get("completion_tokens")
            self._call.output_tokens = tokens if isinstance(tokens, int) else None
        for choice in cast(list[dict[str, object]], told.get("choices") or ()):
            words = cast(dict[str, object], choice.get(member) or {}).get("content")
            if isinstance(words, str) and words:
                self._heard(words)
            self._reason = str(choice.get("finish_reason") or self._reason)

    def _heard(self, words: str) -> None:
        if self._call.first_s is None:
            self._call.first_s = time.monotonic()
        self._words.append(words)
        if self._due.leaves and len(self._words) >= 5:
            self._end(End.LEFT)

    def _end(self, end: End, note: str = "") -> None:
        if self.over.done():
            return
        self._call.end, self._call.note, self._call.ended_s = end, note, time.monotonic()
        self.over.set_result(None)
        self._transport.abort()

    def abandon(self) -> None:
        """No more patience."""
        self._end(End.HANGING, "no end in time")


async def make_call(target: Target, due: Due, patience_s: float) -> Call:
    """Waits until it is due, makes it, and waits for its end as long as there is patience."""
    await asyncio.sleep(due.at_s - time.monotonic())
    call = Call(number=due.number, due_s=due.at_s)
    try:
        _, caller = await asyncio.get_running_loop().create_connection(
            lambda: _Caller(call, target, due), target.host, target.port
        )
    except OSError as fault:
        call.end, call.note, call.ended_s = End.HONEST, f"no connection: {fault}", time.monotonic()
        return call
    done, _ = await asyncio.wait([caller.over], timeout=patience_s)
    if not done:
        caller.abandon()
    return call
