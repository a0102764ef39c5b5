"""Requests of Gemini, both ways. Model and verb are in the path, so the body has neither. Must not know answers."""

import re
from typing import Final
from urllib.parse import quote

from headgate.core.problems import InvalidRequest
from headgate.core.request import Knobs, Message, Request, ToolChoice
from headgate.core.tools import as_functions
from headgate.dialects.base import Envelope, Head, Target
from headgate.dialects.bodies import top_level
from headgate.dialects.gemini.knobs import parse_knobs, render_knobs
from headgate.dialects.gemini.needs import needs_in
from headgate.dialects.gemini.parts import Conversation, items, parse_content, parse_system, string
from headgate.dialects.gemini.quirks import QUIRKS
from headgate.dialects.gemini.spelling import Fields, Frame, Spelling
from headgate.dialects.gemini.tools import has_functions, parse_choice, parse_tools, render_choice, render_tools
from headgate.dialects.gemini.turns import Turns
from headgate.dialects.gemini.wire import ENCODER, NAME, checked, is_string
from headgate.dialects.wishes import may_have_wishes

_PREFIX: Final = "models/"
_MODEL_MEMBER = re.compile(rb'"model"\s*:')


def bare(model: str) -> str:
    """A model's name without the collection it is listed in."""
    return model.removeprefix(_PREFIX)


def peek(body: bytes, envelope: Envelope) -> Head:
    """What must be known of a request that passes as it is."""
    seen = checked(body)
    model = _model(envelope, seen.model)
    config = seen.generationConfig or seen.generation_config
    limit = (config.maxOutputTokens or config.max_output_tokens) if config is not None else None
    return Head(
        model=model,
        is_stream=bool(envelope.is_stream),
        max_tokens=None if limit is None else int(limit),
        needs=needs_in(seen),
        has_wishes=may_have_wishes(body),
    )


def _model(envelope: Envelope, told: str | None) -> str:
    model = bare(envelope.model or (told or ""))
    if not model:
        raise InvalidRequest(
            "No model is named: it belongs in the path, `models/{model}:generateContent`.", param="model"
        )
    return model


def address(target: Target) -> str:
    """`/models/{model}:{verb}`. A tuned model brings its own collection (`tunedModels/…`)."""
    verb = "streamGenerateContent?alt=sse" if target.is_stream else "generateContent"
    return f"{model_path(target.model)}:{verb}"


def model_path(model: str) -> str:
    """The path of a model."""
    name = bare(model)
    path = name if name.startswith("tunedModels/") else f"{_PREFIX}{name}"
    return f"/{quote(path, safe='/@._-~')}"


def patch(body: bytes, target: Target) -> bytes:
    """The same bytes, unless the body names the model once more or a quirk of the service asks for a change."""
    if not target.quirks and not _MODEL_MEMBER.search(body):
        return body
    members = top_level(body)
    told = members.get("model")
    changed: dict[str, object] = {}
    if told is not None and is_string(told) and bare(string(told)) != bare(target.model):
        changed["model"] = _renamed(string(told), target.model)
    if not changed and not target.quirks:
        return body
    return ENCODER.encode(with_quirks({**members, **changed}, target))


def with_quirks(members: dict[str, object], target: Target) -> dict[str, object]:
    """The top level of a request as the service wants it."""
    for name in target.quirks:
        if quirk := QUIRKS.get(name):
            members = quirk.apply(members)
    return members


def _renamed(told: str, model: str) -> str:
    """The model in the words of a body that called it `told`."""
    head, slash, _ = told.rpartition("models/")
    return f"{head}{slash}{bare(model)}"


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The canonical request."""
    seen = checked(body)
    model = _model(envelope, seen.model)
    fields = Fields(top_level(body))
    if (told := fields.take("model")) is not None:
        fields.mark("=model", told)
    messages: list[Message] = []
    if (system := fields.take("systemInstruction")) is not None:
        messages.append(parse_system(system))
    conversation = Conversation()
    contents = items(fields.left.pop("contents"), fields, "=onecontent")
    messages += [parse_content(content, conversation) for content in contents]
    raw_tools = fields.take("tools")
    tools = parse_tools(raw_tools, fields) if raw_tools is not None else ()
    choice = _parse_tool_config(fields)
    config = fields.take("generationConfig")
    if config is not None:
        fields.mark("=generationConfig")
    knobs = parse_knobs(Fields(config), fields) if config is not None else Knobs()
    return Request(
        dialect=NAME,
        model=model,
        messages=tuple(messages),
        tools=tools,
        tool_choice=choice,
        knobs=knobs,
        is_stream=bool(envelope.is_stream),
        form=fields.form,
        extras=fields.left,
    )


def _parse_tool_config(fields: Fields) -> ToolChoice | None:
    raw = fields.take("toolConfig")
    if raw is None:
        return None
    fields.mark("=toolConfig")
    config = Fields(raw)
    calling = config.take("functionCallingConfig")
    fields.adopt("toolConfig", config)
    return None if calling is None else parse_choice(calling)


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`: at home nothing is lost, from elsewhere what cannot be said is reported."""
    return ENCODER.encode(with_quirks(request_object(request, target, dropped), target))


def request_object(request: Request, target: Target, dropped: set[str]) -> dict[str, object]:
    """The top level of the body."""
    frame = Frame(target, dropped, is_home=request.dialect == NAME)
    if not frame.is_home:
        request = as_functions(request, dropped)
    spelling = frame.spelling(request.form)
    out: dict[str, object] = {}
    if (told := spelling.value("=model")) is not None:
        out["model"] = told if bare(string(told)) == bare(target.model) else _renamed(string(told), target.model)
    turns = Turns(frame)
    turns.add(request.messages)
    out["contents"] = turns.contents[0] if spelling.has("=onecontent") and len(turns.contents) == 1 else turns.contents
    if turns.system is not None:
        out[spelling.key("systemInstruction")] = turns.system
    if tools := render_tools(request, frame):
        out["tools"] = tools[0] if spelling.has("=onetool") and len(tools) == 1 else tools
    _add_tool_config(out, request, frame, spelling)
    config = render_knobs(request, frame)
    if config or spelling.has("=generationConfig"):
        out[spelling.key("generationConfig")] = config
    frame.restore(out, request.extras, "")
    return out


def _add_tool_config(out: dict[str, object], request: Request, frame: Frame, spelling: Spelling) -> None:
    config: dict[str, object] = {}
    if (choice := request.tool_choice) is not None:
        if has_functions(request) or frame.is_home:
            config[spelling.key("functionCallingConfig")] = render_choice(choice, frame)
        else:  # Google refuses a choice among no functions
            frame.drop("tool_choice", choice.mode != "none")
    if config or spelling.has("=toolConfig"):
        out[spelling.key("toolConfig")] = config
