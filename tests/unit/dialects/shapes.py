"""What every dialect is tried with: a request and an answer, written by the dialect itself, and ways to bend JSON."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, fold
from headgate.core.request import (
    Image,
    Inline,
    Knobs,
    Message,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.usage import Usage
from headgate.dialects import eventstream
from headgate.dialects.base import Dialect, ReplyTo, Target
from headgate.dialects.registry import DIALECTS

MODEL = "anthropic.claude-x"  # whose format of InvokeModel has everything
PIXEL = Inline("image/png", base64.b64encode(b"a picture").decode())
EVENTS: list[Event] = [
    Started(id="msg_1", model=MODEL, created=7),
    PartStarted(index=0, kind="reasoning"),
    PartDelta(0, "So, "),
    PartDelta(0, "hm."),
    PartEnded(index=0),
    PartStarted(index=1, kind="text"),
    PartDelta(1, "Grüße"),
    PartDelta(1, ', "you".'),
    PartEnded(index=1),
    PartStarted(index=2, kind="tool_call", id="call_1", name="add"),
    PartDelta(2, '{"a":'),
    PartDelta(2, "[1,2]}"),
    PartEnded(index=2),
    PartStarted(index=3, kind="tool_call", id="call_2", name="stop"),
    PartDelta(3, "{}"),
    PartEnded(index=3),
    Finished(reason="tool_calls", usage=Usage(input_tokens=41, output_tokens=13)),
]
REQUEST = Request(
    dialect="",
    model=MODEL,
    messages=(
        Message(role="system", parts=(Text(text="Be brief."),)),
        Message(role="user", parts=(Text(text="Look."), Image(source=PIXEL))),
        Message(
            role="assistant",
            parts=(Reasoning(text="Hm."), Text(text="Adding."), ToolCall(id="c1", name="add", arguments='{"a":[1]}')),
        ),
        Message(role="tool", parts=(ToolResult(call_id="c1", name="add", parts=(Text(text="1"),)),)),
        Message(role="user", parts=(Text(text="And now?"),)),
    ),
    tools=(Tool(name="add", description="Adds.", parameters=Raw(b'{"type":"object","properties":{"a":{}}}')),),
    tool_choice=ToolChoice(mode="auto"),
    knobs=Knobs(
        max_tokens=99, temperature=0.5, stop=("END",), output_format=OutputFormat(schema=Raw(b'{"type":"object"}'))
    ),
)
REPLY_TO = ReplyTo(id="ours", model="asked")
TARGET = Target(model=MODEL)


def whole(dialect: Dialect) -> Any:
    """The answer as the dialect's own service would write it."""
    return json.loads(dialect.render_response(EVENTS, REPLY_TO, set()))


def stream(dialect: Dialect) -> "Stream":
    """The same, as a stream."""
    return Stream(dialect.stream_renderer(REPLY_TO).render(EVENTS), dialect)


class Stream:
    """A stream's JSON documents, with what stands around each."""

    def __init__(self, wire: bytes, dialect: Dialect) -> None:
        self.documents: list[Any] = []
        self._frames: list[Callable[[bytes], bytes]] = []
        if dialect.stream_type.startswith(eventstream.CONTENT_TYPE):
            for message in eventstream.Splitter().feed(wire):
                self._add_message(message)
        else:
            for piece in re.findall(rb".+?\n(?:\r?\n)*", wire, re.DOTALL):
                self._add_line(piece)

    def _add_line(self, piece: bytes) -> None:
        found = re.fullmatch(rb"((?:data: ?)?)(\{.*\})(\s*)", piece)
        if found is None:
            self._frames.append(lambda _: piece)
            self.documents.append(None)
        else:
            self._frames.append(lambda data: found[1] + data + found[3])
            self.documents.append(json.loads(found[2]))

    def _add_message(self, message: eventstream.Message) -> None:
        payload = json.loads(message.payload)
        if set(payload) == {"bytes"}:
            self.documents.append(json.loads(base64.b64decode(payload["bytes"])))
            self._frames.append(
                lambda data: _framed(message, json.dumps({"bytes": base64.b64encode(data).decode()}).encode())
            )
        else:
            self.documents.append(payload)
            self._frames.append(lambda data: _framed(message, data))

    def wire(self, documents: list[Any]) -> list[bytes]:
        """The bytes of each event, with these documents in it."""
        return [frame(json.dumps(document).encode()) for frame, document in zip(self._frames, documents, strict=True)]


def _framed(message: eventstream.Message, payload: bytes) -> bytes:
    return eventstream.render(eventstream.Message(payload, message.headers))


def read(dialect: Dialect, wire: bytes) -> list[Event]:
    """The events of a stream."""
    parser = dialect.stream_parser()
    return parser.feed(wire) + parser.close()


def faults(events: list[Event]) -> Iterator[str]:
    """Where a sequence of events breaks the order that `core.events` promises."""
    if [event for event in events if isinstance(event, Finished | Failed)] != events[-1:]:
        yield "it does not end once"
    open_parts: set[int] = set()
    seen: set[int] = set()
    for place, event in enumerate(events):
        match event:
            case Started() if place and isinstance(events[place - 1], PartStarted | PartDelta):
                yield "it starts late"
            case PartStarted(index=index):
                if index in seen:
                    yield f"part {index} starts twice"
                seen.add(index)
                open_parts.add(index)
            case PartDelta(index) if index not in open_parts:
                yield f"part {index} grows though it is not open"
            case PartEnded(index=index):
                if index not in open_parts:
                    yield f"part {index} ends though it is not open"
                open_parts.discard(index)
            case Finished(usage=usage):
                if open_parts:
                    yield f"parts {open_parts} stay open"
                if usage is not None and min(usage.input_tokens, usage.output_tokens, usage.cached_tokens) < 0:
                    yield f"it counts below nothing: {usage}"
            case _:
                pass


ODD = st.sampled_from(
    [None, 0, -1, 1.5, 10**30, 1e308, "", "x", [], {}, True, [None], [[]], [{}], {"a": None}, {"type": "x"}, [1, "x"]]
)
ADDED = st.sampled_from([None, 0, "x", [], {}, [{}], {"index": 5}, {"text": "no"}, True])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def bent(draw: st.DrawFn, document: Any) -> Any:
    """The document with a member or two dropped, made null, of another type, repeated or new."""
    document = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(document))))
        if not path:
            continue
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["drop", "odd", "odd", "repeat", "add"])):
            case "drop":
                del holder[path[-1]]
            case "repeat" if isinstance(holder, list):
                holder.insert(path[-1], json.loads(json.dumps(holder[path[-1]])))
            case "add" if isinstance(holder[path[-1]], dict):
                holder[path[-1]]["unheard_of"] = draw(ODD)
            case _:
                holder[path[-1]] = json.loads(json.dumps(draw(ODD)))
    return document


@st.composite
def richer(draw: st.DrawFn, document: Any, *, closed: tuple[str, ...] = ()) -> Any:
    """The document with members that nobody has heard of, anywhere but below the `closed` ones."""
    document = json.loads(json.dumps(document))
    open_places = [path for path in places(document) if not set(path) & set(closed)]
    for path in draw(st.lists(st.sampled_from(open_places), max_size=4)):
        inner = document
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict):
            inner[draw(st.sampled_from(["unheard_of", "zz"]))] = draw(ADDED)
    return document


def told(answer: Answer) -> tuple[Any, ...]:
    """What must not get lost: words, calls, thoughts, counts and the end."""
    counts = (answer.usage.input_tokens, answer.usage.output_tokens) if answer.usage else None
    kinds = {kind: "".join(part.text for part in answer.parts if part.kind == kind) for kind in ("text", "reasoning")}
    calls = [(part.name, json.loads(part.text or "{}")) for part in answer.parts if part.kind == "tool_call"]
    return kinds, calls, counts, answer.reason, answer.problem


TOLD = told(fold(EVENTS))
NAMES = st.sampled_from(sorted(DIALECTS))
