"""A call to a model, whatever the wire it came on. Must not know any dialect's field names.

Every node has `extras`: members of the wire object that have no canonical meaning, as raw JSON by wire name. They
belong to the dialect in `Request.dialect`: rendering to the same dialect puts them back, rendering to another lists
them as dropped. `form` is a private hint of the same dialect on how the node was spelt.
"""

from typing import Literal

from msgspec import Raw, Struct, field

Extras = dict[str, Raw]
Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Signature(Struct, frozen=True):
    """A proof that a service attaches to its own output and wants back untouched: only `minted_by` can read it."""

    minted_by: str
    """The dialect of the service that made it."""
    value: str


class CacheMark(Struct, frozen=True):
    """Cache the prompt up to and including this node; `ttl` is `5m`, `1h` or empty for the default."""

    ttl: str = ""


class Inline(Struct, frozen=True, tag="inline"):
    """Content carried in the call: base64 text and its media type."""

    media_type: str
    data: str


class Link(Struct, frozen=True, tag="link"):
    """Content at a URL, which the provider fetches; the gateway never does."""

    url: str
    media_type: str = ""


class FileId(Struct, frozen=True, tag="file_id"):
    """Content uploaded to a service before, by that service's own id."""

    id: str
    media_type: str = ""


Source = Inline | Link | FileId


class Text(Struct, frozen=True, kw_only=True, tag="text"):
    """Words."""

    text: str
    cache: CacheMark | None = None
    signature: Signature | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Reasoning(Struct, frozen=True, kw_only=True, tag="reasoning"):
    """A model's thinking, given back to it. `text` may be empty when only the encrypted form is known."""

    text: str = ""
    signature: Signature | None = None
    is_redacted: bool = False
    """The provider hides the text; `signature.value` is the sealed content itself."""
    form: str = ""
    extras: Extras = field(default_factory=dict)


class ToolCall(Struct, frozen=True, kw_only=True, tag="tool_call"):
    """The model asks for a tool. `arguments` is JSON text exactly as the model wrote it, "" when it wrote none."""

    id: str
    name: str
    namespace: str = ""
    """The group of tools that `name` belongs to; "" for none."""
    arguments: str = ""
    is_custom: bool = False
    """`arguments` is free text, not JSON (OpenAI's custom tools)."""
    cache: CacheMark | None = None
    signature: Signature | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Image(Struct, frozen=True, kw_only=True, tag="image"):
    """A picture."""

    source: Source
    detail: str = ""
    cache: CacheMark | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Audio(Struct, frozen=True, kw_only=True, tag="audio"):
    """Sound."""

    source: Source
    cache: CacheMark | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class File(Struct, frozen=True, kw_only=True, tag="file"):
    """A document, most often a PDF; also video and plain text where a dialect has them as files."""

    source: Source
    name: str = ""
    cache: CacheMark | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Refused(Struct, frozen=True, kw_only=True, tag="refusal"):
    """A model's refusal in an earlier turn."""

    text: str
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Foreign(Struct, frozen=True, kw_only=True, tag="foreign"):
    """A part only its own dialect understands (server tools, citations, …), as raw JSON. `name` says what it is."""

    name: str
    raw: Raw
    is_feature: bool = False
    """Without it the call means something else: another dialect refuses instead of dropping it."""


class ToolResult(Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool answered."""

    call_id: str
    parts: tuple["Text | Image | Audio | File | Foreign", ...] = ()
    name: str = ""
    is_error: bool = False
    cache: CacheMark | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


Part = Text | Reasoning | ToolCall | ToolResult | Image | Audio | File | Refused | Foreign


class Message(Struct, frozen=True, kw_only=True):
    """One turn. Instructions are messages of role `system` (or `developer`), where the wire had them."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Grammar(Struct, frozen=True):
    """What the free text of a custom tool must look like; `syntax` says in which notation, such as `lark`."""

    syntax: str
    definition: str


class Tool(Struct, frozen=True, kw_only=True):
    """A function the model may call. `parameters` is its JSON Schema as raw JSON, None: takes none."""

    name: str
    namespace: str = ""
    """The group of tools in which the name is unique (OpenAI Responses); "" for none."""
    description: str = ""
    is_custom: bool = False
    """It takes free text instead of JSON (OpenAI's custom tools)."""
    grammar: Grammar | None = None
    parameters: Raw | None = None
    is_strict: bool | None = None
    cache: CacheMark | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class ServerTool(Struct, frozen=True, kw_only=True):
    """A tool of the provider's own making (web search, code execution), as raw JSON. `name` says which."""

    name: str
    raw: Raw


class ToolChoice(Struct, frozen=True, kw_only=True):
    """`auto`, `none`, `any` (must call one), or `tool` (must call `name`)."""

    mode: Literal["auto", "none", "any", "tool"]
    name: str = ""
    form: str = ""
    extras: Extras = field(default_factory=dict)


class OutputFormat(Struct, frozen=True, kw_only=True):
    """The answer must be JSON; with `schema`, JSON of that schema."""

    schema: Raw | None = None
    name: str = ""
    description: str = ""
    is_strict: bool | None = None
    form: str = ""
    extras: Extras = field(default_factory=dict)


class ReasoningKnob(Struct, frozen=True, kw_only=True):
    """How hard to think: an effort word, a token budget, or both unset for the model's own judgement."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    is_visible: bool | None = None
    """Whether the caller wants to see the thinking (or a summary of it)."""
    form: str = ""
    extras: Extras = field(default_factory=dict)


class Knobs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Settings with the same meaning in most dialects; None: not given."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] | None = None
    candidates: int | None = None
    """How many answers (`n`, `candidateCount`)."""
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    parallel_tool_calls: bool | None = None
    output_format: OutputFormat | None = None
    reasoning: ReasoningKnob | None = None
    user: str | None = None
    """An id of the end user."""


class Request(Struct, frozen=True, kw_only=True):
    """One call. Built by a dialect's `parse_request`, rendered by another's (or the same one's) `render_request`."""

    dialect: str
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool | ServerTool, ...] = ()
    tool_choice: ToolChoice | None = None
    knobs: Knobs = field(default_factory=Knobs)
    is_stream: bool = False
    wants_usage: bool = True
    """Whether a stream is to end with its usage (OpenAI chat sends it only when asked)."""
    betas: tuple[str, ...] = ()
    """Names of previews that the caller opts in to, beside the body."""
    form: str = ""
    extras: Extras = field(default_factory=dict)
