"""Reads a request of Converse: into canonical words, or only its head; and patches what the path does not say."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, structs

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Knobs,
    Message,
    OutputFormat,
    ReasoningKnob,
    Request,
    ServerTool,
    Tool,
    ToolChoice,
)
from headgate.core.signatures import has_seals
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.additional import ADDITIONAL, EFFORTS, thinking_in
from headgate.dialects.bedrock_converse.parts import mark_of, parts_of
from headgate.dialects.bedrock_converse.render import render_request
from headgate.dialects.bedrock_converse.wire import NAME, Members, RequestWire, members_in, read, take, text_in, whole
from headgate.dialects.bodies import top_level

_CHOICES: Final = ("auto", "any", "tool")


def peek(body: bytes, envelope: Envelope) -> Head:
    """Model, stream and limit of a request that `parse_request` takes."""
    request = parse_request(body, envelope)
    return Head(
        model=request.model,
        is_stream=request.is_stream,
        max_tokens=request.knobs.max_tokens,
        needs=needs_of(request),
    )


def patch(body: bytes, target: Target) -> bytes:
    """The same body, since the path names the model; only proofs that we sealed for other services are taken out."""
    if has_seals(body):
        return render_request(parse_request(body, Envelope(model=target.model)), target, set())
    return body


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The request in canonical words."""
    top = wire.read_body(wire.REQUEST, body)
    members = top_level(body)
    forms = [name for name, value in _empties(top) if value]
    tools, choice = _tools(top, members)
    knobs = _knobs(top, members)
    take(members, "messages", "system")
    return Request(
        dialect=NAME,
        model=_model(envelope),
        messages=_messages(top),
        tools=tools,
        tool_choice=choice,
        knobs=knobs,
        is_stream=bool(envelope.is_stream),
        form=" ".join(forms),
        extras=members,
    )


def _model(envelope: Envelope) -> str:
    if not envelope.model:
        raise InvalidRequest("the path names no model; call /model/{modelId}/converse", param="modelId")
    return envelope.model


def _empties(top: RequestWire) -> list[tuple[str, bool]]:
    """Members that were there although they said nothing."""
    return [
        ("messages", top.messages == []),
        ("system", top.system == []),
        ("inferenceConfig", top.inferenceConfig is not None),
        ("tools", top.toolConfig is not None and top.toolConfig.tools == []),
        ("toolConfig", top.toolConfig is not None),
        ("outputConfig", top.outputConfig is not None),
        (ADDITIONAL, bytes(top.additionalModelRequestFields)[:1] == b"{"),
    ]


def _messages(top: RequestWire) -> tuple[Message, ...]:
    system: list[Message] = []
    if top.system:
        system.append(Message(role="system", parts=parts_of(top.system, "system"), form="system"))
    turns = [
        Message(role=turn.role, parts=parts_of(turn.content, f"messages[{at}].content"))
        for at, turn in enumerate(top.messages or ())
    ]
    return (*system, *turns)


def _tools(top: RequestWire, members: Members) -> tuple[tuple[Tool | ServerTool, ...], ToolChoice | None]:
    if top.toolConfig is None:
        return (), None
    rest = wire.OBJECT.decode(members["toolConfig"])
    choice = _choice(top.toolConfig.toolChoice, rest)
    take(rest, "tools")
    _put_back(members, "toolConfig", rest)
    return _listed(top.toolConfig.tools or ()), choice


def _listed(items: Sequence[Members]) -> tuple[Tool | ServerTool, ...]:
    tools: list[Tool | ServerTool] = []
    for at, item in enumerate(items):
        mark = mark_of(item)
        last = tools[-1] if tools else None
        if mark is not None and isinstance(last, Tool) and last.cache is None:
            tools[-1] = structs.replace(last, cache=mark)
        else:
            tools.append(_tool(item, f"toolConfig.tools[{at}]"))
    return tuple(tools)


def _tool(item: Members, where: str) -> Tool | ServerTool:
    if item.keys() != {"toolSpec"}:
        kind = next(iter(item), "tool")
        name = text_in(members_in(item.get(kind)).get("name"))
        return ServerTool(name=name or kind, raw=wire.raw_of(item))
    spec = read(wire.TOOL_SPEC, item["toolSpec"], f"{where}.toolSpec")
    extras = wire.OBJECT.decode(item["toolSpec"])
    schema = spec.inputSchema.get("json") if spec.inputSchema is not None else None
    if spec.inputSchema is not None and spec.inputSchema.keys() == {"json"}:
        del extras["inputSchema"]
    take(extras, "name", "description", "strict")
    return Tool(
        name=spec.name,
        description=spec.description or "",
        parameters=schema,
        is_strict=spec.strict,
        form="described" if spec.description == "" else "",
        extras=extras,
    )


def _choice(choice: Members | None, rest: Members) -> ToolChoice | None:
    """The choice, taken out of `rest`; one that is no single known word stays there."""
    kind = next(iter(choice), "") if choice is not None else ""
    if choice is None or len(choice) != 1 or kind not in _CHOICES:
        return None
    extras = members_in(choice[kind])
    name = text_in(extras.get("name"))
    if kind == "tool" and not name:
        where = "toolConfig.toolChoice.tool.name"
        raise InvalidRequest(f"{where} is missing; name the tool", param=where)
    take(extras, "name")
    del rest["toolChoice"]
    return ToolChoice(mode="any" if kind == "any" else "tool" if kind == "tool" else "auto", name=name, extras=extras)


def _put_back(members: Members, name: str, rest: Members) -> None:
    """What is left of an object whose known members have found their place; nothing: it goes altogether."""
    if rest:
        members[name] = wire.raw_of(rest)
    else:
        del members[name]


def _knobs(top: RequestWire, members: Members) -> Knobs:
    inference = top.inferenceConfig or wire.InferenceWire()
    if top.inferenceConfig is not None:
        rest = wire.OBJECT.decode(members["inferenceConfig"])
        take(rest, "maxTokens", "temperature", "topP", "stopSequences")
        _put_back(members, "inferenceConfig", rest)
    shape, word = _output(top, members)
    thinking, top_k = _additional(members)
    return Knobs(
        max_tokens=whole(inference.maxTokens, "inferenceConfig.maxTokens"),
        temperature=inference.temperature,
        top_p=inference.topP,
        top_k=top_k,
        stop=None if inference.stopSequences is None else tuple(inference.stopSequences),
        output_format=shape,
        reasoning=_reasoning(thinking, word),
    )


def _reasoning(thinking: ReasoningKnob | None, word: str) -> ReasoningKnob | None:
    """Thinking as its maker spells it, and Converse's own word for how hard, together; `form` keeps both."""
    if thinking is None:
        return ReasoningKnob(effort=EFFORTS[word], form=f"||{word}") if word else None
    effort = thinking.effort or EFFORTS.get(word)
    return structs.replace(thinking, effort=effort, form=f"{thinking.form}|{word}")


def _additional(members: Members) -> tuple[ReasoningKnob | None, int | None]:
    fields = members_in(members.get(ADDITIONAL))
    if not fields:
        if bytes(members.get(ADDITIONAL, Raw(b"null")))[:1] == b"{":
            del members[ADDITIONAL]
        return None, None
    thinking = thinking_in(fields)
    top_k = wire.value_in(fields.get("top_k"))
    if isinstance(top_k, int) and not isinstance(top_k, bool):
        del fields["top_k"]
    else:
        top_k = None
    _put_back(members, ADDITIONAL, fields)
    return thinking, top_k


def _output(top: RequestWire, members: Members) -> tuple[OutputFormat | None, str]:
    """The shape of the answer and the word for how hard to think."""
    if top.outputConfig is None:
        return None, ""
    rest = dict(top.outputConfig)
    word = text_in(rest.get("effort"))
    if word in EFFORTS:
        del rest["effort"]
    else:
        word = ""
    shape = _shape(rest)
    if shape is not None:
        del rest["textFormat"]
    _put_back(members, "outputConfig", rest)
    return shape, word


def _shape(output: Members) -> OutputFormat | None:
    """The schema stands in a string; what is not JSON in it is left for the service to refuse."""
    text_format = members_in(output.get("textFormat"))
    structure = members_in(text_format.get("structure"))
    extras = members_in(structure.get("jsonSchema"))
    schema = text_in(extras.get("schema"))
    if text_format.keys() != {"type", "structure"} or structure.keys() != {"jsonSchema"} or not schema:
        return None
    try:
        wire.ANY.decode(schema)
    except msgspec.DecodeError:
        return None
    name, description = text_in(extras.get("name")), text_in(extras.get("description"))
    take(extras, "schema", *(["name"] if name else []), *(["description"] if description else []))
    form = text_in(text_format["type"])
    return OutputFormat(schema=Raw(schema.encode()), name=name, description=description, form=form, extras=extras)
