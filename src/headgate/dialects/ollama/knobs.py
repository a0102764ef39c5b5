"""The settings of a request, read: `options`, tools, the shape of the answer, whether to think."""

from typing import Final, cast, get_args

from headgate.core.request import Effort, Knobs, OutputFormat, ReasoningKnob, ServerTool, Tool
from headgate.dialects.members import Members, invalid, opened
from headgate.dialects.ollama.wire import TEXT

OPTIONS: Final = "options."
"""Opens the name of a leftover of `options`, so that each is told by its own name where it is dropped."""

_EFFORTS: Final = frozenset(get_args(Effort))


def read_knobs(body: Members, form: list[str]) -> Knobs:
    """All settings of common meaning; `form` gets the spellings that differ from the usual ones."""
    options = body.object("options")
    form += ["options"] if options is not None else []
    options = options or Members({}, "options")
    knobs = Knobs(
        max_tokens=_max_tokens(options),
        temperature=options.number("temperature"),
        top_p=options.number("top_p"),
        top_k=options.integer("top_k"),
        stop=_stop(options, form),
        seed=options.integer("seed"),
        presence_penalty=options.number("presence_penalty"),
        frequency_penalty=options.number("frequency_penalty"),
        logprobs=body.flag("logprobs"),
        top_logprobs=body.integer("top_logprobs"),
        output_format=_read_format(body, form),
        reasoning=_read_think(body),
    )
    body.rest.update({f"{OPTIONS}{name}": raw for name, raw in options.rest.items()})
    return knobs


def _max_tokens(options: Members) -> int | None:
    """-1 and -2 stand for no limit and for the rest of the context: leftovers."""
    raw = options.rest.get("num_predict")
    value = options.integer("num_predict")
    if raw is not None and value is not None and value < 0:
        options.rest["num_predict"] = raw
        return None
    return value


def _stop(options: Members, form: list[str]) -> tuple[str, ...] | None:
    if options.shape("stop") == "a string":
        form.append("stop")
        return (options.text("stop") or "",)
    return options.texts("stop")


def _read_format(body: Members, form: list[str]) -> OutputFormat | None:
    match body.shape("format"):
        case "an object":
            return OutputFormat(schema=body.rest.pop("format"))
        case "a string":
            word = TEXT.decode(body.rest["format"])
            if word == "json":
                del body.rest["format"]
                return OutputFormat()
            if not word:
                form.append("formless")
                del body.rest["format"]
        case _:
            pass
    return None


def _read_think(body: Members) -> ReasoningKnob | None:
    """A yes or no, or a word for how hard. One that we do not know stays a leftover."""
    match body.shape("think"):
        case "a boolean":
            return ReasoningKnob(effort=None if body.flag("think") else "none")
        case "a string" if TEXT.decode(body.rest["think"]) in _EFFORTS:
            return ReasoningKnob(effort=cast(Effort, body.text("think")), form="word")
        case _:
            return None


def read_tools(body: Members, form: list[str]) -> tuple[Tool | ServerTool, ...]:
    """The tools, of which all are functions."""
    form += ["no_tools"] if body.take_empty("tools") else []
    return tuple(_read_tool(opened(raw, f"tools[{i}]")) for i, raw in enumerate(body.array("tools")))


def _read_tool(tool: Members) -> Tool:
    marks = [] if "type" in tool.rest else ["untyped"]
    if bytes(tool.rest.get("type", b"")) == b'"function"':
        del tool.rest["type"]
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
    return Tool(
        name=name,
        description=described or "",
        parameters=parameters,
        form=" ".join([*marks, *(["blank"] if described == "" else [])]),
        extras=tool.rest,
    )
