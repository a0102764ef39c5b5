"""Every dialect by name. The one place that knows them all; a dialect itself knows no other."""

from msgspec import structs

from headgate.dialects import (
    anthropic,
    bedrock_converse,
    bedrock_invoke,
    cohere,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)
from headgate.dialects.base import Dialect
from headgate.dialects.gemini import predicting

_BY_THEMSELVES: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        openai_chat.DIALECT,
        openai_responses.DIALECT,
        anthropic.DIALECT,
        gemini.DIALECT,
        bedrock_converse.DIALECT,
        cohere.DIALECT,
        ollama.DIALECT,
    )
}

_OVER_OTHERS = (
    bedrock_invoke.dialect_over(_BY_THEMSELVES),
    structs.replace(gemini.DIALECT, name=predicting.NAME, sides=predicting.SIDES),
)
"""Dialects whose bodies are of the others', which they are handed here; and one that is another's but for a row."""

DIALECTS: dict[str, Dialect] = {**_BY_THEMSELVES, **{dialect.name: dialect for dialect in _OVER_OTHERS}}
