"""Pictures made, changed and varied: https://platform.openai.com/docs/api-reference/images (2026-11)."""

from typing import Final

import msgspec
from msgspec import Raw, structs

from headgate.core.problems import InvalidRequest
from headgate.core.usage import Measures, Usage
from headgate.dialects.members import read_body
from headgate.dialects.openai_chat.consumed import consumed_in
from headgate.dialects.openai_chat.events import streaming
from headgate.dialects.side import FORM, Asked, Form, Sent, SideOperation, is_form, patched
from headgate.dialects.vectors import answer_members

_ITEMS: Final = msgspec.json.Decoder(list[Raw])
_ONE_OR_SEVERAL: Final = ("an object", "an array", "a string")
"""xAI's name for it, https://docs.x.ai/docs/guides/image-generations (2026-11)."""
_PROMPT_BYTES_MAX: Final = 256 * 1024


def _measured(count: int | None) -> Usage:
    """By the picture; how many tokens one takes, only its maker knows."""
    return Usage(measures=Measures(images=1 if count is None else count), is_estimated=True)


def _peek_json(sent: Sent, *, needs_images: bool) -> Asked:
    members = read_body(sent.body)
    if not members.text("prompt"):
        raise members.missing("prompt")
    if needs_images and not members.array("images") and members.shape("image") not in _ONE_OR_SEVERAL:
        raise InvalidRequest("'images' is required: what is to be changed", param="images")
    count = members.integer("n")
    if count is not None and count < 1:
        raise InvalidRequest(f"'n' must be 1 or more, not {count}", param="n")
    return Asked(
        model=members.text("model") or sent.envelope.model,
        measured=_measured(count),
        is_stream=bool(members.flag("stream")),
    )


def _peek_form(sent: Sent, *, needs_prompt: bool) -> Asked:
    form = Form(sent)
    form.files("image", "image[]")
    if needs_prompt:
        form.required("prompt", _PROMPT_BYTES_MAX)
    return Asked(
        model=form.field("model") or sent.envelope.model,
        measured=_measured(form.integer("n")),
        is_stream=form.flag("stream"),
        model_at=form.span("model"),
    )


def _read(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
    members = answer_members(body, ("data",))
    usage = consumed_in(members) or Usage()
    try:
        count = len(_ITEMS.decode(members["data"]))
    except (msgspec.DecodeError, KeyError):
        count = 0
    return structs.replace(usage, measures=Measures(images=count))


GENERATIONS: Final = SideOperation(
    name="image_generations",
    paths=("/v1/images/generations",),
    peek=lambda sent: _peek_json(sent, needs_images=False),
    patch=patched,
    address=lambda _asked, _target: "/images/generations",
    read=_read,
    tells=consumed_in,
    streaming=streaming(),
)

EDITS: Final = SideOperation(
    name="image_edits",
    paths=("/v1/images/edits",),
    peek=lambda sent: (
        _peek_form(sent, needs_prompt=True) if is_form(sent.content_type) else _peek_json(sent, needs_images=True)
    ),
    patch=patched,
    address=lambda _asked, _target: "/images/edits",
    read=_read,
    tells=consumed_in,
    bodies=(FORM, "application/json"),
    streaming=streaming(),
)

VARIATIONS: Final = SideOperation(
    name="image_variations",
    paths=("/v1/images/variations",),
    peek=lambda sent: _peek_form(sent, needs_prompt=False),
    patch=patched,
    address=lambda _asked, _target: "/images/variations",
    read=_read,
    tells=consumed_in,
    bodies=(FORM,),
)
