"""What a request says beside its input and tools, read: knobs, formats. Must not know items or turns."""

from typing import Final, cast, get_args

from msgspec import Raw

from headgate.core.request import (
    Effort,
    Extras,
    Knobs,
    OutputFormat,
    ReasoningKnob,
)
from headgate.dialects.openai_responses.reading import Node
from headgate.dialects.openai_responses.wire import (
    SATISFIED_INCLUDES,
    Members,
    encoded,
    spelling,
)

STATE: Final = ("previous_response_id", "conversation", "prompt")
"""State kept at one service: without it the call means something else."""

_EFFORTS: Final = get_args(Effort)
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
