"""What the default answers of a fake upstream are made of: what is asked, and how an API speaks."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct


class Ask(Struct, frozen=True, kw_only=True):
    """What the default answers look at in a request, and the text to answer with."""

    method: str = "POST"
    path: str
    query: str
    model: str
    wants_stream: bool
    wants_usage: bool
    prompt_tokens: int
    text: str
    members: Mapping[str, object] = {}
    """Of a body that is JSON."""

    @property
    def words(self) -> list[str]:
        """The text in the pieces in which it is streamed: one word each, with the space before it."""
        return re.findall(r"\s*\S+", self.text)


class Voice(Struct, frozen=True, kw_only=True):
    """One API: which paths it is at, how it answers whole and streamed, how it keeps alive and fails in a stream."""

    path: re.Pattern[str]
    whole: Callable[[Ask], object]
    """What is sent as JSON, or an `Answer`."""
    stream: Callable[[Ask], Sequence[bytes]]
    ping: bytes = b": ping\n\n"
    error: bytes
    stream_type: str = "text/event-stream"


def parse_ask(target: str, body: bytes, text: str, method: str = "POST") -> Ask:
    """Reads as much of a request as there is to read; never fails."""
    path, _, query = target.partition("?")
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = None
    members = cast(dict[str, object], decoded) if isinstance(decoded, dict) else _fields(body)
    options = members.get("stream_options")
    model = re.search(r"/models/([^/:]+)", path)
    return Ask(
        method=method,
        path=path,
        query=query,
        model=model[1] if model else str(members.get("model", "fake-model")),
        wants_stream=members.get("stream", path.endswith((":streamGenerateContent", "/api/chat"))) in (True, "true")
        or members.get("stream_format") == "sse",
        wants_usage=isinstance(options, dict) and cast(dict[str, object], options).get("include_usage") is True,
        prompt_tokens=max(1, len(body) // 4),
        text=_rest(text, members.get("messages")),
        members=members,
    )


def _rest(text: str, messages: object) -> str:
    """What is left to say where the request holds the beginning of the text as an answer that broke off."""
    last = cast("list[object]", messages)[-2:] if isinstance(messages, list) else []
    for message in last:
        match message:
            case {"role": "assistant", "content": str(begun)} if begun and text.startswith(begun):
                return text[len(begun) :]
            case _:
                pass
    return text


def _fields(form: bytes) -> dict[str, object]:
    """The plain fields of a body that is a form."""
    found = re.findall(rb'form-data; *name="?(\w+)"?\r\n(?:[\w-]+:[^\r]*\r\n)*\r\n([^\r]*)\r\n', form)
    return {name.decode(): value.decode("utf-8", "replace") for name, value in found}


def sse(data: object, name: str = "") -> bytes:
    """One event of a stream."""
    line = b"data: " + msgspec.json.encode(data) + b"\n\n"
    return b"event: " + name.encode() + b"\n" + line if name else line
