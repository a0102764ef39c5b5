"""Writes a request of the Messages API: as it came when it came in this dialect, else translated."""

from typing import Final

from headgate.core.request import Request
from headgate.core.tools import as_functions
from headgate.dialects.anthropic import wire
from headgate.dialects.anthropic.blocks import Block, Pen
from headgate.dialects.anthropic.forms import RequestForm
from headgate.dialects.anthropic.knobs import write_foreign, write_own
from headgate.dialects.anthropic.models import traits_of
from headgate.dialects.anthropic.quirks import QUIRKS
from headgate.dialects.anthropic.seals import NAME
from headgate.dialects.anthropic.turns import foreign_messages, own_messages
from headgate.dialects.base import Target

MODERN: Final = "2026-10-21"
"""Since this version sampling is gone, and documents of assistants and citations of users are refused:
https://platform.claude.com/docs/en/api/migration-2026-10-21 (2026-11)"""


def render_request(request: Request, target: Target, dropped: set[str]) -> bytes:
    """The body to send."""
    return wire.encode(members_of(request, target, dropped))


def members_of(request: Request, target: Target, dropped: set[str]) -> Block:
    """The members of the body to send."""
    form = RequestForm.of(request.form) if request.dialect == NAME else RequestForm()
    if request.dialect != NAME:
        request = as_functions(request, dropped)
    pen = Pen(
        is_home=request.dialect == NAME,
        # a caller who named its version itself gets what it asked for, errors included
        is_modern=not form.version and is_modern(target.version),
        traits=traits_of(target.model),
        dropped=dropped,
    )
    out: Block = {"model": target.model}
    system, messages = own_messages(request, pen) if pen.is_home else foreign_messages(request, pen)
    if system is not None:
        out["system"] = system
    out["messages"] = messages
    if pen.is_home:
        write_own(request, out, pen)
    else:
        write_foreign(request, target, out, pen)
    if target.is_stream or form.has_stream:
        out["stream"] = target.is_stream
    for name in target.quirks:
        out = QUIRKS[name].apply(out)
    return out


def is_modern(version: str) -> bool:
    """Whether an API version is 2026-10-21 or later; other services have words of their own for theirs."""
    return version[:2] == "20" and version >= MODERN
