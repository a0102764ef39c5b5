"""Recorded exchanges that a check does not hold for, each with its reason: the one table, so nothing is passed over.

By check, then by the id of the exchange.
"""

_OF_ANOTHER_KIND = {
    "498185c53be8611aed25": "vertex: made up by an SDK's tests to be no answer of Gemini",
    "c7699116c46111ab3815": "vertex: an answer of the embeddings API, filed under generateContent",
    "e212c9290d6dd3bd9c56": "azure: a chat completion, filed under /responses",
    "8ea27504e657b9a619ac": "ollama: a chat completion, filed under /api/chat",
}
"""Read as what they are filed under they are refused, which is right."""

EXCEPTIONS: dict[str, dict[str, str]] = {
    "answers_are_complete": {
        **_OF_ANOTHER_KIND,
        "3bdc122dca51fc147691": "cerebras: the one chunk that says why it ended has a stray quote behind it",
        "e40006b241864e98e909": "gemini: cut off, no chunk has a finishReason",
        "41eb3bbe997dfdbf3968": "vertex: made up, one chunk without text or finishReason",
        "bbbcf824594d2483a340": "vertex: made up by an SDK's tests to be no answer of Gemini",
    },
    "usage_is_the_recorded": _OF_ANOTHER_KIND,
    "the_tap_tells_the_same_end": _OF_ANOTHER_KIND,
    "same_dialect_answers": _OF_ANOTHER_KIND,
    "a_stream_folds_to_the_whole": _OF_ANOTHER_KIND,
    "other_dialects_tell_the_answer": _OF_ANOTHER_KIND,
}
