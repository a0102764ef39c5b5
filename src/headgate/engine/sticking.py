"""What makes calls belong together: the conversation, the user, the key or the prompt's beginning. Does no I/O."""

from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Raw

from headgate.engine.call import Call
from headgate.routing.affinity import Sticky

PREFIX_BYTES: Final = 4096
"""So much of a prompt's beginning tells one from another."""
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_ENTRIES: Final = msgspec.json.Decoder(list[Raw]).decode
_BEFORE: Final = ("tools", "system", "instructions", "systemInstruction", "system_instruction")
_TURNS: Final = ("messages", "input", "contents")


def key_of(call: Call, sticky: Sticky | None) -> str:
    """The key of the calls that this one belongs to; empty: it belongs to none."""
    match sticky:
        case None:
            return ""
        case "session":
            return call.record.session
        case "user":
            return call.record.user
        case "key":
            return call.principal.key_id
        case "prompt":
            return prompt_key(call.body)


def shared_prompt_key(call: Call) -> str:
    """The same for calls of one owner whose prompts begin alike; empty: there is no prompt. Tells nobody either."""
    found = prompt_key(call.body)
    return blake2b(f"{call.principal.owner}\0{found}".encode(), digest_size=16).hexdigest() if found else ""


def prompt_key(body: bytes) -> str:
    """The same for every turn of a conversation: of what comes before the first answer, which all of them repeat."""
    members = _MEMBERS(body)
    parts = [bytes(members[name]) for name in _BEFORE if name in members]
    for name in _TURNS:
        if name in members:
            parts += _opening(members[name])
    return blake2b(b"".join(parts)[:PREFIX_BYTES], digest_size=16).hexdigest() if parts else ""


def _opening(turns: Raw) -> list[bytes]:
    """Everything up to the first message of the user."""
    text = bytes(turns)
    if not text.startswith(b"["):
        return [text]
    found: list[bytes] = []
    for entry in _ENTRIES(text):
        found.append(bytes(entry))
        if b'"user"' in found[-1]:
            break
    return found
