"""Whole bodies of InvokeModel, both ways: what the path says is taken out of the maker's format, or put in again."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from headgate.core.events import Event, Finished, Started
from headgate.core.fold import fold
from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import Request
from headgate.core.signatures import has_seals
from headgate.dialects.base import Envelope, Head, Malformed, ReplyTo, Target
from headgate.dialects.bedrock_invoke import completions
from headgate.dialects.bedrock_invoke.completions import NAME
from headgate.dialects.bedrock_invoke.families import FAMILIES, Family, of_answer, of_model, of_request
from headgate.dialects.bedrock_invoke.framing import EVENTS, Makers, family_of
from headgate.dialects.bedrock_invoke.paths import value_at
from headgate.dialects.betas import on_bedrock
from headgate.dialects.bodies import half_character, top_level
from headgate.dialects.depth import check_depth
from headgate.dialects.members import readable

_OF_THE_PATH: Final = ("model", "stream")
"""Members of the makers' own APIs that the path says here; a body may say them again."""
_MARK: Final = "\x1f"

_NULL: Final = Raw(b"null")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_ANY: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


class Bodies:
    """The verbs on whole bodies, over the makers' dialects."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers

    def peek(self, body: bytes, envelope: Envelope) -> Head:
        """Model, stream and limit of a request that `parse_request` takes."""
        request = self.parse_request(body, envelope)
        return Head(
            model=request.model,
            is_stream=request.is_stream,
            max_tokens=request.knobs.max_tokens,
            needs=needs_of(request),
        )

    def patch(self, body: bytes, target: Target) -> bytes:
        """The same body, since the path names the model; a body that names it too is brought into line."""
        if has_seals(body):
            return self.render_request(self.parse_request(body, Envelope(model=target.model)), target, set())
        members = _OBJECT.decode(body)
        if "model" not in members:
            return body
        return _ENCODER.encode({**members, "model": target.model})

    def parse_request(self, body: bytes, envelope: Envelope) -> Request:
        """The request in canonical words."""
        members = _members(body)
        if not envelope.model:
            raise InvalidRequest("the path names no model; call /model/{modelId}/invoke", param="modelId")
        family = of_request(members, envelope.model)
        if family is None:
            raise InvalidRequest(
                f"no maker's format has the members {', '.join(sorted(members)[:8])}; send a body of the model's own"
            )
        if family.completion is not None:
            return completions.parse_request(_ANY.decode(body), family, family.completion, envelope)
        inner = self._makers[family.speaks].parse_request(
            body, structs.replace(envelope, is_stream=bool(envelope.is_stream))
        )
        said = "+".join(name for name in _OF_THE_PATH if name in members)
        return structs.replace(
            inner,
            dialect=NAME,
            model=envelope.model,
            is_stream=bool(envelope.is_stream),
            form=_MARK.join((family.name, said, inner.form)),
        )

    def render_request(self, request: Request, target: Target, dropped: set[str]) -> bytes:
        """The body to send, in the format of the model's maker."""
        if request.dialect != NAME:
            return self._translated(request, target, dropped)
        name, *forms = request.form.split(_MARK)
        family = FAMILIES[name]
        if family.completion is not None:
            return completions.render_request(request, family.completion)
        said, form = forms
        inner = structs.replace(request, dialect=family.speaks, form=form)
        members = _OBJECT.decode(self._makers[family.speaks].render_request(inner, target, dropped))
        return _ENCODER.encode(_without(members, said.split("+")))

    def _translated(self, request: Request, target: Target, dropped: set[str]) -> bytes:
        family = of_model(target.model) or FAMILIES["claude"]
        if family.completion is not None:
            raise completions.refuse(target.model)
        members = _OBJECT.decode(self._makers[family.speaks].render_request(request, target, dropped))
        members.pop("stream_options", None)  # Bedrock counts at the end of every stream
        _drop_refused(members, family, dropped)
        if family.speaks == "anthropic":
            members |= {name: Raw(_ENCODER.encode(value)) for name, value in on_bedrock(request.betas, dropped).items()}
        constants = {name: Raw(_ENCODER.encode(value)) for name, value in family.constants.items()}
        return _ENCODER.encode({**constants, **_without(members, [])})

    def address(self, target: Target) -> str:
        """The path below the base URL; the model stands there as in Converse's."""
        path = self._makers[EVENTS].address(target).rpartition("/")[0]
        return f"{path}/{'invoke-with-response-stream' if target.is_stream else 'invoke'}"

    def parse_response(self, body: bytes) -> list[Event]:
        """The events of a whole answer."""
        try:
            document = _document(body)
        except msgspec.DecodeError:
            raise Malformed(f"the upstream's answer is not a JSON object: it begins {body[:80]!r}") from None
        family = of_answer(document)
        if family is None:
            seen = ", ".join(sorted(document)[:8])
            raise Malformed(f"the upstream's answer is of no maker's format that Headgate reads: it has {seen}")
        if family.completion is not None:
            return completions.parse_response(document, family, family.completion)
        events = self._makers[family.speaks].parse_response(body)
        last = events[-1]
        if isinstance(last, Finished) and last.usage is None:
            usage = completions.usage_at(document, completions.Answer(text=(), reason=()), {})
            events[-1] = structs.replace(last, usage=usage)
        return events

    def render_response(self, events: Iterable[Event], reply_to: ReplyTo, dropped: set[str]) -> bytes:
        """The body of a whole answer, in the format that was asked in, else in that of the events."""
        events = list(events)
        folded = fold(events)
        if folded.problem is not None:
            return self._makers[EVENTS].render_error(folded.problem)[1]
        started = next((event for event in events if isinstance(event, Started)), Started())
        family = asked_in(reply_to) or family_of(started)
        if family.completion is None:
            return self._makers[family.speaks].render_response(events, reply_to, dropped)
        return completions.render_response(folded, family.completion)


class Counts:
    """The verbs of CountTokens on a body of InvokeModel, in base64 within Bedrock's own.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html (2026-11)
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies

    def parse_request(self, body: bytes, envelope: Envelope) -> Request:
        """The call whose tokens to count."""
        _members(body)  # refuses what is no object
        given = value_at(_ANY.decode(body), ("input", "invokeModel", "body"))
        try:
            inner = base64.b64decode(given if isinstance(given, str) else "", validate=True)
        except (binascii.Error, ValueError):
            inner = b""
        if not inner:
            where = "input.invokeModel.body"
            raise InvalidRequest(f"{where} is missing: send the call whose tokens to count, in base64", param=where)
        return self._bodies.parse_request(inner, envelope)

    def render_request(self, request: Request, target: Target, dropped: set[str]) -> bytes:
        """The body to send."""
        body = base64.b64encode(self._bodies.render_request(request, target, dropped)).decode()
        return _ENCODER.encode({"input": {"invokeModel": {"body": body}}})


def asked_in(reply_to: ReplyTo) -> Family | None:
    """The format of the request that is being answered, where it came in this dialect."""
    echo = reply_to.echo
    if echo is None or echo.dialect != NAME:
        return None
    return FAMILIES[echo.form.partition(_MARK)[0]]


def _drop_refused(members: dict[str, Raw], family: Family, dropped: set[str]) -> None:
    """Takes out what the maker's own API takes and Bedrock does not, and reports it."""
    for name in family.refused & members.keys():
        del members[name]
        dropped.add(name)
    if family.refused_of_tools and bytes(members.get("tools", _NULL)) != b"null":
        tools = _OBJECTS.decode(members["tools"])
        dropped.update(f"tools.{name}" for tool in tools for name in family.refused_of_tools & tool.keys())
        kept = [{name: raw for name, raw in tool.items() if name not in family.refused_of_tools} for tool in tools]
        members["tools"] = Raw(_ENCODER.encode(kept))


def _document(body: bytes) -> dict[str, Any]:
    """An answer, read as it comes: some models' letters are no UTF-8 (halves of pairs, seen of Llama 2, 2026-11)."""
    return _ANY.decode(readable(body))


def _members(body: bytes) -> dict[str, Raw]:
    check_depth(body)
    try:
        body.decode()
        return top_level(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if (half := half_character(body)) is not None:
            raise half from None
        raise InvalidRequest(f"the request body is no JSON object ({error}); send one, in UTF-8") from None


def _without(members: dict[str, Raw], said: list[str]) -> dict[str, Raw]:
    return {name: raw for name, raw in members.items() if name not in _OF_THE_PATH or name in said}
