"""Recorded exchanges that a check does not hold for, each with its reason: the one table, so nothing is passed over.

By check, then by the id of the exchange.
"""

_OF_ANOTHER_KIND = {
    "498185c53be8611aed25": "vertex: made up by an SDK's tests to be no answer of Gemini",
    "c7699116c46111ab3815": "vertex: an answer of the embeddings API, filed under generateContent",
    "e212c9290d6dd3bd9c56": "azure: a chat completion, filed under /responses",
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
    "same_dialect_answers": {
        **_OF_ANOTHER_KIND,
        "7ac27caa3fe472bb7084": "bedrock: a function call without an id of its own, which SDKs want: one is supplied",
        "a3f3fcadfb8faa3bed70": "bedrock: no UTF-8, so that no other reader reads it",
    },
    "a_stream_folds_to_the_whole": {
        **_OF_ANOTHER_KIND,
        "38612e94460e8cc774c5": "bedrock: counts a message's contents from 1 in the stream and from 0 at its end",
        "030bf5e258e7553292e1": "bedrock: without usage, which a stream of Anthropic's cannot be",
    },
    "other_dialects_tell_the_answer": _OF_ANOTHER_KIND,
}
