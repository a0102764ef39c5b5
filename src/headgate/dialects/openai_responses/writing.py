"""Turns, written as input items. Must not know settings.

A message of this dialect is put back as its forms say; another's is cut into items: words, calls, outputs.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Raw

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Audio,
    CacheMark,
    Extras,
    File,
    Foreign,
    Image,
    Inline,
    Link,
    Message,
    Part,
    Reasoning,
    Refused,
    Signature,
    Source,
    Text,
    ToolCall,
    ToolResult,
)
from headgate.dialects.openai_responses.content import DEFAULT_TEXT, canonical_head
from headgate.dialects.openai_responses.items import ITEM, joined
from headgate.dialects.openai_responses.wire import NAME, NULL, Members, elements_of, members_of, spelt, text_of

_SOUND_FORMATS: Final = {"mpeg": "mp3", "mp3": "mp3", "wav": "wav", "x-wav": "wav", "wave": "wav"}
_NAME: Final = "OpenAI's Responses API"

KIN: Final = frozenset({NAME, "openai_chat"})
"""Dialects of the same service: its files and the members of the same name are the same."""


def words_of(parts: Iterable[Part]) -> str:
    """The texts among `parts`, joined."""
    return "".join(part.text for part in parts if isinstance(part, Text))


class ItemWriter:
    """Writes messages one after another into `items`."""

    def __init__(self, dialect: str, dropped: set[str]) -> None:
        self.is_home = dialect == NAME
        self._shares_files = dialect in KIN
        self.items: list[object] = []
        self._dropped = dropped
        self._content: list[object] = []
        self._calls: list[tuple[str, str, bool]] = []
        """Calls that still wait for their output: id, name, whether custom."""
        self._named = 0

    def write(self, message: Message) -> None:
        """Adds a message's items."""
        if message.name:
            self._dropped.add("messages.name")
        if self.is_home and message.form == ITEM:
            self.items.extend(part.raw for part in message.parts if isinstance(part, Foreign))
        elif message.role == "assistant":
            self._write_said(message)
        else:
            self._write_given(message)

    def _write_given(self, message: Message) -> None:
        """A turn that is not the model's: its content is one item, but for the tool outputs among it."""
        role = "user" if message.role == "tool" else message.role
        form = self._form(message.form)
        extras = self._extras(message.extras)
        is_bare = form.pop("content", None) is not None
        content: list[object] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._flush(role, content)
                content = []
                self.items.append(self._result(part))
            elif isinstance(part, ToolCall | Reasoning):
                self._say(part)
            elif (written := self._content_part(part, DEFAULT_TEXT)) is not None:
                content.append(written)
        if self.is_home and not any(isinstance(part, ToolResult) for part in message.parts):
            body: object = words_of(message.parts) if is_bare and message.parts else content
            members = {} if not message.parts and not is_bare else {"content": body}
            self.items.append({**extras, **form, "role": role, **members})
        else:
            self._flush(role, content)

    def _flush(self, role: str, content: list[object]) -> None:
        if content:
            self.items.append({"type": "message", "role": role, "content": content})

    def _write_said(self, message: Message) -> None:
        """The model's turn: words, reasoning and calls, each an item in its place."""
        if not self.is_home:
            self._extras(message.extras)
        self._content = []
        for part in message.parts:
            if isinstance(part, Text | Refused):
                self._say_words(part)
            else:
                self._content = []
                self._say(part)
        self._content = []

    def _say_words(self, part: Text | Refused) -> None:
        form = self._form(part.form)
        head = form.pop(ITEM, None)
        item_form = members_of(head)
        outer = {name[8:]: raw for name, raw in part.extras.items() if name.startswith("message.")}
        inner = {name: raw for name, raw in part.extras.items() if not name.startswith("message.")}
        if not self.is_home:
            self._extras(part.extras)
            outer, inner = {}, {}
        if item_form.pop("content", None) is not None:
            self.items.append({**outer, **item_form, "role": "assistant", "content": part.text})
            return
        if head is not None or not self._content:
            self._content = []
            start = {**outer, **item_form} if head is not None else {"type": "message"}
            self.items.append({**start, "role": "assistant", "content": self._content})
        if isinstance(part, Refused):
            self._content.append({**inner, **form, "type": "refusal", "refusal": part.text})
            return
        self._note(part.cache, part.signature)
        self._content.append({"type": "output_text", **inner, **form, "text": part.text})

    def _say(self, part: Part) -> None:
        match part:
            case Reasoning():
                self._reason(part)
            case ToolCall():
                self._call(part)
            case ToolResult():
                self.items.append(self._result(part))
            case Foreign():
                if (raw := self._foreign(part)) is not None:
                    self.items.append(raw)
            case _:
                raise Unrenderable(f"{_NAME} takes no {_noun(part)} in the model's own turns.", param="input")

    def _reason(self, part: Reasoning) -> None:
        """Only what this dialect's services sealed themselves can be given back to them, unless they sealed nothing."""
        signature = part.signature
        if signature is not None and signature.minted_by != NAME:
            self._dropped.add("reasoning.signature")
            return
        if not self.is_home and signature is None:
            self._dropped.add("reasoning")
            return
        form = self._form(part.form)
        members: dict[str, object] = {**self._extras(part.extras), **form, "type": "reasoning"}
        said = joined(elements_of(form.get("content")), elements_of(form.get("summary")))
        if said != part.text or not self.is_home:
            members.pop("content", None)
            members["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
        if signature is not None:
            members["encrypted_content"] = signature.value
        self.items.append(members)

    def _call(self, part: ToolCall) -> None:
        self._note(part.cache, part.signature)
        call_id = part.id or self._new_id()
        self._calls.append((call_id, part.name, part.is_custom))
        kind, member = ("custom_tool_call", "input") if part.is_custom else ("function_call", "arguments")
        arguments = part.arguments if self.is_home or part.is_custom or part.arguments else "{}"
        members = {"type": kind, "call_id": call_id, "name": part.name, member: arguments}
        if part.namespace:
            members["namespace"] = part.namespace
        self.items.append({**self._extras(part.extras), **self._form(part.form), **members})

    def _new_id(self) -> str:
        """An id for a call that its dialect gave none, the same in every rendering of the conversation."""
        self._named += 1
        return f"call_{self._named}"

    def _answered(self, result: ToolResult) -> tuple[str, bool]:
        """The call that `result` answers, by its id, or else the first open one of its name, or the first; and
        whether it was a custom one."""
        found = next((call for call in self._calls if call[0] == result.call_id), None)
        if found is None and not result.call_id:
            found = next((call for call in self._calls if call[1] == result.name), next(iter(self._calls), None))
        if found is None:
            return result.call_id or self._new_id(), False
        self._calls.remove(found)
        return found[0], found[2]

    def _result(self, part: ToolResult) -> dict[str, object]:
        form = self._form(part.form)
        extras = self._extras(part.extras)
        is_bare = form.pop("output", None) is not None
        self._note(part.cache, None)
        parts = [written for inner in part.parts if (written := self._content_part(inner, DEFAULT_TEXT)) is not None]
        if self.is_home:
            output = {"output": words_of(part.parts) if is_bare else parts} if is_bare or part.parts else {}
            call = {"call_id": part.call_id} if part.call_id or "call_id" not in extras else {}
            name = {"name": part.name} if part.name else {}
            return {**extras, **form, **call, **name, **output}
        if part.is_error:
            self._dropped.add("is_error")
        texts = [inner for inner in part.parts if isinstance(inner, Text)]
        is_text = len(texts) == len(part.parts) and len(texts) <= 1
        call_id, is_custom = self._answered(part)
        return {
            "type": "custom_tool_call_output" if is_custom else "function_call_output",
            "call_id": call_id,
            "output": words_of(texts) if is_text else parts,
        }

    def _content_part(self, part: Part, text_type: str) -> object:
        match part:
            case Text():
                self._note(part.cache, part.signature)
                return {"type": text_type, **self._leftovers(part), "text": part.text}
            case Image():
                self._note(part.cache, None)
                detail = {"detail": part.detail} if part.detail else {}
                members: dict[str, object] = {"type": "input_image", **self._leftovers(part), **detail}
                return self._with_source(members, part.source, "image_url")
            case File():
                self._note(part.cache, None)
                name = {"filename": part.name} if part.name else {}
                members = {"type": "input_file", **self._leftovers(part), **name}
                return self._with_source(members, part.source, "file_data")
            case Audio():
                return self._audio(part)
            case Refused():
                return {"type": "refusal", **self._leftovers(part), "refusal": part.text}
            case Foreign():
                return self._foreign(part)
            case _:
                raise Unrenderable(f"{_NAME} takes no {_noun(part)} here.", param="input")

    def _with_source(self, members: dict[str, object], source: Source, inline: str) -> dict[str, object]:
        head = members.pop("head", None)
        match source:
            case Inline(_, data):
                begin = text_of(head) if isinstance(head, Raw) else canonical_head(source)
                if inline == "file_data" and not self.is_home:
                    # a name is required with `file_data`: https://platform.openai.com/docs/guides/pdf-files (2026-11)
                    members.setdefault("filename", f"file.{source.media_type.rpartition('/')[2] or 'pdf'}")
                return {**members, inline: f"{begin},{data}" if begin else data}
            case Link(url):
                return {**members, "file_url" if inline == "file_data" else inline: url}
            case uploaded:
                if not self._shares_files:
                    raise Unrenderable(
                        f"The file {uploaded.id!r} was uploaded to another service; send its content or a URL.",
                        param="input",
                    )
                return {**members, "file_id": uploaded.id}

    def _audio(self, part: Audio) -> dict[str, object]:
        self._note(part.cache, None)
        source = part.source
        kind = source.media_type.rpartition("/")[2] if isinstance(source, Inline) else ""
        wire_format = kind if self.is_home else _SOUND_FORMATS.get(kind)
        if not isinstance(source, Inline) or wire_format is None:
            raise Unrenderable(f"{_NAME} takes sound only inline, as wav or mp3.", param="input")
        sound = {"data": source.data, "format": wire_format}
        return {"type": "input_audio", **self._leftovers(part), "input_audio": sound}

    def _foreign(self, part: Foreign) -> Raw | None:
        if self.is_home:
            return part.raw
        if part.is_feature:
            raise Unrenderable(f"{_NAME} has no equal of {part.name!r}.", param="input")
        self._dropped.add(part.name)
        return None

    def _leftovers(self, part: Text | Image | File | Audio | Refused) -> Members:
        return {**self._extras(part.extras), **self._form(part.form)}

    def _form(self, form: str) -> Members:
        return spelt(form) if self.is_home else {}

    def _extras(self, extras: Extras) -> Extras:
        if self.is_home:
            return extras
        self._dropped.update(f"messages.{name}" for name, raw in extras.items() if raw != NULL)
        return {}

    def _note(self, cache: CacheMark | None, signature: Signature | None) -> None:
        if cache is not None and not self.is_home:
            self._dropped.add("cache_control")
        if signature is not None and signature.minted_by != NAME:
            self._dropped.add("reasoning.signature")


def _noun(part: Part) -> str:
    return type(part).__name__.lower()
