"""Messages as the turns that Converse wants: instructions apart, users and assistants by turns, results first."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.problems import Unrenderable
from headgate.core.request import Audio, File, Foreign, Image, Message, Part, Refused, Request, Text, ToolResult
from headgate.dialects.bedrock_converse.blocks import Block, Pen, blocks_of, blocks_of_part

_INSTRUCTS: Final = ("system", "developer")

_FILLER: Final = "."
"""Stands for the caller's words where Converse wants some: before the first answer, and beside a document."""

_CALLERS: Final[dict[type[Part], str]] = {Image: "image", Audio: "audio", File: "document"}


class Turn(Struct, kw_only=True):
    """Consecutive messages of one side. Results of tools come before everything else in it."""

    role: str
    results: list[Block | Raw] = field(default_factory=list["Block | Raw"])
    blocks: list[Block | Raw] = field(default_factory=list["Block | Raw"])

    @property
    def wire(self) -> Block:
        """The turn as a message."""
        return {"role": self.role, "content": [*self.results, *self.blocks]}


def own_messages(request: Request, pen: Pen) -> tuple[list[Block | Raw], list[Block]]:
    """`system` and `messages` of a request of this dialect, as it spelt them."""
    system: list[Block | Raw] = []
    messages: list[Block] = []
    for message in request.messages:
        content = blocks_of(message.parts, pen)
        if message.form == "system":
            system = content
        else:
            messages.append({"role": message.role, "content": content})
    return system, messages


def foreign_messages(request: Request, pen: Pen) -> tuple[list[Block | Raw], list[Block]]:
    """`system` and `messages` of a request of another dialect."""
    messages = request.messages
    for message in messages:
        if message.name:
            pen.dropped.add("messages.name")
        pen.drop_all(message.extras, "messages.")
    first = next((at for at, message in enumerate(messages) if message.role not in _INSTRUCTS), len(messages))
    system = [block for message in messages[:first] for block in _instruction(message, pen)]
    turns = _turns(messages[first:], pen)
    for turn in turns:
        _accompany(turn, pen)
    return system, [turn.wire for turn in turns]


def _instruction(message: Message, pen: Pen) -> list[Block | Raw]:
    for part in message.parts:
        if not isinstance(part, Text | Refused | Foreign):
            raise Unrenderable("Converse takes only text as instructions", param="messages")
    return blocks_of(message.parts, pen)


def _turns(messages: Sequence[Message], pen: Pen) -> list[Turn]:
    turns: list[Turn] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        turn = _turn(turns, role)
        if message.role in _INSTRUCTS:
            pen.dropped.add("messages.system (moved)")
            turn.blocks += [_as_users(block) for block in _instruction(message, pen)]
            continue
        for part in message.parts:
            home = turn.results if isinstance(part, ToolResult) else turn.blocks
            home += _side(part, role, pen)
    turns = _joined(turn for turn in turns if turn.results or turn.blocks)
    if not turns or turns[0].role != "user":
        pen.dropped.add("messages (a first user turn was added)")
        turns.insert(0, Turn(role="user", blocks=[{"text": _FILLER}]))
    return turns


def _side(part: Part, role: str, pen: Pen) -> list[Block | Raw]:
    """The blocks of a part; pictures, sounds and documents are the caller's side's alone."""
    what = _CALLERS.get(type(part)) if role == "assistant" else None
    if what is None:
        return blocks_of_part(part, pen)
    pen.dropped.add(f"messages.{what}")
    return []


def _turn(turns: list[Turn], role: str) -> Turn:
    if not turns or turns[-1].role != role:
        turns.append(Turn(role=role))
    return turns[-1]


def _joined(turns: Iterable[Turn]) -> list[Turn]:
    """Turns that stand side by side once empty ones are gone become one."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1].results += turn.results
            joined[-1].blocks += turn.blocks
        else:
            joined.append(turn)
    return joined


def _as_users(block: Block | Raw) -> Block | Raw:
    """Instructions amid the conversation, in the user's words; a cache point stays one."""
    if isinstance(block, dict) and "text" in block:
        return {"text": f"<system>\n{block['text']}\n</system>"}
    return block


def _accompany(turn: Turn, pen: Pen) -> None:
    """A document must not stand without words.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html (2026-11)
    """
    names = {name for block in turn.blocks if isinstance(block, dict) for name in block}
    if "document" in names and "text" not in names:
        pen.dropped.add("messages (a text was added beside a document)")
        turn.blocks.append({"text": _FILLER})
