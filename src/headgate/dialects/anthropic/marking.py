"""Where a prompt is marked for Anthropic's cache when its caller has marked nothing. Pure.

What comes before the messages is marked where it is long enough to be kept at all; the last message where the
conversation goes on, since the next turn begins with all of it. The cache looks back by itself for what it knows.
https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching (2026-11)
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.dialects.base import PromptMark

BYTES_MIN: Final = 4096
"""About 1024 tokens: a shorter beginning is not kept by any model."""
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_LIST: Final = msgspec.json.Decoder(list[Raw]).decode
_OBJECT: Final = msgspec.json.Decoder(dict[str, object]).decode
_TEXT: Final = msgspec.json.Decoder(str).decode
_ENCODE: Final = msgspec.json.Encoder().encode
_MARKABLE: Final = frozenset({"text", "image", "document", "tool_result", "tool_use"})


def mark_prompt(body: bytes, mark: PromptMark) -> bytes:
    """The body of a request with `cache_control` where it pays; as it is where its caller has placed some, or it is
    short. What is not marked stays byte for byte."""
    if len(body) < BYTES_MIN or b'"cache_control"' in body:
        return body
    said = Raw(_ENCODE({"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}))
    members = _MEMBERS(body)
    system, tools = members.get("system", Raw(b"[]")), members.get("tools", Raw(b"[]"))
    is_marked = False
    if len(bytes(system)) + len(bytes(tools)) >= BYTES_MIN:
        for name in ("system", "tools"):
            found = _marked_last(members[name], said, is_tools=name == "tools") if name in members else None
            if found is not None:
                members[name], is_marked = found, True
                break
    messages = _marked_messages(members.get("messages", Raw(b"[]")), said)
    if messages is not None:
        members["messages"], is_marked = messages, True
    return _ENCODE(members) if is_marked else body


def _marked_messages(messages: Raw, said: Raw) -> Raw | None:
    """With the last one marked, of a conversation that has been answered before; None: there is nothing to mark."""
    turns = _LIST(messages)
    if len(turns) < 3:
        return None
    last = _MEMBERS(turns[-1])
    content = _marked_last(last["content"], said) if last.get("role") == Raw(b'"user"') and "content" in last else None
    if content is None:
        return None
    return Raw(_ENCODE([*turns[:-1], last | {"content": content}]))


def _marked_last(content: Raw, said: Raw, *, is_tools: bool = False) -> Raw | None:
    """Text or blocks with the last one marked; None: it cannot be."""
    if bytes(content).lstrip().startswith(b'"'):
        text = _TEXT(content)
        return Raw(_ENCODE([{"type": "text", "text": text, "cache_control": said}])) if text.strip() else None
    blocks = _LIST(content)
    if not blocks:
        return None
    last = _OBJECT(blocks[-1])
    is_empty = last.get("type") == "text" and not str(last.get("text", "")).strip()
    if not is_tools and (last.get("type") not in _MARKABLE or is_empty):
        return None
    return Raw(_ENCODE([*blocks[:-1], _MEMBERS(blocks[-1]) | {"cache_control": said}]))
