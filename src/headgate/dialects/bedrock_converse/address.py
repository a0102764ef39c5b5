"""Where a call of Converse goes: the path names the model, and whether the answer is a stream."""

from urllib.parse import quote

from headgate.dialects.base import Target


def model_path(model: str) -> str:
    """The path of a model; an ARN has colons and slashes, which are quoted as AWS's own SDKs quote them."""
    return f"/model/{quote(model, safe='-_.~')}"


def address(target: Target) -> str:
    """The path below the base URL."""
    return f"{model_path(target.model)}/{'converse-stream' if target.is_stream else 'converse'}"
