"""Chunks in their ordinary form, given to the assembler: the hot path. Anything else is `loose.py`'s."""

from msgspec import Raw

from headgate.core.request import Signature
from headgate.core.signatures import unseal
from headgate.dialects.openai_chat.assembling import Assembler, Call
from headgate.dialects.openai_chat.reasoning import TEXT_FIELD
from headgate.dialects.openai_chat.usage import read_usage
from headgate.dialects.openai_chat.wire import ENCODE, NAME, CallDelta, Choice, Chunk, Delta, DetailDelta


def add_chunk(assembler: Assembler, chunk: Chunk) -> None:
    """All that a chunk says."""
    if not assembler.is_started and (chunk.choices or chunk.model):
        assembler.start(chunk.id or "", chunk.model or "", chunk.created or 0)
        _tell(assembler, chunk)
    if chunk.usage:
        assembler.usage = read_usage(chunk.usage)
        _tell(assembler, chunk)
    for choice in chunk.choices:
        delta = choice.delta
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
            _think(assembler, choice.index, delta)
        if delta.content:
            assembler.text(choice.index, delta.content)
        if delta.tool_calls:
            for call in delta.tool_calls:
                assembler.call(choice.index, _call(call))
        if delta.refusal:
            assembler.refusal(choice.index, delta.refusal)
        if choice.logprobs or choice.content_filter_results or choice.native_finish_reason:
            _leave(assembler, choice)
        if choice.finish_reason:
            assembler.stop(choice.index, choice.finish_reason)
            _tell(assembler, chunk)


def _tell(assembler: Assembler, chunk: Chunk) -> None:
    """What every chunk repeats: told from the first, and looked at again in those that end the answer."""
    for name in ("system_fingerprint", "service_tier", "provider"):
        value = getattr(chunk, name)
        if value is not None:
            assembler.tell(name, Raw(ENCODE(value)))


def _leave(assembler: Assembler, choice: Choice) -> None:
    for name in ("logprobs", "content_filter_results", "native_finish_reason"):
        value = getattr(choice, name)
        if value:
            assembler.leave(name, Raw(ENCODE(value)), choice.index, "choice")


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
