"""Answers in memory, within bounds. What goes first is what saves least for its size and was not asked for lately.

GreedyDual-Size (Cao and Irani 1997): an entry's priority is what it saves per byte on top of the priority of the last
one that had to go, and is renewed with every use.
"""

import heapq
from collections.abc import Callable
from threading import Lock

from msgspec import Struct

from headgate.cache.entries import Entry


class Held(Struct, gc=False):
    """An entry, and how it has been told so far."""

    entry: Entry
    size: int
    priority: float
    forms: dict[tuple[object, ...], bytes]
    """Answers as they go out, by what they depend on."""


class Purge(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which answers are to go: those that fit everything said here; nothing said: all."""

    key: bytes = b""
    tenant: str = ""
    """An organisation, team or key: what its callers have asked for."""
    tag: str = ""
    model: str = ""
    """As asked for, the provider's own name of it, or both together as `provider/model`."""
    namespace: str | None = None
    before_us: int = 0
    """Stored earlier; 0: whenever."""

    def fits(self, entry: Entry) -> bool:
        """Whether it is meant."""
        return (
            (not self.key or self.key == entry.key)
            and (not self.tenant or self.tenant in (entry.key_id, entry.team, entry.organisation))
            and (not self.tag or self.tag in entry.tags)
            and (self.namespace is None or self.namespace == entry.namespace)
            and (not self.before_us or entry.stored_us < self.before_us)
            and (not self.model or self.model in names_of(entry))
        )


def names_of(entry: Entry) -> tuple[str, ...]:
    """All that the model of an answer is called."""
    return entry.model, entry.upstream, f"{entry.provider}/{entry.upstream}"


class Shelf:
    """For any thread."""

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._held: dict[bytes, Held] = {}
        self._queue: list[tuple[float, int, bytes]] = []
        """By priority; what was used meanwhile stands there with an old one too."""
        self._number = 0
        self._floor = 0.0
        self._lock = Lock()
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._held)

    def find(self, key: bytes, now_us: int) -> Held | None:
        """What is kept under a key, unless it is too old."""
        held = self._held.get(key)
        if held is None:
            return None
        with self._lock:
            if held.entry.expires_us <= now_us:
                self._drop(key)
                return None
            self._raise(held)
        return held

    def put(self, entry: Entry) -> Held | None:
        """Keeps an entry in place of any other of its key; None: it is too large to be kept."""
        if entry.size > self._bytes_max:
            return None
        held = Held(entry, entry.size, 0.0, {})
        with self._lock:
            self._drop(entry.key)
            self._held[entry.key] = held
            self.bytes += held.size
            self._raise(held)
            self._shrink()
        return held

    def tell(self, held: Held, form: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """The answer in a form, which is made once."""
        made = held.forms.get(form)
        if made is None:
            made = make()
            with self._lock:
                if self._held.get(held.entry.key) is held and form not in held.forms:
                    held.forms[form] = made
                    held.size += len(made)
                    self.bytes += len(made)
                    self._shrink()
        return made

    def purge(self, wanted: Purge) -> int:
        """Takes out what is meant. Returns how many that were."""
        with self._lock:
            meant = [key for key, held in self._held.items() if wanted.fits(held.entry)]
            for key in meant:
                self._drop(key)
        return len(meant)

    def _raise(self, held: Held) -> None:
        priority = self._floor + held.entry.worth / held.size
        if priority > held.priority:
            held.priority = priority
            self._number += 1
            heapq.heappush(self._queue, (priority, self._number, held.entry.key))
        if len(self._queue) > 4 * len(self._held) + 64:
            self._queue = [(each.priority, at, key) for at, (key, each) in enumerate(self._held.items())]
            self._number = len(self._queue)
            heapq.heapify(self._queue)

    def _shrink(self) -> None:
        while self.bytes > self._bytes_max or len(self._held) > self._entries_max:
            priority, _, key = heapq.heappop(self._queue)
            held = self._held.get(key)
            if held is not None and held.priority == priority:
                self._floor = priority
                self._drop(key)
                self.evicted += 1

    def _drop(self, key: bytes) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self.bytes -= held.size
