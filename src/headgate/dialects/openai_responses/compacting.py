"""Shortening a conversation (`POST /v1/responses/compact`): the model writes down what is to be kept, sealed.

https://platform.openai.com/docs/api-reference/responses/compact (2026-11)
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.request import Extras
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed
from headgate.dialects.kept import references
from headgate.dialects.members import read_body
from headgate.dialects.openai_responses.usage import parse_usage
from headgate.dialects.openai_responses.wire import NULL
from headgate.dialects.side import Asked, Sent, SideOperation, by_name, estimated, patched


class _Answer(Struct):
    output: list[Raw]
    usage: Raw = NULL


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _peek(sent: Sent) -> Asked:
    members = read_body(sent.body)
    model = members.text("model") or sent.envelope.model
    if not model:
        raise members.missing("model")
    return Asked(model=model, measured=estimated(len(sent.body)), refers=references(sent.body))


def _read(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the answer is no compacted conversation: {error}") from None
    return _told({"usage": answer.usage})


def _told(members: Extras) -> Usage | None:
    usage = members.get("usage", NULL)
    return parse_usage(usage, {}, 0) if usage != NULL else None


SIDES: Final = by_name(
    (
        SideOperation(
            name="compaction",
            paths=("/v1/responses/compact",),
            peek=_peek,
            patch=patched,
            address=lambda _asked, _target: "/responses/compact",
            read=_read,
            tells=_told,
        ),
    )
)
