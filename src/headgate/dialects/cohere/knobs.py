"""The settings of a request, read: limits, sampling, tools, the shape of the answer, how hard to think."""

from typing import Final

from msgspec import Raw

from headgate.core.request import Knobs, OutputFormat, ReasoningKnob, ServerTool, Tool, ToolChoice
from headgate.dialects.cohere.wire import ENCODE
from headgate.dialects.members import Members, invalid, opened

_MODES: Final = {"REQUIRED": "any", "NONE": "none"}


def read_knobs(body: Members, form: list[str]) -> Knobs:
    """All settings of common meaning; `form` gets the spellings that differ from the usual ones."""
    return Knobs(
        max_tokens=body.integer("max_tokens"),
        temperature=body.number("temperature"),
        top_p=body.number("p"),
        top_k=body.integer("k"),
        stop=body.texts("stop_sequences"),
        seed=body.integer("seed"),
        presence_penalty=body.number("presence_penalty"),
        frequency_penalty=body.number("frequency_penalty"),
        logprobs=body.flag("logprobs"),
        output_format=_read_format(body, form),
        reasoning=_read_thinking(body),
    )


def _read_format(body: Members, form: list[str]) -> OutputFormat | None:
    holder = body.object("response_format")
    if holder is None:
        return None
    kind = holder.text("type")
    if kind == "json_object":
        # `schema` is what it was called before `json_schema`, and is still taken
        name = next((name for name in ("json_schema", "schema") if holder.shape(name) == "an object"), "")
        schema = holder.rest.pop(name) if name else None
        return OutputFormat(schema=schema, form="schema" if name == "schema" else "", extras=holder.rest)
    if kind == "text" and not holder.rest:
        form.append("text")
    else:
        body.rest["response_format"] = Raw(ENCODE({**({"type": kind} if kind else {}), **holder.rest}))
    return None


def _read_thinking(body: Members) -> ReasoningKnob | None:
    holder = body.object("thinking")
    if holder is None:
        return None
    kind = holder.word("type") or ""
    return ReasoningKnob(
        effort="none" if kind == "disabled" else None,
        budget_tokens=holder.integer("token_budget"),
        form=kind,
        extras=holder.rest,
    )


def read_tools(body: Members, form: list[str]) -> tuple[Tool | ServerTool, ...]:
    """The tools. `strict_tools` holds for each of them."""
    form += ["no_tools"] if body.take_empty("tools") else []
    raws = body.array("tools")
    is_strict = body.flag("strict_tools") if raws else None
    return tuple(_read_tool(raw, f"tools[{i}]", is_strict) for i, raw in enumerate(raws))


def _read_tool(raw: Raw, path: str, is_strict: bool | None) -> Tool | ServerTool:
    tool = opened(raw, path)
    kind = tool.text("type")
    if kind not in (None, "function"):
        return ServerTool(name=kind, raw=raw)
    function = tool.object("function")
    if function is None:
        raise tool.missing("function")
    name = function.text("name")
    if name is None:
        raise function.missing("name")
    if function.shape("parameters") not in ("", "null", "an object"):
        raise invalid(function.at("parameters"), "an object", function.shape("parameters"))
    parameters = function.rest.pop("parameters") if function.shape("parameters") == "an object" else None
    described = function.text("description")
    tool.keep("function", function)
    marks = [*([] if kind else ["untyped"]), *(["blank"] if described == "" else [])]
    return Tool(
        name=name,
        description=described or "",
        parameters=parameters,
        is_strict=is_strict,
        form=" ".join(marks),
        extras=tool.rest,
    )


def read_choice(body: Members) -> ToolChoice | None:
    """Which tools the model must call. A word that we do not know stays a leftover."""
    mode = _MODES.get(bytes(body.rest.get("tool_choice", b"")).decode().strip('"'))
    if mode is None:
        return None
    del body.rest["tool_choice"]
    return ToolChoice(mode=mode)  # pyright: ignore[reportArgumentType]
