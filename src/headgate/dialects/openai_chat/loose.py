"""Chunks and whole answers of any shape, given to the assembler: what is unknown, odd or null is kept, never refused.

Whole answers are read here, since their leftovers must come out as they went in. A stream's nulls and its copies of
what deltas say are not kept: they add nothing to the answer.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw
from msgspec.json import Decoder

from headgate.core.events import PartStarted
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Extras, Inline
from headgate.core.signatures import unseal
from headgate.dialects.members import Members
from headgate.dialects.openai_chat.assembling import Assembler, Call
from headgate.dialects.openai_chat.chunks import add_detail
from headgate.dialects.openai_chat.content import source_of_url
from headgate.dialects.openai_chat.errors import problem_of_event
from headgate.dialects.openai_chat.messages import take_signature
from headgate.dialects.openai_chat.reasoning import PROOF_FIELD, STRINGS, TEXT_FIELD
from headgate.dialects.openai_chat.usage import read_usage
from headgate.dialects.openai_chat.wire import CHOICES_MAX, ENCODE, NULL, OBJECT, DetailDelta

T = TypeVar("T")

_TEXT: Final = Decoder(str)
_NUMBER: Final = Decoder(int | float)
_OBJECTS: Final = Decoder(list[dict[str, Raw]])
_RAWS: Final = Decoder(list[Raw])
_DETAIL: Final = Decoder(DetailDelta)
_EMPTIES: Final = frozenset({b"null", b"[]", b'""', b"{}"})

_TELLING: Final = frozenset({*TEXT_FIELD.values(), *PROOF_FIELD.values()})

# Together, Perplexity and others repeat a delta under another name; the padding hides lengths and says nothing
_ECHOES: Final = frozenset({"text", "message"})
_PADDING: Final = frozenset({"obfuscation", "p"})


def add_members(assembler: Assembler, members: Extras, body: bytes, *, is_whole: bool) -> None:
    """All that a chunk or an answer says."""
    problem = _problem(members, body)
    usage = _take(members, "usage", OBJECT, but=b"{}") or _inner_usage(members)
    if usage:  # which an error in the middle may tell too
        assembler.usage = read_usage(usage)
    if problem is not None:
        return assembler.fail(problem)
    found = _take(members, "choices", _OBJECTS)
    if found is None and is_whole:
        return assembler.fail_by(Outcome.PROTOCOL, "it has no `choices`")
    choices = found or []
    answer_id, model = _take(members, "id", _TEXT), _take(members, "model", _TEXT)
    created = _take(members, "created", _NUMBER)
    kind = _take(members, "object", _TEXT)
    if kind is not None and kind != "chat.completion" and is_whole:
        assembler.extras["answer.object"] = Raw(ENCODE(kind))
    if choices or model or is_whole:
        assembler.start(answer_id or "", model or "", int(created or 0))
    for place, choice in enumerate(choices):
        _add_choice(assembler, choice, place, is_whole=is_whole)
    for name, raw in members.items():
        if raw != NULL and name not in _PADDING:
            assembler.tell(name, raw)
        elif is_whole:
            assembler.extras[f"answer.{name}"] = raw
    return None


def _problem(members: Extras, body: bytes) -> Problem | None:
    """An error instead of an answer or in the middle of one: the body's, Groq's own, or a choice's."""
    holders = [members, _peek(members, "x_groq", OBJECT) or {}]
    holders += _peek(members, "choices", _OBJECTS) or []
    for holder in holders:
        error = holder.get("error")
        if error is not None and bytes(error) not in (*_EMPTIES, b"false"):
            return problem_of_event(error, body)
    return None


def _inner_usage(members: Extras) -> Extras | None:
    """Groq's place for it, https://console.groq.com/docs/api-reference#chat-create (2026-11)."""
    return _peek(_peek(members, "x_groq", OBJECT) or {}, "usage", OBJECT)


def _add_choice(assembler: Assembler, choice: Extras, place: int, *, is_whole: bool) -> None:
    missing = [name for name in ("index", "message", "finish_reason") if is_whole and name not in choice]
    number = _take(choice, "index", _NUMBER)
    number = place if number is None or not 0 <= number < CHOICES_MAX else int(number)
    assembler.extras.update({f"choices.{number}.missing.{name}": NULL for name in missing})
    field = "message" if is_whole or "delta" not in choice else "delta"
    delta = _take(choice, field, OBJECT) or {}
    if not is_whole and field == "message" and assembler.has_said(number):
        delta = {}
    reason = _take(choice, "finish_reason", _TEXT)
    if not is_whole:
        choice = {name: raw for name, raw in choice.items() if name not in _ECHOES}
    Message(assembler, number, delta, is_whole=is_whole).add()
    keep(assembler, choice, number, "choice", is_whole=is_whole)
    if reason:
        assembler.stop(number, reason)
    elif reason is not None and is_whole:
        assembler.extras[f"choices.{number}.choice.finish_reason"] = Raw(b'""')


def keep(assembler: Assembler, members: Extras, number: int, slot: str, *, is_whole: bool) -> None:
    """Leftovers: what says something is told, what is empty is only kept."""
    for name, raw in members.items():
        if bytes(raw) not in _EMPTIES:
            assembler.leave(name, raw, number, slot)
        elif is_whole:
            assembler.extras[f"choices.{number}.{slot}.{name}"] = raw


class Message:
    """One message or delta under way to the assembler; its members are taken out as they are told."""

    def __init__(self, assembler: Assembler, number: int, members: Extras, *, is_whole: bool) -> None:
        self._assembler = assembler
        self._number = number
        self._members = members
        self._is_whole = is_whole

    def add(self) -> None:
        """Every member, in the order in which a reader would want them."""
        if bytes(self._members.get("role", b"")) in (b'"assistant"', b'""', b"null") or not self._is_whole:
            self._members.pop("role", None)
        elif "role" not in self._members:
            self._assembler.extras[f"choices.{self._number}.message.role"] = NULL
        self._add_reasoning()
        self._add_content()
        self._add_signature()
        self._add_text("refusal", self._assembler.refusal)
        self._add_audio()
        self._add_images()
        self._add_calls()
        keep(self._assembler, self._members, self._number, "message", is_whole=self._is_whole)

    def _add_text(self, name: str, tell: Callable[[int, str], None]) -> None:
        text = _take(self._members, name, _TEXT, but=b'""')
        if text:
            tell(self._number, text)

    def _add_signature(self) -> None:
        """Google's proof of words; that of a call is in the call."""
        if self._assembler.is_saying(self._number, "text"):
            signature = take_signature(Members(self._members, ""))
            if signature:
                self._assembler.sign(self._number, unseal(signature, spoken="gemini"))

    def _add_reasoning(self) -> None:
        details = _take(self._members, "reasoning_details", _RAWS, but=b"[]") or []
        read = [(raw, _lenient(raw, _DETAIL)) for raw in details]
        words = "".join(detail.text or detail.summary or "" for _, detail in read if detail)
        strings = {name: text for name in STRINGS if (text := _peek(self._members, name, _TEXT))}
        said = words or next(iter(strings.values()), "")
        same = [name for name, text in strings.items() if text == said or not self._is_whole]
        for name in same:
            del self._members[name]
        if said and not words:
            self._assembler.reasoning(self._number, said, ",".join(same))
        for order, (raw, detail) in enumerate(read):
            if detail is None or not _is_telling(detail):
                if self._is_whole or detail is None:
                    self._assembler.leave("reasoning_details", raw, self._number, "detail")
            else:
                form = f"{','.join(same)} {_bookkeeping(raw)}"
                add_detail(self._assembler, self._number, detail, form, str(order) * self._is_whole)

    def _add_content(self) -> None:
        self._add_text("content", self._assembler.text)
        for order, piece in enumerate(_take(self._members, "content", _OBJECTS, but=b"[]") or []):
            kind = _take(piece, "type", _TEXT)
            key = f"{order}" if self._is_whole else ""
            if kind == "text" and (text := _take(piece, "text", _TEXT)) is not None:
                self._assembler.text(self._number, text, "list", key=key)
            elif kind == "thinking" and self._is_thinking(piece):
                self._add_thinking(_take(piece, "thinking", _OBJECTS) or [], key)
            else:
                raw = Raw(ENCODE({"type": kind, **piece}))
                self._assembler.leave(kind or "content", raw, self._number, "content")
                continue
            for name, raw in piece.items():
                self._assembler.hang(self._number, name, raw)

    def _is_thinking(self, piece: Extras) -> bool:
        """Whether there are thoughts in it, or something to say of those under way."""
        chunks = _peek(piece, "thinking", _OBJECTS)
        return bool(chunks) or (chunks == [] and self._assembler.is_saying(self._number, "reasoning"))

    def _add_thinking(self, chunks: list[Extras], key: str) -> None:
        """Mistral's: a list of text chunks."""
        for place, chunk in enumerate(chunks):
            text = _peek(chunk, "text", _TEXT) or ""
            if self._is_whole:
                form = "thinking more" if place else "thinking"
                self._assembler.reasoning(self._number, text, form, key=f"{key}.{place}")
            else:
                self._assembler.reasoning(self._number, text, "thinking", key="thinking")

    def _add_audio(self) -> None:
        sound = _take(self._members, "audio", OBJECT)
        if sound is None:
            return
        started = PartStarted(index=0, kind="audio", id=_take(sound, "id", _TEXT) or "")
        index = self._assembler.medium(self._number, started, _take(sound, "data", _TEXT) or "")
        for name, raw in sound.items():
            self._assembler.hang(self._number, f"audio.{name}", raw, index)

    def _add_images(self) -> None:
        """OpenRouter, https://openrouter.ai/docs/features/multimodal/image-generation (2026-11)."""
        for image in _take(self._members, "images", _OBJECTS, but=b"[]") or []:
            holder = _peek(image, "image_url", OBJECT) or {}
            source = source_of_url(_take(holder, "url", _TEXT) or "")
            if isinstance(source, Inline):
                started = PartStarted(index=0, kind="image", media_type=source.media_type)
                self._assembler.medium(self._number, started, source.data)
            else:
                self._assembler.leave("images", Raw(ENCODE(image)), self._number, "image")

    def _add_calls(self) -> None:
        for call in _take(self._members, "tool_calls", _OBJECTS, but=b"[]") or []:
            self._add_call(call)
        function = _peek(self._members, "function_call", OBJECT) or {}
        name, arguments = _take(function, "name", _TEXT) or "", _take(function, "arguments", _TEXT) or ""
        if name or arguments:
            del self._members["function_call"]
            self._assembler.call(self._number, Call(-1, "", name, arguments, "function_call"))

    def _add_call(self, members: Extras) -> None:
        place = _peek(members, "index", _NUMBER)
        call_id = _take(members, "id", _TEXT, but=b'""')
        marks = [] if call_id else ["empty_id" if _take(members, "id", _TEXT) == "" else "no_id"]
        bookkeeping = {name: members.pop(name) for name in ("type", "index") if name in members}
        if not call_id and "id" in members:  # a number, say
            call_id = bytes(members["id"]).decode().strip('"') if bytes(members["id"]) != b"null" else ""
        is_custom = "custom" in members
        holder = _take(members, "custom" if is_custom else "function", OBJECT) or {}
        if not self._is_whole:  # what came before must not be undone by it
            holder = {name: raw for name, raw in holder.items() if raw != NULL}
        signature = take_signature(Members(members, ""))
        arguments = _take(holder, "input" if is_custom else "arguments", _TEXT)
        if arguments is None and bytes(holder.get("arguments", b""))[:1] == b"{":
            arguments = bytes(holder.pop("arguments")).decode()
            marks.append("object")
        marks += [] if arguments is not None else ["none"]
        piece = Call(
            key=None if place is None else int(place),
            id=call_id or "",
            name=_take(holder, "name", _TEXT) or "",
            arguments=arguments or "",
            form=" ".join([ENCODE(bookkeeping).decode(), *marks]) if self._is_whole else "",
            is_custom=is_custom,
            signature=unseal(signature, spoken="gemini") if signature else None,
        )
        index = self._assembler.call(self._number, piece)
        Members(members, "").keep("custom" if is_custom else "function", Members(holder, ""))
        for name, raw in members.items():
            if index >= 0 and (self._is_whole or raw != NULL):
                self._assembler.hang(self._number, name, raw, index)


def _bookkeeping(raw: Raw) -> str:
    """The members that say which detail it is, as JSON."""
    members = OBJECT.decode(raw)
    return ENCODE({name: value for name, value in members.items() if name not in _TELLING}).decode()


def _is_telling(detail: DetailDelta) -> bool:
    """Whether a detail has words or a proof, and is of a kind we know."""
    if detail.type in TEXT_FIELD:
        return bool(detail.text or detail.summary or detail.signature)
    return detail.type in PROOF_FIELD and bool(detail.data)


def _lenient(raw: Raw, decoder: Decoder[T]) -> T | None:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _peek(members: Extras, name: str, decoder: Decoder[T]) -> T | None:
    """A member of the right type, left where it is."""
    raw = members.get(name)
    return None if raw is None else _lenient(raw, decoder)


def _take(members: Extras, name: str, decoder: Decoder[T], *, but: bytes = b"") -> T | None:
    """A member of the right type, taken out unless it is `but`; one of another type is a leftover."""
    value = _peek(members, name, decoder)
    if value is None or (but and bytes(members[name]) == but):
        return None
    del members[name]
    return value
