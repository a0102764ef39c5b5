"""Requests, written: the same dialect's as they stood, another's in this one's words. Must not read requests."""

from typing import Final

from msgspec import structs

from headgate.core.reasoning import effort_of_budget
from headgate.core.request import (
    Extras,
    Foreign,
    Knobs,
    Message,
    OutputFormat,
    ReasoningKnob,
    Request,
    Tool,
)
from headgate.core.tools import without_server_tools
from headgate.dialects.base import Target
from headgate.dialects.openai_responses.quirks import QUIRKS
from headgate.dialects.openai_responses.tools import (
    choice_as_it_stood,
    choice_from_abroad,
    tool_from_abroad,
    tools_as_they_stood,
)
from headgate.dialects.openai_responses.wire import ENCODER, NAME, NULL, spelt
from headgate.dialects.openai_responses.writing import KIN, ItemWriter, words_of

STATE_FORM: Final = "state"
"""A message that holds references to state at one service: top-level members of the wire."""
INSTRUCTIONS: Final = "instructions"
INPUT: Final = "input"
"""A message that was the bare string `input`."""

# https://platform.openai.com/docs/api-reference/responses/create (2026-11): under 16 tokens the API answers 400
# `integer_below_min_value`; an end user's id is up to 64 characters long.
_MAX_TOKENS_MIN: Final = 16
_USER_LENGTH_MAX: Final = 64

_ENCRYPTED: Final = "reasoning.encrypted_content"
_LOGPROBS: Final = "message.output_text.logprobs"

# Members of chat completions, from the same service, that mean the same here, letter by letter.
_KINDRED: Final = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
    }
)


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body to send. `dropped` gains the names of what this dialect cannot say."""
    is_home = request.dialect == NAME
    if not is_home:
        request = without_server_tools(request, dropped)
    members = settings_of(request) if is_home else _translated(request, dropped)
    members |= _input(request, ItemWriter(request.dialect, dropped))
    if target.model:
        members["model"] = target.model
    if target.is_stream:
        members["stream"] = True
    for name in target.quirks:
        members = QUIRKS[name].apply(members)
    return ENCODER.encode(members)


def _input(request: Request, writer: ItemWriter) -> dict[str, object]:
    members: dict[str, object] = {}
    turns: list[Message] = []
    for message in request.messages:
        form = message.form if writer.is_home else ""
        if form == STATE_FORM:
            members |= {part.name: part.raw for part in message.parts if isinstance(part, Foreign)}
        elif form == INSTRUCTIONS:
            members[INSTRUCTIONS] = words_of(message.parts)
        else:
            turns.append(message)
    if writer.is_home and len(turns) == 1 and turns[0].form == INPUT:
        return members | {INPUT: words_of(turns[0].parts)}
    for message in turns:  # what was a text alone is an item among others now
        writer.write(structs.replace(message, form="") if message.form == INPUT else message)
    if writer.items or not writer.is_home:
        members[INPUT] = writer.items
    return members


def settings_of(request: Request) -> dict[str, object]:
    """All of a request of this dialect but its input, as it was spelt."""
    form = spelt(request.form)
    user_name = "safety_identifier" if form.pop("user", None) is not None else "user"
    knobs = request.knobs
    members: dict[str, object] = {**request.extras, **form}
    members |= _plain_knobs(knobs)
    if knobs.user is not None:
        members[user_name] = knobs.user
    if request.tools:
        members["tools"] = tools_as_they_stood(request.tools)
    if request.tool_choice is not None:
        members["tool_choice"] = choice_as_it_stood(request.tool_choice)
    if (wanted := knobs.output_format) is not None:
        members["text"] = _text_as_it_stood(wanted)
    if (reasoning := knobs.reasoning) is not None:
        effort = {} if reasoning.effort is None else {"effort": reasoning.effort}
        members["reasoning"] = {**reasoning.extras, **spelt(reasoning.form), **effort}
    return members


def _plain_knobs(knobs: Knobs) -> dict[str, object]:
    """The knobs that are spelt alike in every case."""
    values = {
        "max_output_tokens": knobs.max_tokens,
        "temperature": knobs.temperature,
        "top_p": knobs.top_p,
        "top_logprobs": knobs.top_logprobs,
        "parallel_tool_calls": knobs.parallel_tool_calls,
    }
    return {name: value for name, value in values.items() if value is not None}


def _text_as_it_stood(wanted: OutputFormat) -> dict[str, object]:
    inner = {name[7:]: raw for name, raw in wanted.extras.items() if name.startswith("format.")}
    outer = {name: raw for name, raw in wanted.extras.items() if not name.startswith("format.")}
    return {**outer, "format": {**inner, **_format(wanted, wanted.form)}}


def _format(wanted: OutputFormat, kind: str) -> dict[str, object]:
    members: dict[str, object] = {"type": kind}
    if wanted.name:
        members["name"] = wanted.name
    if wanted.description:
        members["description"] = wanted.description
    if wanted.schema is not None:
        members["schema"] = wanted.schema
    if wanted.is_strict is not None:
        members["strict"] = wanted.is_strict
    return members


def _translated(request: Request, dropped: set[str]) -> dict[str, object]:
    """The settings of another dialect's request.

    `store: false` always, unless the caller said otherwise in the same words: the API stores by default, and a
    gateway must not leave at the provider what the caller did not ask to leave there.
    """
    knobs = request.knobs
    members: dict[str, object] = {"store": False, **_plain_knobs(knobs)}
    if knobs.max_tokens is not None and knobs.max_tokens < _MAX_TOKENS_MIN:
        members["max_output_tokens"] = _MAX_TOKENS_MIN
        dropped.add("max_tokens")
    if knobs.user is not None and len(knobs.user) <= _USER_LENGTH_MAX:
        members["safety_identifier"] = knobs.user
    elif knobs.user is not None:
        dropped.add("user")
    members |= _tools_from_abroad(request, dropped)
    if (wanted := knobs.output_format) is not None:
        kind = "json_object" if wanted.schema is None else "json_schema"
        named = {"name": "response"} if wanted.schema is not None else {}
        members["text"] = {"format": {**named, **_format(wanted, kind)}}
        report(wanted.extras, "output_format.", dropped)
    includes = [_LOGPROBS] if knobs.logprobs else []
    if knobs.reasoning is not None:
        members |= _reasoning_from_abroad(knobs.reasoning, includes, dropped)
    if includes:
        members["include"] = includes
    _report_knobs(knobs, dropped)
    kindred = _KINDRED if request.dialect in KIN else frozenset[str]()
    members |= {name: raw for name, raw in request.extras.items() if name in kindred and raw != NULL}
    report({name: raw for name, raw in request.extras.items() if name not in kindred}, "", dropped)
    return members


def _tools_from_abroad(request: Request, dropped: set[str]) -> dict[str, object]:
    members: dict[str, object] = {}
    tools = [tool for tool in request.tools if isinstance(tool, Tool)]
    for tool in tools:
        if tool.cache is not None:
            dropped.add("cache_control")
        report(tool.extras, "tools.", dropped)
    if tools:
        members["tools"] = [tool_from_abroad(tool) for tool in tools]
    if (choice := request.tool_choice) is not None:
        report(choice.extras, "tool_choice.", dropped)
        members["tool_choice"] = choice_from_abroad(choice, request.tools)
    return members


def _reasoning_from_abroad(knob: ReasoningKnob, includes: list[str], dropped: set[str]) -> dict[str, object]:
    """The reasoning is asked for in its encrypted form, so that the caller can give it back with the next turn."""
    report(knob.extras, "reasoning.", dropped)
    effort = knob.effort
    if effort is None and knob.budget_tokens is not None and knob.budget_tokens >= 0:
        effort = effort_of_budget(knob.budget_tokens)
    members: dict[str, object] = {} if effort is None else {"effort": effort}
    if effort != "none":
        includes.append(_ENCRYPTED)
        if knob.is_visible:
            members["summary"] = "auto"
    return {"reasoning": members} if members else {}


def _report_knobs(knobs: Knobs, dropped: set[str]) -> None:
    for name in ("top_k", "stop", "seed", "presence_penalty", "frequency_penalty"):
        if getattr(knobs, name) not in (None, ()):
            dropped.add(name)
    if knobs.candidates is not None and knobs.candidates != 1:
        dropped.add("n")


def report(extras: Extras, where: str, dropped: set[str]) -> None:
    """Adds the names of what another dialect said and this one cannot; a null says nothing."""
    dropped.update(where + name for name, raw in extras.items() if raw != NULL)
