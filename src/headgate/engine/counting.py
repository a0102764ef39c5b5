"""Counting the tokens of a request without making it: asked of the upstream where it can tell, estimated where not."""

import time
from collections.abc import Sequence

from headgate.core.needs import NO_WISHES, Wishes
from headgate.core.problems import HeadgateError, NotFound, Outcome, UpstreamError
from headgate.dialects.base import Counting, Dialect, Malformed, Target
from headgate.dialects.kept import may_refer, references
from headgate.dialects.registry import DIALECTS
from headgate.dialects.wishes import may_have_wishes, parse_wishes, without_wishes
from headgate.engine.answer import Answerer
from headgate.engine.call import Call
from headgate.engine.candidates import capped, kept_at, planned
from headgate.engine.conduct import Engine
from headgate.engine.exchange import Exchange
from headgate.engine.keepers import keeper_of
from headgate.engine.watching import report
from headgate.policies.metering import CHARS_PER_TOKEN
from headgate.providers.catalog import Deployment
from headgate.routing.fleet import Heard
from headgate.routing.verdicts import RULES
from headgate.transport.base import Timeouts, UpstreamRequest

COUNT_S = 10.0
"""How long a count may take: clients wait for it before they ask the real question."""
_REFERRING = (b"_id", b'"conversation"')
_ANSWER_BYTES_MAX = 1_000_000


async def count(engine: Engine, call: Call, exchange: Exchange) -> None:
    """Answers a count. Nothing is metered: no provider bills for it."""
    answerer = Answerer(call, exchange)
    try:
        body, fields = await _counted(engine, call)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nx-headgate-request-id: %b\r\n%b"
        call.record.status = 200
        answerer.is_committed = True
        exchange.start(200, head % (len(body), call.id.encode(), fields))
        exchange.end(body)
    except HeadgateError as error:
        answerer.refuse(error.problem)
    finally:
        call.record.duration_ms = (time.monotonic() - call.started_s) * 1e3
        engine.metering.call_ended(call.record)


async def _counted(engine: Engine, call: Call) -> tuple[bytes, bytes]:
    """The answer's body and header fields: from the first deployment that can count, else our own estimate."""
    counting = _counting(call.dialect)
    request = counting.parse_request(call.body, call.envelope)
    call.record.model = request.model
    wishes = NO_WISHES
    if may_have_wishes(call.body):
        wishes, call.body = capped(call, parse_wishes(call.body)), without_wishes(call.body)
    refers = references(call.body) if may_refer(call.body, *_REFERRING) else ()
    keeper = await keeper_of(engine, call.principal, refers) if refers else ""
    for deployment in _places(engine, call, request.model, wishes, keeper):
        sent_s = time.monotonic()
        try:
            tokens = await _ask(engine, call, deployment)
        except (UpstreamError, Malformed) as error:
            problem = error.problem
            is_absent = problem.status in counting.absent
            if not is_absent:
                told = Heard(outcome=problem.outcome, sent_s=sent_s, problem=problem, is_models=False)
                report(engine, deployment, told)
            if RULES[problem.outcome].is_callers and not is_absent:
                raise
            continue
        if tokens is not None:
            report(engine, deployment, Heard(outcome=Outcome.OK, sent_s=sent_s, is_models=False))
        if tokens is not None:
            return counting.render_response(tokens), b"x-headgate-provider: %b\r\n" % deployment.provider.encode()
    estimated = max(1, len(call.body) // CHARS_PER_TOKEN)
    return counting.render_response(estimated), b"x-headgate-estimated: input_tokens\r\n"


def _places(engine: Engine, call: Call, model: str, wishes: Wishes, keeper: str) -> Sequence[Deployment]:
    """Where to ask, in order; nowhere while all of them are out of order or want rest."""
    try:
        choice = planned(engine, call.principal, model, wishes)
    except UpstreamError:
        return ()
    return (kept_at(keeper, choice) if keeper else choice).plan.deployments


async def _ask(engine: Engine, call: Call, deployment: Deployment) -> int | None:
    """The count of one deployment; None: its API has no such thing."""
    door = deployment.door(call.dialect.name)
    dialect = DIALECTS[door.dialect]
    if dialect.counting is None or door.paths is not None:
        return None
    target = Target(model=deployment.model, version=door.version, quirks=door.quirks)
    if dialect is call.dialect:
        body, fields = dialect.patch(call.body, target), dialect.headers(target, call.headers)
    else:
        request = _counting(call.dialect).parse_request(call.body, call.envelope)
        body, fields = dialect.counting.render_request(request, target, set()), dialect.headers(target, {})
    url = door.url(dialect.counting.address(target), deployment.model)
    headers = (("content-type", "application/json"), *fields, *door.headers)
    transport = engine.transports[url.partition(":")[0]]
    sent = UpstreamRequest(method="POST", url=url, headers=headers, body=body)
    flight = transport.start(
        await engine.signed(sent, door.signer, COUNT_S),
        Timeouts(head_s=COUNT_S, idle_s=COUNT_S),
    )
    try:
        await flight.head()
        answer = await flight.read_all(_ANSWER_BYTES_MAX)
    finally:
        flight.close()
    if not 200 <= flight.status < 300:
        raise UpstreamError(dialect.parse_error(flight.status, flight.headers, answer))
    return dialect.counting.parse_response(answer)


def _counting(dialect: Dialect) -> Counting:
    if dialect.counting is None:  # only a mistake in the table of paths leads here
        raise NotFound(f"Tokens cannot be counted in the dialect {dialect.name!r}.")
    return dialect.counting
