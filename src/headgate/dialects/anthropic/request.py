"""Reads a request of the Messages API: into canonical words, or only its head; and patches its top level."""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.core.needs import needs_of
from headgate.core.problems import InvalidRequest
from headgate.core.request import (
    Effort,
    Knobs,
    Message,
    OutputFormat,
    ReasoningKnob,
    Request,
    ServerTool,
    Tool,
    ToolChoice,
)
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.forms import RequestForm
from headgate.dialects.anthropic.needs import needs_in
from headgate.dialects.anthropic.parts import mark_of, parts_of
from headgate.dialects.anthropic.quirks import QUIRKS
from headgate.dialects.anthropic.reading import check_body, read, read_top
from headgate.dialects.anthropic.render import render_request
from headgate.dialects.anthropic.seals import MARK, NAME
from headgate.dialects.anthropic.wire import LooseRequestWire, Members, Number, take
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.kept import may_refer, references
from headgate.dialects.wishes import may_have_wishes

EFFORTS: Final[dict[str, Effort]] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}

_TRUE: Final = Raw(b"true")
_FALSE: Final = Raw(b"false")

_DISPLAYS: Final = {"summarized": True, "omitted": False}


def peek(body: bytes, envelope: Envelope) -> Head:
    """Model, stream and limit of a request whose every known field has the right type."""
    check_body(body)
    try:
        head = wire.REQUEST.decode(body)
    except msgspec.DecodeError:
        # a block of a kind that the fast structs do not list, or a fault: the slow way tells which
        request = parse_request(body, envelope)
        _limit(request.knobs.max_tokens)
        return Head(
            model=request.model,
            is_stream=request.is_stream,
            max_tokens=request.knobs.max_tokens,
            needs=needs_of(request),
            has_wishes=may_have_wishes(body),
            refers=references(body) if may_refer(body, b"file_id") else (),
        )
    if head.tools and not all(tool.name or _is_server_tool(tool) for tool in head.tools):
        parse_request(body, envelope)
    _whole(head.top_k, "top_k")
    if isinstance(head.thinking, wire.EnabledWire):
        _whole(head.thinking.budget_tokens, "thinking.budget_tokens")
    needs, refers = needs_in(head)
    return Head(
        model=_model(head.model, envelope),
        is_stream=bool(head.stream),
        max_tokens=_limit(_whole(head.max_tokens, "max_tokens")),
        needs=needs,
        has_wishes=not (head.models is head.provider is head.max_price is head.max_cost_usd is wire.NOTHING),
        refers=references(body) if refers else (),
    )


def _limit(max_tokens: int | None) -> int:
    """The one limit that this API demands of a call, though not of a count."""
    if max_tokens is None:
        raise InvalidRequest("max_tokens is missing: say how many tokens the answer may have", param="max_tokens")
    return max_tokens


def patch(body: bytes, target: Target) -> bytes:
    """The same body for another model; only proofs that we sealed for other services are taken out."""
    if MARK in body:
        return render_request(parse_request(body, Envelope()), target, set())
    members = top_level(body)
    members["model"] = wire.raw_of(target.model)
    if target.is_stream != (members.get("stream") == _TRUE):
        members["stream"] = _TRUE if target.is_stream else _FALSE
    if target.quirks:
        changed: dict[str, object] = dict(members)
        for name in target.quirks:
            changed = QUIRKS[name].apply(changed)
        return wire.encode(changed)
    return wire.encode(members)


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The request in canonical words."""
    members = read_top(body)
    top = read(wire.LOOSE_REQUEST, body, "")
    model = _model(top.model, envelope)
    form = RequestForm(version=envelope.version, has_stream=top.stream is not None, has_tools=top.tools is not None)
    messages = (*_instructions(top), *(_message(raw, f"messages[{at}]") for at, raw in enumerate(top.messages)))
    tools = tuple(_tool(raw, f"tools[{at}]") for at, raw in enumerate(top.tools or ()))
    choice = _choice(top, members)
    knobs = _knobs(top, members)
    take(members, "model", "messages", "system", "stream", "tools")
    return Request(
        dialect=NAME,
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=choice,
        knobs=knobs,
        is_stream=bool(top.stream),
        betas=envelope.betas,
        form=form.text,
        extras=members,
    )


def _model(named: str, envelope: Envelope) -> str:
    model = envelope.model or named
    if not model:
        raise InvalidRequest("model is missing; name the model to call", param="model")
    return model


def _whole(number: Number | None, where: str) -> int | None:
    if number is None or isinstance(number, int):
        return number
    if not number.is_integer():
        raise InvalidRequest(f"{where} must be a whole number, not {number!r}", param=where)
    return int(number)


def _instructions(top: LooseRequestWire) -> tuple[Message, ...]:
    if top.system is None:
        return ()
    form = "string" if isinstance(top.system, str) else "blocks"
    return (Message(role="system", parts=parts_of(top.system, "system"), form=form),)


def _message(raw: Raw, where: str) -> Message:
    turn = read(wire.LOOSE_TURN, raw, where)
    extras = wire.OBJECT.decode(raw)
    take(extras, "role", "content")
    is_string = isinstance(turn.content, str)
    form = "string" if is_string else ""
    if turn.role == "system":
        form = "message string" if is_string else "message"
    return Message(role=turn.role, parts=parts_of(turn.content, f"{where}.content"), form=form, extras=extras)


def _tool(raw: Raw, where: str) -> Tool | ServerTool:
    tool = read(wire.TOOL, raw, where)
    if _is_server_tool(tool):
        return ServerTool(name=tool.type or "", raw=raw)
    if not tool.name:
        raise InvalidRequest(f"{where}.name is missing; name the tool", param=f"{where}.name")
    members = wire.OBJECT.decode(raw)
    cache = mark_of(members, tool.cache_control)
    schema = members.get("input_schema")
    take(members, "name", "type", "description", "strict", "input_schema")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=None if schema is None or wire.is_null(schema) else schema,
        is_strict=tool.strict,
        cache=cache,
        form=" ".join(word for word in (tool.type or "", "described" if tool.description == "" else "") if word),
        extras=members,
    )


def _is_server_tool(tool: wire.ToolWire) -> bool:
    """Whether the service knows the tool by its type: most have a name as well, a toolset has none."""
    return tool.type not in (None, "custom")


def _choice(top: LooseRequestWire, members: Members) -> ToolChoice | None:
    if top.tool_choice is None:
        return None
    kind = wire.text_in(top.tool_choice.get("type"))
    if kind not in ("auto", "any", "tool", "none"):
        return None  # stays among the leftovers as it is
    choice = read(wire.CHOICE, members.pop("tool_choice"), "tool_choice")
    extras = dict(top.tool_choice)
    take(extras, "type", "name", "disable_parallel_tool_use")
    name = choice.name if isinstance(choice, wire.OneWire) else ""
    return ToolChoice(mode=kind, name=name, extras=extras)


def _parallel(top: LooseRequestWire) -> bool | None:
    if top.tool_choice is None or wire.text_in(top.tool_choice.get("type")) not in ("auto", "any", "tool", "none"):
        return None
    disabled = top.tool_choice.get("disable_parallel_tool_use")
    return None if disabled is None or wire.is_null(disabled) else bytes(disabled) != b"true"


def _knobs(top: LooseRequestWire, members: Members) -> Knobs:
    output = wire.members_in(members.get("output_config"))
    knobs = Knobs(
        max_tokens=_whole(top.max_tokens, "max_tokens"),
        temperature=top.temperature,
        top_p=top.top_p,
        top_k=_whole(top.top_k, "top_k"),
        stop=None if top.stop_sequences is None else tuple(top.stop_sequences),
        parallel_tool_calls=_parallel(top),
        output_format=_output_format(top, members, output),
        reasoning=_reasoning(top, members, output),
        user=_user(top, members),
    )
    if top.output_config is not None and output != wire.OBJECT.decode(members["output_config"]):
        _put_back(members, "output_config", output)
    take(members, "max_tokens", "temperature", "top_p", "top_k", "stop_sequences")
    return knobs


def _put_back(members: Members, name: str, rest: Members) -> None:
    """What is left of an object whose known members have found their place; nothing: it goes altogether."""
    if rest:
        members[name] = wire.raw_of(rest)
    else:
        del members[name]


def _output_format(top: LooseRequestWire, members: Members, output: Members) -> OutputFormat | None:
    """`output_config.format`, or its older spelling `output_format`.

    https://docs.claude.com/en/docs/build-with-claude/structured-outputs (2026-11)
    """
    config = top.output_config.format if top.output_config else None
    if config is not None and config.type == "json_schema" and config.schema is not None:
        return _schema(output.pop("format"), "output_config")
    older = top.output_format
    if older is not None and older.type == "json_schema" and older.schema is not None:
        return _schema(members.pop("output_format"), "output_format")
    return None


def _schema(raw: Raw, form: str) -> OutputFormat:
    extras = wire.OBJECT.decode(raw)
    schema = extras.pop("schema")
    del extras["type"]
    return OutputFormat(schema=schema, form=form, extras=extras)


def _reasoning(top: LooseRequestWire, members: Members, output: Members) -> ReasoningKnob | None:
    """`thinking` and `output_config.effort` together; `form` keeps both words."""
    effort = EFFORTS.get((top.output_config.effort or "") if top.output_config else "")
    word = wire.text_in(output.pop("effort")) if effort else ""
    kind = wire.text_in(top.thinking.get("type")) if top.thinking else ""
    if kind not in ("enabled", "adaptive", "disabled"):
        return ReasoningKnob(effort=effort, form=f" {word}") if effort else None
    thought = read(wire.THOUGHT, members.pop("thinking"), "thinking")
    extras = dict(top.thinking or {})
    is_visible = _DISPLAYS.get(thought.display or "")
    take(extras, "type", "budget_tokens")
    if is_visible is not None:
        del extras["display"]
    budget = _whole(thought.budget_tokens, "thinking.budget_tokens") if isinstance(thought, wire.EnabledWire) else None
    return ReasoningKnob(
        effort="none" if kind == "disabled" else effort,
        budget_tokens=budget,
        is_visible=is_visible,
        form=f"{kind} {word}",
        extras=extras,
    )


def _user(top: LooseRequestWire, members: Members) -> str | None:
    if top.metadata is None or top.metadata.user_id is None:
        return None
    rest = wire.OBJECT.decode(members["metadata"])
    del rest["user_id"]
    _put_back(members, "metadata", rest)
    return top.metadata.user_id
