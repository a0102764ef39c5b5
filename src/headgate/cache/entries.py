"""An answer that is kept: what it is, whether it may be, and the form in which it leaves the process. Pure."""

import hmac
import json
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from headgate.cache.keys import Digest
from headgate.core.events import Event, Failed, Finished, PartDelta, PartStarted
from headgate.core.usage import Usage

_SEAL_BYTES: Final = 32
_WHOLE: Final = frozenset({"stop", "stop_sequence"})
_CALLING: Final = frozenset({"tool_calls"})
_EVENTS: Final = msgspec.json.Decoder(list[Event])
_ENCODE: Final = msgspec.json.Encoder().encode
_PREFIX: Final = b"headgate entry\0"


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One answer."""

    key: bytes
    key_id: str
    """Who asked for it, and to whom they belong."""
    team: str = ""
    organisation: str = ""
    namespace: str = ""
    surface: str
    operation: str
    model: str
    """As it was asked for."""
    provider: str
    upstream: str
    """The provider's name of the model."""
    tags: tuple[str, ...] = ()
    source: str
    """The id of the call that was made for it."""
    stored_us: int
    expires_us: int
    """Unix time in microseconds."""
    usage: Usage | None = None
    cost_nano_usd: int = 0
    ttft_ms: float = 0.0
    duration_ms: float = 0.0
    finish_reason: str = ""
    dropped: tuple[str, ...] = ()
    """What the provider could not be told."""
    content_type: str = ""
    """Of `body`; empty: that is events."""
    body: bytes

    @property
    def events(self) -> list[Event]:
        """The answer, told in words."""
        return _EVENTS.decode(self.body)

    @property
    def worth(self) -> float:
        """What it saves each time, in nano-USD; of a model without a price, as if a token cost 100."""
        tokens = self.usage.total_tokens if self.usage is not None else 0
        return float(self.cost_nano_usd or 100 * tokens or 1)

    @property
    def size(self) -> int:
        """About so many bytes."""
        return 512 + len(self.body)


def told(events: Sequence[Event]) -> bytes:
    """The body of an entry."""
    return _ENCODE(events)


def why_not_kept(events: Sequence[Event], *, tools: bool) -> str:
    """Why an answer must not be given to anybody else; empty: it may. `tools`: those that call tools may."""
    finished = next((event for event in events if isinstance(event, Finished)), None)
    if finished is None or any(isinstance(event, Failed) for event in events):
        return "not whole"
    good = _WHOLE | _CALLING if tools else _WHOLE
    for reason in (finished.reason, *finished.more_reasons):
        if reason not in good:
            return f"finish reason {reason}"
    kinds = {event.kind for event in events if isinstance(event, PartStarted)}
    if "tool_call" in kinds and not tools:
        return "calls tools"
    if "refusal" in kinds:
        return "refusal"
    calls = "tool_call" in kinds
    if not calls and not any(isinstance(event, PartDelta) and event.text for event in events):
        return "empty"
    return ""


def says_twice(body: bytes) -> bool:
    """Whether a JSON text has a member twice: another reader may take the other one, and answer something else."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise _Twice
        return made

    try:
        json.loads(body, object_pairs_hook=once)
    except (_Twice, ValueError, RecursionError):
        return True
    return False


class _Twice(Exception):
    """A member stands there twice."""


_PACK: Final = msgspec.msgpack.Encoder().encode
_UNPACK: Final = msgspec.msgpack.Decoder(Entry).decode


def sealed(entry: Entry, digest: Digest) -> bytes:
    """An entry as it is kept elsewhere, such that no other one can be put in its place."""
    packed = _PACK(entry)
    return digest(_PREFIX + packed) + packed


def opened(blob: bytes, key: bytes, digest: Digest) -> Entry | None:
    """The entry of this key; None: it is not what was put there."""
    seal, packed = blob[:_SEAL_BYTES], blob[_SEAL_BYTES:]
    if not hmac.compare_digest(seal, digest(_PREFIX + packed)):
        return None
    try:
        entry = _UNPACK(packed)
    except (msgspec.DecodeError, ValueError):
        return None
    return entry if entry.key == key else None
