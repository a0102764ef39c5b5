"""One model under many names: how the tool that makes the catalogue tells that two of them mean the same."""

import re

AUTHORS = {
    "alibaba": "qwen",
    "meta": "meta-llama",
    "llama": "meta-llama",
    "mistral": "mistralai",
    "mistral-ai": "mistralai",
    "xai": "x-ai",
    "zai": "z-ai",
    "zai-org": "z-ai",
    "zhipu": "z-ai",
    "zhipuai": "z-ai",
    "thudm": "z-ai",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "deepseek-ai": "deepseek",
    "minimaxai": "minimax",
    "minimax-ai": "minimax",
    "nvidia-nim": "nvidia",
    "ibm": "ibm-granite",
    "xiaomimimo": "xiaomi",
    "stepfun-ai": "stepfun",
    "bytedance-seed": "bytedance",
    "google-vertex": "google",
    "gemini": "google",
    "amazon-bedrock": "amazon",
    "voyage": "voyageai",
    "bfl": "black-forest-labs",
    "ai21-labs": "ai21",
    "zero-one-ai": "01-ai",
}
"""Who made a model, by the names that hosts use; the right side is OpenRouter's, which most clients know."""

FAMILIES = (
    (r"gpt-|chatgpt|o[134](-|$)|text-embedding-|whisper|dall-e|davinci|codex-|tts-1|omni-moderation|sora-", "openai"),
    (r"claude", "anthropic"),
    (r"gemini|gemma|imagen|veo-|palm|text-bison|learnlm|medgemma", "google"),
    (r"llama|codellama", "meta-llama"),
    (r"qwen|qwq|qvq|wan2|tongyi", "qwen"),
    (r"deepseek", "deepseek"),
    (r"(open-)?mi[sx]tral|codestral|devstral|ministral|magistral|pixtral|voxtral|mathstral|leanstral", "mistralai"),
    (r"glm|codegeex|cogview|cogvideo|chatglm", "z-ai"),
    (r"kimi|moonshot", "moonshotai"),
    (r"minimax|abab", "minimax"),
    (r"grok", "x-ai"),
    (r"command|c4ai|aya-|embed-(english|multilingual|v4)|rerank-", "cohere"),
    (r"nova-(lite|micro|pro|premier|2|sonic|canvas|reel)|titan", "amazon"),
    (r"phi-?\d|mai-", "microsoft"),
    (r"nemotron", "nvidia"),
    (r"granite", "ibm-granite"),
    (r"jamba|j2-", "ai21"),
    (r"mimo", "xiaomi"),
    (r"step-|stepfun", "stepfun"),
    (r"hunyuan|hy3", "tencent"),
    (r"ernie", "baidu"),
    (r"seed|doubao|skylark|seedream|seedance", "bytedance"),
    (r"sonar|r1-1776|pplx", "perplexity"),
    (r"solar", "upstage"),
    (r"palmyra", "writer"),
    (r"reka", "rekaai"),
    (r"mercury", "inception"),
    (r"hermes", "nousresearch"),
    (r"olmo|molmo|tulu", "allenai"),
    (r"voyage", "voyageai"),
    (r"jina", "jina"),
    (r"flux", "black-forest-labs"),
    (r"falcon", "tiiuae"),
    (r"dbrx", "databricks"),
    (r"exaone", "lgai"),
    (r"yi-", "01-ai"),
    (r"ling-|ring-", "inclusionai"),
    (r"trinity|arcee|virtuoso", "arcee-ai"),
    (r"lfm", "liquid"),
    (r"sarvam", "sarvam"),
)

SAME = {
    "llama-3-3-70b": "llama-3-3-70b-instruct",
    "llama-3-3-70b-versatile": "llama-3-3-70b-instruct",
    "llama-3-1-8b-instant": "llama-3-1-8b-instruct",
    "llama-4-scout": "llama-4-scout-17b-16e-instruct",
    "llama-4-scout-17b-instruct": "llama-4-scout-17b-16e-instruct",
    "llama-4-maverick": "llama-4-maverick-17b-128e-instruct",
    "llama-4-maverick-17b-instruct": "llama-4-maverick-17b-128e-instruct",
    "mistral-nemo-instruct-2407": "mistral-nemo",
    "open-mistral-nemo": "mistral-nemo",
    "claude-4-opus": "claude-opus-4",
    "claude-4-sonnet": "claude-sonnet-4",
    "claude-opus-4-0": "claude-opus-4",
    "claude-sonnet-4-0": "claude-sonnet-4",
    "kimi-k2-0905-preview": "kimi-k2-instruct-0905",
    "kimi-k2-0905": "kimi-k2-instruct-0905",
    "kimi-k2-0711-preview": "kimi-k2-instruct",
    "qwen3-coder-480b-a35b": "qwen3-coder-480b-a35b-instruct",
    "nova-lite-v1": "nova-lite",
    "nova-micro-v1": "nova-micro",
    "nova-pro-v1": "nova-pro",
    "nova-premier-v1": "nova-premier",
    "nova-2-lite-v1": "nova-2-lite",
}
"""Names of one model that no rule joins: each pair is the same weights under the hosts' own words."""

_WRAPPING = re.compile(
    r"^(?:accounts/[^/]+/(?:models|routers)/|models/|publishers/[^/]+/models/|@cf/|@hf/|workers-ai/|hf:|~)"
)
_REGION = re.compile(r"^(?:us|eu|apac|ap|au|jp|ca|global|us-gov|sa|me)\.(?=[a-z0-9]+\.)")
_VENDOR = re.compile(
    r"^(?:anthropic|meta|amazon|mistral|cohere|ai21|deepseek|openai|qwen|google|nvidia|minimax|moonshot|moonshotai"
    r"|zai|writer|xai|stability|twelvelabs|luma)\.(?=[a-z])"
)
_REVISION = re.compile(r"(?:-v\d+)?:\d+(?::\d+k|:mm)?$|(?<=\d{8})-v\d+$|(?<=-\d)-v1$")
_PREFIX = re.compile(
    r"^(?:databricks|openai|anthropic|google|zai-org|mistral)-{1,2}(?=gpt|o[134]|claude|gemini|gemma|(?:meta-)?llama|qwen|glm|mi[sx]tral)"
)
_DATE = re.compile(r"[-@](20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?=$|:)")
_ORDER = {"global.": 0, "": 1, "us.": 2, "eu.": 3}


def bare(name: str) -> tuple[str, str]:
    """A host's name of a model as author (may be empty) and name, without what the host wraps around it."""
    name = _WRAPPING.sub("", name.strip().lower())
    author, _, last = name.rpartition("/")
    region = _REGION.match(last)
    last = last[region.end() :] if region else last
    if vendor := _VENDOR.match(last):
        author, last = vendor[0][:-1], last[vendor.end() :]
        last = _REVISION.sub("", last)
    last = _PREFIX.sub("", last)
    author = author.rpartition("/")[2]
    return AUTHORS.get(author, author), last.removesuffix("-maas").removesuffix("@default").removesuffix("@latest")


def dated(name: str) -> tuple[str, str]:
    """A bare name without its date, and the date as YYYY-MM-DD (may be empty)."""
    found = _DATE.search(name)
    if found is None:
        return name, ""
    return name[: found.start()] + name[found.end() :], f"{found[1]}-{found[2]}-{found[3]}"


def key(name: str) -> str:
    """What two names of the same model have in common. Letter case and punctuation do not tell models apart."""
    text = dated(bare(name)[1])[0]
    text = re.sub(r"(?<=\d)p(?=\d)", "-", text)
    text = re.sub(r"[._ /@]+", "-", text).strip("-")
    text = re.sub(r"^meta-(?=llama)", "", text)
    text = re.sub(r"^(llama)(?=\d)", r"\1-", text)
    text = re.sub(r"^claude-([4-9])(?:-(\d))?-(opus|sonnet|haiku)$", _family_first, text)
    if text.startswith("claude"):
        text = text.removesuffix("-latest")
    return SAME.get(text, text)


def _family_first(found: re.Match[str]) -> str:
    """`claude-4.5-haiku` as its maker says it."""
    return "-".join(filter(None, ("claude", found[3], found[1], found[2])))


def author_of(name: str, host: str) -> str:
    """Who made a model: by its family, else as its name says, else its host."""
    author, last = bare(name)
    for family, maker in FAMILIES:
        if re.match(rf"(?:meta-|hf-|nvidia-)?(?:{family})", last) and not (author and author not in MAKERS):
            return maker
    return author or AUTHORS.get(host, host)


MAKERS = {maker for _, maker in FAMILIES} | set(AUTHORS.values())


def place(name: str) -> tuple[int, int, str]:
    """The order among a host's names of one model: those that work from everywhere first, plain before special."""
    lower = name.lower()
    region = _REGION.match(lower)
    return (_ORDER.get(region[0] if region else "", 4), len(name), name)
