"""What a call would cost, before it is made: for each deployment it may go to, by how long the answer may become.

Nothing is sent, held or booked. What a caller is told is what it would pay.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct, structs

from headgate.core.problems import UpstreamError
from headgate.core.usage import Usage
from headgate.engine.admitting import Foreseen, answers_to, foreseen_in_chat, output_limit
from headgate.engine.answer import usd
from headgate.engine.call import Call
from headgate.engine.candidates import want
from headgate.providers.catalog import Deployment
from headgate.routing.abilities import BYTES_PER_TOKEN_USUAL

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

OUTPUT_TOKENS_EXPECTED: Final = 500
"""How long an answer is taken to be where it may be longer."""
_encode = msgspec.json.Encoder().encode


class Amount(Struct, frozen=True):
    """Money, as a whole number and as exact dollars."""

    nano_usd: int
    usd: str


class Range(Struct, frozen=True):
    """What an answer of one token, of the expected length and of the greatest length would cost. Of the prompt the
    first two take what it probably has, the last the most that it can have."""

    least: Amount
    expected: Amount
    most: Amount


class Candidate(Struct, frozen=True, kw_only=True):
    """One deployment that the call may go to."""

    deployment: str
    provider: str
    model: str
    is_priced: bool
    """False: no price is known, and the ceiling stands for it."""
    output_tokens_max: int
    cost: Range


class Quote(Struct, frozen=True, kw_only=True):
    """All of them, in the order in which they would be tried just now."""

    object: str = "quote"
    model: str
    input_tokens: int
    input_tokens_max: int
    output_tokens_expected: int
    price_version: str
    candidates: list[Candidate]


def quote(engine: "Engine", call: Call) -> bytes:
    """The quote for a call, as JSON. Raises a `ClientError` where the call itself would be refused."""
    head = call.dialect.peek(call.body, call.envelope)
    call.record.model = head.model
    wanted = want(engine, call, head)
    foreseen = foreseen_in_chat(call.body, head.max_tokens, is_stream=head.is_stream)
    try:
        deployments: Sequence[Deployment] = wanted.choose(engine).plan.deployments
    except UpstreamError:  # nobody may be asked just now, but what it costs does not depend on that
        deployments = wanted.deployments
    usual = Usage(input_tokens=max(1, len(call.body) // BYTES_PER_TOKEN_USUAL))
    limit = output_limit(deployments, foreseen)
    return _encode(
        Quote(
            model=head.model,
            input_tokens=usual.input_tokens,
            input_tokens_max=foreseen.usage.input_tokens,
            output_tokens_expected=min(limit, OUTPUT_TOKENS_EXPECTED),
            price_version=engine.metering.price_version,
            candidates=[_candidate(engine, call, each, usual, foreseen) for each in deployments],
        )
    )


def _candidate(engine: "Engine", call: Call, deployment: Deployment, usual: Usage, foreseen: Foreseen) -> Candidate:
    limit, answers = output_limit((deployment,), foreseen), answers_to(call.body)

    def amount(usage: Usage, output_tokens: int) -> Amount:
        used = structs.replace(usage, output_tokens=output_tokens * answers)
        nano = engine.metering.charge(call.principal, call.record.model, deployment, used)
        return Amount(nano, usd(nano))

    return Candidate(
        deployment=deployment.id,
        provider=deployment.provider,
        model=deployment.model,
        is_priced=engine.metering.is_priced(deployment.prices, deployment.model),
        output_tokens_max=limit,
        cost=Range(
            least=amount(usual, min(limit, 1)),
            expected=amount(usual, min(limit, OUTPUT_TOKENS_EXPECTED)),
            most=amount(foreseen.usage, limit),
        ),
    )
