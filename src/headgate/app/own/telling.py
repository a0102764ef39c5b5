"""A line of a batch in the words of the API that its provider takes in batches, and what came of it told back. Pure.

A line of which anything would be lost is none for a batch: as a call it is told what was.
"""

import time
from collections.abc import Mapping
from typing import Final

from msgspec import Raw, structs

from headgate.app.own.lines import Line
from headgate.app.own.results import Result
from headgate.core.events import Failed
from headgate.core.problems import HeadgateError
from headgate.dialects.base import Dialect, Envelope, ReplyTo, Target
from headgate.dialects.registry import DIALECTS
from headgate.server.paths import Endpoint, find

TALKS: Final[Mapping[str, str]] = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:generateContent",
}
"""By dialect, the path of its talks as providers list it among those that they take in batches."""


def told(line: Line, client: Dialect, there: Dialect, target: Target) -> bytes | None:
    """The line as the provider's API has it; None: something of it would be lost. Raises a `ClientError` for a line
    that is none."""
    dropped: set[str] = set()
    body = there.render_request(client.parse_request(line.body, envelope_of(line)), target, dropped)
    return None if dropped else body


def told_back(result: Result, line: Line, there: str) -> Result | None:
    """What came of a line, in the words of the API that it was written in; None: it is worth another call. `there`:
    the dialect that it was told in."""
    client = DIALECTS[_endpoint_of(line).dialect]
    if client.name == there:
        return result
    body = bytes(result.body)
    if not result.is_good:
        problem = DIALECTS[there].parse_error(result.status, {}, body)
        status, body = client.render_error(structs.replace(problem, raw=b"", dialect=""))
        return structs.replace(result, status=status, body=Raw(body))
    dropped: set[str] = set()
    try:
        events = DIALECTS[there].parse_response(body)
        if any(isinstance(event, Failed) for event in events):
            return None
        request = client.parse_request(line.body, envelope_of(line))
        reply_to = ReplyTo(id=result.request_id, model=request.model, now_s=int(time.time()), echo=request)
        back = client.render_response(events, reply_to, dropped)
    except HeadgateError:
        return None
    return structs.replace(result, body=Raw(back), dropped=sorted(dropped))


def envelope_of(line: Line) -> Envelope:
    """What a line says outside its body."""
    return Envelope(model=_endpoint_of(line).argument)


def _endpoint_of(line: Line) -> Endpoint:
    endpoint = find("POST", line.url)
    assert isinstance(endpoint, Endpoint)  # noqa: S101 - `read_lines` has looked at it
    return endpoint
