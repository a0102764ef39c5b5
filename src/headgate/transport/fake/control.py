"""The control API of a fake upstream, on its own port under /__ctl. Must not know sockets.

POST /__ctl      {"fault": "cut_after", "bytes": 100, "times": 3, "probability": 0.5, "path": "/v1/messages"}
DELETE /__ctl    takes all faults back
GET /__ctl/log   every attempt so far;  DELETE /__ctl/log forgets them
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct

from headgate.transport.fake.answers import Answer, whole
from headgate.transport.fake.faults import AnyFault, Fault
from headgate.transport.fake.log import Attempt, Log

PATH: Final = "/__ctl"


class _When(Struct, frozen=True, kw_only=True):
    """How often a fault strikes; the members of the body that are not its own arguments."""

    times: int | None = None
    probability: float = 1.0
    path: str | None = None


class Controlled(Protocol):
    """What the control API acts on."""

    @property
    def full_log(self) -> Log:
        """Every attempt."""
        ...

    def fail(
        self, fault: Fault, *, times: int | None = None, probability: float = 1.0, path: str | None = None
    ) -> None:
        """Plans a fault."""
        ...

    def heal(self) -> None:
        """Takes all faults back."""
        ...


def control(upstream: Controlled, attempt: Attempt) -> Answer | None:
    """Does what a control call asks; None when it is no control call."""
    path = attempt.path.partition("?")[0]
    if path != PATH and not path.startswith(PATH + "/"):
        return None
    act = _ACTS.get((attempt.method, path))
    if act is None:
        return _refusal(404, f"the control API has no {attempt.method} {path}")
    try:
        return act(upstream, attempt.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return _refusal(400, str(error))


def _refusal(status: int, message: str) -> Answer:
    return whole(msgspec.json.encode({"error": message}), status=status)


_DONE: Final = whole(b'{"ok":true}')


def _post_fault(upstream: Controlled, body: bytes) -> Answer:
    when = msgspec.json.decode(body, type=_When)
    members = msgspec.json.decode(body, type=dict[str, Raw])
    own = {name: value for name, value in members.items() if name not in _When.__struct_fields__}
    fault = msgspec.json.decode(msgspec.json.encode(own), type=AnyFault)
    upstream.fail(fault, times=when.times, probability=when.probability, path=when.path)
    return _DONE


def _delete_faults(upstream: Controlled, body: bytes) -> Answer:
    upstream.heal()
    return _DONE


def _get_log(upstream: Controlled, body: bytes) -> Answer:
    return whole(upstream.full_log.as_json())


def _delete_log(upstream: Controlled, body: bytes) -> Answer:
    upstream.full_log.clear()
    return _DONE


_ACTS: Final[Mapping[tuple[str, str], Callable[[Controlled, bytes], Answer]]] = {
    ("POST", PATH): _post_fault,
    ("DELETE", PATH): _delete_faults,
    ("GET", PATH + "/log"): _get_log,
    ("DELETE", PATH + "/log"): _delete_log,
}
