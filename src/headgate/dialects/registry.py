"""Every dialect by name. The one place that knows them all; a dialect itself knows no other."""

from headgate.dialects import anthropic, cohere, gemini, ollama, openai_chat, openai_responses
from headgate.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        openai_chat.DIALECT,
        openai_responses.DIALECT,
        anthropic.DIALECT,
        gemini.DIALECT,
        cohere.DIALECT,
        ollama.DIALECT,
    )
}
