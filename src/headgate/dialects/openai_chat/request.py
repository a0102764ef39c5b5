"""A request, read: OpenAI chat completions as words."""

from headgate.core.problems import InvalidRequest
from headgate.core.request import Request
from headgate.dialects.base import Envelope
from headgate.dialects.members import Members, invalid, read_body
from headgate.dialects.openai_chat.knobs import read_choice, read_knobs, read_tools
from headgate.dialects.openai_chat.messages import read_messages
from headgate.dialects.openai_chat.wire import NAME


def parse_request(body: bytes, envelope: Envelope) -> Request:
    """The call that a client of this dialect makes."""
    members = read_body(body)
    form: list[str] = []
    messages = read_messages(_messages(members))
    model = members.text("model")
    is_stream = members.flag("stream")
    form += [] if is_stream is not False else ["stream"]
    wants_usage = _read_usage_wish(members, form) or not is_stream
    knobs = read_knobs(members, form)
    tools = read_tools(members, form)
    return Request(
        dialect=NAME,
        model=model or envelope.model,
        messages=messages,
        tools=tools,
        tool_choice=read_choice(members),
        knobs=knobs,
        is_stream=bool(is_stream) if envelope.is_stream is None else envelope.is_stream,
        wants_usage=wants_usage,
        form=" ".join(form),
        extras=members.rest,
    )


def _messages(members: Members) -> list[Members]:
    seen = members.shape("messages")
    if seen in ("", "null"):
        if "input" in members.rest:
            raise InvalidRequest(
                "'messages' is required; a body with 'input' is for /v1/responses: send it there", param="messages"
            )
        raise members.missing("messages")
    if seen != "an array":
        raise invalid("messages", "an array of objects", seen)
    objects = members.objects("messages")
    if not objects:
        raise InvalidRequest("'messages' must have at least one message", param="messages")
    return objects


def _read_usage_wish(members: Members, form: list[str]) -> bool:
    """Whether a stream is to end with its usage. `stream_options` is a leftover but for that."""
    options = members.object("stream_options")
    if options is None:
        return False
    wish = options.flag("include_usage") if options.shape("include_usage") == "a boolean" else None
    if wish is None and not options.rest:
        form.append("usage={}")
    elif wish is not None:
        form.append("usage=true" if wish else "usage=false")
    members.keep("stream_options", options)
    return bool(wish)
