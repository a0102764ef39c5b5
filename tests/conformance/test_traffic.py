"""The conformance suite over real recorded exchanges: every dialect, every exchange, a dozen properties.

Where no recordings lie beside the project there is nothing to run over, which one skipped test says; the same
properties are tested over hand-written fixtures in tests/unit/dialects.
"""

import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from msgspec import structs

from headgate.core.events import Event, Failed, Finished, PartDelta
from headgate.core.fold import Answer, AnswerPart, fold
from headgate.core.problems import ClientError, Outcome
from headgate.core.usage import Usage
from headgate.dialects.base import Dialect, Envelope, Malformed, ReplyTo, Target
from headgate.dialects.registry import DIALECTS
from tests.conformance.exceptions import EXCEPTIONS
from tests.conformance.reported import reported_usage
from tests.conformance.traffic import FOLDER, MODEL_IN_PATH, Exchange, families, reading

CUTS = 6
"""Random cuts tried for each stream, besides one byte at a time for short ones."""
ONE_BYTE_AT_A_TIME_MAX = 3000

RAW_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
Check = Callable[[Exchange, Dialect], str | None]
"""Why the property does not hold for an exchange, or None."""


def envelope(exchange: Exchange) -> Envelope:
    if exchange.is_raw_predict:
        return Envelope(model=exchange.path_model)
    if exchange.dialect not in MODEL_IN_PATH:
        return Envelope(version=exchange.headers.get("anthropic-version", ""))
    return Envelope(model=exchange.path_model, is_stream="stream" in exchange.url)


def target(exchange: Exchange, model: str) -> Target:
    return Target(model=model, is_stream=exchange.is_stream)


def with_model(exchange: Exchange, model: str) -> dict[str, Any]:
    """The recorded request with its model where our rendering has it: in the body, unless the path alone has it."""
    request = dict(exchange.request or {})
    if exchange.dialect not in MODEL_IN_PATH:
        return {**request, "model": model}
    if "model" in request:  # some clients say it in the body too, with or without its collection
        head, slash, _ = request["model"].rpartition("models/")
        request["model"] = f"{head}{slash}{model}"
    return request


def body_of(exchange: Exchange) -> bytes:
    return json.dumps(exchange.request, ensure_ascii=False).encode()


def events_of(exchange: Exchange, dialect: Dialect) -> Sequence[Event]:
    return _events_of(exchange, dialect.name)


@lru_cache(maxsize=1)  # all checks of an exchange look at one reading
def _events_of(exchange: Exchange, dialect: str) -> tuple[Event, ...]:
    if exchange.is_stream:
        return tuple(events_between(exchange, DIALECTS[dialect], []))
    return tuple(DIALECTS[dialect].parse_response(exchange.body))


def events_between(exchange: Exchange, dialect: Dialect, cuts: list[int]) -> list[Event]:
    """The events of a stream that is read in pieces."""
    parser = dialect.stream_parser()
    events: list[Event] = []
    for start, end in itertools.pairwise([0, *cuts, len(exchange.body)]):
        events += parser.feed(exchange.body[start:end])
    return events + parser.close()


def coarser(events: Sequence[Event]) -> list[Event]:
    """The same answer in fewer pieces: a run of words of one part is told in three."""
    out: list[Event] = []
    for (kind, _), run in itertools.groupby(events, lambda event: (type(event), getattr(event, "index", None))):
        told = list(run)
        if kind is PartDelta and len(told) > 3:
            texts = [event.text for event in told if isinstance(event, PartDelta)]
            pieces = texts[0], "".join(texts[1:-1]), texts[-1]
            out += [PartDelta(told[0].index, piece) for piece in pieces]  # pyright: ignore[reportAttributeAccessIssue]
        else:
            out += told
    return out


def comparable(answer: Answer) -> Answer:
    """The answer without what only its own dialect can say, and without the empty texts that no stream can tell."""
    usage = structs.replace(answer.usage, extras={}) if answer.usage else None
    said = [part for part in answer.parts if part.text or part.signature or part.kind != "text"]
    parts = [structs.replace(part, extras={}, form="", opaques=[], index=0) for part in said]
    return structs.replace(
        answer, parts=parts, usage=usage, extras={}, opaques=[], wire_reason="", problem=None, created=0
    )


_SUPPLIED: dict[str, tuple[str, ...]] = {
    "openai_chat": ("id", "object", "created", "model"),
    "bedrock_invoke": ("object", "created"),  # where a body of it is a chat completion
}
"""Members that renderers supply because the vendor's SDKs require them."""


def without_supplied(dialect: Dialect, now: dict[str, Any], was: dict[str, Any]) -> list[dict[str, Any]]:
    """Both answers without the members of the envelope that the recording has not, or has null or empty."""
    told = {name for name in _SUPPLIED.get(dialect.name, ()) if was.get(name)}
    supplied = set(_SUPPLIED.get(dialect.name, ())) - told
    return [{name: value for name, value in answer.items() if name not in supplied} for answer in (now, was)]


def difference(dialect: Dialect, now: Answer, was: Answer) -> str | None:
    """How two answers differ; where `was` told no id or model, the one that a renderer supplied does not count."""
    now, was = comparable(now), comparable(was)
    for name in _SUPPLIED.get(dialect.name, ()):
        if name in ("id", "model") and not getattr(was, name):
            now = structs.replace(now, **{name: ""})
    if now == was:
        return None
    fields = [name for name in was.__struct_fields__ if getattr(now, name) != getattr(was, name)]
    return "; ".join(f"{name} {getattr(now, name)!r:.400} was {getattr(was, name)!r:.400}" for name in fields)


def plain(value: Any) -> Any:
    """JSON values as they compare: numbers by value, objects by content."""
    return json.loads(json.dumps(value, sort_keys=True))


def same_dialect_requests(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    body = body_of(exchange)
    request = dialect.parse_request(body, envelope(exchange))
    head = dialect.peek(body, envelope(exchange))
    if (head.model, head.is_stream) != (request.model, request.is_stream):
        return "peek and parse_request disagree"
    dropped: set[str] = set()
    back = json.loads(dialect.render_request(request, target(exchange, request.model), dropped))
    expected = with_model(exchange, request.model) if exchange.is_raw_predict else exchange.request
    if dropped:
        return f"dropped {dropped}"
    if plain(back) != plain(expected):
        return f"rendered {json.dumps(back)[:400]}"
    return None


def refused_requests_are_read(exchange: Exchange, dialect: Dialect) -> str | None:
    """What a provider refused may be refused by us too, but only as the client's fault."""
    if exchange.request is None or exchange.status < 400:
        return None
    with contextlib.suppress(ClientError):
        dialect.parse_request(body_of(exchange), envelope(exchange))
    return None


def verbatim_requests(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    body = body_of(exchange)
    wire = dialect.patch(body, target(exchange, "another-model"))
    was, now = RAW_MEMBERS.decode(body), RAW_MEMBERS.decode(wire)
    changed = {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}
    if changed - {"model", "stream_options"}:
        return f"other bytes in {changed}"
    patched = json.loads(wire)
    expected = with_model(exchange, "another-model")
    if dialect.name == "openai_chat" and expected.get("stream"):
        expected["stream_options"] = {**(expected.get("stream_options") or {}), "include_usage": True}
    return None if plain(patched) == plain(expected) else f"patched {json.dumps(patched)[:300]}"


def streams_pass_byte_by_byte(exchange: Exchange, dialect: Dialect) -> str | None:
    """What withholds usage from a client that did not ask for it withholds that, and not a byte besides."""
    if not exchange.is_stream or exchange.status >= 400 or dialect.usage_filter is None:
        return None
    dice, size = random.Random(exchange.id), len(exchange.body)
    cuts = sorted(dice.sample(range(1, size), min(8, size - 1))) if size > 1 else []
    passage = dialect.usage_filter()
    out = b"".join(passage.feed(exchange.body[start:end]) for start, end in itertools.pairwise([0, *cuts, size]))
    out += passage.close()
    if out == exchange.body:
        return None
    held = [line for line in exchange.body.splitlines() if line.strip() and line not in out]
    rest = [line for line in out.splitlines() if line.strip()]
    kept = [line for line in exchange.body.splitlines() if line.strip() and line in out]
    only_usage = all(b'"choices":[]' in line.replace(b" ", b"") and b'"usage"' in line for line in held)
    return None if only_usage and rest == kept else f"withheld {held[:2]!r:.300}"


def cuts_change_nothing(exchange: Exchange, dialect: Dialect) -> str | None:
    if not exchange.is_stream or exchange.status >= 400:
        return None
    whole = list(events_of(exchange, dialect))
    size = len(exchange.body)
    dice = random.Random(exchange.id)
    if size <= ONE_BYTE_AT_A_TIME_MAX and events_between(exchange, dialect, list(range(1, size))) != whole:
        return "one byte at a time gives other events"
    for _ in range(CUTS):
        cuts = sorted(dice.sample(range(1, size), min(8, size - 1))) if size > 1 else []
        if events_between(exchange, dialect, cuts) != whole:
            return f"cut at {cuts} gives other events"
    return None


def answers_are_complete(exchange: Exchange, dialect: Dialect) -> str | None:
    """A good answer ends with exactly one `Finished`, a failed one with `Failed`."""
    if exchange.status >= 400:
        return None
    events = events_of(exchange, dialect)
    if not events:
        return "no events"
    ends = [event for event in events if isinstance(event, Finished | Failed)]
    if len(ends) != 1 or ends[0] is not events[-1]:
        return f"ends with {[type(event).__name__ for event in events[-3:]]}"
    if isinstance(ends[0], Failed) and b'"error"' not in exchange.body:
        return f"failed: {ends[0].problem.message[:200]}"
    return None


def usage_is_the_recorded(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.status >= 400:
        return None
    if not exchange.is_stream and isinstance(dialect.parse_response(exchange.body)[-1], Failed):
        return None  # OpenRouter tells usage beside an error; the event of a failure has no place for it
    usage = usage_of(exchange, dialect)
    reported = reported_usage(dialect.name, exchange.body)
    if reported is None:
        return None if usage is None else f"{usage} out of nothing"
    ours = (
        {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_tokens} if usage else None
    )
    return None if ours == reported else f"{ours} where {reported} was reported"


def usage_of(exchange: Exchange, dialect: Dialect) -> Usage | None:
    """What would be metered: of a stream that broke off, the latest that was told."""
    if not exchange.is_stream:
        return fold(dialect.parse_response(exchange.body)).usage
    parser = dialect.stream_parser()
    answer = fold(parser.feed(exchange.body) + parser.close())
    return answer.usage if answer.problem is None else parser.usage


def the_tap_tells_the_same_end(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.is_stream or exchange.status >= 400 or dialect.tap is None:
        return None
    tapped, end = dialect.tap(exchange.body), dialect.parse_response(exchange.body)[-1]
    if isinstance(tapped, Finished) and isinstance(end, Finished):
        tapped, end = _bare(tapped), _bare(end)
    return None if tapped == end else f"tapped {tapped}, parsed {end}"


def _bare(event: Finished) -> Finished:
    usage = structs.replace(event.usage, extras={}) if event.usage else None
    return structs.replace(event, usage=usage, extras={})


def same_dialect_answers(exchange: Exchange, dialect: Dialect) -> str | None:
    """A whole comes back as it was; a stream comes back as one that folds to the same answer."""
    if exchange.status >= 400:
        return None
    events = events_of(exchange, dialect)
    if any(isinstance(event, Failed) for event in events):
        return None
    dropped: set[str] = set()
    reply_to = ReplyTo(id="x", model="x", is_stream=exchange.is_stream)
    if not exchange.is_stream:
        back = json.loads(dialect.render_response(events, reply_to, dropped))
        now, was = without_supplied(dialect, back, json.loads(exchange.body))
        if plain(now) != plain(was) or dropped:
            return f"dropped {dropped}, rendered {json.dumps(back)[:400]}"
        return None
    renderer = dialect.stream_renderer(reply_to)
    wire = renderer.render(events)
    parser = dialect.stream_parser()
    again = parser.feed(wire) + parser.close()
    fault = difference(dialect, fold(again), fold(events))
    return f"dropped {renderer.dropped}, {fault}" if fault or renderer.dropped else None


def a_stream_folds_to_the_whole(exchange: Exchange, dialect: Dialect) -> str | None:
    """The stream's answer, written as a whole and read again, is the same answer; and the other way round."""
    if exchange.status >= 400:
        return None
    events = events_of(exchange, dialect)
    if any(isinstance(event, Failed) for event in events):
        return None
    reply_to = ReplyTo(id="x", model="x", is_stream=not exchange.is_stream)
    if exchange.is_stream:
        again = dialect.parse_response(dialect.render_response(events, reply_to, set()))
    else:
        parser = dialect.stream_parser()
        again = parser.feed(dialect.stream_renderer(reply_to).render(events)) + parser.close()
    now, was = fold(again), fold(events)
    if dialect.name in ("openai_chat", "bedrock_invoke") and exchange.is_stream:
        now, was = in_fields(now), in_fields(was)
    return difference(dialect, now, was)


def in_fields(answer: Answer) -> Answer:
    """The parts in the order of choices and kinds, the words of a choice as one part, a thought's proof at its words
    even when it came after the calls: a whole chat completion has a field for each kind, so the order in which the
    fields of a stream grew is nothing that it could tell."""
    parts: list[AnswerPart] = []
    for part in sorted(answer.parts, key=lambda part: (part.choice, part.kind)):
        last = parts[-1] if parts else part
        is_words = part.kind == "text"
        is_late_proof = part.kind == "reasoning" and not (part.text or part.is_redacted or last.signature)
        if parts and (last.choice, last.kind) == (part.choice, part.kind) and (is_words or is_late_proof):
            signature = part.signature or last.signature
            parts[-1] = structs.replace(last, text=last.text + part.text, signature=signature)
        else:
            parts.append(part)
    return structs.replace(answer, parts=parts)


def other_dialects_take_the_request(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.request is None or exchange.status >= 400:
        return None
    request = dialect.parse_request(body_of(exchange), envelope(exchange))
    for other in DIALECTS.values():
        if other is dialect:
            continue
        try:
            wire = other.render_request(request, target(exchange, "m"), set())
            other.parse_request(wire, Envelope(model="m", is_stream=exchange.is_stream))
        except ClientError as error:
            if error.problem.code != "unsupported_feature":
                return f"{other.name} refuses: {error}"
    return None


def other_dialects_tell_the_answer(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.status >= 400:
        return None
    events = coarser(events_of(exchange, dialect))
    was = fold(events)
    for other in DIALECTS.values():
        if other is dialect:
            continue
        reply_to = ReplyTo(id="x", model="x", is_stream=True)
        renderer = other.stream_renderer(reply_to)
        parser = other.stream_parser()
        streamed = fold(parser.feed(renderer.render(events)) + parser.close())
        if was.problem is not None:
            if streamed.problem is None:
                return f"{other.name} ends a failed answer cleanly"
            continue
        whole = fold(other.parse_response(other.render_response(events, reply_to, set())))
        for now in (streamed, whole):
            if _words(now) != _words(was) and "text" not in " ".join(renderer.dropped):
                return f"{other.name} tells {_words(now)[:200]!r} for {_words(was)[:200]!r}"
            if _calls(now) != _calls(was):
                return f"{other.name} tells {_calls(now)} for {_calls(was)}"
    return None


def _words(answer: Answer) -> str:
    """All that was said: a dialect without refusals tells them as text."""
    return "".join(part.text for part in answer.parts if part.kind in ("text", "refusal") and part.choice == 0)


def _calls(answer: Answer) -> list[tuple[str, Any]]:
    calls = [part for part in answer.parts if part.kind == "tool_call" and part.choice == 0]
    return [(part.name, _arguments(part.text)) for part in calls]


def _arguments(text: str) -> Any:
    """Arguments that are a JSON object by value, of which `null` is an empty one. Where a dialect holds them as an
    object, any other text (free text, JSON that was cut off) is its one member; that stands for the text here."""
    try:
        arguments = plain(json.loads(text or "{}"))
    except ValueError:
        return text
    match arguments:
        case {"input": str(inner), **rest} | {"arguments": str(inner), **rest} if not rest:
            return _arguments(inner)
        case dict() | None:
            return arguments or {}
        case _:
            return text


def errors_have_their_class(exchange: Exchange, dialect: Dialect) -> str | None:
    if exchange.status < 400:
        return None
    problem = dialect.parse_error(exchange.status, exchange.headers, exchange.body)
    allowed = _CLASSES.get(exchange.status, _CLASSES[400] if exchange.status < 500 else _CLASSES[500])
    if problem.outcome not in allowed or not problem.message:
        return f"{exchange.status} is {problem.outcome} ({problem.message[:200]!r})"
    status, body = dialect.render_error(problem)
    if (status, body) != (exchange.status, exchange.body) and exchange.body:
        return "the error is not passed on as it was"
    for other in DIALECTS.values():
        status, body = other.render_error(structs.replace(problem, raw=b""))
        if status < 400 or not json.loads(body):
            return f"{other.name} makes no error of it"
    return None


_OURS = {Outcome.CLIENT, Outcome.CONTEXT, Outcome.POLICY}
_CLASSES: dict[int, set[Outcome]] = {
    400: _OURS | {Outcome.ACCOUNT, Outcome.SERVER},
    401: {Outcome.ACCOUNT},
    402: {Outcome.ACCOUNT},
    403: {Outcome.ACCOUNT, Outcome.POLICY},
    404: {Outcome.CLIENT},
    429: {Outcome.RATE, Outcome.ACCOUNT, Outcome.OVERLOAD},
    500: {Outcome.SERVER, Outcome.OVERLOAD, Outcome.RATE},
    503: {Outcome.OVERLOAD, Outcome.SERVER},
    529: {Outcome.OVERLOAD},
}

CHECKS: list[Check] = [
    same_dialect_requests,
    refused_requests_are_read,
    verbatim_requests,
    streams_pass_byte_by_byte,
    cuts_change_nothing,
    answers_are_complete,
    usage_is_the_recorded,
    the_tap_tells_the_same_end,
    same_dialect_answers,
    a_stream_folds_to_the_whole,
    other_dialects_take_the_request,
    other_dialects_tell_the_answer,
    errors_have_their_class,
]


@pytest.mark.skipif(bool(families()), reason="there are recordings to run over")
def test_there_is_traffic():
    pytest.skip(f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")


@pytest.mark.parametrize("family", families())
def test_every_exchange(family: str, record_property: Callable[[str, object], None]):
    exchanges = reading(family)
    failures: Counter[str] = Counter()
    shown: list[str] = []
    excepted: set[str] = set()
    for exchange in exchanges:
        for check in CHECKS:
            fault = _fault(exchange, check)
            if fault is not None and exchange.id in EXCEPTIONS.get(check.__name__, {}):
                excepted.add(exchange.id)
            elif fault is not None:
                failures[check.__name__] += 1
                shown.append(f"{exchange.id} ({exchange.dialect}) {check.__name__}: {fault}")
    record_property("conformance", [family, len(exchanges), len(excepted)])

    assert not failures, f"{dict(failures)} of {len(exchanges)}:\n" + "\n".join(shown[:25])


def _fault(exchange: Exchange, check: Check) -> str | None:
    try:
        return check(exchange, DIALECTS[exchange.dialect])
    except (ClientError, Malformed) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"a bug: {error!r}"
