"""Settings of requests of other dialects as members of Converse: what has no equal there is reported."""

from typing import Final, cast

import msgspec
from msgspec import Raw

from headgate.core.request import Knobs, OutputFormat, ReasoningKnob, Request, Tool, ToolCall, ToolResult
from headgate.dialects.bedrock_converse.additional import (
    ADDITIONAL,
    BUDGET_MIN,
    budget_of,
    effort_of,
    is_off,
)
from headgate.dialects.bedrock_converse.blocks import Block, Pen
from headgate.dialects.bedrock_converse.settings import inference_of, put, text_format, tool_items

_NO_EQUAL: Final[dict[str, tuple[object, ...]]] = {
    "candidates": (None, 1),
    "seed": (None,),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logprobs": (None, False),
    "top_logprobs": (None, 0),
    "parallel_tool_calls": (None, True),
    "user": (None, ""),
}
"""Settings that Converse lacks, and the values that ask for nothing."""

_WORDS: Final = {"candidates": "n", "topP": "top_p", "inferenceConfig": "top_k"}


def write_foreign(request: Request, out: Block, pen: Pen) -> None:
    """The settings of a request of another dialect."""
    knobs = request.knobs
    put(out, "inferenceConfig", _inference(knobs, pen))
    _write_tools(request, out, pen)
    if knobs.output_format is not None:
        _write_output_format(knobs.output_format, out, pen)
    if knobs.top_k is not None:
        _write_top_k(knobs.top_k, out, pen)
    if knobs.reasoning is not None:
        _write_reasoning(knobs.reasoning, out, pen)
    for name, nothing in _NO_EQUAL.items():
        if getattr(knobs, name) not in nothing:
            pen.dropped.add(_WORDS.get(name, name))
    pen.drop_all(request.extras, "")


def _inference(knobs: Knobs, pen: Pen) -> Block:
    inference = inference_of(knobs)
    inference.pop("stopSequences", None)
    stops = [text for text in knobs.stop or () if text.strip()]  # blank ones are refused
    if stops:
        inference["stopSequences"] = stops
    if len(stops) != len(knobs.stop or ()):
        pen.dropped.add("stop")
    if (knobs.temperature or 0) > 1:
        inference["temperature"] = 1
        pen.dropped.add("temperature>1")
    if not pen.traits.samples:
        _lose(inference, ("temperature", "topP"), pen)
    elif not pen.traits.samples_both and "temperature" in inference:
        _lose(inference, ("topP",), pen)
    return inference


def _lose(members: Block, names: tuple[str, ...], pen: Pen) -> None:
    """Takes out what the model refuses, and reports it."""
    for name in names:
        if members.pop(name, None) is not None:
            pen.dropped.add(_WORDS.get(name, name))


def _write_tools(request: Request, out: Block, pen: Pen) -> None:
    """Calls and results in a conversation want their tools declared, and there is no choice of `none`.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html (2026-11)
    """
    tools, choice = request.tools, request.tool_choice
    called = _called_names(request)
    if choice is not None:
        pen.drop_all(choice.extras, "tool_choice.")
    if choice is not None and choice.mode == "none":
        choice = None
        if called:
            pen.dropped.add("tool_choice")
        else:
            tools = ()
    if not tools and called:
        pen.dropped.add("tools (those of earlier turns were declared)")
        tools = tuple(Tool(name=name) for name in called)
    if not tools:
        return
    members: Block = {"tools": [item for tool in tools for item in tool_items(tool, pen)]}
    if choice is not None:
        members["toolChoice"] = {choice.mode: {"name": choice.name} if choice.mode == "tool" else {}}
    out["toolConfig"] = members


def _called_names(request: Request) -> list[str]:
    """Tools that the conversation has calls or results of; results alone stand for one without a name."""
    parts = [part for message in request.messages for part in message.parts]
    names = dict.fromkeys(part.name for part in parts if isinstance(part, ToolCall))
    if not names:
        names = dict.fromkeys(part.name or "tool" for part in parts if isinstance(part, ToolResult))
    return list(names)


def _write_output_format(shape: OutputFormat, out: Block, pen: Pen) -> None:
    pen.drop_all(shape.extras, "response_format.")
    if shape.schema is None:
        pen.dropped.add("response_format.json_object")  # JSON without a schema has no equal
        return
    compact = Raw(msgspec.json.format(bytes(shape.schema), indent=-1))
    bare = OutputFormat(schema=compact, name=shape.name, description=shape.description)
    put(out, "outputConfig", {"textFormat": text_format(bare)})


def _write_top_k(top_k: int, out: Block, pen: Pen) -> None:
    value: object = top_k
    for name in reversed(pen.traits.top_k):
        value = {name: value}
    if isinstance(value, dict):
        put(out, ADDITIONAL, cast(Block, value))
    else:
        pen.dropped.add("top_k")


def _write_reasoning(knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    pen.drop_all(knob.extras, "reasoning.")
    is_on = knob.effort is not None or knob.budget_tokens is not None or bool(knob.is_visible)
    if not is_on:
        return
    match pen.traits.thinking:
        case "none":
            if not is_off(knob):
                pen.dropped.add("reasoning")
        case "budget":
            _write_budget(knob, out, pen)
        case "adaptive":
            _write_adaptive(knob, out, pen)
        case "nova":
            _write_nova(knob, out, pen)
        case _:
            effort = effort_of(knob)
            word = {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}.get(effort, effort)
            if word != effort:
                pen.dropped.add(f"reasoning.effort ({effort} became {word})")
            put(out, ADDITIONAL, {"reasoning_effort": word})


def _write_nova(knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    """The highest effort takes neither a limit nor sampling: the caller's limit is kept, its sampling is not.

    https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (2026-11)
    """
    if is_off(knob):
        put(out, ADDITIONAL, {"reasoningConfig": {"type": "disabled"}})
        return
    inference = cast(Block, out.get("inferenceConfig", {}))
    word = {"minimal": "low", "low": "low", "medium": "medium"}.get(effort_of(knob), "high")
    if word == "high" and "maxTokens" in inference:
        word = "medium"
        pen.dropped.add("reasoning.effort (high became medium)")
    elif word == "high":
        _lose(inference, ("temperature", "topP"), pen)
        _lose(cast(Block, out.get(ADDITIONAL, {})), ("inferenceConfig",), pen)
    put(out, ADDITIONAL, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}})


def _write_adaptive(knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    if is_off(knob):
        put(out, ADDITIONAL, {"thinking": {"type": "disabled"}})
        return
    _make_room(out, pen)
    put(out, ADDITIONAL, {"thinking": {"type": "adaptive"}})
    if knob.effort is not None or knob.budget_tokens is not None:
        effort = effort_of(knob)
        put(out, "outputConfig", {"effort": "low" if effort == "minimal" else effort})


def _write_budget(knob: ReasoningKnob, out: Block, pen: Pen) -> None:
    """A budget must leave room below `maxTokens`: without one of the caller's there is enough."""
    if is_off(knob):
        return
    if _resumes_without_thinking(out):
        pen.dropped.add("reasoning")
        return
    inference = cast(Block, out.get("inferenceConfig", {}))
    budget, limit = budget_of(knob), inference.get("maxTokens")
    if limit is None:
        put(out, "inferenceConfig", {"maxTokens": budget + 4096})
    elif isinstance(limit, int) and budget >= limit:
        if limit <= BUDGET_MIN:
            pen.dropped.add("reasoning")
            return
        pen.dropped.add("reasoning.budget_tokens")
        budget = max(BUDGET_MIN, limit * 3 // 4)
    _make_room(out, pen)
    put(out, ADDITIONAL, {"thinking": {"type": "enabled", "budget_tokens": budget}})


def _make_room(out: Block, pen: Pen) -> None:
    """A thinking Claude wants the usual sampling and a free choice of tools.

    https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html (2026-11)
    """
    inference = cast(Block, out.get("inferenceConfig", {}))
    if inference.get("temperature") == 1:
        del inference["temperature"]
    _lose(inference, ("temperature", "topP"), pen)
    _lose(cast(Block, out.get(ADDITIONAL, {})), ("top_k",), pen)
    tools = cast(Block, out.get("toolConfig", {}))
    if tools.get("toolChoice", {"auto": {}}) != {"auto": {}}:
        pen.dropped.add("tool_choice")
        tools["toolChoice"] = {"auto": {}}


def _resumes_without_thinking(out: Block) -> bool:
    """Whether tools were answered whose call did not begin with thinking, which a thinking Claude refuses."""
    messages = cast(list[Block], out["messages"])
    before = messages[-2] if len(messages) > 1 else None
    if before is None or before["role"] != "assistant":
        return False
    kinds = [next(iter(block), "") for block in cast(list[Block], before["content"])]
    return "toolUse" in kinds and kinds[0] != "reasoningContent"
