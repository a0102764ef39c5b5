"""A request, written: as it stood when it is of this dialect, translated when it is of another."""

from headgate.core.request import Request
from headgate.dialects.base import Target
from headgate.dialects.ollama.adopt import adopted
from headgate.dialects.ollama.wire import ENCODE, NAME
from headgate.dialects.ollama.writing import write_request


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    is_ours = request.dialect == NAME
    wire = write_request(request if is_ours else adopted(request, target.model or request.model, dropped))
    if target.model:
        wire = {"model": target.model, **{name: value for name, value in wire.items() if name != "model"}}
    if not is_ours or "stream" in request.form.split() or not target.is_stream:
        wire["stream"] = target.is_stream
    return ENCODE(wire)
