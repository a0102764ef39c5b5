"""The settings of a request, read: limits, sampling, tools, the shape of the answer, how hard to think."""

from typing import Final, cast, get_args

from msgspec import Raw

from headgate.core.request import (
    Effort,
    Grammar,
    Knobs,
    OutputFormat,
    ReasoningKnob,
    ServerTool,
    Tool,
    ToolChoice,
)
from headgate.dialects.members import Members, invalid, opened
from headgate.dialects.openai_chat.content import take_cache
from headgate.dialects.openai_chat.wire import ENCODE

EFFORTS: Final = frozenset(get_args(Effort))
_MODES: Final = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
_FORMATS: Final = (Raw(b'"text"'), Raw(b'"grammar"'))


def read_knobs(body: Members, form: list[str]) -> Knobs:
    """All settings of common meaning; `form` gets the spellings that differ from the usual ones."""
    return Knobs(
        max_tokens=_first(body, ("max_completion_tokens", "max_tokens"), form),
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        top_k=body.integer("top_k"),
        stop=_read_stop(body, form),
        candidates=body.integer("n"),
        seed=_first(body, ("seed", "random_seed"), form),  # the second is Mistral's
        presence_penalty=body.number("presence_penalty"),
        frequency_penalty=body.number("frequency_penalty"),
        logprobs=body.flag("logprobs") if body.shape("logprobs") in ("", "null", "a boolean") else None,
        top_logprobs=body.integer("top_logprobs"),
        parallel_tool_calls=body.flag("parallel_tool_calls"),
        output_format=_read_format(body, form),
        reasoning=_read_reasoning(body),
        user=_read_user(body, form),
    )


def _first(body: Members, names: tuple[str, str], form: list[str]) -> int | None:
    """The integer under the first of two names that is given; the other stays a leftover."""
    for name in names:
        value = body.integer(name)
        if value is not None:
            form += [name] if name != names[0] else []
            return value
    return None


def _read_stop(body: Members, form: list[str]) -> tuple[str, ...] | None:
    if body.shape("stop") == "a string":
        form.append("stop")
        return (body.text("stop") or "",)
    return body.texts("stop")


def _read_user(body: Members, form: list[str]) -> str | None:
    """`safety_identifier` takes the place of `user`, https://platform.openai.com/docs/guides/safety-best-practices."""
    user = body.text("user")
    if user is not None or body.shape("safety_identifier") != "a string":
        return user
    form.append("safety_identifier")
    return body.text("safety_identifier")


def _read_format(body: Members, form: list[str]) -> OutputFormat | None:
    holder = body.object("response_format")
    if holder is None:
        return None
    kind = holder.text("type")
    found: OutputFormat | None = None
    if kind == "json_schema" and (inner := holder.object("json_schema")) is not None:
        schema = _schema(inner, "schema")
        name, described = inner.text("name") or "", inner.text("description")
        is_strict = inner.flag("strict")
        holder.keep("json_schema", inner)
        found = OutputFormat(
            schema=schema,
            name=name,
            description=described or "",
            is_strict=is_strict,
            form="blank" if described == "" else "",
            extras=holder.rest,
        )
    elif kind == "json_object":  # with a schema: Together and Fireworks
        schema = _schema(holder, "schema")
        found = OutputFormat(schema=schema, form="json_object", extras=holder.rest)
    elif kind == "json" and (schema := _schema(holder, "value")):  # Hugging Face's text-generation-inference
        found = OutputFormat(schema=schema, form="json", extras=holder.rest)
    elif kind == "text" and not holder.rest:
        form.append("text")
    else:
        body.rest["response_format"] = Raw(ENCODE({**({"type": kind} if kind else {}), **holder.rest}))
    return found


def _schema(holder: Members, name: str) -> Raw | None:
    return holder.rest.pop(name) if holder.shape(name) == "an object" else None


def _read_reasoning(body: Members) -> ReasoningKnob | None:
    """One of four spellings; when a request has several, the others stay leftovers."""
    for read in (_effort_word, _reasoning_object, _thinking_object, _thinking_flag):
        knob = read(body)
        if knob is not None:
            return knob
    return None


def _effort_word(body: Members) -> ReasoningKnob | None:
    if body.shape("reasoning_effort") not in ("", "null", "a string"):
        raise invalid(body.at("reasoning_effort"), "a string", body.shape("reasoning_effort"))
    effort = _effort(body, "reasoning_effort")
    return ReasoningKnob(effort=effort) if effort else None


def _effort(holder: Members, name: str) -> Effort | None:
    """A known word; another (Groq's `default`) stays a leftover."""
    if holder.shape(name) != "a string":
        return None
    raw = holder.rest[name]
    word = holder.text(name)
    if word in EFFORTS:
        return cast(Effort, word)
    holder.rest[name] = raw
    return None


def _reasoning_object(body: Members) -> ReasoningKnob | None:
    """OpenRouter's, https://openrouter.ai/docs/use-cases/reasoning-tokens (2026-11)."""
    if body.shape("reasoning") != "an object":
        return None
    holder = body.object("reasoning") or Members({}, "")
    effort = _effort(holder, "effort")
    budget = holder.integer("max_tokens")
    is_hidden = holder.flag("exclude") if holder.shape("exclude") == "a boolean" else None
    is_off = effort is None and budget is None and bytes(holder.rest.get("enabled", b"")) == b"false"
    return ReasoningKnob(
        effort="none" if is_off else effort,
        budget_tokens=budget,
        is_visible=None if is_hidden is None else not is_hidden,
        form="reasoning off" if is_off else "reasoning",
        extras=holder.rest,
    )


def _thinking_object(body: Members) -> ReasoningKnob | None:
    """DeepSeek's and Z.ai's, after Anthropic's: https://api-docs.deepseek.com/guides/thinking_mode (2026-11)."""
    if body.shape("thinking") != "an object":
        return None
    holder = body.object("thinking") or Members({}, "")
    kind = holder.word("type")
    budget = holder.integer("budget_tokens")
    return ReasoningKnob(
        effort="none" if kind == "disabled" else None,
        budget_tokens=budget,
        form=f"thinking {kind}" if kind else "thinking",
        extras=holder.rest,
    )


def _thinking_flag(body: Members) -> ReasoningKnob | None:
    """Qwen's, https://www.alibabacloud.com/help/en/model-studio/deep-thinking (2026-11)."""
    if body.shape("enable_thinking") != "a boolean":
        return None
    is_on = body.flag("enable_thinking")
    budget = body.integer("thinking_budget") if body.shape("thinking_budget") == "a number" else None
    form = "enable_thinking true" if is_on else "enable_thinking false"
    return ReasoningKnob(effort=None if is_on else "none", budget_tokens=budget, form=form)


def read_tools(body: Members, form: list[str]) -> tuple[Tool | ServerTool, ...]:
    """The tools of `tools` and, of old, `functions`."""
    form += ["no_tools"] if body.take_empty("tools") else []
    raws = body.array("tools")
    tools = [_read_tool(opened(raw, f"{body.at('tools')}[{i}]"), raw) for i, raw in enumerate(raws)]
    functions = [_read_function(function, "functions") for function in body.objects("functions")]
    return (*tools, *functions)


def _read_tool(tool: Members, raw: Raw) -> Tool | ServerTool:
    kind = tool.text("type")
    if kind not in (None, "function"):
        return (_read_custom(tool, raw) if kind == "custom" else None) or ServerTool(name=kind, raw=raw)
    if "function" not in tool.rest and "name" in tool.rest:
        return _read_function(tool, "flat" if kind else "flat untyped")
    function = tool.object("function")
    if function is None:
        raise tool.missing("function")
    read = _read_function(function, "" if kind else "untyped")
    tool.keep("function", function)
    cache, mark = take_cache(tool)
    return Tool(
        name=read.name,
        description=read.description,
        parameters=read.parameters,
        is_strict=read.is_strict,
        cache=cache,
        form=" ".join(filter(None, (read.form, mark))),
        extras=tool.rest,
    )


def _read_custom(tool: Members, raw: Raw) -> Tool | None:
    """A tool that takes free text, https://platform.openai.com/docs/guides/function-calling#custom-tools (2026-11).

    Its form is the tool as it stood. What is odd about it, the host may judge.
    """
    holder = tool.object("custom") if tool.shape("custom") == "an object" else None
    if holder is None or not (name := holder.word("name")):
        return None
    description = holder.word("description") or ""
    wanted = holder.object("format") if holder.shape("format") == "an object" else None
    shape = wanted.object("grammar") if wanted is not None and wanted.shape("grammar") == "an object" else None
    grammar = None if shape is None else Grammar(shape.word("syntax") or "", shape.word("definition") or "")
    if wanted is not None and wanted.rest.get("type") not in _FORMATS:
        holder.keep("format", wanted)
    tool.keep("custom", holder)
    return Tool(
        name=name, description=description, is_custom=True, grammar=grammar, form=bytes(raw).decode(), extras=tool.rest
    )


def _read_function(function: Members, form: str) -> Tool:
    name = function.text("name")
    if name is None:
        raise function.missing("name")
    if function.shape("parameters") not in ("", "null", "an object"):
        raise invalid(function.at("parameters"), "an object", function.shape("parameters"))
    parameters = function.rest.pop("parameters") if function.shape("parameters") == "an object" else None
    described = function.text("description")
    words = [form] if form else []
    words += ["blank"] if described == "" else []
    return Tool(
        name=name,
        description=described or "",
        parameters=parameters,
        is_strict=function.flag("strict"),
        form=" ".join(words),
        extras=function.rest,
    )


def read_choice(body: Members) -> ToolChoice | None:
    """Which tools the model may or must call: `tool_choice` or, of old, `function_call`."""
    for name, form in (("tool_choice", ""), ("function_call", "function_call")):
        match body.shape(name):
            case "a string":
                return _choice_of_word(body.text(name) or "", form)
            case "an object":
                return _choice_of_object(body, name, form)
            case "" | "null":
                continue
            case seen:
                raise invalid(body.at(name), "a string or an object", seen)
    return None


def _choice_of_word(word: str, form: str) -> ToolChoice:
    mode = _MODES.get(word)
    if mode is None:  # Hugging Face takes a tool's bare name
        return ToolChoice(mode="tool", name=word, form="plain")
    return ToolChoice(mode=mode, form="any" if word == "any" else form)  # pyright: ignore[reportArgumentType]


def _choice_of_object(body: Members, field: str, form: str) -> ToolChoice | None:
    raw = body.rest[field]
    holder = body.object(field) or Members({}, "")
    if form:
        return ToolChoice(mode="tool", name=holder.text("name") or "", form=form, extras=holder.rest)
    kind = holder.text("type")
    inner = holder.object(kind or "function") if kind in (None, "function", "custom") else None
    if inner is not None and (name := inner.text("name")) is not None:
        holder.keep(kind or "function", inner)
        return ToolChoice(mode="tool", name=name, form=kind or "untyped", extras=holder.rest)
    if kind in ("tool", "function") and holder.shape("name") == "a string":
        return ToolChoice(mode="tool", name=holder.text("name") or "", form=f"flat {kind}", extras=holder.rest)
    if kind == "allowed_tools" and (inner := holder.object(kind)) is not None:
        mode = "any" if inner.text("mode") == "required" else "auto"
        holder.keep(kind, inner)
        return ToolChoice(mode=mode, form="allowed_tools", extras=holder.rest)
    body.rest[field] = raw
    return None
