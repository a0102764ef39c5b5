"""A request, written: as it stood when it is of this dialect, translated when it is of another."""

from headgate.core.request import Request
from headgate.dialects.base import Target
from headgate.dialects.openai_chat.adopt import adopted
from headgate.dialects.openai_chat.quirks import QUIRKS
from headgate.dialects.openai_chat.wire import ENCODE, NAME
from headgate.dialects.openai_chat.writing import write_request


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`. One of this dialect says what it said; `patch` adds what metering needs."""
    is_ours = request.dialect == NAME
    wire = write_request(request if is_ours else adopted(request, target.quirks, dropped))
    if target.model:
        wire = {"model": target.model, **{name: value for name, value in wire.items() if name != "model"}}
    if target.is_stream:
        wire["stream"] = True
        if not is_ours:
            wire["stream_options"] = {"include_usage": True}
    elif "stream" in request.form.split() and is_ours:
        wire["stream"] = False
    for name in target.quirks:
        wire = QUIRKS[name].apply(wire)
    return ENCODE(wire)
