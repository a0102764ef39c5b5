"""`generationConfig`, both ways. Must not know turns or tools.

What has no canonical meaning (voices, modalities, picture sizes) stays among the request's extras as
`generationConfig.<member>`.
"""

import re
from typing import Final

from headgate.core.reasoning import budget_of_effort, effort_of_budget
from headgate.core.request import Effort, Knobs, OutputFormat, ReasoningKnob, Request
from headgate.dialects.gemini.parts import items, string
from headgate.dialects.gemini.schema import json_schema
from headgate.dialects.gemini.spelling import Fields, Frame, Spelling
from headgate.dialects.gemini.wire import ANY

_WHOLE: Final = {
    "max_tokens": "maxOutputTokens",
    "top_k": "topK",
    "candidates": "candidateCount",
    "seed": "seed",
    "top_logprobs": "logprobs",
}
_REAL: Final = {
    "temperature": "temperature",
    "top_p": "topP",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_YES_OR_NO: Final = {"logprobs": "responseLogprobs"}

_LEVELS: Final[dict[object, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    1: "low",
    2: "medium",
    3: "high",
    4: "minimal",
}
_LEVEL_OF_EFFORT: Final[dict[Effort, str]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_TAKES_LEVELS = re.compile(r"gemini-(?:[3-9]|\d\d)")
"""From Gemini 3 on a level is the way to say it (https://ai.google.dev/gemini-api/docs/thinking, 2026-11)."""
_BUDGET_MAX: Final = 24576  # the most that every model with budgets takes (same page)
_SEED_MAX: Final = 2**31 - 1


def parse_knobs(fields: Fields, request: Fields) -> Knobs:
    """The knobs in `generationConfig`; its marks go to the request's form."""
    found: dict[str, object] = {}
    for names, kind in ((_WHOLE, int), (_REAL, float), (_YES_OR_NO, bool)):
        for knob, name in names.items():
            if (raw := fields.take(name)) is not None:
                found[knob] = kind(ANY.decode(raw))
    if (raw := fields.take("stopSequences")) is not None:
        found["stop"] = tuple(string(item) for item in items(raw, fields, "=onestop"))
    if (raw := fields.take("thinkingConfig")) is not None:
        found["reasoning"] = _parse_reasoning(Fields(raw))
    if (raw := fields.take("responseModalities")) is not None:
        if ANY.decode(raw) == ["TEXT"]:
            fields.mark("=words", raw)  # asks for what everyone does anyway
        else:
            fields.give_back("responseModalities", raw)
    found["output_format"] = _parse_format(fields)
    request.adopt("generationConfig", fields)
    return Knobs(**found)  # pyright: ignore[reportArgumentType]


def _parse_reasoning(fields: Fields) -> ReasoningKnob:
    visible, budget, level = (fields.take(name) for name in ("includeThoughts", "thinkingBudget", "thinkingLevel"))
    effort: Effort | None = None
    tokens: int | None = None
    if level is not None:
        word = ANY.decode(level)
        effort = _LEVELS.get(word.upper() if isinstance(word, str) else word)
        fields.mark("=level", level)
    if budget is not None:
        fields.mark("=budget", budget)
        tokens = int(ANY.decode(budget))
        effort = "none" if tokens == 0 else effort
        tokens = tokens if tokens > 0 else None  # -1: as much as the model likes
    return ReasoningKnob(
        effort=effort,
        budget_tokens=tokens,
        is_visible=None if visible is None else ANY.decode(visible),
        form=fields.form,
        extras=fields.left,
    )


def _parse_format(fields: Fields) -> OutputFormat | None:
    mime, schema = fields.take("responseMimeType"), fields.take("responseJsonSchema")
    inner = Fields({})
    if schema is None and (told := fields.take("responseSchema")) is not None:
        inner.mark("=openapi", told)
        schema = json_schema(told)
    if mime is None and schema is None:
        return None
    if mime is None:
        inner.mark("=nomime")
    elif string(mime) != "application/json":
        if schema is None:
            fields.mark("=mime", mime)
            if string(mime) != "text/plain":
                fields.give_back("responseMimeType", mime)
            return None
        inner.mark("=mime", mime)
    inner.marks += [mark for mark in fields.marks if mark.startswith("response_")]
    return OutputFormat(schema=schema, form=inner.form)


def render_knobs(request: Request, frame: Frame) -> dict[str, object]:
    """`generationConfig`."""
    knobs, spelling = request.knobs, frame.spelling(request.form)
    out: dict[str, object] = {}
    for names in (_WHOLE, _REAL, _YES_OR_NO):
        for knob, name in names.items():
            if (value := getattr(knobs, knob)) is not None:
                out[spelling.key(name)] = value
    if knobs.stop is not None:
        key = spelling.key("stopSequences")
        out[key] = knobs.stop[0] if spelling.has("=onestop") and len(knobs.stop) == 1 else knobs.stop
    if knobs.reasoning is not None:
        thinking = _thinking(knobs.reasoning, frame)
        if thinking or frame.is_home:
            out[spelling.key("thinkingConfig")] = thinking
    if knobs.output_format is not None:
        _add_format(out, knobs.output_format, frame)
    elif (mime := spelling.value("=mime")) is not None:
        out[spelling.key("responseMimeType")] = mime
    if (modalities := spelling.value("=words")) is not None:
        out[spelling.key("responseModalities")] = modalities
    if not frame.is_home:
        _fit(out, request, frame)
    return out


def _fit(out: dict[str, object], request: Request, frame: Frame) -> None:
    """What another dialect may say and Gemini may not."""
    if request.knobs.candidates == 1:
        del out["candidateCount"]
    if (seed := request.knobs.seed) is not None and abs(seed) > _SEED_MAX:
        del out["seed"]
        frame.drop("seed")
    frame.drop("parallel_tool_calls", request.knobs.parallel_tool_calls is False)
    frame.drop("user", request.knobs.user)


def _thinking(knob: ReasoningKnob, frame: Frame) -> dict[str, object]:
    spelling = frame.spelling(knob.form)
    out: dict[str, object] = {}
    if knob.is_visible is not None:
        out[spelling.key("includeThoughts")] = knob.is_visible
    if frame.is_home and knob.form:
        _add_as_told(out, knob, spelling)
    elif _TAKES_LEVELS.search(frame.target.model):
        _add_level(out, knob, frame)
    else:
        _add_budget(out, knob, frame)
    frame.restore(out, knob.extras, "reasoning")
    return out


def _add_as_told(out: dict[str, object], knob: ReasoningKnob, spelling: Spelling) -> None:
    told, level = spelling.value("=budget"), spelling.value("=level")
    budget = told if knob.budget_tokens is None else knob.budget_tokens
    if budget is not None:
        out[spelling.key("thinkingBudget")] = budget
    if level is not None:
        out[spelling.key("thinkingLevel")] = level


def _add_level(out: dict[str, object], knob: ReasoningKnob, frame: Frame) -> None:
    effort = knob.effort if knob.budget_tokens is None else effort_of_budget(knob.budget_tokens)
    if effort is None:
        return
    level = _LEVEL_OF_EFFORT[effort]
    # the Pro models cannot think less than `low` (https://ai.google.dev/gemini-api/docs/thinking, 2026-11)
    out["thinkingLevel"] = "low" if level == "minimal" and "-pro" in frame.target.model else level
    frame.drop("reasoning.effort", effort in ("xhigh", "max"))


def _add_budget(out: dict[str, object], knob: ReasoningKnob, frame: Frame) -> None:
    budget = knob.budget_tokens
    if budget is None and knob.effort is not None:
        budget = budget_of_effort(knob.effort)
    if budget is not None:
        out["thinkingBudget"] = min(budget, _BUDGET_MAX)
        frame.drop(
            "reasoning.effort" if knob.budget_tokens is None else "reasoning.budget_tokens", budget > _BUDGET_MAX
        )


def _add_format(out: dict[str, object], wanted: OutputFormat, frame: Frame) -> None:
    spelling = frame.spelling(wanted.form)
    mime = spelling.value("=mime")
    if not spelling.has("=nomime"):
        out[spelling.key("responseMimeType")] = "application/json" if mime is None else mime
    if wanted.schema is not None:
        told = spelling.value("=openapi")
        if told is not None and json_schema(told) == wanted.schema:
            out[spelling.key("responseSchema")] = told
        else:
            out[spelling.key("responseJsonSchema")] = wanted.schema
    frame.restore(out, wanted.extras, "output_format")
    frame.drop("output_format.description", wanted.description)
