"""Streams of this dialect, written: events in, chunks out, each complete and with the same head."""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw, Struct

from headgate.core.calls import CallRestorer
from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Reasoning
from headgate.core.signatures import seal
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_chat.errors import error_object
from headgate.dialects.openai_chat.parts import Wire, write_detail
from headgate.dialects.openai_chat.reasoning import DETAIL, STRINGS
from headgate.dialects.openai_chat.reasons import word_of
from headgate.dialects.openai_chat.usage import write_usage
from headgate.dialects.openai_chat.wire import ENCODE, FORM, NAME, NULL, OBJECT
from headgate.dialects.sse import event as framed

_DONE: Final = b"data: [DONE]\n\n"
_SLOT: Final = "\0"
_Told = Started | PartStarted | PartEnded | Opaque | Finished | Failed
"""Stands in a template for the text of a delta."""


class _Open(Struct):
    """A part under way."""

    started: PartStarted
    form: str
    """The hint on spelling, when it is ours."""
    pieces: tuple[bytes, ...] = ()
    """The bytes of a chunk around the text of a delta; empty: the deltas wait for the end of the part."""
    place: int = 0
    """Of a tool call: its place in the list."""
    words: list[str] | None = None
    """What the deltas said, where the end of the part needs it."""
    has_said: bool = False


class StreamRenderer:
    """Writes one stream."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._restorer = CallRestorer(reply_to.echo)
        self._head = b""
        self._parts: dict[int, _Open] = {}
        self._choices: dict[int, int] = {}
        """How many tool calls each choice has made so far."""
        self._details = 0
        self._refused: set[int] = set()
        self._is_own = False
        """Whether this dialect's parser made the events."""
        self._pending: Wire = {}
        """Members of the answer that go along with the next chunk."""

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in self._restorer.restore(events):
            if isinstance(event, PartDelta):
                part = self._parts[event.index]
                if part.pieces:
                    out.append(ENCODE(event.text).join(part.pieces))
                if part.words is not None:
                    part.words.append(event.text)
                part.has_said = True
            else:
                self._tell(event, out)
        return b"".join(out)

    def _tell(self, event: _Told, out: list[bytes]) -> None:
        match event:
            case PartStarted():
                self._begin(event, out)
            case PartEnded():
                self._end(event, out)
            case Opaque():
                self._put_back(event, out)
            case Started():
                self._start(event)
            case Finished():
                self._finish(event, out)
            case failed:
                out.append(framed(ENCODE(error_object(failed.problem))))

    def _start(self, event: Started) -> None:
        self._is_own = event.dialect == NAME
        members = {
            "id": event.id or self._reply_to.id,
            "object": "chat.completion.chunk",
            "created": event.created or self._reply_to.now_s,
            "model": event.model or self._reply_to.model,
        }
        self._head = ENCODE(members)[:-1]

    def _chunk(self, number: int, delta: Wire, members: Wire | None = None) -> bytes:
        """One chunk of one choice, with what is pending for the answer."""
        choice = {"logprobs": None, "finish_reason": None, **(members or {}), "index": number, "delta": delta}
        pending = b""
        if self._pending:
            pending = b"," + ENCODE(self._pending)[1:-1]
            self._pending = {}
        return framed(b'%b,"choices":[%b]%b}' % (self._head, ENCODE(choice), pending))

    def _speak(self, number: int, out: list[bytes]) -> None:
        """A choice's first chunk says whose turn it is."""
        if not self._head:
            self._start(Started())
        if number not in self._choices:
            self._choices[number] = 0
            out.append(self._chunk(number, {"role": "assistant", "content": ""}))

    def _template(self, number: int, delta: Wire) -> tuple[bytes, ...]:
        """The bytes around the text of a delta, which stands as `_SLOT` in `delta`."""
        choice = ENCODE({"index": number, "delta": delta, "logprobs": None, "finish_reason": None})
        return tuple(framed(b'%b,"choices":[%b]}' % (self._head, choice)).split(ENCODE(_SLOT)))

    def _begin(self, event: PartStarted, out: list[bytes]) -> None:
        self._speak(event.choice, out)
        form = event.form.removeprefix(FORM) if self._is_own else ""
        part = self._parts[event.index] = _Open(event, form)
        delta: Wire | None = None
        match event.kind:
            case "text":
                delta = {"content": _SLOT}
            case "refusal":
                delta = {"refusal": _SLOT}
                self._refused.add(event.choice)
            case "reasoning" if not event.is_redacted:
                delta = _thinking_delta(part)
                part.words = None if "{" in form else []
            case "tool_call":
                delta = self._begin_call(part, out)
            case "audio":
                audio_id = event.id if self._is_own else event.id or self._reply_to.id
                out.append(self._chunk(event.choice, {"audio": {"id": audio_id}}))
                delta = {"audio": {"data": _SLOT}}
            case "image" | "reasoning":
                part.words = []
            case _:
                self.dropped.add(event.kind)
        if delta is not None:
            part.pieces = self._template(event.choice, delta)

    def _begin_call(self, part: _Open, out: list[bytes]) -> Wire:
        event = part.started
        if part.form == "function_call":
            out.append(self._chunk(event.choice, {"function_call": {"name": event.name, "arguments": ""}}))
            return {"function_call": {"arguments": _SLOT}}
        part.place = self._choices[event.choice]
        self._choices[event.choice] += 1
        kind, field_name = ("custom", "input") if event.is_custom else ("function", "arguments")
        # The type may be left out, and "function" is the only one that OpenAI's specification has for chunks: at
        # "custom" the stream helper of its own SDK fails. https://github.com/openai/openai-openapi/issues/576 (2026-11)
        typed: Wire = {} if event.is_custom else {"type": kind}
        call = {"index": part.place, "id": event.id, **typed, kind: {"name": event.name, field_name: ""}}
        out.append(self._chunk(event.choice, {"tool_calls": [call]}))
        return {"tool_calls": [{"index": part.place, kind: {field_name: _SLOT}}]}

    def _end(self, event: PartEnded, out: list[bytes]) -> None:
        part = self._parts[event.index]
        number, kind = part.started.choice, part.started.kind
        if kind == "tool_call" and not part.has_said and not self._is_own:
            out.append((b'""' if part.started.is_custom else b'"{}"').join(part.pieces))
        if kind == "image":
            url = f"data:{part.started.media_type};base64,{''.join(part.words or [])}"
            out.append(self._chunk(number, {"images": [{"type": "image_url", "image_url": {"url": url}}]}))
        if event.signature is None:
            return
        if kind == "reasoning":
            self._details += 1
            sealed = Reasoning(
                text="".join(part.words or []),
                signature=event.signature,
                is_redacted=part.started.is_redacted,
                form=_detail_form(part.form),
            )
            out.append(self._chunk(number, {"reasoning_details": [write_detail(sealed, self._details - 1)]}))
            return
        # Google's own field, https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11)
        extra: Wire = {"extra_content": {"google": {"thought_signature": seal(event.signature, spoken="gemini")}}}
        is_call = kind == "tool_call" and part.form != "function_call"
        out.append(self._chunk(number, {"tool_calls": [{"index": part.place, **extra}]} if is_call else extra))

    def _put_back(self, opaque: Opaque, out: list[bytes]) -> None:
        if opaque.dialect != NAME:
            if opaque.raw != NULL:
                self.dropped.add(opaque.name)
            return
        if opaque.slot == "answer":
            self._pending[opaque.name] = opaque.raw
            return
        self._speak(opaque.choice, out)
        one = {opaque.name: opaque.raw}
        match opaque.slot:
            case "choice":
                out.append(self._chunk(opaque.choice, {}, {**one}))
            case "detail":
                out.append(self._chunk(opaque.choice, {"reasoning_details": [opaque.raw]}))
            case "content" | "image":
                name = "content" if opaque.slot == "content" else "images"
                out.append(self._chunk(opaque.choice, {name: [opaque.raw]}))
            case "part" if opaque.index is not None:
                out.append(self._chunk(opaque.choice, self._part_delta(self._parts[opaque.index], opaque)))
            case _:
                out.append(self._chunk(opaque.choice, {**one}))

    def _part_delta(self, part: _Open, opaque: Opaque) -> Wire:
        """A leftover of a part, where the part is."""
        match part.started.kind:
            case "audio":
                return {"audio": {opaque.name.removeprefix("audio."): opaque.raw}}
            case "tool_call":
                return {"tool_calls": [{"index": part.place, opaque.name: opaque.raw}]}
            case "reasoning":
                return {"content": [{"type": "thinking", "thinking": [], opaque.name: opaque.raw}]}
            case _:
                return {"content": [{"type": "text", "text": "", opaque.name: opaque.raw}]}

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        if event.reason == "error" and not self._is_own:
            message = "the provider ended the answer with a fault of its own"
            return self._tell(Failed(Problem(kind="upstream", message=message, outcome=Outcome.SERVER)), out)
        extras = event.extras if self._is_own else {}
        kept = {name: raw for name, raw in extras.items() if bytes(raw)[:1] not in (b"n", b"[")}
        self._pending |= {name[7:]: raw for name, raw in kept.items() if name.startswith("answer.")}
        reasons = (event.reason, *event.more_reasons)
        for number in sorted({*range(len(reasons)), *self._choices}):
            self._speak(number, out)
            reason = reasons[number] if 0 <= number < len(reasons) else "stop"
            self.dropped.update({"finish_reason"} if reason == "error" else ())
            wire_reason = event.wire_reason if number == 0 else ""
            word = word_of(reason, wire_reason if self._is_own else None, has_refusal=number in self._refused)
            place = f"choices.{number}.choice."
            members = {name[len(place) :]: raw for name, raw in kept.items() if name.startswith(place)}
            out.append(self._chunk(number, {}, {"finish_reason": word, **members}))
        if event.usage is not None and self._reply_to.wants_usage:
            usage = ENCODE(write_usage(event.usage))
            out.append(framed(b'%b,"choices":[],"usage":%b}' % (self._head, usage)))
        out.append(_DONE)
        return None


def _thinking_delta(part: _Open) -> Wire:
    """The fields in which thinking grows: as it came, else the one that most clients read."""
    if part.form.startswith("thinking"):
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": _SLOT}]}]}
    names, _, bookkeeping = part.form.partition(" ")
    delta: Wire = {name: _SLOT for name in names.split(",") if name}
    if not bookkeeping:
        return delta or {STRINGS[0]: _SLOT}
    detail: Wire = dict(OBJECT.decode(bookkeeping))
    text_field = "summary" if detail.get("type") == Raw(b'"reasoning.summary"') else "text"
    return delta | {"reasoning_details": [detail | {text_field: _SLOT}]}


def _detail_form(form: str) -> str:
    _, _, bookkeeping = form.partition(" ")
    return DETAIL + bookkeeping if bookkeeping else ""
