"""OpenAI's `prompt_cache_key`: calls with the same beginning go to where its cache is, if they say the same word. Pure.

https://platform.openai.com/docs/guides/prompt-caching (2026-11)
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.dialects.base import PromptMark

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def key_prompt(body: bytes, mark: PromptMark) -> bytes:
    """The body of a request with the key, unless its caller has given one; every other member byte for byte."""
    if not mark.key or b'"prompt_cache_key"' in body:
        return body
    return _ENCODE(_MEMBERS(body) | {"prompt_cache_key": Raw(_ENCODE(mark.key))})
