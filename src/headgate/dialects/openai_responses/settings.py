"""What a request says beside its input, read: tools, knobs, formats. Must not know items or turns."""

from typing import Final, cast, get_args

from msgspec import Raw, structs

from headgate.core.request import (
    Effort,
    Extras,
    Knobs,
    OutputFormat,
    ReasoningKnob,
    ServerTool,
    Tool,
    ToolChoice,
)
from headgate.dialects.openai_responses.reading import Node, fault, missing, read, read_members
from headgate.dialects.openai_responses.rendering import WHOLE
from headgate.dialects.openai_responses.wire import (
    SATISFIED_INCLUDES,
    TEXT,
    Members,
    encoded,
    members_of,
    raw_is,
    spelling,
    text_of,
)

STATE: Final = ("previous_response_id", "conversation", "prompt")
"""State kept at one service: without it the call means something else."""

_EFFORTS: Final = get_args(Effort)
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}
# Values that say what would be so anyway: they mean nothing to another dialect and are not reported as lost.
_DEFAULTS: Final[dict[str, frozenset[bytes]]] = {
    "stream": frozenset({b"false"}),
    "store": frozenset({b"false"}),
    "background": frozenset({b"false"}),
    "truncation": frozenset({b'"disabled"'}),
    "service_tier": frozenset({b'"auto"'}),
}


def parse_knobs(node: Node, form: Members) -> Knobs:
    """Takes the knobs; what only this dialect can spell goes into the request's `form`."""
    for name, values in _DEFAULTS.items():
        if name in node.rest and bytes(node.rest[name]) in values:
            form |= node.keep(name)
    return Knobs(
        max_tokens=node.integer("max_output_tokens"),
        temperature=node.number("temperature"),
        top_p=node.number("top_p"),
        logprobs=_logprobs(node, form),
        top_logprobs=node.integer("top_logprobs"),
        parallel_tool_calls=node.flag("parallel_tool_calls"),
        output_format=_format(node, form),
        reasoning=_reasoning(node),
        user=_user(node, form),
    )


def parse_tools(node: Node, form: Members) -> tuple[Tool | ServerTool, ...]:
    """Takes the tools."""
    form |= node.keep_empty("tools")
    raws = node.array("tools")
    if raws is None:
        return ()
    return tuple(_tool(raw, f"tools[{index}]") for index, raw in enumerate(raws))


def parse_tool_choice(node: Node) -> ToolChoice | None:
    """Takes the tool choice; every form but a plain word is kept as it stood."""
    raw = node.raw("tool_choice")
    if raw is None:
        return None
    if raw_is(raw, b'"'):
        mode = _CHOICES.get(read(TEXT, raw, "tool_choice", "a string"))
        if mode is None:
            node.rest["tool_choice"] = raw
            return None
        return ToolChoice(mode="any" if mode == "any" else "none" if mode == "none" else "auto")
    if not raw_is(raw, b"{"):
        raise fault("tool_choice", "a string or an object", raw)
    return structs.replace(_chosen(read_members(raw, "tool_choice")), form=bytes(raw).decode())


def _chosen(choice: Node) -> ToolChoice:
    kind = text_of(choice.rest.get("type"))
    name = text_of(choice.rest.get("name")) or text_of(members_of(choice.rest.get("function")).get("name"))
    if kind in ("function", "custom") and name:
        return ToolChoice(mode="tool", name=name)
    if kind == "allowed_tools":
        mode = "any" if text_of(choice.rest.get("mode")) == "required" else "auto"
        return ToolChoice(mode=mode, extras={kind: choice.rest.get("tools", encoded(None))})
    return ToolChoice(mode="any", extras={kind or "tool_choice": encoded(choice.rest)})


def _tool(raw: Raw, path: str) -> Tool | ServerTool:
    node = read_members(raw, path)
    kind = node.text("type")
    if kind is None:
        raise missing(node.at("type"), 'say what the tool is, such as "function".')
    if kind != "function":
        return ServerTool(name=kind, raw=raw)
    form = node.keep_empty("description")
    if raw_is(node.rest.get("function", encoded(None)), b"{"):
        # The shape of chat completions, sent by some clients beside or instead of the flat members and accepted.
        form = {WHOLE: raw}
        node = Node(members_of(node.rest["function"]) | {k: v for k, v in node.rest.items() if k != "function"}, path)
    name = node.text("name")
    if name is None:
        raise missing(node.at("name"), "a function tool has a name.")
    return Tool(
        name=name,
        description=node.text("description") or "",
        parameters=node.raw("parameters"),
        is_strict=node.flag("strict"),
        form=spelling(form),
        extras=node.rest,
    )


def _logprobs(node: Node, form: Members) -> bool | None:
    raw = node.rest.get("include")
    wishes = node.texts("include")
    if raw is None or wishes is None:
        return None
    (form if SATISFIED_INCLUDES.issuperset(wishes) else node.rest)["include"] = raw
    return True if "message.output_text.logprobs" in wishes else None


def _format(node: Node, form: Members) -> OutputFormat | None:
    raw = node.rest.get("text")
    text = node.node("text")
    if raw is None or text is None:
        return None
    wanted = text.node("format")
    kind = wanted.text("type") if wanted is not None else None
    if wanted is None or kind not in ("json_schema", "json_object"):
        plain = not text.rest and kind in (None, "text")
        (form if plain else node.rest)["text"] = raw
        return None
    return OutputFormat(
        schema=wanted.raw("schema"),
        name=wanted.text("name") or "",
        description=wanted.text("description") or "",
        is_strict=wanted.flag("strict"),
        form=kind,
        extras=text.rest | {f"format.{name}": value for name, value in wanted.rest.items()},
    )


def _reasoning(node: Node) -> ReasoningKnob | None:
    reasoning = node.node("reasoning")
    if reasoning is None:
        return None
    form: Members = {}
    is_visible = None
    if (summary := reasoning.raw("summary")) is not None:
        form["summary"] = summary
        is_visible = True
    effort = _effort(reasoning)
    return ReasoningKnob(effort=effort, is_visible=is_visible, form=spelling(form), extras=reasoning.rest)


def _effort(reasoning: Node) -> Effort | None:
    """A word yet unknown stays where it was: the service may know it."""
    raw = reasoning.rest.get("effort")
    word = reasoning.text("effort")
    if word in _EFFORTS:
        return cast("Effort", word)
    if raw is not None:
        reasoning.rest["effort"] = raw
    return None


def _user(node: Node, form: Members) -> str | None:
    if (user := node.text("user")) is not None:
        return user
    if (user := node.text("safety_identifier")) is not None:
        form["user"] = encoded("safety_identifier")
    return user


def state_of(node: Node) -> dict[str, Raw]:
    """Takes the members that refer to state at one service, and the wish to answer later."""
    found: Extras = {}
    for name in STATE:
        if (raw := node.raw(name)) is not None:
            found[name] = raw
    if node.flag("background"):
        found["background"] = encoded(True)
    return found
