"""A fake provider's live sessions: OpenAI's realtime events over a WebSocket, or a script. Callbacks only.

Written by hand from https://platform.openai.com/docs/api-reference/realtime-server-events (2026-11); must not be taken
for a reference of that API.
"""

import base64
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from headgate.transport.fake.log import Attempt
from headgate.transport.websocket import Message, SocketBounds, WebSocket


class Say(Struct, frozen=True):
    """Sends this message."""

    data: bytes


class Hear(Struct, frozen=True):
    """Waits for so many messages."""

    count: int = 1


class HangUp(Struct, frozen=True):
    """Closes the socket with a code."""

    code: int = 1000
    reason: str = ""


class Vanish(Struct, frozen=True):
    """Breaks the connection without a word."""


class Babble(Struct, frozen=True):
    """Sends this message again and again, as fast as it is read."""

    data: bytes


class Deaf(Struct, frozen=True):
    """Reads nothing more, and leaves the connection open."""


Line = Say | Hear | HangUp | Vanish | Babble | Deaf

_PCM_TOKEN: Final = base64.b64encode(bytes(2400))
"""50 ms of silence."""


class Live(WebSocket):
    """One session. Without a script it answers every `response.create` with the text of the settings."""

    def __init__(
        self, attempt: Attempt, text: str, script: Sequence[Line] | None, on_gone: Callable[["Live"], None]
    ) -> None:
        framing = ServerProtocol(state=State.OPEN, max_size=64 * 1024 * 1024)
        super().__init__(framing, SocketBounds(waiting_messages_max=1_000_000, waiting_bytes_max=1 << 30))
        self.on_gone = self._note_end
        self._answer = framing.accept(Request(attempt.path, _headers(attempt)))
        self._tell_end = on_gone
        self._script = None if script is None else deque(script)
        self._voice = _Voice(text)
        self._wants = 0
        self.attempt = attempt
        self.heard: list[bytes] = []
        """Every message, in order."""
        self.said = 0
        """How many messages were sent."""

    def begin(self, transport: Any, data: bytes) -> None:
        """The connection is ours: answers the handshake and starts."""
        transport.write(self._answer.serialize())
        self.connection_made(transport)
        if self._script is None:
            self._say(self._voice.greeting(self.attempt.path))
        else:
            self._play()
        if data:
            self.data_received(data)

    def _arrived(self, data: bytes) -> None:
        self.heard.append(data)
        self._said_s = self._loop.time()
        if self._script is None:
            for event in self._voice.answer(data):
                self._say(event)
        else:
            self._wants -= 1
            self._play()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._script is not None:
            self._play()

    def _play(self) -> None:
        while self._script and self._wants <= 0 and not self.is_over:
            line = self._script[0]
            if isinstance(line, Babble):
                if self.is_congested:
                    return
                self._say(line.data)
                continue
            self._script.popleft()
            match line:
                case Say(data):
                    self._say(data)
                case Hear(count):
                    self._wants = count
                case HangUp(code, reason):
                    self.close(code, reason)
                case Vanish():
                    self.abort()
                case Deaf():
                    if self._transport is not None:
                        self._transport.pause_reading()

    def _say(self, data: bytes) -> None:
        self.said += 1
        self.send(Message(data))

    def _note_end(self, _: WebSocket) -> None:
        self.attempt.closed_early = self.is_left
        self.attempt.completed = not self._script
        self._tell_end(self)


def _headers(attempt: Attempt) -> Headers:
    headers = Headers()
    for name, value in attempt.headers.items():
        headers[name] = value
    return headers


class _Voice:
    """What the API says."""

    def __init__(self, text: str) -> None:
        self._words = re.findall(r"\s*\S+", text)
        self._number = 0
        self._context = 0
        self._session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": "sess_fake"}

    def greeting(self, path: str) -> bytes:
        """What it says first."""
        model = re.search(r"[?&]model=([^&]+)", path)
        self._session["model"] = model[1] if model else None
        self._session["output_modalities"] = ["audio"]
        return self._event("session.created", session=self._session)

    def answer(self, data: bytes) -> list[bytes]:
        """What it says to a message."""
        try:
            said = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.DecodeError:
            return [self._error("The message is not JSON.", "invalid_json")]
        kind = said.get("type")
        if kind == "session.update":
            self._session |= said.get("session", {})
            return [self._event("session.updated", session=self._session)]
        if kind == "conversation.item.create":
            item = {"id": f"item_{self._number}", **said.get("item", {})}
            self._context += 10
            return [
                self._event("conversation.item.added", item=item, previous_item_id=None),
                self._event("conversation.item.done", item=item, previous_item_id=None),
            ]
        if kind == "input_audio_buffer.append":
            return []
        if kind == "input_audio_buffer.commit":
            return self._transcript()
        if kind == "response.create":
            modalities = said.get("response", {}).get("output_modalities") or self._session["output_modalities"]
            return self._response(is_spoken="audio" in modalities)
        return [self._error(f"Invalid value: '{kind}'.", "invalid_value")]

    def _response(self, *, is_spoken: bool) -> list[bytes]:
        number = self._number
        response: dict[str, Any] = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress"}
        where = {"response_id": response["id"], "item_id": f"item_{number}", "output_index": 0, "content_index": 0}
        events = [self._event("response.created", response={**response, "output": [], "usage": None})]
        kind = "response.output_audio_transcript" if is_spoken else "response.output_text"
        for word in self._words:
            if is_spoken:
                events.append(self._event("response.output_audio.delta", **where, delta=_PCM_TOKEN.decode()))
            events.append(self._event(f"{kind}.delta", **where, delta=word))
        usage = self._usage(audio=len(self._words) if is_spoken else 0)
        self._context += usage["total_tokens"]
        done: dict[str, Any] = {**response, "status": "completed", "status_details": None, "output": [], "usage": usage}
        return [*events, self._event("response.done", response=done)]

    def _usage(self, audio: int) -> dict[str, Any]:
        text, cached = len(self._words), self._context // 2
        given = 20 + self._context
        nothing = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": given + text + audio,
            "input_tokens": given,
            "output_tokens": text + audio,
            "input_token_details": {
                "text_tokens": given - 8,
                "audio_tokens": 8,
                "image_tokens": 0,
                "cached_tokens": cached,
                "cached_tokens_details": {**nothing, "text_tokens": cached},
            },
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }

    def _transcript(self) -> list[bytes]:
        item_id = f"item_{self._number}"
        usage = {
            "type": "tokens",
            "total_tokens": 35,
            "input_tokens": 26,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 26},
            "output_tokens": 9,
        }
        kind = "conversation.item.input_audio_transcription.completed"
        return [
            self._event("input_audio_buffer.committed", item_id=item_id, previous_item_id=None),
            self._event(kind, item_id=item_id, content_index=0, transcript="Hello.", usage=usage),
        ]

    def _error(self, message: str, code: str) -> bytes:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
        return self._event("error", error=error)

    def _event(self, kind: str, **members: Any) -> bytes:
        self._number += 1
        return msgspec.json.encode({"type": kind, "event_id": f"event_{self._number}", **members})
