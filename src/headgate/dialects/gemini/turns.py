"""Turns of a request, written: messages into contents and parts. Must not know how they are read.

At home every message is the content it was. From elsewhere: leading instructions become `systemInstruction`; results
of one round of calls share one content, in the order of the calls, as Google wants as many as there were calls
(https://ai.google.dev/gemini-api/docs/function-calling, 2026-11).
"""

import re
from collections.abc import Sequence
from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.problems import InvalidRequest, Unrenderable
from headgate.core.request import (
    Audio,
    File,
    FileId,
    Foreign,
    Image,
    Inline,
    Message,
    Part,
    Reasoning,
    Refused,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.core.tools import INPUT
from headgate.dialects.gemini.media import Media, is_uploaded, media_type_of
from headgate.dialects.gemini.signatures import SKIP, to_wire
from headgate.dialects.gemini.spelling import Frame, Spelling
from headgate.dialects.gemini.wire import ANY, NAME, OBJECT
from headgate.dialects.members import arguments_object

Wire = dict[str, object]
_Own = Text | Refused | Reasoning | ToolCall | ToolResult | Media

_INSTRUCTIONS: Final = ("system", "developer")
_RESULT_MEDIA = re.compile(r"gemini-[12](?![0-9])")
"""Models before Gemini 3 take no media inside a function response
(https://ai.google.dev/gemini-api/docs/function-calling#multimodal, 2026-11)."""


class Turns:
    """The contents of one request, built message by message."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._calls: dict[str, tuple[int, str]] = {}
        self._results: list[tuple[int, Wire]] = []
        self._result_media: list[Wire] = []
        self.system: object = None
        self.contents: list[Wire] = []

    def add(self, messages: Sequence[Message]) -> None:
        """Writes all of `messages`."""
        if self._frame.is_home:
            for message in messages:
                self._add_at_home(message)
            return
        leading = 0
        while leading < len(messages) and messages[leading].role in _INSTRUCTIONS:
            leading += 1
        instructions = [part for message in messages[:leading] for part in self._instruction(message)]
        for message in messages[leading:]:
            self._add(message)
        self._flush_results()
        if instructions and not self.contents:  # Google refuses a call without contents
            self._frame.drop("messages.role")
            self.contents.append({"role": "user", "parts": instructions})
        elif instructions:
            self.system = {"parts": instructions}

    # at home

    def _add_at_home(self, message: Message) -> None:
        spelling = self._frame.spelling(message.form)
        if message.role in _INSTRUCTIONS and not self.contents:
            self._add_system_at_home(message, spelling)
            return
        role = "model" if message.role == "assistant" else "user"
        self.contents.append(self._content(message, spelling, role=role))

    def _add_system_at_home(self, message: Message, spelling: Spelling) -> None:
        """The first is the one that was told; a later one was put there by us."""
        content = self._content(message, spelling, role=None)
        text = message.parts[0] if message.parts else None
        if self.system is not None:
            told = cast(Wire, {"parts": [{"text": self.system}]} if isinstance(self.system, str) else self.system)
            before, more = told.get("parts", []), content["parts"]
            listed = cast(list[Wire], before if isinstance(before, list) else [before])
            self.system = {**told, "parts": [*listed, *cast(list[Wire], more)]}
        elif spelling.has("=string") and len(message.parts) == 1 and isinstance(text, Text):
            self.system = text.text
        else:
            self.system = content

    def _content(self, message: Message, spelling: Spelling, role: str | None) -> Wire:
        out: Wire = {}
        self._frame.restore(out, message.extras, "messages")
        told = spelling.value("=role")
        if told is not None:
            out["role"] = told
        elif role is not None and not spelling.has("=norole"):
            out.setdefault("role", role)
        parts = [wire for part in message.parts for wire in self._part(part)]
        if spelling.has("=onepart") and len(parts) == 1:
            out["parts"] = parts[0]
        elif parts or not spelling.has("=noparts"):
            out["parts"] = parts
        return out

    # from elsewhere

    def _instruction(self, message: Message) -> list[Wire]:
        self._report(message)
        for part in message.parts:
            if not isinstance(part, Text | Foreign):
                raise Unrenderable(
                    "Gemini takes only text as instructions; move the rest to a user turn", param="messages"
                )
        return [wire for part in message.parts for wire in self._part(part)]

    def _report(self, message: Message) -> None:
        self._frame.restore({}, message.extras, "messages")
        self._frame.drop("messages.name", message.name)

    def _add(self, message: Message) -> None:
        self._report(message)
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._add_result(part)
        others = [part for part in message.parts if not isinstance(part, ToolResult)]
        parts = [wire for part in others for wire in self._part(part)]
        if not parts:
            return
        self._flush_results()
        self._frame.drop("messages.role", message.role in _INSTRUCTIONS)  # said in place, by the user
        if message.role == "assistant":
            _skip_validation(parts)
        self.contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})

    def _add_result(self, result: ToolResult) -> None:
        place, _ = self._calls.get(result.call_id, (len(self._calls), ""))
        self._results.append((place, self._result(result)))

    def _flush_results(self) -> None:
        if not self._results:
            return
        ordered = sorted(self._results, key=lambda placed: placed[0])
        self.contents.append({"role": "user", "parts": [wire for _, wire in ordered]})
        if self._result_media:
            self.contents.append({"role": "user", "parts": self._result_media})
        self._results, self._result_media = [], []

    # parts

    def _part(self, part: Part) -> list[Wire]:
        match part:
            case Text() | Refused():
                return self._text(part)
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return [self._call(part)]
            case ToolResult():
                return [self._result(part)]
            case Image() | Audio() | File():
                return [self._medium(part)]
            case _:
                return self._foreign(part)

    def _text(self, part: Text | Refused) -> list[Wire]:
        spelling = self._frame.spelling(part.form)
        signature = self._signature(part.signature) if isinstance(part, Text) else None
        if not part.text and not signature and not self._frame.is_home:
            return []  # Google refuses empty parts
        out: Wire = {} if spelling.has("=bare") else {"text": part.text}
        self._finish(out, part, spelling, signature)
        if isinstance(part, Text):
            self._frame.drop("cache_control", part.cache)
        return [out]

    def _reasoning(self, part: Reasoning) -> list[Wire]:
        spelling = self._frame.spelling(part.form)
        signature = self._signature(part.signature, is_redacted=part.is_redacted)
        if not part.text and not signature and not self._frame.is_home:
            return []
        out: Wire = {"thought": True} if spelling.has("=bare") else {"text": part.text, "thought": True}
        self._finish(out, part, spelling, signature)
        return [out]

    def _call(self, part: ToolCall) -> Wire:
        spelling = self._frame.spelling(part.form)
        self._calls[part.id] = (len(self._calls), part.name)
        call: Wire = {} if spelling.has("=noid") else {"id": part.id}
        if part.name or not self._frame.is_home:
            call["name"] = part.name
        if part.arguments or not self._frame.is_home:
            call["args"] = arguments_object(part.arguments, INPUT)
        out: Wire = {spelling.key("functionCall"): call}
        self._finish(out, part, spelling, self._signature(part.signature))
        self._frame.drop("cache_control", part.cache)
        return out

    def _result(self, part: ToolResult) -> Wire:
        spelling = self._frame.spelling(part.form)
        result: Wire = {}
        if not spelling.has("=noid"):
            told = spelling.value("=id")
            result["id"] = part.call_id if told is None else told
        result["name"] = name = part.name or self._calls.get(part.call_id, (0, ""))[1]
        if not name and not self._frame.is_home:
            raise InvalidRequest(
                f"a tool result answers the call {part.call_id!r}, which is not among the messages; "
                "Gemini needs the call's function name, so send the call too",
                param="messages",
            )
        texts = [piece for piece in part.parts if isinstance(piece, Text)]
        if texts or not self._frame.is_home:
            result["response"] = _response("".join(piece.text for piece in texts), part, spelling)
        media = self._result_parts(part)
        if media:
            one = spelling.has("=onepart") and len(media) == 1
            result["parts"] = media[0] if one else media
        out: Wire = {spelling.key("functionResponse"): result}
        self._finish(out, part, spelling, None)
        self._frame.drop("cache_control", part.cache)
        return out

    def _result_parts(self, part: ToolResult) -> list[Wire]:
        """Media that go inside the response; what may not goes into the turn after it."""
        inside: list[Wire] = []
        for piece in part.parts:
            if isinstance(piece, Text):
                self._frame.drop("cache_control", piece.cache)
                self._frame.restore({}, {} if self._frame.is_home else piece.extras, "messages")
            elif isinstance(piece, Foreign):
                inside += self._foreign(piece)
            elif self._frame.is_home or self._fits_inside(piece):
                inside.append(self._medium(piece))
            else:
                self._result_media.append(self._medium(piece))
        return inside

    def _fits_inside(self, piece: Media) -> bool:
        is_new = not _RESULT_MEDIA.search(self._frame.target.model)
        return is_new and isinstance(piece.source, Inline) and not isinstance(piece, Audio)

    def _medium(self, part: Media) -> Wire:
        spelling = self._frame.spelling(part.form)
        source, key = part.source, "inlineData"
        body: Wire = {}
        if isinstance(source, Inline):
            if not spelling.has("=notype"):
                body[spelling.key("mimeType")] = source.media_type
            if not spelling.has("=nodata"):
                body["data"] = source.data
        else:
            key = "fileData"
            uri = source.id if isinstance(source, FileId) else source.url
            if isinstance(source, FileId) and not self._frame.is_home and not is_uploaded(uri):
                raise Unrenderable(
                    f"the file {uri!r} was uploaded to another service, which Gemini cannot read; send its content",
                    param="messages",
                )
            media_type = source.media_type if self._frame.is_home else media_type_of(source)
            if media_type:
                body[spelling.key("mimeType")] = media_type
            if not spelling.has("=nouri"):
                body[spelling.key("fileUri")] = uri
        out: Wire = {spelling.key(key): body}
        self._finish(out, part, spelling, None)
        self._frame.drop("cache_control", part.cache)
        self._frame.drop("messages.detail", isinstance(part, Image) and part.detail not in ("", "auto"))
        self._frame.drop("messages.filename", isinstance(part, File) and part.name)
        return out

    def _foreign(self, part: Foreign) -> list[Wire]:
        if self._frame.is_home:
            return [cast(Wire, part.raw)]
        if part.is_feature:
            raise Unrenderable(f"Gemini has nothing like {part.name!r}; remove it from the messages", param="messages")
        self._frame.drop(part.name)
        return []

    def _finish(self, out: Wire, part: _Own, spelling: Spelling, signature: str | None) -> None:
        if spelling.has("=thought"):
            out["thought"] = False
        if signature:
            out[spelling.key("thoughtSignature")] = signature
        self._frame.restore(out, part.extras, "messages")

    def _signature(self, signature: Signature | None, *, is_redacted: bool = False) -> str | None:
        if signature is None:
            return None
        if signature.minted_by != NAME and not self._frame.is_home:
            self._frame.drop("reasoning.signature")
            return None
        return to_wire(signature, is_redacted=is_redacted)


def _skip_validation(parts: list[Wire]) -> None:
    """Gemini 3 refuses a turn whose first call has no signature; this one stands for any other model's."""
    first = next((wire for wire in parts if "functionCall" in wire), None)
    if first is not None:
        first.setdefault("thoughtSignature", SKIP)


def _response(text: str, part: ToolResult, spelling: Spelling) -> object:
    """What the function said, as the object that Gemini wants."""
    wrapper = spelling.value("=in")
    if wrapper is not None:
        return {ANY.decode(wrapper): text}
    try:
        members = OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {"error" if part.is_error else "result": text}
    if part.is_error and "error" not in members:
        return {"error": Raw(text.encode())}
    return Raw(text.encode())
