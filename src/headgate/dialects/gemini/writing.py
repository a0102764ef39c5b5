"""Events into answers of Gemini, whole or streamed. Must not know how they are read.

Text goes out at once; a function call, a picture or a sound is one part on this wire, so its pieces wait for its end.
"""

from collections.abc import Iterable
from typing import Final, cast

from msgspec import Raw, Struct, field

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.tools import INPUT
from headgate.dialects.base import ReplyTo
from headgate.dialects.gemini.dress import CANDIDATES, dressed, reason_at
from headgate.dialects.gemini.errors import error_event
from headgate.dialects.gemini.reading import BARE
from headgate.dialects.gemini.reasons import WORDS
from headgate.dialects.gemini.signatures import to_wire
from headgate.dialects.gemini.spelling import put
from headgate.dialects.gemini.usage import render_usage
from headgate.dialects.gemini.wire import ENCODER, NAME, OBJECT, is_null
from headgate.dialects.members import arguments_object

Wire = dict[str, object]

_SPOKEN: Final = frozenset(("text", "reasoning", "refusal"))


class Draft(Struct):
    """A part that is being written."""

    started: PartStarted
    texts: list[str] = field(default_factory=list[str])
    ended: PartEnded | None = None

    def wire(self, *, is_home: bool) -> Wire:
        """The part."""
        text, started = "".join(self.texts), self.started
        out: Wire
        if started.kind == "tool_call":
            call: Wire = {} if is_home and "=noid" in started.form else {"id": started.id}
            if started.name or not is_home:
                call["name"] = started.name
            if text or not is_home:
                call["args"] = arguments_object(text, INPUT)
            out = {"functionCall": call}
        elif started.kind in _SPOKEN:
            out = {"text": text}
            if started.kind == "reasoning":
                out["thought"] = True
        else:
            blob: Wire = {"mimeType": started.media_type} if started.media_type else {}
            out = {"inlineData": {**blob, "data": text}}
        if self.ended is not None and self.ended.signature is not None:
            out["thoughtSignature"] = to_wire(self.ended.signature, is_redacted=started.is_redacted)
        if is_home:
            for name, raw in [*started.extras.items(), *(self.ended.extras.items() if self.ended else ())]:
                put(out, name, raw)
        return out


class Head(Struct, frozen=True):
    """What stays the same throughout an answer."""

    is_home: bool
    members: Wire


def head_of(started: Started, reply_to: ReplyTo) -> Head:
    """At home only what the answer told; from elsewhere what SDKs want to find."""
    is_home = started.dialect == NAME
    model = started.model or ("" if is_home else reply_to.model)
    answer_id = started.id or ("" if is_home else reply_to.id)
    members: Wire = {}
    if model:
        members["modelVersion"] = model
    if answer_id:
        members["responseId"] = answer_id
    if is_home:
        members.update(started.extras)
    return Head(is_home, members)


def candidate_members(finished: Finished, choice: int, *, is_home: bool) -> Wire:
    """A candidate without its parts."""
    if is_home:
        return dressed(finished, choice)
    return {"finishReason": WORDS[reason_at(finished, choice)], "index": choice}


def report(finished: Finished, dropped: set[str]) -> None:
    """Gemini does not tell which stop sequence came up."""
    if finished.stop_sequence is not None:
        dropped.add("stop_sequence")


def has_no_candidates(finished: Finished, *, is_home: bool) -> bool:
    """Whether the prompt was blocked, so that there was no candidate at all."""
    return is_home and CANDIDATES in finished.extras


class Whole:
    """A whole answer, collected."""

    def __init__(self, reply_to: ReplyTo, dropped: set[str]) -> None:
        self._reply_to = reply_to
        self._dropped = dropped
        self._head = head_of(Started(), reply_to)
        self._drafts: dict[int, Draft] = {}
        self._parts: dict[int, list[Draft | Raw]] = {}
        self._candidates: dict[int, Wire] = {}
        self._finished = Finished(reason="other")
        self._failed: Failed | None = None

    def add(self, event: Event) -> None:
        """Takes one event."""
        match event:
            case PartDelta(index, text):
                self._drafts[index].texts.append(text)
            case Started():
                self._head = head_of(event, self._reply_to)
            case PartStarted():
                draft = self._drafts[event.index] = Draft(event)
                self._parts.setdefault(event.choice, []).append(draft)
            case PartEnded():
                self._drafts[event.index].ended = event
            case Opaque():
                self._add_opaque(event)
            case Finished():
                report(event, self._dropped)
                self._finished = event
            case _:
                self._failed = event

    def _add_opaque(self, event: Opaque) -> None:
        if event.dialect != NAME:
            self._dropped.add(event.name)
        elif event.slot in ("part", BARE):
            self._parts.setdefault(event.choice, []).append(event.raw)
        elif event.slot == "candidate":
            self._candidates.setdefault(event.choice, {})[event.name] = event.raw
        else:
            self._head.members[event.name] = event.raw

    def body(self) -> bytes:
        """The answer, or the error that ended it."""
        if self._failed is not None:
            return error_event(self._failed.problem)
        finished, is_home = self._finished, self._head.is_home
        out: Wire = {}
        if not has_no_candidates(finished, is_home=is_home):
            out[CANDIDATES] = [self._candidate(choice) for choice in self._choices()]
        if finished.usage is not None:
            out["usageMetadata"] = render_usage(finished.usage, is_home=is_home)
        out.update(self._head.members)
        if is_home:
            for name, raw in finished.extras.items():
                if not name.startswith(f"{CANDIDATES}.") and not (name == CANDIDATES and is_null(raw)):
                    out.setdefault(name, raw)
        return ENCODER.encode(out)

    def _choices(self) -> range:
        return range(1 + max(len(self._finished.more_reasons), *self._parts, *self._candidates, 0))

    def _candidate(self, choice: int) -> Wire:
        is_home = self._head.is_home
        out = candidate_members(self._finished, choice, is_home=is_home)
        parts = [
            item.wire(is_home=is_home) if isinstance(item, Draft) else item for item in self._parts.get(choice, [])
        ]
        content = out.get("content", {"role": "model"})
        if parts or not is_home:
            out["content"] = {**_members(content), "parts": parts}
        return {**out, **self._candidates.get(choice, {})}


def _members(content: object) -> Wire:
    """The members of a candidate's content, which may have been told as something else."""
    if not isinstance(content, Raw):
        return cast(Wire, content)
    return dict(OBJECT.decode(content)) if bytes(memoryview(content)[:1]) == b"{" else {}


class StreamRenderer:
    """Events in, bytes of a streamed answer out."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self._reply_to = reply_to
        self._is_array = reply_to.framing == "array"
        self._is_first = True
        self._head = head_of(Started(), reply_to)
        self._tail = b"}"
        self._drafts: dict[int, Draft] = {}
        self._wrappers: dict[int, tuple[bytes, bytes]] = {}

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        out: list[bytes] = []
        for event in events:
            match event:
                case PartDelta(index, text):
                    wrapper = self._wrappers.get(index)
                    if wrapper is None:
                        self._drafts[index].texts.append(text)
                    else:
                        out.append(self._chunk(wrapper[0] + ENCODER.encode(text) + wrapper[1]))
                case Started():
                    self._start(event)
                case PartStarted():
                    self._begin(event)
                case PartEnded():
                    self._end(event, out)
                case Opaque():
                    self._add_opaque(event, out)
                case Finished():
                    self._finish(event, out)
                case _:
                    self._fail(error_event(event.problem), out)
        return b"".join(out)

    def _chunk(self, body: bytes) -> bytes:
        if not self._is_array:
            if b"\n" in body:  # leftovers of an answer that was written over several lines
                body = body.replace(b"\r", b"").replace(b"\n", b"")
            return b"data: " + body + b"\r\n\r\n"
        begin = b"[" if self._is_first else b",\r\n"
        self._is_first = False
        return begin + body

    def _start(self, event: Started) -> None:
        self._head = head_of(event, self._reply_to)
        members = ENCODER.encode(self._head.members)
        self._tail = b"}" if members == b"{}" else b"," + members[1:]

    def _wrapped(self, choice: int, form: str) -> tuple[bytes, bytes]:
        """What stands around the parts of a chunk."""
        is_home = self._head.is_home
        role = b"]}" if is_home and BARE in form else b'],"role":"model"}'
        index = b"}]" if is_home and not choice else b',"index":%d}]' % choice
        return b'{"candidates":[{"content":{"parts":[', role + index + self._tail

    def _begin(self, event: PartStarted) -> None:
        self._drafts[event.index] = Draft(event)
        if event.kind in _SPOKEN:
            before, after = self._wrapped(event.choice, event.form)
            thought = b',"thought":true}' if event.kind == "reasoning" else b"}"
            self._wrappers[event.index] = (before + b'{"text":', thought + after)

    def _end(self, event: PartEnded, out: list[bytes]) -> None:
        draft = self._drafts.pop(event.index)
        draft.ended = event
        is_spoken = self._wrappers.pop(event.index, None) is not None
        is_home = self._head.is_home
        has_more = event.signature is not None or (is_home and bool(draft.started.extras or event.extras))
        if is_spoken and not has_more:
            return
        before, after = self._wrapped(draft.started.choice, draft.started.form)
        out.append(self._chunk(before + ENCODER.encode(draft.wire(is_home=is_home)) + after))

    def _add_opaque(self, event: Opaque, out: list[bytes]) -> None:
        if event.dialect != NAME:
            self.dropped.add(event.name)
        elif event.slot in ("part", BARE):
            before, after = self._wrapped(event.choice, event.slot)
            out.append(self._chunk(before + bytes(event.raw) + after))
        elif event.slot == "candidate":
            candidate: Wire = {event.name: event.raw}
            if event.choice:
                candidate["index"] = event.choice
            out.append(self._chunk(ENCODER.encode({CANDIDATES: [candidate], **self._head.members})))
        else:
            out.append(self._chunk(ENCODER.encode({event.name: event.raw, **self._head.members})))

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        is_home = self._head.is_home
        report(event, self.dropped)
        body: Wire = {}
        if event.reason != "content_filter" or not has_no_candidates(event, is_home=is_home):
            body[CANDIDATES] = [self._last_candidate(event, choice) for choice in range(1 + len(event.more_reasons))]
        if event.usage is not None:
            body["usageMetadata"] = render_usage(event.usage, is_home=is_home)
        body.update(self._head.members)
        out.append(self._chunk(ENCODER.encode(body)))
        if self._is_array:
            out.append(b"]")

    def _last_candidate(self, event: Finished, choice: int) -> Wire:
        members = candidate_members(event, choice, is_home=self._head.is_home)
        if not self._head.is_home:
            members["content"] = {"parts": [{"text": ""}], "role": "model"}  # as Google ends its own
        elif not isinstance(members.get("content"), Raw):
            members.pop("content", None)  # said with the parts
        if members.get("finishReason", "") == "":
            members["finishReason"] = WORDS["other"]  # a whole may do without one; a stream would seem cut
        return members

    def _fail(self, error: bytes, out: list[bytes]) -> None:
        """Google's own errors stand bare between the events, and its JavaScript SDK sees no others; SSE readers see
        none that is bare (googleapis/js-genai, googleapis/python-genai, 2026-11): so both are written."""
        out.append(self._chunk(error))
        out.append(b"]" if self._is_array else error + b"\r\n")
