"""Settings of a request as members of the Messages API: as they were spelt at home, or translated from elsewhere."""

from typing import Final, cast

from headgate.core.reasoning import budget_of_effort, effort_of_budget
from headgate.core.request import Knobs, OutputFormat, ReasoningKnob, Request, ServerTool, Tool, ToolChoice
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.blocks import Block, Pen, mark
from headgate.dialects.anthropic.forms import RequestForm
from headgate.dialects.anthropic.schemas import narrowed, with_type
from headgate.dialects.base import Target

BUDGET_MIN: Final = 1024
"""https://docs.claude.com/en/docs/build-with-claude/extended-thinking (2026-11)"""

_SAMPLING: Final = ("temperature", "top_p", "top_k")

_NO_EQUAL: Final[dict[str, tuple[object, ...]]] = {
    "candidates": (None, 1),
    "seed": (None,),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
}
"""Settings that Anthropic lacks, and the values that ask for nothing."""

_WORDS: Final = {"candidates": "n"}

_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def write_own(request: Request, out: Block, pen: Pen) -> None:
    """The settings of a request of this dialect, as it spelt them."""
    knobs, form = request.knobs, RequestForm.of(request.form)
    known = {
        "max_tokens": knobs.max_tokens,
        "temperature": knobs.temperature,
        "top_p": knobs.top_p,
        "top_k": knobs.top_k,
        "stop_sequences": knobs.stop,
    }
    out.update((name, value) for name, value in known.items() if value is not None)
    if pen.is_modern:
        pen.dropped.update(name for name in _SAMPLING if out.pop(name, None) is not None)
    if request.tools or form.has_tools:
        out["tools"] = [_tool(tool, pen) for tool in request.tools]
    choice = request.tool_choice
    if choice is not None:
        out["tool_choice"] = _choice(choice, knobs.parallel_tool_calls) | choice.extras
    _write_own_reasoning(knobs.reasoning, out)
    if (output := knobs.output_format) is not None:
        shape: Block = {"type": "json_schema", "schema": output.schema, **output.extras}
        _put(out, "output_config", format=shape) if output.form != "output_format" else out.update(output_format=shape)
    if knobs.user is not None:
        out["metadata"] = {"user_id": knobs.user}
    for name, raw in request.extras.items():
        mine = out.get(name)
        out[name] = {**wire.members_in(raw), **mine} if isinstance(mine, dict) else raw


def _write_own_reasoning(knob: ReasoningKnob | None, out: Block) -> None:
    if knob is None:
        return
    kind, _, word = knob.form.partition(" ")
    if kind:
        thinking: Block = {"type": kind}
        if knob.budget_tokens is not None:
            thinking["budget_tokens"] = knob.budget_tokens
        if knob.is_visible is not None:
            thinking["display"] = "summarized" if knob.is_visible else "omitted"
        out["thinking"] = thinking | knob.extras
    if word:
        _put(out, "output_config", effort=word)


def _put(out: Block, name: str, **members: object) -> None:
    held = out.get(name)
    out[name] = {**held, **members} if isinstance(held, dict) else members


def write_foreign(request: Request, target: Target, out: Block, pen: Pen) -> None:
    """The settings of a request of another dialect."""
    knobs = request.knobs
    out["max_tokens"] = target.max_tokens_default if knobs.max_tokens is None else knobs.max_tokens
    _write_tools(request, out, pen)
    if knobs.output_format is not None:
        _write_output_format(knobs.output_format, out, pen)
    if knobs.reasoning is not None:
        _write_reasoning(request, knobs.reasoning, out, pen)
    _write_sampling(knobs, out, pen)
    stops = [text for text in knobs.stop or () if text.strip()]  # blank ones are refused
    if stops:
        out["stop_sequences"] = stops
    if len(stops) != len(knobs.stop or ()):
        pen.dropped.add("stop")
    if knobs.user:
        out["metadata"] = {"user_id": knobs.user}
    for name, nothing in _NO_EQUAL.items():
        if getattr(knobs, name) not in nothing:
            pen.dropped.add(_WORDS.get(name, name))
    pen.drop_all(request.extras, "")


def _write_tools(request: Request, out: Block, pen: Pen) -> None:
    choice, parallel = request.tool_choice, request.knobs.parallel_tool_calls
    if choice is not None:
        pen.drop_all(choice.extras, "tool_choice.")
    if not request.tools:
        return
    out["tools"] = [_tool(tool, pen) for tool in request.tools]
    if choice is not None or parallel is False:
        choice = choice or ToolChoice(mode="auto")
        out["tool_choice"] = _choice(choice, False if parallel is False and choice.mode != "none" else None)


def _tool(tool: Tool | ServerTool, pen: Pen) -> object:
    if isinstance(tool, ServerTool):
        return tool.raw
    form = tool.form.split() if pen.is_home else []
    out: Block = {"name": tool.name}
    if "custom" in form:
        out["type"] = "custom"
    if tool.description or "described" in form:
        out["description"] = tool.description
    is_strict = tool.is_strict if pen.is_home else tool.is_strict or None
    if is_strict and not pen.is_home and not pen.traits.is_strict:
        pen.dropped.add("tools.strict")
        is_strict = None
    if pen.is_home:
        schema = tool.parameters
    else:
        schema = with_type(tool.parameters)
        schema = narrowed(schema, pen.dropped, "tools.") if is_strict else schema
    if schema is not None:
        out["input_schema"] = schema
    if is_strict is not None:
        out["strict"] = is_strict
    if (said := mark(tool.cache, pen)) is not None:
        out["cache_control"] = said
    if pen.is_home:
        return out | tool.extras
    pen.drop_all(tool.extras, "tools.")
    return out


def _choice(choice: ToolChoice, parallel: bool | None) -> Block:
    out: Block = {"type": choice.mode}
    if choice.mode == "tool":
        out["name"] = choice.name
    if parallel is not None:
        out["disable_parallel_tool_use"] = not parallel
    return out


def _write_output_format(shape: OutputFormat, out: Block, pen: Pen) -> None:
    pen.drop_all(shape.extras, "response_format.")
    if shape.schema is None:
        pen.dropped.add("response_format.json_object")  # JSON without a schema has no equal
        return
    schema = narrowed(shape.schema, pen.dropped, "response_format.")
    _put(out, "output_config", format={"type": "json_schema", "schema": schema})


def _write_reasoning(request: Request, knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    pen.drop_all(knob.extras, "reasoning.")
    is_off = knob.effort == "none" or knob.budget_tokens == 0
    is_on = knob.effort is not None or knob.budget_tokens is not None or bool(knob.is_visible)
    if is_off and pen.traits.thinking != "none":
        out["thinking"] = {"type": "disabled"}
    elif is_off or not is_on:
        return
    elif pen.traits.thinking == "none":
        pen.dropped.add("reasoning")
    elif pen.traits.thinking == "adaptive":
        _write_adaptive(knob, out, pen)
    else:
        _write_budget(request, knob, out, pen)


def _write_adaptive(knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    thinking: Block = {"type": "adaptive"}
    if knob.is_visible is not None:
        thinking["display"] = "summarized" if knob.is_visible else "omitted"
    out["thinking"] = thinking
    effort = knob.effort or (effort_of_budget(knob.budget_tokens) if knob.budget_tokens else None)
    word = _EFFORTS.get(effort or "")
    if word == "xhigh" and not pen.traits.has_xhigh:
        word = "high"
    if word is not None:
        _put(out, "output_config", effort=word)


def _write_budget(request: Request, knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    """A budget must leave room below `max_tokens`: ours is raised, the caller's narrows the budget."""
    knobs, choice = request.knobs, request.tool_choice
    if _resumes_without_thinking(out["messages"]):
        pen.dropped.add("reasoning")
        return
    wanted = knob.budget_tokens if knob.budget_tokens is not None else budget_of_effort(knob.effort or "medium")
    budget = max(wanted, BUDGET_MIN)
    if knobs.max_tokens is None:
        out["max_tokens"] = budget + int(str(out["max_tokens"]))
    elif budget >= knobs.max_tokens:
        if knobs.max_tokens <= BUDGET_MIN:
            pen.dropped.add("reasoning")
            return
        budget = max(BUDGET_MIN, knobs.max_tokens * 3 // 4)
        if knob.budget_tokens is not None:
            pen.dropped.add("reasoning.budget_tokens")
    out["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if "tool_choice" in out and choice is not None and choice.mode in ("any", "tool"):
        # thinking with a forced tool is refused,
        # https://docs.claude.com/en/docs/build-with-claude/extended-thinking (2026-11)
        pen.dropped.add("tool_choice")
        parallel = knobs.parallel_tool_calls
        out["tool_choice"] = _choice(ToolChoice(mode="auto"), False if parallel is False else None)


def _resumes_without_thinking(messages: object) -> bool:
    """Whether tools were answered whose call did not begin with thinking, which a thinking Claude refuses.

    https://docs.claude.com/en/docs/build-with-claude/extended-thinking#preserving-thinking-blocks (2026-11)
    """
    *_, before, last = [None, None, *cast(list[Block], messages)]
    if before is None or last is None or before["role"] != "assistant":
        return False
    kinds = [block["type"] for block in cast(list[Block], before["content"])]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _write_sampling(knobs: Knobs, out: Block, pen: Pen) -> None:
    asked = {"temperature": knobs.temperature, "top_p": knobs.top_p, "top_k": knobs.top_k}
    given = {name: value for name, value in asked.items() if value is not None}
    if pen.is_modern or not pen.traits.samples:
        pen.dropped.update(given)
        return
    thinking = out.get("thinking")
    if isinstance(thinking, dict) and thinking["type"] != "disabled":
        # while thinking: temperature 1, top_p from 0.95, no top_k,
        # https://docs.claude.com/en/docs/build-with-claude/extended-thinking (2026-11)
        fits = {"temperature": given.get("temperature") == 1, "top_p": given.get("top_p", 0) >= 0.95, "top_k": False}
        pen.dropped.update(name for name in given if not fits[name])
        given = {name: value for name, value in given.items() if fits[name]}
    if given.get("temperature", 0) > 1:
        given["temperature"] = 1
        pen.dropped.add("temperature>1")
    if not pen.traits.samples_both and "temperature" in given and given.pop("top_p", None) is not None:
        pen.dropped.add("top_p")
    out.update(given)
