"""Completions of one text, whatever their maker calls the parts: requests and answers, by the table in `families`."""

from typing import Any, Final, cast

import msgspec
from msgspec import Raw

from headgate.core.events import Event, Finished, PartDelta, PartEnded, PartStarted, Started, StopReason
from headgate.core.fold import Answer as Folded
from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import Extras, Knobs, Message, Request, Text
from headgate.core.usage import Usage
from headgate.dialects.base import Envelope
from headgate.dialects.bedrock_invoke.families import Answer, Completion, Family
from headgate.dialects.bedrock_invoke.paths import put_at, take_at, value_at

NAME: Final = "bedrock_invoke"
METRICS: Final = "amazon-bedrock-invocationMetrics"
_ACTION: Final = "amazon-bedrock-guardrailAction"
_INTERVENED: Final = "INTERVENED"

_ENCODER: Final = msgspec.json.Encoder()
_KNOBS: Final = msgspec.json.Decoder(Knobs)
_WORDS: Final[dict[StopReason, str]] = {"length": "length"}

_REASONS: Final[dict[str, StopReason]] = {
    "finish": "stop",
    "stop": "stop",
    "complete": "stop",
    "endoftext": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "stop_criteria_met": "stop_sequence",
    "content_filtered": "content_filter",
    "rag_query_when_rag_disabled": "content_filter",
    "error_toxic": "content_filter",
    "error": "error",
    "error_limit": "length",
}
"""The makers' words in lower case, of their pages below
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (2026-11)"""


def parse_request(members: dict[str, Any], family: Family, completion: Completion, envelope: Envelope) -> Request:
    """A request as a conversation of one turn."""
    prompt = take_at(members, completion.prompt)
    if not isinstance(prompt, str):
        where = ".".join(map(str, completion.prompt))
        raise InvalidRequest(f"{where} must be a string: the text to continue", param=where)
    found = {knob: value_at(members, path) for knob, path in completion.knobs.items()}
    try:
        knobs = _KNOBS.decode(_ENCODER.encode({knob: value for knob, value in found.items() if value is not None}))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"a setting has a value that is not allowed ({error})") from None
    for path in completion.knobs.values():
        take_at(members, path)
    extras = {name: Raw(_ENCODER.encode(value)) for name, value in members.items()}
    return Request(
        dialect=NAME,
        model=envelope.model,
        messages=(Message(role="user", parts=(Text(text=prompt),)),),
        knobs=knobs,
        is_stream=bool(envelope.is_stream),
        form=family.name,
        extras=extras,
    )


def render_request(request: Request, completion: Completion) -> bytes:
    """The body of a request that came in this dialect."""
    out: dict[str, object] = {name: msgspec.json.decode(raw) for name, raw in request.extras.items()}
    part = request.messages[0].parts[0]
    put_at(out, completion.prompt, part.text if isinstance(part, Text) else "")
    for knob, path in completion.knobs.items():
        value = getattr(request.knobs, knob)
        if value is not None:
            put_at(out, path, value)
    return _ENCODER.encode(out)


def refuse(model: str) -> Unrenderable:
    """What to say of a conversation that InvokeModel cannot carry."""
    return Unrenderable(
        f"InvokeModel takes only one text to continue for {model!r}, no conversation; use the Converse API for it",
        param="model",
    )


def usage_at(document: dict[str, Any], answer: Answer, extras: Extras) -> Usage | None:
    """The counts: those that Bedrock adds to a stream, else the maker's own."""
    given = document.get(METRICS)
    metrics = cast(dict[str, Any], given) if isinstance(given, dict) else {}
    inputs, outputs = metrics.get("inputTokenCount"), metrics.get("outputTokenCount")
    if inputs is None and outputs is None:
        inputs = value_at(document, answer.input_tokens) if answer.input_tokens else None
        outputs = value_at(document, answer.output_tokens) if answer.output_tokens else None
    if inputs is None and outputs is None:
        return None
    cached, written = _count(metrics.get("cacheReadInputTokenCount")), _count(metrics.get("cacheWriteInputTokenCount"))
    return Usage(
        input_tokens=_count(inputs) + cached + written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=_count(outputs),
        extras=extras,
    )


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def parse_response(document: dict[str, Any], family: Family, completion: Completion) -> list[Event]:
    """The events of a whole answer; `answer` among the leftovers is all of it, for the way back."""
    whole = completion.whole
    text, reason = value_at(document, whole.text), value_at(document, whole.reason)
    extras = {"family": Raw(_ENCODER.encode(family.name)), "answer": Raw(_ENCODER.encode(document))}
    word = reason if isinstance(reason, str) else ""
    stopped = "content_filter" if not word and document.get(_ACTION) == _INTERVENED else reason_of(word)
    return [
        Started(dialect=NAME, extras=extras),
        PartStarted(index=0, kind="text"),
        *([PartDelta(0, text)] if isinstance(text, str) and text else []),
        PartEnded(index=0),
        Finished(reason=stopped, usage=usage_at(document, whole, {}), wire_reason=word),
    ]


def reason_of(word: str) -> StopReason:
    """What a maker's word means."""
    return _REASONS.get(word.lower(), "other")


def render_response(folded: Folded, completion: Completion) -> bytes:
    """The body of an answer: as it was, with its text; else what the format has a place for."""
    given = folded.extras.get("answer")
    whole = completion.whole
    out: dict[str, object] = msgspec.json.decode(given) if given is not None else {}
    if given is None or folded.text:
        put_at(out, whole.text, folded.text)
    if given is None:
        _end(out, whole, folded.reason or "other", folded.wire_reason)
        out |= _metrics(folded.usage)
    return _ENCODER.encode(out)


def _end(out: dict[str, object], answer: Answer, reason: StopReason, word: str) -> None:
    """Why it ended: in the maker's word, or by Bedrock's guardrail, else in one that all take for an end."""
    if not word and reason == "content_filter":
        out[_ACTION] = _INTERVENED
    else:
        put_at(out, answer.reason, word or _WORDS.get(reason, "stop"))


def _metrics(usage: Usage | None) -> dict[str, object]:
    """The counts as Bedrock adds them to streams, since not all makers have a place for them."""
    if usage is None:
        return {}
    told = {
        "inputTokenCount": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "outputTokenCount": usage.output_tokens,
    }
    if usage.cached_tokens or usage.cache_write_tokens:
        told["cacheReadInputTokenCount"] = usage.cached_tokens
        told["cacheWriteInputTokenCount"] = usage.cache_write_tokens
    return {METRICS: told}


class CompletionParser:
    """Chunks of a streamed completion in, events out."""

    def __init__(self, family: Family, completion: Completion) -> None:
        self._family = family
        self._chunk = completion.chunk
        self._has_started = False
        self._reason: str | None = None
        self.usage: Usage | None = None

    def read(self, document: dict[str, Any]) -> list[Event]:
        """The events of one chunk."""
        events: list[Event] = []
        if not self._has_started:
            self._has_started = True
            events.append(Started(dialect=NAME, extras={"family": Raw(_ENCODER.encode(self._family.name))}))
            events.append(PartStarted(index=0, kind="text"))
        text, reason = value_at(document, self._chunk.text), value_at(document, self._chunk.reason)
        if isinstance(text, str) and text:
            events.append(PartDelta(0, text))
        if isinstance(reason, str):
            self._reason = reason
        elif document.get(_ACTION) == _INTERVENED and self._reason is None:
            self._reason = ""
        self.usage = usage_at(document, self._chunk, {}) or self.usage
        return events

    def finish(self) -> list[Event]:
        """The events of the end; none where the stream had not told why it ends."""
        if self._reason is None:
            return []
        reason = reason_of(self._reason) if self._reason else "content_filter"
        return [PartEnded(index=0), Finished(reason=reason, usage=self.usage, wire_reason=self._reason)]


def chunk_of(completion: Completion, text: str) -> bytes:
    """A chunk with more of the text."""
    out: dict[str, object] = {}
    put_at(out, completion.chunk.text, text)
    return _ENCODER.encode(out)


def last_chunk(completion: Completion, finished: Finished) -> bytes:
    """The chunk that ends a stream."""
    out: dict[str, object] = {}
    if completion.chunk.text != ("text",):
        put_at(out, completion.chunk.text, "")
    _end(out, completion.chunk, finished.reason, finished.wire_reason)
    return _ENCODER.encode({**out, **_metrics(finished.usage)})
