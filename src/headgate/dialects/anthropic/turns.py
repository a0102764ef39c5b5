"""Messages as the turns that Anthropic wants: instructions apart, users and assistants by turns, results first."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Raw, Struct, field

from headgate.core.problems import Unrenderable
from headgate.core.request import Foreign, Message, Refused, Request, Text, ToolResult
from headgate.dialects.anthropic.blocks import Block, Pen, block_of, blocks_of

_INSTRUCTS: Final = ("system", "developer")

_FILLER: Final = "."
"""Stands for the caller's turn where a conversation begins without one, since Anthropic wants it to come first."""


class Turn(Struct, kw_only=True):
    """Consecutive messages of one side. Results of tools come before everything else in it."""

    role: str
    results: list[Block | Raw] = field(default_factory=list["Block | Raw"])
    blocks: list[Block | Raw] = field(default_factory=list["Block | Raw"])

    @property
    def wire(self) -> Block:
        """The turn as a message."""
        return {"role": self.role, "content": [*self.results, *self.blocks]}


def own_messages(request: Request, pen: Pen) -> tuple[object, list[Block]]:
    """`system` and `messages` of a request of this dialect, as it spelt them; system None: it had none."""
    system: object = None
    messages: list[Block] = []
    for message in request.messages:
        if message.form in ("string", "blocks") and message.role == "system":
            system = _content(message, pen)
        else:
            messages.append({"role": message.role, "content": _content(message, pen), **message.extras})
    return system, messages


def _content(message: Message, pen: Pen) -> object:
    if message.form.endswith("string") and len(message.parts) == 1 and isinstance(message.parts[0], Text):
        return message.parts[0].text
    return blocks_of(message.parts, message.role, pen)


def foreign_messages(request: Request, pen: Pen) -> tuple[object, list[Block]]:
    """`system` and `messages` of a request of another dialect."""
    messages = request.messages
    for message in messages:
        if message.name:
            pen.dropped.add("messages.name")
        pen.drop_all(message.extras, "messages.")
    first = next((at for at, message in enumerate(messages) if message.role not in _INSTRUCTS), len(messages))
    instructions = [block for message in messages[:first] for block in _instruction(message, pen)]
    return _system(instructions), [turn.wire for turn in _turns(messages[first:], pen)]


def _system(instructions: list[Block]) -> object:
    if not instructions:
        return None
    if len(instructions) == 1 and instructions[0].keys() == {"type", "text"}:
        return instructions[0]["text"]
    return instructions


def _instruction(message: Message, pen: Pen) -> list[Block]:
    blocks: list[Block] = []
    for part in message.parts:
        if not isinstance(part, Text | Refused | Foreign):
            raise Unrenderable("the Messages API takes only text as instructions", param="messages")
        block = block_of(part, "system", pen)
        if isinstance(block, dict):
            blocks.append(block)
    return blocks


def _turns(messages: Sequence[Message], pen: Pen) -> Iterable[Turn]:
    turns: list[Turn] = []
    for at, message in enumerate(messages):
        if message.role in _INSTRUCTS:
            _instruct(turns, message, messages[at + 1 :], pen)
        elif message.role == "assistant":
            _turn(turns, "assistant").blocks += blocks_of(message.parts, "assistant", pen)
        else:
            turn = _turn(turns, "user")
            for part in message.parts:
                block = block_of(part, "user", pen)
                if block is not None:
                    (turn.results if isinstance(part, ToolResult) else turn.blocks).append(block)
    turns = _joined(turn for turn in turns if turn.results or turn.blocks)
    if not turns or turns[0].role != "user":
        pen.dropped.add("messages (a first user turn was added)")
        turns.insert(0, Turn(role="user", blocks=[{"type": "text", "text": _FILLER}]))
    return turns


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


def _instruct(turns: list[Turn], message: Message, rest: Sequence[Message], pen: Pen) -> None:
    """Instructions amid the conversation: in their own role where the model takes it, else in the user's words.

    Their own role may stand only after the user's turn and before the assistant's (or at the end):
    https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages (2026-11)
    """
    blocks = _instruction(message, pen)
    if not blocks:
        return
    follower = next((after.role for after in rest if after.role not in _INSTRUCTS), "assistant")
    may_stand = bool(turns) and turns[-1].role in ("user", "system") and follower == "assistant"
    if pen.traits.has_system_turns and may_stand:
        _turn(turns, "system").blocks += blocks
        return
    pen.dropped.add("messages.system (moved)")
    turn = _turn(turns, "user")
    for block in blocks:
        turn.blocks.append({**block, "text": f"<system>\n{block['text']}\n</system>"})
