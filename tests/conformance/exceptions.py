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

_SEVERAL_IN_ONE = {
    "4dfcb4e283e663732bd6": "anthropic: two answers, one after the other",
    "6b636f470f0772a992a0": "anthropic: two answers, one after the other",
    "7e4b5cea0fa0f2bdee8f": "anthropic: fifteen answers, one after the other",
    "5f6780a00f637dcd5797": "azure: four answers, one after the other",
    "4d7ca22b6f23e65bd0b0": "openai: two answers, one after the other",
    "ac44dfc74714a9c75da2": "openai: four answers, one after the other",
    "23dc4973c11ad64ae7d8": "gemini: a talk over the Live API, filed under streamGenerateContent",
    "2fe30245c047fbd5d9d5": "azure: a chat completion, filed under /responses",
}
"""An answer is read as far as it goes; what the recorder put behind it is not of the same call."""

EXCEPTIONS: dict[str, dict[str, str]] = {
    "answers_are_complete": {
        **_OF_ANOTHER_KIND,
        "3bdc122dca51fc147691": "cerebras: the one chunk that says why it ended has a stray quote behind it",
        "e40006b241864e98e909": "gemini: cut off, no chunk has a finishReason",
        "41eb3bbe997dfdbf3968": "vertex: made up, one chunk without text or finishReason",
        "bbbcf824594d2483a340": "vertex: made up by an SDK's tests to be no answer of Gemini",
        **_SEVERAL_IN_ONE,
    },
    "usage_is_the_recorded": _OF_ANOTHER_KIND | _SEVERAL_IN_ONE,
    "the_tap_tells_the_same_end": _OF_ANOTHER_KIND,
    "same_dialect_answers": {
        **_OF_ANOTHER_KIND,
        "7ac27caa3fe472bb7084": "bedrock: a function call without an id of its own, which SDKs want: one is supplied",
        "a3f3fcadfb8faa3bed70": "bedrock: no UTF-8, so that no other reader reads it",
    },
    "a_stream_folds_to_the_whole": {
        **_OF_ANOTHER_KIND,
        "030bf5e258e7553292e1": "bedrock: without usage, which a stream of Anthropic's cannot be",
    },
    "other_dialects_tell_the_answer": _OF_ANOTHER_KIND,
}

PASSED_OVER: tuple[tuple[str, str], ...] = (
    # what Headgate does not serve as a call of its own: it goes through as it is, at /{provider}/… where that is open
    (r"bedrock\w* .*/invoke$|vertex .*:predict$", "pictures by the older doors of Bedrock and Vertex AI"),
    (r"bedrock\w* .*/rerank$", "AWS's own rerank, beside that of its models"),
    (r"gemini .*:(batchGenerateContent|predictLongRunning)$", "Google's batches, and films: jobs"),
    (r"(gemini|vertex) .*/(files|fileSearchStores|cachedContents|batches|operations)", "Google's files, caches, jobs"),
    (r"gemini .*/(upload|download)/", "Google's files, caches, jobs"),
    (r"huggingface ", "tasks of single models at Hugging Face, no talks"),
    (r"replicate\.com", "Replicate's predictions: a job that is asked for again"),
    (r"ollama .*/api/(generate|show|tags|ps|version|pull)", "Ollama's completion of a text, and facts about models"),
    (r"/(fim/completions|ocr|images?|image/generate|search)$", "a service's own calls, no others' shape"),
    (r"deepgram|ml\.cloud\.ibm\.com|/traces/ingest$", "services of another kind: sound, traces"),
    (r"bedrock-agent-runtime", "agents kept by AWS"),
    (r"/(chat/completions|videos|agents|voices|me|credits|key|generation|endpoints?)(/|$)", "looked up at a service"),
    (r"/(realtime|realtime/\w+)(/|$)", "the handshake of live talks: the gateway mints secrets of its own"),
    (r"/organization/|contentunderstanding|/batch/jobs/", "an account's figures, and jobs of a service's own kind"),
    (r"/(models|engines|fine-tunes|fine_tunes)(/|$)|modelinfo|list", "lists of models: the gateway tells its own"),
    # what is retired by its maker
    (r"cohere\w* .*/v1/(chat|generate|tokenize)$|other_compat .*/v1/chat$", "retired: Cohere's first version"),
    (r"anthropic\w* .*/v1/complete$", "retired: Anthropic's completions of a text"),
    (r"openai\w* .*/v1/(answers|classifications|edits|other)$|/v1/engines/", "retired: OpenAI's API before chat"),
)
"""What no check looks at, and why: by family, method and path, the first that fits."""
