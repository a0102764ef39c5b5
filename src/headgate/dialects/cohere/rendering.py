"""A request, written: as it stood when it is of this dialect, translated when it is of another."""

from headgate.core.request import Request
from headgate.dialects.base import Target
from headgate.dialects.cohere.adopt import adopted
from headgate.dialects.cohere.wire import ENCODE, NAME
from headgate.dialects.cohere.writing import write_request


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body for `target`."""
    is_ours = request.dialect == NAME
    wire = write_request(request if is_ours else adopted(request, dropped))
    if target.model:
        wire = {"model": target.model, **{name: value for name, value in wire.items() if name != "model"}}
    if target.is_stream:
        wire["stream"] = True
    elif is_ours and "stream" in request.form.split():
        wire["stream"] = False
    return ENCODE(wire)
