"""Recorded exchanges of real providers, where a checkout of them lies beside this one. Never a part of the project.

`HEADGATE_TRAFFIC` names another folder. Each file is gzipped JSON lines, one exchange a line.
"""

import base64
import gzip
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from headgate.dialects.eventstream import event

FOLDER = Path(os.environ.get("HEADGATE_TRAFFIC", Path(__file__).parents[3] / "shared" / "traffic" / "open"))

_DIALECTS = (
    (re.compile(r"/(chat|agents)/completions(\?|$)|//api\.writer\.com(:443)?/v1/chat$"), "openai_chat"),
    (re.compile(r"/responses(\?|$)"), "openai_responses"),
    (re.compile(r"/messages(\?|$)"), "anthropic"),
    (re.compile(r":(stream)?[gG]enerateContent(\?|$)"), "gemini"),
    (re.compile(r":(streamR|r)awPredict(\?|$)"), "anthropic"),
    (re.compile(r"/converse(-stream)?(\?|$)"), "bedrock_converse"),
    (re.compile(r"/invoke(-with-response-stream)?(\?|$)"), "bedrock_invoke"),
    (re.compile(r"/v2/chat(\?|$)"), "cohere"),
    (re.compile(r"/api/chat(\?|$)"), "ollama"),
)
EMBEDS = re.compile(r"[.-]embed|[\"']embedding")
"""What embeds texts through the same door as chats."""
MODEL_IN_PATH = frozenset({"gemini", "bedrock_converse", "bedrock_invoke"})
"""Dialects whose URL names the model, and says whether the answer is a stream."""


class Exchange(NamedTuple):
    """One recorded call."""

    id: str
    family: str
    dialect: str
    url: str
    request: dict[str, Any] | None
    status: int
    headers: dict[str, str]
    body: bytes
    is_stream: bool
    is_exact: bool
    """Whether the body's bytes are as they were on the wire."""

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def path_model(self) -> str:
        """The model in the URL, for services that have it there."""
        match = re.search(r"/models/([^:]+):|/model/(.+)/(?:converse|invoke)", self.url)
        return unquote(match[1] or match[2]) if match else ""

    @property
    def is_raw_predict(self) -> bool:
        """Whether it is Vertex AI's way to other makers' APIs: the body is theirs, but for the model."""
        return bool(re.search(r":(streamR|r)awPredict", self.url))


@cache
def families() -> tuple[str, ...]:
    """The files of recordings, the largest first, so that the last to be read is none of the long ones; empty where
    there is no traffic."""
    paths = sorted(FOLDER.glob("*.jsonl.gz"), key=lambda path: -path.stat().st_size)
    names = [path.name.removesuffix(".jsonl.gz") for path in paths]
    return tuple(name for name in names if not name.startswith("realtime"))


def records(family: str) -> Iterator[dict[str, Any]]:
    """The lines of a family's file."""
    with gzip.open(FOLDER / f"{family}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def reading(family: str) -> list[Exchange]:
    """All of a family that are talks in one of our dialects."""
    return [
        read_exchange(record, family, dialect)
        for record in records(family)
        if (dialect := dialect_of(record)) is not None
    ]


def dialect_of(record: dict[str, Any]) -> str | None:
    """The dialect of a talk; None: it is no talk."""
    path = record["url"]
    if record["method"] != "POST" or "/threads/" in path:  # the latter are OpenAI's retired Assistants
        return None
    dialect = next((dialect for pattern, dialect in _DIALECTS if pattern.search(path)), None)
    if dialect == "bedrock_invoke" and EMBEDS.search(f"{path} {record['response_body'][:200]}"):
        return None
    return None if dialect == "bedrock_invoke" and "body_format" in record else dialect


def _reframed_converse(lines: str) -> bytes:
    """A stream of which only the payloads were kept, each under the name of its event, one a line."""
    events = [next(iter(json.loads(line).items())) for line in lines.splitlines() if line]
    return b"".join(event(kind, json.dumps(payload).encode()) for kind, payload in events)


def read_exchange(record: dict[str, Any], family: str, dialect: str) -> Exchange:
    """One recorded call, whichever dialect it is said to speak."""
    body = record.get("response_body")
    if record.get("response_encoding") == "base64":
        data = base64.b64decode(body or "")
    elif "body_format" in record and dialect == "bedrock_converse":
        data = _reframed_converse(body)
    elif isinstance(body, str):
        data = body.encode()
    else:
        data = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    is_bare = record.get("body_format", "").startswith("json-lines") and dialect != "bedrock_converse"
    if is_bare:  # the recorder kept the data of events alone
        data = b"".join(b"data: %b\n\n" % line for line in data.splitlines() if line.strip())
    if data.startswith(b'{"b64": "'):  # how one recorder kept bytes
        data = base64.b64decode(json.loads(data)["b64"])
    request = record.get("request_body")
    return Exchange(
        id=record["id"],
        family=family,
        dialect=dialect,
        url=record["url"],
        request=request if isinstance(request, dict) and "request_encoding" not in record else None,
        status=record.get("status") or 200,
        headers={name.lower(): str(value) for name, value in (record.get("response_headers") or {}).items()},
        body=data,
        is_stream=bool(record.get("streaming")),
        is_exact=isinstance(body, str) and not record.get("response_reserialised") and "body_format" not in record,
    )
