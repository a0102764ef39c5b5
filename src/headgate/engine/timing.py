"""How long the attempts of a call may take. Decides nothing about what follows when they take longer."""

from typing import TYPE_CHECKING, Final

from headgate.engine.call import Call
from headgate.routing.course import HEDGE_SHARE_OF_REST
from headgate.routing.fleet import Ticket
from headgate.routing.plan import Route
from headgate.transport.base import Timeouts

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

CONNECT_S: Final = 3.0
"""How long opening a connection may take."""
MOMENT_S: Final = 0.001
"""What a call whose time is up still gets, so that it fails as late and not as a mistake."""


def ends_s(call: Call, route: Route) -> tuple[float, float]:
    """When a call's answer has to have begun, and when the call has to be over."""
    timeout_s, patience_s = call.timeout_s, call.patience_s
    whole_s = route.timeout_s if timeout_s is None or timeout_s > route.timeout_s else timeout_s
    end_s = call.started_s + whole_s
    return (call.started_s + patience_s if patience_s is not None and patience_s < whole_s else end_s), end_s


def allowance_s(engine: "Engine", ticket: Ticket, remaining_s: float, more: int) -> float:
    """How long an attempt may keep the client waiting: all that is left for the last candidate, else a share, and
    not much longer than its deployment ever takes."""
    if more <= 0:
        return remaining_s
    usual_s = engine.settings.head_s if ticket.is_stream else engine.settings.whole_s
    move_s = engine.fleet.move_s(ticket.member, ticket.need.input_tokens, is_stream=ticket.is_stream)
    return min(usual_s, remaining_s / (more + 1), move_s)


def soon_s(remaining_s: float) -> float:
    """With little time left an attempt is looked at after so long, overdue or not."""
    return HEDGE_SHARE_OF_REST * remaining_s


def timeouts(allowance_s: float, rest_s: float, idle_s: float) -> Timeouts:
    """Of one attempt. Only the whole is bound by its allowance, so that it can be extended."""
    whole_s = allowance_s if allowance_s > MOMENT_S else MOMENT_S
    return Timeouts(
        connect_s=whole_s if whole_s < CONNECT_S else CONNECT_S,
        head_s=rest_s if rest_s > MOMENT_S else MOMENT_S,
        idle_s=idle_s if idle_s > MOMENT_S else MOMENT_S,
        whole_s=whole_s,
    )
