"""Streams of the Responses API, written, from any dialect's events. Must not know how single parts are told."""

from collections.abc import Iterable

from msgspec import Raw, structs

from headgate.core.calls import CallRestorer
from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.problems import Problem
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_responses.errors import error_members
from headgate.dialects.openai_responses.reply import Envelope
from headgate.dialects.openai_responses.replying import (
    WRITERS,
    Item,
    PartWriter,
    Pen,
    id_of,
    prefix_of,
    write_opaque,
    write_sealed,
)
from headgate.dialects.openai_responses.wire import NAME, members_of

_Told = Started | PartStarted | PartEnded | Opaque | Finished | Failed


class StreamRenderer:
    """Events in, bytes of a streamed answer out; `response` is the response object as it is at the end."""

    def __init__(self, reply_to: ReplyTo) -> None:
        self.dropped: set[str] = set()
        self.response: dict[str, object] = {}
        self._reply_to = reply_to
        self._calls = CallRestorer(reply_to.echo)
        self._pen = Pen()
        self._envelope: Envelope | None = None
        self._items: list[Item] = []
        self._at_home: dict[str, Item] = {}
        """Items by the place that the service told, while they are open: several parts may belong to one."""
        self._inserted: dict[str, dict[int, Raw]] = {}
        self._writers: dict[int, PartWriter] = {}
        self._hung: dict[int, dict[str, Raw]] = {}
        self._has_refusal = False

    def render(self, events: Iterable[Event]) -> bytes:
        """The bytes of `events`."""
        for event in self._calls.restore(events):
            if isinstance(event, PartDelta):
                writer = self._writers.get(event.index)
                if writer is not None:
                    writer.more(event.text)
            else:
                self._write(event)
        return self._pen.take()

    def _write(self, event: _Told) -> None:
        match event:
            case Started():
                self._begin(event)
            case PartStarted():
                self._start_part(event)
            case PartEnded():
                self._end_part(event)
            case Opaque():
                self._write_opaque(event)
            case Finished():
                self._finish(event)
            case failed:
                self._fail(failed.problem)

    def _begin(self, event: Started) -> Envelope:
        self._envelope = Envelope(event, self._reply_to)
        running = self._envelope.running()
        self._pen.event("response.created", {"response": running})
        self._pen.event("response.in_progress", {"response": running})
        return self._envelope

    def _open(self) -> Envelope:
        return self._envelope or self._begin(Started())

    def _start_part(self, event: PartStarted) -> None:
        is_home = self._open().is_home
        make = WRITERS.get(event.kind)
        if make is None or event.choice:
            self.dropped.add("choices" if event.choice else event.kind)
            return
        self._has_refusal |= event.kind == "refusal"
        form = event.form if is_home else ""
        item = self._at_home.get(form)
        if item is None or item.is_done:
            item = self._new_item(prefix_of(event), id_of(event) if is_home else "", form)
            if form:
                self._at_home[form] = item
                item.inserted = self._inserted.get(form, {})
        self._writers[event.index] = make(self._pen, item, event)

    def _new_item(self, prefix: str, item_id: str = "", told: str = "") -> Item:
        """An item at the place that the service told, or behind the others."""
        envelope = self._open()
        place = int(told) if told.isdigit() else len(self._items)
        item_id = item_id or f"{prefix}_{envelope.id.removeprefix('resp_')[-40:]}_{place}"
        item = Item(place=place, id=item_id, is_home=envelope.is_home)
        self._items.append(item)
        return item

    def _end_part(self, event: PartEnded) -> None:
        writer = self._writers.pop(event.index, None)
        if writer is None:
            return
        if not writer.item.is_home and event.extras:
            event = structs.replace(event, extras={})
        writer.end(event, self._hung.pop(event.index, {}))
        if event.signature is not None and not writer.holds_signature:
            write_sealed(self._pen, self._new_item("rs"), event.signature)

    def _write_opaque(self, event: Opaque) -> None:
        if event.dialect != NAME:
            self.dropped.add(event.name)
        elif event.index is not None:
            self._hung.setdefault(event.index, {})[event.slot] = event.raw
        elif event.slot == "event":
            self._pen.event(event.name, {**members_of(event.raw), "sequence_number": self._pen.count})
        elif event.slot.isdigit():
            self._open()
            write_opaque(self._pen, self._new_item("item", told=event.slot), event.raw)
        else:
            place, _, index = event.slot.partition(":")
            inserted = self._inserted.setdefault(place, {})
            inserted[int(index)] = event.raw
            if (item := self._at_home.get(place)) is not None:
                item.inserted = inserted

    def _finish(self, event: Finished) -> None:
        envelope = self._open()
        if event.reason == "refusal" and not self._has_refusal and not envelope.is_home:
            event = structs.replace(event, reason="content_filter")  # without words of refusal, the only way to say it
        for index in tuple(self._writers):
            self._end_part(PartEnded(index=index))
        for item in self._items:
            item.close(self._pen)
        output = [item.members for item in sorted(self._items, key=_place)]
        self.response, name = envelope.ended(event, output, self._reply_to.now_s)
        self._pen.event(name, {"response": self.response})

    def _fail(self, problem: Problem) -> None:
        """As OpenAI tells it: `error`, on which the SDKs raise, then `response.failed`, on which Codex does.

        What was under way is left open: nothing may look complete.
        """
        envelope = self._envelope or Envelope(Started(), self._reply_to)
        error = error_members(problem)
        flat = {name: error[name] for name in ("code", "message", "param")}
        self._pen.event("error", {**flat, "error": error})
        output = [item.members for item in self._items if item.is_done]
        self.response = envelope.failed(problem, output)
        self._pen.event("response.failed", {"response": self.response})


def _place(item: Item) -> int:
    return item.place
