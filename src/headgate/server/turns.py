"""One `response.create` of a WebSocket as the body of a call, and what a later one may build on. Pure.

https://developers.openai.com/api/docs/guides/websocket-mode (2026-11): the newest response of a connection is kept in
memory, so that the next may go on from it by its id, whether it is stored anywhere or not.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import InvalidRequest

CREATE: Final = "response.create"
_TRUE: Final = Raw(b"true")
_FALSE: Final = Raw(b"false")
_NULL: Final = Raw(b"null")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)


class Turn(Struct, frozen=True, kw_only=True):
    """What a client asks for."""

    members: dict[str, Raw]
    """The call's body but for `input` and what only WebSockets have."""
    input: bytes
    """The items, without the array's brackets."""
    lane: str
    """`stream_id`; empty: the client uses one lane."""
    previous: str
    """The response to go on from; empty: none."""
    is_warming: bool
    """Whether it only prepares a later one (`generate: false`)."""
    is_stored: bool
    """Whether the service is to keep the answer."""

    def body(self, history: bytes = b"") -> bytes:
        """The body of the call, with what came before it where that is known here."""
        members = dict(self.members)
        if history:
            members.pop("previous_response_id", None)
        items = b",".join(filter(None, (history, self.input)))
        return msgspec.json.encode({**members, "input": Raw(b"[" + items + b"]"), "stream": _TRUE})


class _ItemHead(Struct):
    type: str = ""
    encrypted_content: str | None = None


_ITEM_HEAD: Final = msgspec.json.Decoder(_ItemHead)


def parse_turn(data: bytes) -> Turn:
    """A client's message. Raises `InvalidRequest`."""
    try:
        members = _MEMBERS.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidRequest("Each message has to be a JSON object with a `type`.") from None
    kind = _text(members, "type")
    if kind != CREATE:
        raise InvalidRequest(f"The event {kind[:60]!r} is not known here; send {CREATE!r}.", param="type")
    for name, told in _NEVER.items():
        if members.get(name, _NULL) == told[0]:
            raise InvalidRequest(told[1], param=name)
    generate, store = members.get("generate", _NULL), members.get("store", _NULL)
    if generate not in (_NULL, _TRUE, _FALSE):
        raise InvalidRequest("'generate' has to be true or false.", param="generate")
    return Turn(
        members={name: value for name, value in members.items() if name not in _OURS},
        input=_items(members.get("input", _NULL)),
        lane=_text(members, "stream_id"),
        previous=_text(members, "previous_response_id"),
        is_warming=generate == _FALSE,
        is_stored=store != _FALSE,
    )


def history_of(before: bytes, turn: Turn, output: Sequence[Raw]) -> bytes:
    """What a response leaves behind: all that was asked and answered, as items without the array's brackets. Thoughts
    that neither the service nor the caller keeps cannot be shown to the service again."""
    kept = [bytes(item) for item in output if turn.is_stored or not _is_lost_thought(item)]
    return b",".join(filter(None, (before, turn.input, *kept)))


def with_lane(event: bytes, lane: str) -> bytes:
    """A server's event, marked with the lane of what it answers."""
    if not lane or not event.startswith(b"{"):
        return event
    return b'{"stream_id":%b,%b' % (msgspec.json.encode(lane), event[1:])


_OURS: Final = frozenset({"type", "stream_id", "generate", "input", "stream"})
_NEVER: Final = {
    "stream": (_FALSE, "Answers over a WebSocket are always streamed: leave 'stream' out."),
    "background": (_TRUE, "'background' is not possible over a WebSocket: use POST /v1/responses."),
}
"""Members that ask for what a WebSocket does not do, by the value that does."""


def _text(members: dict[str, Raw], name: str) -> str:
    raw = members.get(name, _NULL)
    if raw == _NULL:
        return ""
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, ValueError):
        raise InvalidRequest(f"'{name}' has to be a string.", param=name) from None


def _items(given: Raw) -> bytes:
    text = bytes(given).strip()
    if text.startswith(b"["):
        return text[1:-1].strip()
    if text.startswith(b'"'):
        return b'{"type":"message","role":"user","content":%b}' % text
    if text == b"null":
        return b""
    raise InvalidRequest("'input' has to be a string or an array of items.", param="input")


def _is_lost_thought(item: Raw) -> bool:
    try:
        head = _ITEM_HEAD.decode(item)
    except (msgspec.DecodeError, ValueError):
        return False
    return head.type == "reasoning" and not head.encrypted_content
