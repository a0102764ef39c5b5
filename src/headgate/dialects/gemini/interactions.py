"""Google's Interactions API (`/v1beta/interactions`): a conversation that Google keeps, passed on as it is and metered.

https://ai.google.dev/api/interactions-api, https://ai.google.dev/gemini-api/docs/interactions (2026-11). Two forms of
answers are about: `outputs` with `content.*` events (until spring 2026) and `steps` with `step.*` events.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import InvalidRequest, Outcome, Problem
from headgate.core.request import Extras
from headgate.core.usage import Usage, tier_of
from headgate.dialects.base import Malformed, Target
from headgate.dialects.gemini.errors import error_event, parse_error
from headgate.dialects.gemini.wire import ENCODER, OBJECT
from headgate.dialects.members import read_body, shape
from headgate.dialects.side import (
    Asked,
    EventsTap,
    Filter,
    Kept,
    Sent,
    SideOperation,
    Streaming,
    WholeEvents,
    estimated,
    patched,
)
from headgate.dialects.sse import ServerSentEvent, event

EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""An event may hold a whole picture."""
AGENT: Final = "agent"
"""What stands in the model's place where an agent of Google's answers, and how such a call is marked."""
PENDING: Final = frozenset({"in_progress", "queued"})
"""How an answer ends that goes on in the background."""
_FAILED: Final = frozenset({"failed"})
_OPENING: Final = ("interaction.created", "interaction.start")
_ENDING: Final = ("interaction.completed", "interaction.complete", "interaction.failed")
_DELTAS: Final = ("step.delta", "content.delta")
_WORDS: Final[dict[str, str]] = {"image": "image", "audio": "audio"}


class _Modality(Struct):
    modality: str | None = None
    tokens: int | None = None


class _Usage(Struct):
    total_input_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_reasoning_tokens: int | None = None
    """The former name of the same."""
    total_tool_use_tokens: int | None = None
    input_tokens_by_modality: list[_Modality] | None = None
    cached_tokens_by_modality: list[_Modality] | None = None
    output_tokens_by_modality: list[_Modality] | None = None


class _Metadata(Struct):
    usage: _Usage | None = None


class _Interaction(Struct):
    id: str | None = None
    status: str | None = None
    usage: _Usage | None = None
    service_tier: str | None = None
    error: Raw = Raw(b"null")
    object: str | None = None


class _Delta(Struct):
    text: str | None = None
    arguments: Raw = Raw(b"null")


class _Told(Struct):
    event_type: str | None = None
    interaction: _Interaction | None = None
    delta: _Delta | None = None
    metadata: _Metadata | None = None
    status: str | None = None
    error: Raw = Raw(b"null")


_WHOLE: Final = msgspec.json.Decoder(_Interaction)
_USAGE: Final = msgspec.json.Decoder(_Usage | None)
_TOLD: Final = msgspec.json.Decoder(_Told)


def _usage_of(told: _Usage | None, tier: str | None = None) -> Usage | None:
    """The counts: tools and thinking come on top of the prompt and the answer, which is what `total_tokens` says."""
    if told is None or (told.total_input_tokens is None and told.total_output_tokens is None):
        return None
    thoughts = (told.total_thought_tokens or 0) + (told.total_reasoning_tokens or 0)
    spent = (told.total_input_tokens or 0) + (told.total_tool_use_tokens or 0)
    heard, made = _by_word(told.input_tokens_by_modality), _by_word(told.output_tokens_by_modality)
    cached = _by_word(told.cached_tokens_by_modality)
    return Usage(
        input_tokens=spent,
        cached_tokens=min(told.total_cached_tokens or 0, spent),
        output_tokens=(told.total_output_tokens or 0) + thoughts,
        reasoning_tokens=thoughts,
        input_audio_tokens=heard.get("audio", 0),
        input_image_tokens=heard.get("image", 0),
        output_audio_tokens=made.get("audio", 0),
        output_image_tokens=made.get("image", 0),
        cached_audio_tokens=cached.get("audio", 0),
        cached_image_tokens=cached.get("image", 0),
        tier=tier_of(tier),
    )


def _by_word(told: list[_Modality] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in told or ():
        word = _WORDS.get((each.modality or "").lower())
        if word:
            found[word] = found.get(word, 0) + (each.tokens or 0)
    return found


# Requests


def _peek(sent: Sent) -> Asked:
    members = read_body(sent.body)
    model, agent = members.text("model"), members.text(AGENT)
    if model and agent:
        raise InvalidRequest("Name a 'model' or an 'agent', not both.", param=AGENT)
    name = model or agent
    if not name:
        raise members.missing("model")
    if members.shape("input") not in ("a string", "an array", "an object"):
        raise members.missing("input")
    is_stream = bool(members.flag("stream"))
    members.flag("store")
    members.flag("background")
    before = members.text("previous_interaction_id")
    return Asked(
        model=name,
        measured=estimated(len(sent.body)),
        is_stream=is_stream,
        format=AGENT if agent else "",
        refers=(before,) if before else (),
    )


def _patch(sent: Sent, asked: Asked, target: Target) -> bytes:
    """An agent's name stands elsewhere than a model's."""
    if asked.format != AGENT:
        return patched(sent, asked, target)
    members = OBJECT.decode(sent.body)
    return ENCODER.encode({**members, AGENT: Raw(ENCODER.encode(target.model))})


# Answers


def _interaction(body: bytes) -> _Interaction:
    """Raises `Malformed` for what is none."""
    try:
        told = _WHOLE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"the answer is no interaction: {error}") from None
    if told.status is None:
        raise Malformed("the answer is no interaction: it tells no `status`")
    return told


def _read(body: bytes, _content_type: str, _asked: Asked) -> Usage | None:
    told = _interaction(body)
    usage = _usage_of(told.usage, told.service_tier)
    return Usage() if usage is None and told.status in PENDING else usage


def _told_in(members: Extras) -> Usage | None:
    return _usage_of(_USAGE.decode(members["usage"])) if "usage" in members else None


def _kept(body: bytes) -> Kept | None:
    told = _interaction(body)
    return Kept(told.id, is_pending=told.status in PENDING) if told.id else None


class InteractionTap(EventsTap):
    """Listens in on a stream of either form."""

    def __init__(self) -> None:
        super().__init__(EVENT_BYTES_MAX)

    def _read(self, each: ServerSentEvent) -> None:
        told = _TOLD.decode(each.data)
        kind, interaction = told.event_type or each.name, told.interaction or _NOTHING
        latest = told.metadata.usage if told.metadata is not None else None
        self.usage = _usage_of(interaction.usage or latest, interaction.service_tier) or self.usage
        if kind in _OPENING:
            # its stream tells what it uses, so that nothing is owed later
            self.kept = Kept(interaction.id, is_pending=False) if interaction.id else None
        elif kind in _DELTAS and told.delta is not None:
            words = told.delta.text or ""
            self.chars += len(words) or (
                len(bytes(told.delta.arguments)) if shape(told.delta.arguments) != "null" else 0
            )
        error = told.error if shape(told.error) == "an object" else interaction.error
        if kind == "error" or shape(error) == "an object" or interaction.status in _FAILED:
            self.failed = _problem(error)
        self.is_finished = self.is_finished or kind in _ENDING


_NOTHING: Final = _Interaction()


def _problem(error: Raw) -> Problem:
    """What an error in the midst means: its code is a status of HTTP, or a word."""
    members = OBJECT.decode(error) if shape(error) == "an object" else {}
    code = bytes(members.get("code", Raw(b"")))
    status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 500
    problem = parse_error(status, {}, ENCODER.encode({"error": members}))
    return problem if members else msgspec.structs.replace(problem, outcome=Outcome.SERVER)


def _fail(problem: Problem) -> bytes:
    """The event that ends a stream which broke off."""
    return event(ENCODER.encode({**OBJECT.decode(error_event(problem)), "event_type": "error"}), "error")


def _whole_events(_asked: Asked) -> Filter:
    return WholeEvents()


INTERACTIONS: Final = SideOperation(
    name="interactions",
    paths=("/v1beta/interactions",),
    peek=_peek,
    patch=_patch,
    address=lambda _asked, _target: "/interactions",
    read=_read,
    tells=_told_in,
    kept=_kept,
    streaming=Streaming(tap=InteractionTap, filter=_whole_events, fail=_fail),
)
