"""How each API for batches is asked for one: what is uploaded where, and what makes a batch. Must not know how anything
is sent, nor whose API it is.

OpenAI: https://platform.openai.com/docs/guides/batch, Anthropic:
https://docs.claude.com/en/docs/build-with-claude/batch-processing, Mistral: https://docs.mistral.ai/api/#tag/batch,
Together: https://docs.together.ai/reference/batch-create (2026-11).
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.app.own.lines import Line
from headgate.providers.spec import BatchApi

BOUNDARY: Final = "headgate-batch"
PREFIX: Final = "line-"
"""What stands before a line's number in its name at the provider."""
_FILE: Final = "headgate.jsonl"
_ENCODE: Final = msgspec.json.Encoder().encode

Bodies = list[tuple[Line, bytes]]


class Made(Struct, frozen=True, kw_only=True):
    """What a batch is to be made of."""

    url: str
    model: str
    """The provider's own name of it."""
    bodies: Bodies
    file_id: str = ""
    """The uploaded lines, where they are uploaded."""


class Shape(Struct, frozen=True, kw_only=True):
    """One API for batches."""

    path: str
    """Where batches are, below the base of the provider's API."""
    batch: Callable[[Made], object]
    """What makes one, as JSON."""
    uploads: str = ""
    """Where lines are uploaded first; empty: they stand in the batch itself."""
    fields: Mapping[str, str] = {}
    """What else is in the form of an upload, before the file."""
    headers: Mapping[bytes, bytes] = {}
    """Of every question."""


def _of_file(made: Made) -> object:
    return {"input_file_id": made.file_id, "endpoint": made.url, "completion_window": "24h"}


def _of_messages(made: Made) -> object:
    return {"requests": [{"custom_id": f"{PREFIX}{line.number}", "params": Raw(body)} for line, body in made.bodies]}


def _of_job(made: Made) -> object:
    return {"input_files": [made.file_id], "endpoint": made.url, "model": made.model}


SHAPES: Final[Mapping[BatchApi, Shape]] = {
    "openai": Shape(path="/batches", batch=_of_file, uploads="/v1/files", fields={"purpose": "batch"}),
    "anthropic": Shape(path="/messages/batches", batch=_of_messages, headers={b"anthropic-version": b"2023-06-01"}),
    "mistral": Shape(path="/batch/jobs", batch=_of_job, uploads="/v1/files", fields={"purpose": "batch"}),
    "together": Shape(
        path="/batches",
        batch=_of_file,
        uploads="/v1/files/upload",
        fields={"purpose": "batch-api", "file_name": _FILE, "file_type": "jsonl"},
    ),
}


def input_file(shape: Shape, made: Made) -> bytes:
    """The form that uploads lines."""
    wire = (
        _ENCODE({"custom_id": f"{PREFIX}{line.number}", "method": "POST", "url": made.url, "body": Raw(body)})
        for line, body in made.bodies
    )
    mark = f"--{BOUNDARY}".encode()
    fields = b"".join(
        mark + f'\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in shape.fields.items()
    )
    return (
        fields + mark + f'\r\ncontent-disposition: form-data; name="file"; filename="{_FILE}"\r\n'.encode()
        + b"content-type: application/jsonl\r\n\r\n"
        + b"\n".join(wire) + b"\n\r\n" + mark + b"--\r\n"
    )  # fmt: skip


def batch_body(shape: Shape, made: Made) -> bytes:
    """The body that makes a batch."""
    return _ENCODE(shape.batch(made))
