"""What a provider tells of a batch that it keeps: whether it is over, where its results are. Must not know whose it is.

OpenAI: https://platform.openai.com/docs/api-reference/batch/object, Anthropic:
https://docs.claude.com/en/api/retrieving-message-batches, Mistral: https://docs.mistral.ai/api/#tag/batch, Together:
https://docs.together.ai/reference/batch-get, Google: https://ai.google.dev/api/batch-api (2026-11).
"""

from collections.abc import Mapping
from typing import Final, cast

from headgate.dialects.resources import Members, Place, place_of

_OVER: Final = frozenset(
    {
        *("completed", "cancelled", "expired", "failed"),  # OpenAI's; Together's in capitals
        "ended",  # Anthropic's
        *("success", "timeout_exceeded"),  # Mistral's, in capitals, beside `failed` and `cancelled`
        "succeeded",  # Google's, with a prefix and in capitals
    }
)
_OUTPUTS: Final = ("output_file_id", "output_file")
_ERRORS: Final = ("error_file_id", "error_file")
_ANSWERED: Final = ("completed", "succeeded", "succeeded_requests")


def is_over(batch: Members) -> bool:
    """Whether its provider will not change it any more."""
    status = batch.get("processing_status", batch.get("status")) or _inner(batch, "metadata").get("state")
    return isinstance(status, str) and status.removeprefix("BATCH_STATE_").lower() in _OVER


def results_of(place: Place, batch: Members) -> list[Place]:
    """Where the results of the batch at `place` are, which tell what each line has used."""
    if isinstance(batch.get("results_url"), str):
        return [place._replace(rest="/results")]
    return _files(batch, _OUTPUTS)


def errors_of(batch: Members) -> list[Place]:
    """Where a batch tells of the lines that failed, if not among its results."""
    return _files(batch, _ERRORS)


def has_answers(batch: Members) -> bool:
    """Whether a line of it has been answered, as far as it tells."""
    stats = _inner(batch, "metadata", "batchStats")
    if stats:  # Google's, of which one that is 0 is left out
        return stats.get("successfulRequestCount", "0") != "0"
    counts = batch.get("request_counts", batch)
    if not isinstance(counts, Mapping):
        return True
    answered = cast("Members", counts)
    told = [answered[name] for name in _ANSWERED if name in answered]
    return any(told) if told else True


def inlined(batch: Members) -> list[Members]:
    """The results that stand in the batch itself, as at Google."""
    told = _inner(batch, "response", "inlinedResponses").get("inlinedResponses")
    items = cast("list[object]", told) if isinstance(told, list) else []
    return [cast("Members", item) for item in items if isinstance(item, Mapping)]


def _inner(members: Members, *names: str) -> Members:
    for name in names:
        value = members.get(name)
        members = cast("Members", value) if isinstance(value, Mapping) else {}
    return members


def output_ids(batch: Members) -> list[str]:
    """The ids of the files that its results are in."""
    return _ids(batch, _OUTPUTS)


def _ids(batch: Members, names: tuple[str, ...]) -> list[str]:
    return [id for name in names if isinstance(id := batch.get(name), str) and id]


def _files(batch: Members, names: tuple[str, ...]) -> list[Place]:
    found = (place_of(f"/files/{id}/content") for id in _ids(batch, names))
    return [place for place in found if place is not None]
