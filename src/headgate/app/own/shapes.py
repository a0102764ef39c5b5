"""How each API for batches is asked for one: what is uploaded where, and what makes a batch. Must not know how anything
is sent, nor whose API it is.

OpenAI: https://platform.openai.com/docs/guides/batch, Anthropic:
https://docs.claude.com/en/docs/build-with-claude/batch-processing, Mistral: https://docs.mistral.ai/api/#tag/batch,
Together: https://docs.together.ai/reference/batch-create, Google: https://ai.google.dev/gemini-api/docs/batch-api
(2026-11).
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
ORDER_BYTES_MAX: Final = 32 * 1024 * 1024
"""Far below what most providers take, since an order is held in memory while it is sent."""
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
    """Where batches are."""
    batch: Callable[[Made], object]
    """What makes one, as JSON."""
    makes: str = ""
    """Where one is made, if not there; `{model}` is the provider's name of it."""
    cancels: str = "/cancel"
    """What follows a batch's path to end it."""
    bytes_max: int = ORDER_BYTES_MAX
    uploads: str = ""
    """Where lines are uploaded first; empty: they stand in the batch itself."""
    says_where: bool = True
    """Whether each uploaded line says what it is for, beside the batch."""
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


def _of_requests(made: Made) -> object:
    requests = [{"request": Raw(body), "metadata": {"key": f"{PREFIX}{line.number}"}} for line, body in made.bodies]
    return {"batch": {"displayName": BOUNDARY, "inputConfig": {"requests": {"requests": requests}}}}


SHAPES: Final[Mapping[BatchApi, Shape]] = {
    "openai": Shape(path="/v1/batches", batch=_of_file, uploads="/v1/files", fields={"purpose": "batch"}),
    "anthropic": Shape(path="/v1/messages/batches", batch=_of_messages, headers={b"anthropic-version": b"2023-06-01"}),
    "mistral": Shape(
        path="/v1/batch/jobs", batch=_of_job, uploads="/v1/files", says_where=False, fields={"purpose": "batch"}
    ),
    "together": Shape(
        path="/v1/batches",
        batch=_of_file,
        uploads="/v1/files/upload",
        says_where=False,
        fields={"purpose": "batch-api", "file_name": _FILE, "file_type": "jsonl"},
    ),
    "gemini": Shape(
        path="/v1beta/batches",
        batch=_of_requests,
        makes="/v1beta/models/{model}:batchGenerateContent",
        cancels=":cancel",
        bytes_max=16 * 1024 * 1024,  # 20 MB with all that is around them
    ),
}


def input_file(shape: Shape, made: Made) -> bytes:
    """The form that uploads lines."""
    where = {"method": "POST", "url": made.url} if shape.says_where else {}
    wire = (_ENCODE({"custom_id": f"{PREFIX}{line.number}", **where, "body": Raw(body)}) for line, body in made.bodies)
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
