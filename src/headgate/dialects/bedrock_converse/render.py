"""Writes a request of Converse: as it came when it came in this dialect, else translated."""

from typing import Final

from headgate.core.request import Request
from headgate.core.tools import as_functions
from headgate.dialects.base import Target
from headgate.dialects.bedrock_converse import wire
from headgate.dialects.bedrock_converse.additional import ADDITIONAL, traits_of
from headgate.dialects.bedrock_converse.blocks import Block, Pen
from headgate.dialects.bedrock_converse.foreign import write_foreign
from headgate.dialects.bedrock_converse.settings import put, write_own
from headgate.dialects.bedrock_converse.turns import foreign_messages, own_messages
from headgate.dialects.bedrock_converse.wire import NAME
from headgate.dialects.betas import on_bedrock

_EMPTIES: Final[dict[str, object]] = {
    "messages": [],
    "system": [],
    "inferenceConfig": {},
    "toolConfig": {},
    "outputConfig": {},
    "additionalModelRequestFields": {},
}


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body to send; the path says which model, and whether it is a stream."""
    return wire.encode(members_of(request, target, dropped))


def members_of(request: Request, target: Target, dropped: set[str]) -> Block:
    """The members of the body to send."""
    is_home = request.dialect == NAME
    if not is_home:
        request = as_functions(request, dropped)
    pen = Pen(is_home=is_home, traits=traits_of(target.model), dropped=dropped)
    system, messages = own_messages(request, pen) if is_home else foreign_messages(request, pen)
    out: Block = {}
    if messages:
        out["messages"] = messages
    if system:
        out["system"] = system
    if is_home:
        write_own(request, out, pen)
        for name, nothing in _EMPTIES.items():
            if name in request.form.split():
                out.setdefault(name, nothing)
    else:
        write_foreign(request, out, pen)
        if "claude" in target.model:
            put(out, ADDITIONAL, on_bedrock(request.betas, dropped))
    return out
