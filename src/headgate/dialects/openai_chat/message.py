"""The message of an answer, written from its parts."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from headgate.core.fold import AnswerPart
from headgate.core.request import Reasoning, ToolCall
from headgate.core.signatures import seal
from headgate.dialects.members import merged
from headgate.dialects.openai_chat.parts import Wire, write_call, write_detail, write_thinking
from headgate.dialects.openai_chat.reasoning import DETAIL, STRINGS
from headgate.dialects.openai_chat.wire import ENCODE, FORM, NAME


def own_form(part: AnswerPart) -> str:
    """The hint on spelling, when it is ours."""
    return part.form[len(FORM) :] if part.form.startswith(FORM) else ""


def write_message(parts: list[AnswerPart], dropped: set[str], pieces: Iterable[object]) -> Wire:
    """The message of one choice; `pieces` are entries of a content list that are no parts."""
    message: Wire = {"role": "assistant"}
    message |= _content(parts, list(pieces))
    if refusal := "".join(part.text for part in parts if part.kind == "refusal"):
        message["refusal"] = refusal
    message |= _thoughts([part for part in parts if part.kind == "reasoning" and not _is_thinking(part)])
    message |= _calls([part for part in parts if part.kind == "tool_call"])
    message |= _media(parts, dropped)
    for part in parts:
        if part.kind == "text" and part.signature:
            message["extra_content"] = {"google": {"thought_signature": seal(part.signature, spoken="gemini")}}
    return message


def _is_thinking(part: AnswerPart) -> bool:
    return own_form(part).startswith("thinking")


def _content(parts: list[AnswerPart], pieces: list[object]) -> Wire:
    texts = [part for part in parts if part.kind == "text"]
    if not pieces and not any(own_form(part) == "list" or _is_thinking(part) for part in parts):
        text = "".join(part.text for part in texts)
        return {"content": text} if text else {}
    content: list[object] = []
    for part in parts:
        leftovers = {opaque.name: opaque.raw for opaque in part.opaques if opaque.dialect == NAME}
        if part.kind == "text":
            content.append(merged({"type": "text", "text": part.text}, leftovers))
        elif _is_thinking(part):
            thinking = Reasoning(text=part.text, form=own_form(part), extras=leftovers)
            content = _with_thinking(content, thinking)
    return {"content": [*content, *pieces]}


def _with_thinking(content: list[object], thinking: Reasoning) -> list[object]:
    wire = write_thinking([thinking])[0]
    last = content[-1] if content else None
    if thinking.form == "thinking more" and isinstance(last, dict):
        last["thinking"] += wire["thinking"]  # pyright: ignore[reportUnknownVariableType, reportOperatorIssue]
        return content
    return [*content, wire]


def _thoughts(parts: list[AnswerPart]) -> Wire:
    """Thinking as a string that all clients read, and as details where there is something to prove."""
    wire: Wire = {}
    text = "".join(part.text for part in parts)
    details: list[Wire] = []
    for part in parts:
        names, _, bookkeeping = own_form(part).partition(" ")
        for name in names.split(",") if part.form.startswith(FORM) else STRINGS[:1]:
            wire |= {name: text} if name and text else {}
        if bookkeeping or part.signature:
            form = DETAIL + bookkeeping if bookkeeping else ""
            sealed = Reasoning(text=part.text, signature=part.signature, is_redacted=part.is_redacted, form=form)
            details.append(write_detail(sealed, len(details)))
    return wire | ({"reasoning_details": details} if details else {})


def _calls(parts: list[AnswerPart]) -> Wire:
    listed = [write_call(called(part)) for part in parts if own_form(part) != "function_call"]
    wire: Wire = {"tool_calls": listed} if listed else {}
    for part in parts:
        if own_form(part) == "function_call":
            wire["function_call"] = {"name": part.name, "arguments": part.text}
    return wire


def called(part: AnswerPart) -> ToolCall:
    """The call that a part is."""
    return ToolCall(
        id=part.id,
        name=part.name,
        arguments=part.text or ("" if part.is_custom or part.form.startswith(FORM) else "{}"),
        is_custom=part.is_custom,
        signature=part.signature,
        form=own_form(part),
        extras={opaque.name: opaque.raw for opaque in part.opaques if opaque.dialect == NAME},
    )


def _media(parts: list[AnswerPart], dropped: set[str]) -> Wire:
    wire: Wire = {}
    images = [part for part in parts if part.kind == "image"]
    if images:
        wire["images"] = [
            {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{part.text}"}, "index": order}
            for order, part in enumerate(images)
        ]
    for part in parts:
        if part.kind == "audio":
            sound: dict[str, object] = {"id": part.id, "data": part.text}
            for opaque in part.opaques:
                if opaque.dialect == NAME:
                    name = opaque.name.removeprefix("audio.")
                    sound[name] = _longer(sound.get(name), opaque.raw)
            wire["audio"] = sound
        elif part.kind == "file":
            dropped.add("file")
    return wire


def _longer(earlier: object, raw: Raw) -> object:
    """A sound's transcript comes in instalments."""
    if bytes(raw)[:1] != b'"' or earlier is None:
        return raw
    return msgspec.json.decode(ENCODE(earlier), type=str) + msgspec.json.decode(raw, type=str)
