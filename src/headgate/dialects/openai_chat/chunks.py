"""Chunks in their ordinary form, given to the assembler: the hot path. Anything else is `loose.py`'s."""

from headgate.core.request import Signature
from headgate.core.signatures import unseal
from headgate.dialects.openai_chat.assembling import Assembler, Call
from headgate.dialects.openai_chat.reasoning import TEXT_FIELD
from headgate.dialects.openai_chat.usage import read_usage
from headgate.dialects.openai_chat.wire import ENCODE, NAME, NULL, CallDelta, Choice, Chunk, Delta, DetailDelta


def add_chunk(assembler: Assembler, chunk: Chunk) -> None:
    """All that a chunk says."""
    if not assembler.is_started and (chunk.choices or chunk.model):
        assembler.start(chunk.id or "", chunk.model or "", chunk.created or 0)
    if chunk.system_fingerprint or chunk.service_tier or chunk.provider:
        _tell(assembler, chunk)
    if chunk.usage and chunk.usage != NULL:
        assembler.usage = read_usage(chunk.usage) or assembler.usage
    for choice in chunk.choices:
        _add_choice(assembler, choice)


def _tell(assembler: Assembler, chunk: Chunk) -> None:
    told = (chunk.system_fingerprint, chunk.service_tier, chunk.provider)
    if told == assembler.constants:
        return
    assembler.constants = told
    for name, raw in zip(("system_fingerprint", "service_tier", "provider"), told, strict=True):
        if raw and raw != NULL:
            assembler.tell(name, raw)


def _add_choice(assembler: Assembler, choice: Choice) -> None:
    delta, number = choice.delta, choice.index
    if delta.reasoning_details or delta.reasoning_content or delta.reasoning:
        _think(assembler, number, delta)
    if delta.content:
        assembler.text(number, delta.content)
    if delta.refusal:
        assembler.refusal(number, delta.refusal)
    if delta.tool_calls:
        for call in delta.tool_calls:
            assembler.call(number, _call(call))
    if choice.logprobs and choice.logprobs != NULL:
        assembler.leave("logprobs", choice.logprobs, number, "choice")
    if choice.native_finish_reason and choice.native_finish_reason != NULL:
        assembler.leave("native_finish_reason", choice.native_finish_reason, number, "choice")
    if choice.content_filter_results and choice.content_filter_results not in (NULL, b"{}"):
        assembler.leave("content_filter_results", choice.content_filter_results, number, "choice")
    if choice.finish_reason:
        assembler.stop(number, choice.finish_reason)


def _call(delta: CallDelta) -> Call:
    function = delta.function
    if function is None:
        return Call(delta.index, delta.id or "")
    return Call(delta.index, delta.id or "", function.name or "", function.arguments or "")


def _think(assembler: Assembler, number: int, delta: Delta) -> None:
    names = [name for name in ("reasoning_content", "reasoning") if getattr(delta, name)]
    details = delta.reasoning_details or []
    if not any(detail.text or detail.summary for detail in details) and names:
        assembler.reasoning(number, delta.reasoning_content or delta.reasoning or "", ",".join(names))
    for detail in details:
        add_detail(assembler, number, detail, f"{','.join(names)} {_bookkeeping(detail)}")


def add_detail(assembler: Assembler, number: int, detail: DetailDelta, form: str, key: str = "") -> None:
    """One reasoning detail; `form` is how to write it again, `key` sets it apart from those before it."""
    if detail.type not in TEXT_FIELD:
        if detail.data:
            assembler.seal(number, _signature(detail.data), form)
        return
    text = detail.text or detail.summary or ""
    if detail.signature and assembler.prove(number, _signature(detail.signature), text, form):
        return
    if text:
        assembler.reasoning(number, text, form, key=f"{detail.type} {detail.index} {key}")
    if detail.signature:
        assembler.prove(number, _signature(detail.signature), "", form)


def _signature(text: str) -> Signature:
    return unseal(text, spoken=NAME)


def _bookkeeping(detail: DetailDelta) -> str:
    """The members that say which detail it is, as JSON."""
    known = {"type": detail.type, "format": detail.format, "id": detail.id, "index": detail.index}
    return ENCODE({name: value for name, value in known.items() if value is not None}).decode()
